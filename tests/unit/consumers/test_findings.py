from dataclasses import replace

import pytest

from compiler.cluster.pods import SecretRead, Way
from compiler.consumers.findings import (
    _unused_waivers,
    keys_of,
    known_keys,
    namespace_of,
    places,
    required_keys,
    titles_of,
    unmade,
)
from compiler.consumers.readers import Made, Workload
from compiler.model.document import MOST_OF_A_KIND, Severity, Source, Span
from compiler.rules.api import Finding
from compiler.rules.listed_rules import BY_ID
from tests.unit.conftest import TAKERS
from tests.unit.consumers.conftest import BOTH, Bench, deployment, gathered, last

HOOK = """
---
apiVersion: batch/v1
kind: Job
metadata: {name: init, annotations: {%s}}
spec: {template: {spec: {containers: [{name: a, envFrom: [{secretRef: {name: agent-jira-secrets%s}}]}]}}}
"""


def test_what_fits_has_no_finding(bench: Bench) -> None:
    assert bench.found(deployment(BOTH)) == ()


def test_a_secret_that_the_manifests_make_too_is_found_at_both_places(bench: Bench) -> None:
    made = "\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: agent-jira-secrets\n"
    text = deployment(BOTH) + made
    found = bench.one("doubly-made-secret", text)
    assert found.severity is Severity.ERROR
    assert (found.span.path, found.span.line) == ("environments/base.yaml", 9)
    assert [each.span.where for each in found.related] == [last(text, "agent-jira-secrets")]
    assert 'a Secret "agent-jira-secrets" creates it too' in found.message


@pytest.mark.parametrize(
    ("head", "is_found"),
    [
        ("name: agent-jira-secrets, labels: {app.kubernetes.io/part-of: ai-platform-engineering}", False),
        ("name: agent-jira-secrets", True),
        ("name: agent-jira-secrets, labels: {app.kubernetes.io/part-of: other}", True),
        ("name: other, labels: {app.kubernetes.io/part-of: ai-platform-engineering}", True),
        ("name: agent-jira-secrets, namespace: other", False),
    ],
)
def test_the_environments_own_external_secret_is_no_other_maker(bench: Bench, head: str, *, is_found: bool) -> None:
    made = f"""
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{{head}}}
spec: {{target: {{name: agent-jira-secrets}}, data: [{{secretKey: JIRA_TOKEN}}]}}
"""
    assert bool(bench.of("doubly-made-secret", deployment(BOTH) + made)) is is_found


def test_a_secret_that_no_pod_reads_is_found_at_its_line(bench: Bench) -> None:
    bench.change("catalogue", "    keys:\n      JIRA_TOKEN", "    mountedBy: [mcp-jira]\n    keys:\n      JIRA_TOKEN")
    found = bench.one("unread-secret", deployment("envFrom: [{secretRef: {name: agent-github-secrets}}]"))
    assert (found.severity, found.span.where) == (Severity.WARNING, "environments/base.yaml:9:23")
    assert found.message == 'no pod reads the Secret "agent-jira-secrets" of "jira"'
    assert [each.span.path for each in found.related] == ["environments/catalogue.yaml"]


def test_what_another_object_refers_to_is_read(bench: Bench) -> None:
    github = deployment("envFrom: [{secretRef: {name: agent-github-secrets}}]")
    ingress = """
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {tls: [{secretName: agent-jira-secrets}]}
"""
    assert bench.of("unread-secret", github + ingress) == []


def test_nothing_is_said_of_namespaces_without_workloads(bench: Bench) -> None:
    elsewhere = deployment("image: a", head=", namespace: elsewhere")
    assert bench.of("unread-secret", elsewhere) == []


@pytest.mark.parametrize(
    ("annotations", "is_found"),
    [
        ("helm.sh/hook: pre-install", True),
        ("helm.sh/hook: 'post-install,pre-upgrade'", True),
        ("helm.sh/hook: post-install", False),
        ("helm.sh/hook: test", False),
        ("argocd.argoproj.io/hook: PreSync", True),
        ("argocd.argoproj.io/hook: Sync, argocd.argoproj.io/sync-wave: '-50'", True),
        ("argocd.argoproj.io/hook: Sync, argocd.argoproj.io/sync-wave: '-49'", False),
        ("argocd.argoproj.io/hook: PostSync, helm.sh/hook: pre-install", False),
        ("argocd.argoproj.io/sync-wave: '-60'", False),
    ],
)
def test_a_hook_that_comes_before_its_secret_is_found(bench: Bench, annotations: str, *, is_found: bool) -> None:
    found = bench.of("needed-by-hook", deployment(BOTH) + HOOK % (annotations, ""))
    assert bool(found) is is_found
    if found:
        assert 'Job "init" needs the Secret "agent-jira-secrets" as a' in found[0]
        assert "and it is made in wave -49 of Sync" in found[0]
    assert bench.of("needed-by-hook", deployment(BOTH) + HOOK % (annotations, ", optional: true")) == []


