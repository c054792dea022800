from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.model.diagnostic import Severity
from compiler.operations.consumers.findings import judge
from compiler.operations.consumers.objects import Gathered
from compiler.operations.consumers.workloads import workload_of
from tests.unit.operations.consumers.conftest import BOTH, deployment, last

if TYPE_CHECKING:
    from tests.unit.operations.consumers.conftest import Bench

GITHUB = "envFrom: [{secretRef: {name: agent-github-secrets}}]"
PREFIXED = "envFrom: [{prefix: X_, secretRef: {name: agent-github-secrets}}]"
TAKE_JIRA = "take it: `env: [{name: JIRA_URL, valueFrom: {secretKeyRef: {name: agent-jira-secrets, key: JIRA_URL}}}]`"
NOTHING = "nothing sets that variable"


def renamed(name: str, more: str = "") -> str:
    taken = "{secretKeyRef: {name: agent-github-secrets, key: GITHUB_TOKEN}}"
    return f"env: [{{name: {name}, valueFrom: {taken}}}{more}]"


def lines(*parts: str) -> str:
    return deployment("\n          ".join(parts))


@pytest.mark.parametrize(
    ("container", "name", "why", "way_out", "scope"),
    [
        (('args: ["--url=$(JIRA_URL)"]',), "JIRA_URL", NOTHING, TAKE_JIRA, ("secrets", "jira")),
        (('command: [run, "$(JIRA_URL)"]', GITHUB), "JIRA_URL", NOTHING, TAKE_JIRA, ("secrets", "jira")),
        (('command: [sh, -c, "run $(JIRA_URL)"]',), "JIRA_URL", NOTHING, TAKE_JIRA, ("secrets", "jira")),
        (("env: [{name: A, value: $(JIRA_URL)}]",), "JIRA_URL", NOTHING, TAKE_JIRA, ("secrets", "jira")),
        (
            (renamed("TOKEN"), 'args: ["$(GITHUB_TOKEN)"]'),
            "GITHUB_TOKEN",
            NOTHING,
            'did you mean "$(TOKEN)", which has that key?',
            (),
        ),
        (
            (PREFIXED, 'args: ["$(GITHUB_TOKEN)"]'),
            "GITHUB_TOKEN",
            'the variables of "github" begin with "X_"',
            'did you mean "$(X_GITHUB_TOKEN)"?',
            ("secrets", "github"),
        ),
        (
            (GITHUB, 'args: ["$(GITHUB_APP_ID)"]'),
            "GITHUB_APP_ID",
            '"github" leaves that key out',
            'the catalogue has it in another variant: add one of "app" to `use:`',
            ("secrets", "github"),
        ),
        (
            ('args: ["$(GITHUB_APP_ID)"]',),
            "GITHUB_APP_ID",
            NOTHING,
            'the catalogue has it in another variant: add one of "app" to `use:`, and take it: `env: ',
            ("secrets", "github"),
        ),
        ((GITHUB, 'args: ["$(GITHUB_TOKN)"]'), "GITHUB_TOKN", NOTHING, 'did you mean "$(GITHUB_TOKEN)"? else', ()),
        ((PREFIXED, 'args: ["$(X_GITHUB_TOKN)"]'), "X_GITHUB_TOKN", NOTHING, 'mean "$(X_GITHUB_TOKEN)"? else', ()),
        (
            ("env: [{name: URL, value: 'http://$(PASS)@db'}, " + renamed("PASS").removeprefix("env: ["),),
            "PASS",
            'that variable is set after "URL", which has it',
            'move "PASS" before "URL" in `env`',
            ("secrets", "github"),
        ),
    ],
)
def test_what_is_plainly_one_of_the_catalogues_is_an_error(
    bench: Bench, container: tuple[str, ...], name: str, why: str, way_out: str, scope: tuple[str, ...]
) -> None:
    text = lines(*container)
    found = bench.one("unset-variable", text)
    assert found.severity is Severity.ERROR
    assert found.message == f'Deployment "platform-agent" gets the text "$({name})" for a value: {why}'
    assert way_out in (found.help or "")
    assert found.scope == scope
    of = scope[1] if scope else "prod"
    assert (found.help or "").endswith(f'to accept it, add to "{of}": `waive: {{unset-variable: the reason}}`')
    assert (found.span.path, found.brief) == ("m0.yaml", True)
    assert f"$({name})" in text.split("\n")[found.span.line - 1][found.span.column - 1 :]