def test_a_hook_before_what_the_manifests_make_is_found_at_the_hook(bench: Bench) -> None:
    hook = (HOOK % ("helm.sh/hook: pre-install", "")).replace("agent-jira-secrets", "own")
    made = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: own%s}\n"
    found = bench.one("needed-by-hook", deployment(BOTH) + hook + made % "")
    assert found.span.path == "m0.yaml"
    earlier = ", annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: '-5'}"
    assert bench.of("needed-by-hook", deployment(BOTH) + hook + made % earlier) == []


@pytest.mark.parametrize("rule", ["unread-secret", "needed-by-hook", "unusable-variable", "shadowed-variable"])
def test_a_waiver_of_the_secret_or_of_all_accepts_a_finding(bench: Bench, rule: str) -> None:
    bench.change("catalogue", "      JIRA_URL: {description: URL}", "      1URL: {description: URL}")
    reads = "envFrom: [{secretRef: {name: agent-jira-secrets}}]\n          env: [{name: JIRA_TOKEN, value: a}]"
    manifests = deployment(reads) + HOOK % ("helm.sh/hook: pre-install", "")
    assert bench.of(rule, manifests)
    bench.add(f"waive: {{{rule}: it is so}}")
    assert bench.of(rule, manifests) == []
    bench.change("prod", f"waive: {{{rule}: it is so}}", f"secrets: {{jira: {{waive: {{{rule}: so}}}}}}")
    assert bool(bench.of(rule, manifests)) is (rule == "unread-secret")


def test_a_waiver_that_nothing_needed_is_reported(bench: Bench) -> None:
    bench.add("waive: {unread-secret: it is so}")
    found = bench.one("unused-waiver", deployment(BOTH))
    assert (found.span.where, found.severity) == ("environments/prod.yaml:1:9", Severity.WARNING)
    assert bench.of("unused-waiver", deployment("image: a")) == []


def test_a_waiver_of_a_secret_is_judged_where_its_namespace_was_looked_at(bench: Bench) -> None:
    bench.add("secrets: {jira: {namespace: other, waive: {unread-secret: so}}, github: {waive: {unread-secret: so}}}")
    reads = "envFrom: [{secretRef: {name: agent-github-secrets}}]"
    assert bench.one("unused-waiver", deployment(reads)).span.where == "environments/prod.yaml:1:82"
    both = deployment(reads) + deployment(
        "envFrom: [{secretRef: {name: agent-jira-secrets}}]", head=", namespace: other"
    )
    assert len(bench.of("unused-waiver", both)) == 2


def test_a_waiver_of_another_file_is_not_judged_here(bench: Bench) -> None:
    bench.change("base", "namespace:", "waive: {unread-secret: it is so}\nnamespace:")
    assert bench.of("unused-waiver", deployment(BOTH)) == []


def test_of_one_rule_not_more_are_listed_than_anybody_reads(bench: Bench) -> None:
    many = ", ".join(f"{{secretRef: {{name: s{number}}}}}" for number in range(MOST_OF_A_KIND + 20))
    found = bench.of("unmade-secret", deployment(f"envFrom: [{many}]"))
    assert len(found) == MOST_OF_A_KIND + 1
    assert found[-1] == f"there are more like the {MOST_OF_A_KIND} before; they are not listed"


MAKERS = {
    "Secret": "apiVersion: v1\nkind: Secret\nmetadata: {name: wanted}\n",
    "ExternalSecret": "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: wanted}\n",
    "by target": "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: other}\n"
    "spec: {target: {name: wanted}}\n",
    "SealedSecret": "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: wanted}\n",
    "Certificate": "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\n"
    "spec: {secretName: wanted}\n",
}


def wants(name: str = "wanted", more: str = "") -> str:
    return deployment(f"envFrom: [{{secretRef: {{name: {name}{more}}}}}]")


def test_a_secret_that_nothing_makes_is_found_at_the_reference(bench: Bench) -> None:
    text = deployment(BOTH) + wants()
    found = bench.one("unmade-secret", text)
    assert found.severity is Severity.ERROR
    assert found.message == 'Deployment "platform-agent" needs the Secret "wanted", which nothing makes'
    assert found.span.where == last(text, "wanted")
    assert [each.span.where for each in found.related] == ["environments/base.yaml:9:1"]
    assert "madeElsewhere: {wanted: the reason}" in (found.help or "")


@pytest.mark.parametrize("maker", MAKERS)
def test_whatever_makes_it_is_enough(bench: Bench, maker: str) -> None:
    assert bench.of("unmade-secret", wants() + "---\n" + MAKERS[maker]) == []
    elsewhere = MAKERS[maker].replace("metadata: {", "metadata: {namespace: elsewhere, ")
    assert len(bench.of("unmade-secret", wants() + "---\n" + elsewhere)) == 1


def test_an_external_secret_of_an_api_that_the_operator_does_not_serve_makes_nothing(bench: Bench) -> None:
    old = MAKERS["ExternalSecret"].replace("io/v1", "io/v1beta1")
    text = f"{old}{deployment(BOTH)}{wants()}"
    found = bench.one("unmade-secret", text)
    unserved = next(each for each in found.related if "does not serve" in each.message)
    said = "External Secrets Operator 2.9 does not serve this object's API version"
    assert (unserved.message, unserved.span.where) == (said, "m0.yaml:3:18")
    assert (found.help or "").startswith("switch that ExternalSecret to external-secrets.io/v1; else add it: ")
    assert bench.of("unmade-secret", f"{text}---\n{MAKERS['Secret']}") == []
    bench.change("base", 'externalSecretsOperator: "2.9"', 'externalSecretsOperator: "0.16"')
    assert bench.of("unmade-secret", text) == []


def test_what_others_make_by_the_environments_word_is_not_missed(bench: Bench) -> None:
    bench.add("madeElsewhere: {wanted: the administrators}")
    assert bench.of("unmade-secret", wants()) == []
    assert len(bench.of("unmade-secret", wants("another"))) == 1


def test_several_readers_are_one_finding(bench: Bench) -> None:
    found = bench.one("unmade-secret", wants(), *(wants() for _ in range(4)))
    assert found.message.startswith('Deployment "platform-agent" needs')
    every = [deployment("envFrom: [{secretRef: {name: wanted}}]", name=f"d{number}") for number in range(5)]
    found = bench.one("unmade-secret", *every)
    assert found.message.startswith('Deployment "d0", Deployment "d1", Deployment "d2" and 2 more need the Secret')


def test_what_is_optional_is_a_note(bench: Bench) -> None:
    found = bench.one("unmade-secret", wants(more=", optional: true"))
    assert found.severity is Severity.NOTE
    assert found.message == 'Deployment "platform-agent" would read the Secret "wanted", which nothing makes'
    both = bench.one("unmade-secret", wants(more=", optional: true"), wants())
    assert (both.severity, both.span.path) == (Severity.ERROR, "m1.yaml")
    pulled = bench.one("unmade-secret", deployment("image: a", more="      imagePullSecrets: [{name: pull}]\n"))
    assert pulled.severity is Severity.NOTE


@pytest.mark.parametrize(
    ("name", "edit", "said"),
    [
        ("agent-jira-secrets", "secrets: {jira: {enabled: false}}", "list `jira: {}` under `secrets:` of prod"),
        (
            "agent-jira-secrets",
            "secrets: {jira: {namespace: x}}",
            "give `--namespace x` where the manifests name none, else",
        ),
        ("agent-jira-secret", "", 'did you mean "agent-jira-secrets"?'),
        (
            "agent-mongo-secrets",
            "",
            "`platform-secrets new secret NAME --target agent-mongo-secrets --key KEY --into prod`",
        ),
        ("zzz", "", "`platform-secrets new secret NAME --target zzz --key KEY --into prod`"),
    ],
)
def test_the_way_out_fits_what_the_project_has(bench: Bench, name: str, edit: str, said: str) -> None:
    bench.add(edit)
    assert said in (bench.one("unmade-secret", wants(name)).help or "")