def probe(*words: str) -> str:
    return f"readinessProbe: {{exec: {{command: [{', '.join(words)}]}}}}"


def hook(*words: str) -> str:
    return f"lifecycle: {{preStop: {{exec: {{command: [{', '.join(words)}]}}}}}}"


@pytest.mark.parametrize(
    ("container", "gets"),
    [
        ((renamed("TOKEN"), probe("run", "$(TOKEN)")), 'an empty text for "$(TOKEN)" in the command of a probe'),
        ((renamed("TOKEN"), probe("sh", "-c", "run $(TOKEN)")), 'an empty text for "$(TOKEN)" in the command of a'),
        ((renamed("TOKEN"), hook("run", "$(TOKEN)")), 'the text "$(TOKEN)" in the command of a hook'),
        ((GITHUB, probe("run", "$(GITHUB_TOKEN)")), 'the text "$(GITHUB_TOKEN)" in the command of a probe'),
        ((PREFIXED, hook("run", "$(X_GITHUB_TOKEN)")), 'the text "$(X_GITHUB_TOKEN)" in the command of a hook'),
    ],
)
def test_a_probe_and_a_hook_get_no_variable_of_a_secret(bench: Bench, container: tuple[str, ...], gets: str) -> None:
    found = bench.one("unset-variable", lines(*container))
    assert (found.severity, found.scope) == (Severity.ERROR, ("secrets", "github"))
    assert found.message.startswith(f'Deployment "platform-agent" gets {gets}')
    assert found.message.endswith(": Kubernetes puts no variable of a Secret there")
    assert (found.help or "").startswith("have a shell read it there: `[sh, -c, '... \"$")


def test_without_a_path_for_a_volume_there_is_no_container(bench: Bench) -> None:
    found = bench.one("unset-variable", lines('volumeMounts: [{name: v, subPathExpr: "a/$(JIRA_URL)"}]'))
    assert (found.severity, found.scope) == (Severity.ERROR, ("secrets", "jira"))
    said = 'gets no container for want of "$(JIRA_URL)" in the path of a volume: nothing sets that variable'
    assert said in found.message
    # No word of a shell is meant there.
    other = bench.one("unset-variable", lines('volumeMounts: [{name: v, subPathExpr: "$(pod)"}]'))
    assert other.severity is Severity.NOTE


@pytest.mark.parametrize(
    ("container", "said"),
    [
        (('args: ["$(OTHER_NAME)"]',), "set it in `env`; Kubernetes does not know the variables of an image"),
        (("env: [{name: PATH, value: '/a:$(PATH)'}]",), 'did you mean "$(PATH)"'),
        (("env: [{name: A, value: $(B)}, {name: B, value: b}]",), 'move "B" before "A" in `env`'),
        (("env: [{name: SOME_NAME, value: a}]", 'args: ["$(SOME_NAMES)"]'), 'did you mean "$(SOME_NAME)"? else set'),
        ((GITHUB, 'args: ["$(HUB_TOKEN_URL)"]'), 'did you mean "$(GITHUB_TOKEN)"? else set'),
    ],
)
def test_what_may_be_anybodys_is_a_note(bench: Bench, container: tuple[str, ...], said: str) -> None:
    found = bench.one("unset-variable", lines(*container))
    assert (found.severity, said in (found.help or "")) == (Severity.NOTE, True), found.help
    assert "waive" not in (found.help or "")


@pytest.mark.parametrize(
    "container",
    [
        (GITHUB, 'args: ["--token=$(GITHUB_TOKEN)"]'),
        (GITHUB, "env: [{name: A, value: $(GITHUB_TOKEN)}]"),
        (PREFIXED, 'args: ["$(X_GITHUB_TOKEN)"]'),
        (renamed("TOKEN", ", {name: A, value: a-$(TOKEN)}"), 'args: ["$(A)"]'),
        # Set later, and by `envFrom` before all of them.
        (GITHUB, "env: [{name: A, value: $(GITHUB_TOKEN)}, {name: GITHUB_TOKEN, value: b}]"),
        ('args: ["$$(JIRA_URL) ${JIRA_URL} $JIRA_URL"]',),
        ('command: [sh, -c, "echo $(date) $(jira_url)"]',),
        ('args: ["$(date)", "$(Get-Date)", "$(cat JIRA_URL)"]',),
        ('args: ["$(KUBERNETES_SERVICE_HOST):$(A_B_SERVICE_PORT_HTTP)", "$(A_PORT_80_TCP_ADDR)"]',),
        (GITHUB, 'volumeMounts: [{name: v, subPathExpr: "$(GITHUB_TOKEN)"}]'),
        # What `env` writes out is known to a probe, and what no Secret has is none of ours.
        ("env: [{name: JIRA_URL, value: a}]", probe("run", "$(JIRA_URL)", "$(OTHER)"), hook("run", "$(OTHER)")),
        (renamed("token"), hook("sh", "-c", "run $(token)")),
        # What others make may have it.
        ("envFrom: [{secretRef: {name: others}}]", 'args: ["$(JIRA_URL)"]'),
        ("envFrom: [{configMapRef: {name: others}}]", 'args: ["$(JIRA_URL)"]'),
    ],
)
def test_what_is_set_or_means_something_else_is_not_found(bench: Bench, container: tuple[str, ...]) -> None:
    assert bench.of("unset-variable", lines(*container)) == []


def test_a_name_in_small_letters_is_found_where_it_is_a_key(bench: Bench) -> None:
    bench.change("catalogue", "      JIRA_URL: {description: URL}", "      url: {description: URL}")
    assert bench.one("unset-variable", lines('args: ["--url=$(url)"]')).severity is Severity.ERROR
    assert bench.of("unset-variable", lines('command: [sh, -c, "run $(url)"]')) == []


def test_an_entry_that_the_environment_does_not_list_is_told_in_its_namespace(bench: Bench) -> None:
    bench.add("secrets: {jira: {enabled: false}}")
    found = bench.one("unset-variable", lines('args: ["$(JIRA_URL)"]'))
    assert (found.severity, found.scope) == (Severity.ERROR, ())
    assert (found.help or "").startswith("list `jira: {}` under `secrets:` of prod, and take it: `env: [{name: JIRA_U")
    elsewhere = deployment('args: ["$(JIRA_URL)"]', head=", namespace: other")
    assert bench.one("unset-variable", elsewhere).severity is Severity.NOTE


def test_each_variable_is_told_once_with_all_its_places(bench: Bench) -> None:
    first, second = (deployment('args: ["a", "$(JIRA_URL)"]', name=name) for name in "ab")
    found = bench.one("unset-variable", first, second)
    assert found.message.startswith('Deployment "a", Deployment "b" get the text')
    assert found.span.where == last(first, '"$(JIRA')
    assert [(each.message, each.span.where) for each in found.related] == [
        ('Deployment "b" has it', last(second, '"$(JIRA', "m1.yaml"))
    ]


def test_a_config_map_among_the_manifests_sets_variables(bench: Bench) -> None:
    config = "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: {JIRA_URL: a}\n"
    taken = deployment("envFrom: [{configMapRef: {name: config}}]\n          args: ['$(JIRA_URL)', '$(JIRA_TOKEN)']")
    found = bench.one("unset-variable", taken + config)
    assert '"$(JIRA_TOKEN)"' in found.message


def test_the_environment_or_the_secret_may_accept_it(bench: Bench) -> None:
    manifest = deployment(f"{BOTH}\n          args: ['$(GITHUB_APP_ID)', '$(ANY_OTHER)']")
    assert len(bench.of("unset-variable", manifest)) == 2
    bench.add("secrets: {github: {waive: {unset-variable: its own form}}}")
    assert bench.one("unset-variable", manifest).severity is Severity.NOTE
    bench.add("waive: {unset-variable: its own form}")
    assert bench.of("unset-variable", manifest) == []


def test_of_a_cluster_it_is_told_at_the_environment(bench: Bench) -> None:
    spec = {"containers": [{"name": "main", "args": ["$(JIRA_URL)"]}]}
    workload = workload_of("Deployment", "agents", {"name": "agent"}, spec, lambda _: None)
    (found,) = (each for each in judge(bench.own(), Gathered([workload])) if each.rule == "unset-variable")
    assert (found.span.path, found.related, found.brief) == ("environments/base.yaml", (), False)