def test_a_namespace_that_is_not_the_environments_is_said(bench: Bench) -> None:
    other = deployment("envFrom: [{secretRef: {name: agent-jira-secrets}}]", head=", namespace: other")
    assert 'the Secret "agent-jira-secrets" in "other"' in bench.of("unmade-secret", other)[0]
    wanted = other.replace("agent-jira-secrets", "mongo")
    new = "`platform-secrets new secret NAME --target mongo --namespace other --key KEY --into prod`"
    assert new in (bench.one("unmade-secret", wanted).help or "")
    bench.add("secrets: {jira: {enabled: false}}")
    assert "list `jira: {namespace: other}` under" in (bench.one("unmade-secret", other).help or "")


def test_of_a_cluster_no_option_is_advised(bench: Bench) -> None:
    bench.add("secrets: {jira: {namespace: x}}")
    found = gathered(wants("agent-jira-secrets"))
    readers = {
        name: [(each, replace(reading, at=None)) for each, reading in every] for name, every in found.readers().items()
    }
    (finding,) = unmade(bench.own(), found, readers)
    assert (finding.help or "").startswith('"jira" makes it in the namespace "x": correct one of the two, or')
    assert finding.severity is None


def key_of(name: str, key: str, more: str = "") -> str:
    return deployment(f"env: [{{name: A, valueFrom: {{secretKeyRef: {{name: {name}, key: {key}{more}}}}}}}]")


def test_whether_what_is_extracted_has_a_key_only_its_store_tells(bench: Bench) -> None:
    bench.change("catalogue", "\n  jira:\n", "\n  jira:\n    extract: true\n")
    found = bench.one("missing-consumed-key", key_of("agent-jira-secrets", "JIRA_MORE"))
    assert found.severity is Severity.NOTE
    assert found.message.endswith(
        'needs "JIRA_MORE" of the Secret "agent-jira-secrets", which has it if the store does'
    )
    assert found.help == 'list it in the keys of "jira", so that `verify` looks for it'
    assert not bench.of("missing-consumed-key", key_of("agent-jira-secrets", "JIRA_TOKEN"))


def test_a_key_that_the_environment_lacks_is_found_at_both_places(bench: Bench) -> None:
    text = key_of("agent-jira-secrets", "JIRA_TOKN")
    found = bench.one("missing-consumed-key", text)
    assert found.severity is Severity.ERROR
    assert found.span.where == "environments/base.yaml:9:23"
    assert [each.span.where for each in found.related] == [last(text, "JIRA_TOKN")]
    assert found.message == (
        'Deployment "platform-agent" needs "JIRA_TOKN" of the Secret "agent-jira-secrets", which lacks it'
    )
    assert 'did you mean "JIRA_TOKEN"?' in (found.help or "")
    assert bench.of("missing-consumed-key", key_of("agent-jira-secrets", "JIRA_TOKEN")) == []


def test_a_key_that_pods_read_as_well_is_not_meant(bench: Bench) -> None:
    both = key_of("agent-jira-secrets", "JIRA_TOKN"), key_of("agent-jira-secrets", "JIRA_TOKEN")
    assert (bench.one("missing-consumed-key", *both).help or "").startswith('add the key to "jira" in the catalogue')


def test_each_key_is_one_finding(bench: Bench) -> None:
    found = bench.of("missing-consumed-key", key_of("agent-jira-secrets", "A"), key_of("agent-jira-secrets", "B"))
    assert len(found) == 2


def test_a_key_of_another_variant_is_told(bench: Bench) -> None:
    found = bench.one("missing-consumed-key", key_of("agent-github-secrets", "GITHUB_APP_ID"))
    assert 'another variant: add one of "app" to `use:`' in (found.help or "")


def test_a_key_whose_value_is_in_another_variant_is_told_with_whose(bench: Bench) -> None:
    catalogue = bench.root / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8") + TAKERS, "utf-8")
    (bench.root / "environments/prod.yaml").write_text("secrets: {board: {}, report: {}}\n", "utf-8")
    found = bench.one("missing-consumed-key", key_of("agent-report-secrets", "APP"))
    assert found.help is not None
    assert found.help.endswith('add one of "app" to `use:` of "github", whose value it takes')


def test_an_optional_key_is_a_note(bench: Bench) -> None:
    found = bench.one("missing-consumed-key", key_of("agent-jira-secrets", "A", ", optional: true"))
    assert (found.severity, "would read" in found.message) == (Severity.NOTE, True)


def test_a_key_of_a_volume_is_needed_as_well(bench: Bench) -> None:
    volumes = "      volumes: [{name: v, secret: {secretName: agent-jira-secrets, items: [{key: A, path: a}]}}]\n"
    assert len(bench.of("missing-consumed-key", deployment("image: a", more=volumes))) == 1


@pytest.mark.parametrize(
    ("maker", "is_found"),
    [
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: wanted}\ndata: {B: eA==}\nstringData: {A: x}\n", False),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: wanted}\ndata: {B: eA==}\n", True),
        (MAKERS["Certificate"], True),
        (MAKERS["by target"].replace("}}", "}, dataFrom: [{extract: {key: a}}]}"), False),
        (MAKERS["by target"].replace("}}", "}, data: [{secretKey: B}]}"), True),
        (MAKERS["by target"].replace("}}", "}, data: [{secretKey: A}]}"), False),
    ],
)
def test_a_key_of_what_the_manifests_make_is_found_at_the_reference(
    bench: Bench, maker: str, *, is_found: bool
) -> None:
    text = key_of("wanted", "A")
    found = [each for each in bench.found(f"{text}---\n{maker}") if each.rule == "missing-consumed-key"]
    assert [each.span.where for each in found] == ([last(text, "A}")] if is_found else [])


def test_keys_are_known_where_those_of_every_maker_are() -> None:
    first = Made("Secret", "a", "b", frozenset({"A"}), "b")
    second = Made("ExternalSecret", "a", "b", None, "b")
    assert known_keys([]) is None
    assert known_keys([first]) == frozenset({"A"})
    assert known_keys([first, second]) is None


def test_a_reference_without_its_key_is_left_to_the_api_server(bench: Bench) -> None:
    text = deployment("env: [{name: A, valueFrom: {secretKeyRef: {name: agent-jira-secrets}}}]")
    assert bench.of("missing-consumed-key", text) == []
    assert len(bench.of("unmade-secret", text.replace("agent-jira-secrets", "unmade"))) == 1


@pytest.mark.parametrize(
    ("environment", "way_out"),
    [
        ("labels:", 'have the chart read "agent-jira-secrets" of "jira" in its place, or say'),
        (
            "secrets: {jira: null}\nlabels:",
            'list `jira: {}` under `secrets:` of prod and have the chart read "agent-jira-secrets" of "jira"',
        ),
    ],
)
def test_the_name_that_a_chart_gives_by_default_leads_to_the_components_entry(
    bench: Bench, environment: str, way_out: str
) -> None:
    bench.change("catalogue", "description: Jira agent", "description: Jira agent\n    mountedBy: [mcp-jira]")
    bench.change("prod", "labels:", environment)
    assert (bench.one("unmade-secret", wants("mcp-jira-secret")).help or "").startswith(way_out)
    bench.change("catalogue", "description: GitHub agent", "description: GitHub\n    mountedBy: [mcp-jira]")
    assert "new secret" in (bench.one("unmade-secret", wants("mcp-jira-secret")).help or "")


GITHUB, JIRA = "{secretRef: {name: agent-github-secrets}}", "{secretRef: {name: agent-jira-secrets}}"
CONFIG = "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: {JIRA_URL: a, OTHER: b}\n"
JIRA_LOSES = 'in Deployment "platform-agent", %s overrides %s of the Secret "agent-jira-secrets"'


def taken_as_token(key: str) -> str:
    reference = f"{{secretKeyRef: {{name: agent-jira-secrets, key: {key}}}}}"
    return f"envFrom: [{JIRA}]\n          env: [{{name: JIRA_TOKEN, valueFrom: {reference}}}]"


@pytest.mark.parametrize(
    ("container", "by", "names"),
    [
        (f"envFrom: [{JIRA}, {{configMapRef: {{name: config}}}}]", 'the ConfigMap "config"', '"JIRA_URL"'),
        (f"envFrom: [{{configMapRef: {{name: config}}}}, {JIRA}]", None, None),
        (f"envFrom: [{JIRA}, {JIRA}]", None, None),
        (
            f"envFrom: [{JIRA}]\n          env: [{{name: JIRA_TOKEN, value: x}}, {{name: A, value: y}}]",
            "the `env` of the container",
            '"JIRA_TOKEN"',
        ),
        (
            taken_as_token("JIRA_TOKEN"),
            None,
            None,
        ),
        (
            taken_as_token("JIRA_URL"),
            'the Secret "agent-jira-secrets"',
            '"JIRA_TOKEN"',
        ),
        (
            "envFrom: [{prefix: X_, secretRef: {name: agent-jira-secrets}}]\n          env: [{name: X_JIRA_URL}]",
            "the `env` of the container",
            '"X_JIRA_URL"',
        ),
    ],
)
def test_what_hides_a_key_is_told_with_the_winner(
    bench: Bench, container: str, by: str | None, names: str | None
) -> None:
    found = bench.of("shadowed-variable", deployment(container) + CONFIG)
    assert found == ([] if by is None else [JIRA_LOSES % (by, names)])


def share_a_key(bench: Bench) -> None:
    bench.change("catalogue", "      JIRA_URL: {description: URL}", "      GITHUB_TOKEN: {description: Token}")


def test_the_later_of_two_secrets_wins(bench: Bench) -> None:
    share_a_key(bench)
    found = bench.one("shadowed-variable", deployment(BOTH))
    assert '"agent-jira-secrets" overrides "GITHUB_TOKEN" of the Secret "agent-github-secrets"' in found.message
    assert (found.span.where, found.scope) == ("environments/base.yaml:9:23", ("secrets", "jira"))
    assert [each.span.where for each in found.related] == [last(deployment(BOTH), "agent-github-secrets")]
    turned = deployment(f"envFrom: [{JIRA}, {GITHUB}]")
    assert bench.one("shadowed-variable", turned).scope == ("secrets", "github")


def test_each_pair_is_told_once_for_all_workloads(bench: Bench) -> None:
    share_a_key(bench)
    found = bench.of("shadowed-variable", deployment(BOTH, name="a"), deployment(BOTH, name="b"))
    assert len(found) == 1
    assert 'in Deployment "a", Deployment "b", ' in found[0]


def test_two_keys_that_read_one_place_of_a_store_are_one_value(bench: Bench) -> None:
    bench.change(
        "catalogue",
        "      JIRA_URL: {description: URL}",
        "      GITHUB_TOKEN: {description: Token, remote: {vault: {name: agents/github, property: GITHUB_TOKEN}}}",
    )
    assert bench.of("shadowed-variable", deployment(BOTH)) == []


def test_a_secret_that_the_manifests_make_hides_keys_too(bench: Bench) -> None:
    own = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {JIRA_URL: x}\n"
    both = f"envFrom: [{JIRA}, {{secretRef: {{name: own}}}}]"
    assert bench.of("shadowed-variable", deployment(both) + own) == [JIRA_LOSES % ('the Secret "own"', '"JIRA_URL"')]
    strangers = deployment("envFrom: [{secretRef: {name: own}}]\n          env: [{name: JIRA_URL, value: a}]")
    assert bench.of("shadowed-variable", strangers + own) == []


@pytest.mark.parametrize(
    ("key", "prefix", "said"), [("1URL", "", '"1URL"'), ("a-b", "X_", '"X_a-b"'), ("1URL", "X_", None)]
)
def test_a_key_that_is_no_name_of_a_variable_is_found(bench: Bench, key: str, prefix: str, said: str | None) -> None:
    bench.change("catalogue", "      JIRA_URL: {description: URL}", f'      "{key}": {{description: URL}}')
    taken = deployment(f"envFrom: [{{prefix: '{prefix}', secretRef: {{name: agent-jira-secrets}}}}]")
    found = bench.of("unusable-variable", taken)
    expected = f'{said} is not a valid variable name: Deployment "platform-agent" may start without that key of "jira"'
    assert found == ([expected] if said is not None else [])


def test_a_key_that_is_mounted_as_a_file_may_have_any_name(bench: Bench) -> None:
    bench.change("catalogue", "      JIRA_URL: {description: URL}", '      "a-b": {description: URL}')
    volume = "      volumes: [{name: v, secret: {secretName: agent-jira-secrets}}]\n"
    assert bench.of("unusable-variable", deployment("image: a", more=volume)) == []


JIRA_ENV_FROM = "envFrom: [{secretRef: {name: agent-jira-secrets}}]"


@pytest.mark.parametrize(
    ("mounted_by", "name", "head", "said"),
    [
        ("[mcp-jira]", "mcp-jira", "", None),
        ("[mcp-jira]", "release-mcp-jira", "", None),
        ("[mcp-jira]", "release-x", ", labels: {app.kubernetes.io/name: mcp-jira}", None),
        ("[llm]", "release-x", "", None),
        ("[mcp-jira]", "release-x", "", 'leaves out Deployment "release-x"'),
        ("[mcp-jira, other]", "release-mcp-jira", "", 'names "other", which does not read it'),
        (
            "[other, another]",
            "x",
            "",
            'leaves out Deployment "x", and names "other", "another", which do not read it',
        ),
        ("[mcp-jira, absent]", "release-mcp-jira", "", None),
    ],
)
def test_the_catalogues_assertion_is_held_against_what_reads(
    bench: Bench, mounted_by: str, name: str, head: str, said: str | None
) -> None:
    bench.change(
        "catalogue", "    keys:\n      JIRA_TOKEN", f"    mountedBy: {mounted_by}\n    keys:\n      JIRA_TOKEN"
    )
    idle = deployment("image: a", name="release-other"), deployment("image: a", name="another")
    found = bench.of("wrong-mounted-by", deployment(JIRA_ENV_FROM, name=name, head=head), *idle)
    assert found == ([f'`mountedBy` of "jira" {said}'] if said is not None else [])


def test_it_is_found_at_its_line_of_the_catalogue_and_where_it_is_read(bench: Bench) -> None:
    bench.change("catalogue", "    keys:\n      JIRA_TOKEN", "    mountedBy: [x-y]\n    keys:\n      JIRA_TOKEN")
    found = bench.one("wrong-mounted-by", deployment(JIRA_ENV_FROM))
    assert found.span.where == "environments/catalogue.yaml:17:5"
    assert [each.span.path for each in found.related] == ["m0.yaml"]


def test_secrets_are_known_by_namespace_and_target(bench: Bench) -> None:
    own = bench.own()
    assert set(own.secrets) == {("agents", "agent-github-secrets"), ("agents", "agent-jira-secrets")}
    assert keys_of(own.secrets["agents", "agent-github-secrets"]) == {"GITHUB_TOKEN"}
    assert (dict(own.elsewhere), own.place.key_span.where) == ({}, "environments/base.yaml:9:1")


def test_what_others_make_is_merged_over_layers(bench: Bench) -> None:
    bench.change("base", "namespace:", "madeElsewhere: {a: first, b: second}\nnamespace:")
    bench.add("madeElsewhere: {b: null, c: third}")
    assert set(bench.own().elsewhere) == {"a", "c"}


def test_manifests_without_a_namespace_belong_to_the_environments(bench: Bench) -> None:
    assert namespace_of(bench.environment(), None) == "agents"
    assert namespace_of(bench.environment(), "other") == "other"


def test_what_keeps_pods_from_starting_is_never_waived(bench: Bench) -> None:
    environment = bench.environment()
    assert BY_ID["unmade-secret"].waivers(Finding("a", environment.root), [environment.root]) == []
    assert list(_unused_waivers(environment, (), {"agents"})) == []


SPAN = Span(Source("m.yaml", " " * 20), 3, 5)


def workload(name: str) -> Workload:
    return Workload("Job", "n", name, frozenset(), (), ())


def test_many_workloads_are_cut_and_each_is_named_once() -> None:
    assert titles_of([workload("a"), workload("a"), workload("b")]) == 'Job "a", Job "b"'
    assert titles_of(map(workload, "abcde")) == 'Job "a", Job "b", Job "c" and 2 more'
    assert required_keys([workload("a"), workload("a")]) == 'Job "a" needs'
    assert required_keys(map(workload, "ab")) == 'Job "a", Job "b" need'
    assert required_keys(map(workload, "ab"), is_optional=True) == 'Job "a", Job "b" would read'


def test_places_are_those_of_the_name_or_of_the_key_each_once() -> None:
    read, key_at = SecretRead("a", "K", Way.ENV), Span(SPAN.source, 8, 9)
    readers = [(workload("a"), replace(read, at=SPAN, key_at=key_at))] * 2
    assert [(each.message, each.span) for each in places(readers)] == [('Job "a" reads it', SPAN)]
    assert [each.span for each in places(readers, of_key=True)] == [key_at]
    assert places([(workload("a"), read)]) == ()
    many = [(workload("a"), replace(read, at=Span(SPAN.source, at, at))) for at in range(9)]
    assert len(places(many)) == 3
