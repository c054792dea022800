import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from compiler.generate import platform
from compiler.generate.platform import (
    Chart,
    Forms,
    PlatformValues,
    Row,
    Version,
    caipe_forms,
    holds,
    platform_values,
    read_chart,
    rows_of,
    usual_name,
    version_of,
)
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from compiler.stages.validate import read_schema
from tests.conftest import ROOT
from tests.platforms import base_text, write_project

FORMS = caipe_forms()


def known_version(text: str) -> Version:
    version = version_of(text)
    assert version is not None
    return version


# The order that semantic versioning gives as its example, and around it.
ORDER = (
    "0.1.18",
    "0.1.19",
    "0.5.24",
    "1.0.0-0",
    "1.0.0-1",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.3.0-rc.6",
    "1.3.0",
    "1.10.0",
)


def test_versions_are_ordered_as_semantic_versioning_does() -> None:
    versions = [version for text in ORDER if (version := version_of(text)) is not None]
    assert len(versions) == len(ORDER)
    for before, after in itertools.pairwise(versions):
        assert before < after
        assert after >= before
        assert before != after


@pytest.mark.parametrize("text", ["v0.6.0", "0.6.0+build.7"])
def test_a_leading_v_and_what_was_built_do_not_count(text: str) -> None:
    assert version_of(text) == version_of("0.6.0")


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-a..b", "1.2.3-01", "1.2.x", " 1.2.3", "1.2.3\n"),
        *("\u0661.2.3", "1.2.3-\u00e4", f"{'9' * 10}.0.0", f"1.2.3-{'a' * 129}", "latest"),
    ],
)
def test_anything_else_is_no_version(text: str) -> None:
    assert version_of(text) is None


FILE = yaml.load(Path(platform.__file__).with_name("caipe.yaml").read_text("utf-8"), yaml.CSafeLoader)
ENTRIES = yaml.load((ROOT / "environments/catalogue.yaml").read_text("utf-8"), yaml.CSafeLoader)["secrets"]
BOUNDS = sorted(
    {row[bound] for row in FORMS["rows"] for bound in ("since", "before") if bound in row}, key=known_version
)


def test_the_file_fits_its_closed_schema() -> None:
    schema = read_schema("platform")
    Draft7Validator.check_schema(schema)
    assert [each.message for each in Draft7Validator(schema).iter_errors(FILE)] == []
    broken = {**FILE, "rows": [{**FILE["rows"][0], "nam": ["a"]}]}
    assert list(Draft7Validator(schema).iter_errors(broken))


def test_every_version_and_secret_in_it_is_one() -> None:
    for row in (*FILE["rows"], *FILE["disable"]):
        for bound in ("since", "before"):
            assert bound not in row or version_of(row[bound]) is not None
    assert set(FORMS["hints"]) <= set(ENTRIES)
    for row in FORMS["rows"]:
        assert set(row["secrets"]) <= set(ENTRIES)
        assert "since" not in row or "before" not in row or known_version(row["since"]) < known_version(row["before"])
        for key, secret in itertools.product(row.get("keys", {}).values(), row["secrets"]):
            assert key in ENTRIES[secret]["keys"]
        if "mountedBy" in row:
            assert all(row["mountedBy"] in ENTRIES[secret].get("mountedBy", ()) for secret in row["secrets"])


@pytest.mark.parametrize("version", ["0.1.0", *BOUNDS, "2.0.0"])
def test_no_two_rows_of_a_version_write_one_place(version: str) -> None:
    rows = [row for row in (*FORMS["rows"], *FORMS["disable"]) if holds(row, known_version(version))]
    places = Counter(path for row in rows for path in _places(row))
    assert [path for path, count in places.items() if count > 1] == []
    # What is a map in one row is no text in another.
    for one, other in itertools.permutations(places, 2):
        assert not other.startswith(f"{one}.")


def _places(row: Row) -> list[str]:
    return [*row.get("name", ()), *row.get("keys", ()), *row.get("disable", ())]


def test_every_entry_but_those_that_nobody_reads_is_in_the_newest_form() -> None:
    read = {secret for row in FORMS["rows"] if holds(row, known_version("1.3.0")) for secret in row["secrets"]}
    assert set(ENTRIES) - read == {"github", "mongodb"}


ROUTING = "llmRouting.litellm.enabled"


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "chart/templates").mkdir(parents=True)
    (tmp_path / "chart/charts/gateway/templates").mkdir(parents=True)
    return tmp_path / "chart"


@pytest.mark.parametrize(
    ("place", "text", "reads"),
    [
        ("templates/a.yaml", "{{ .Values.global.agentgateway.cas.existingSecret.name }}", True),
        ("charts/gateway/templates/a.yaml", "{{- $cas := $gateway.cas | default dict }}", True),
        ("templates/_helpers.tpl", "{{ $agw.cas }}", True),
        ("templates/a.yaml", "{{ .Values.cascade }} {{ .Values.broadcas }}", False),
        ("values.yaml", "a: {{ .cas }}", False),
        ("templates/NOTES.txt", "{{ .Values.cas }}", False),
    ],
)
def test_what_the_templates_read_is_found(chart: Path, place: str, text: str, *, reads: bool) -> None:
    (chart / place).write_text(text, "utf-8")
    assert read_chart(FORMS, chart, (), None, "caipe").reads == (frozenset({"cas"}) if reads else frozenset())


@pytest.mark.parametrize(
    ("own", "values", "under", "is_true"),
    [
        ("", [], None, False),
        ("llmRouting: {litellm: {enabled: true}}", [], None, True),
        ("global: {llmRouting: {litellm: {enabled: true}}}", [], None, True),
        ("llmRouting: {litellm: {enabled: true}}", ["llmRouting: {litellm: {enabled: false}}"], None, False),
        (
            "llmRouting: {litellm: {enabled: false}}",
            ["a: 1", "global: {llmRouting: {litellm: {enabled: true}}}"],
            None,
            True,
        ),
        ("", ["caipe: {llmRouting: {litellm: {enabled: true}}}"], "caipe", True),
        ("", ["caipe: {llmRouting: {litellm: {enabled: true}}}"], None, False),
        ("llmRouting: [", ["- 1", "llmRouting: yes please"], None, False),
        # As Helm reads it, the last of two maps of one name.
        ("a: 1\nllmRouting: {litellm: {enabled: true}}\na: 2\n", [], None, True),
    ],
)
def test_the_last_value_counts(chart: Path, own: str, values: list[str], under: str | None, *, is_true: bool) -> None:
    (chart / "values.yaml").write_text(own, "utf-8")
    files = [chart / f"own-{number}.yaml" for number in range(len(values))]
    for file, text in zip(files, values, strict=True):
        file.write_text(text, "utf-8")
    assert read_chart(FORMS, chart, files, under, "caipe").true == (frozenset({ROUTING}) if is_true else frozenset())


CLIENT = "autonomous-agents.dynamicAgentsAuth.clientId"
PLATFORM, SCHEDULER = "caipe-platform", "caipe-scheduler-runner"


@pytest.mark.parametrize(
    ("files", "under", "client"),
    [
        ({"values.yaml": f"autonomous-agents: {{dynamicAgentsAuth: {{clientId: {PLATFORM}}}}}"}, None, PLATFORM),
        ({"charts/autonomous-agents/values.yaml": f"dynamicAgentsAuth: {{clientId: {PLATFORM}}}"}, None, PLATFORM),
        (
            {
                "charts/autonomous-agents/values.yaml": f"dynamicAgentsAuth: {{clientId: {PLATFORM}}}",
                "values.yaml": f"autonomous-agents: {{dynamicAgentsAuth: {{clientId: {SCHEDULER}}}}}",
            },
            None,
            SCHEDULER,
        ),
        (
            {
                "charts/caipe/charts/autonomous-agents/values.yaml": f"dynamicAgentsAuth: {{clientId: {PLATFORM}}}",
                "charts/caipe/values.yaml": f"autonomous-agents: {{dynamicAgentsAuth: {{clientId: {SCHEDULER}}}}}",
            },
            "caipe",
            SCHEDULER,
        ),
        ({"values.yaml": "autonomous-agents: {dynamicAgentsAuth: {clientId: {}}}"}, None, None),
        ({}, None, None),
    ],
)
def test_the_client_that_a_chart_names_is_found(
    chart: Path, files: dict[str, str], under: str | None, client: str | None
) -> None:
    for place, text in files.items():
        (chart / place).parent.mkdir(parents=True, exist_ok=True)
        (chart / place).write_text(text, "utf-8")
    found = read_chart(FORMS, chart, (), under, "caipe").texts
    assert found == ({} if client is None else {CLIENT: client})


def test_what_is_not_there_decides_nothing(chart: Path) -> None:
    found = read_chart(FORMS, chart / "gone", [chart / "none.yaml"], None, "caipe")
    assert (found.reads, found.true) == (frozenset(), frozenset())


CATALOGUE = (ROOT / "environments/catalogue.yaml").read_text("utf-8")
ALL = """\
secrets: {global: {use: [openai]}, argocd: {}, github: {}, jira: {}, pagerduty: {}, slack: {}, backstage: {}}
"""


def made(
    root: Path,
    text: str,
    version: str,
    catalogue: str = CATALOGUE,
    chart: Chart | None = None,
    forms: Forms = FORMS,
    **names: str,
) -> PlatformValues:
    write_project(root, base=base_text("{}", azure=None), catalogue=catalogue, prod=text)
    result = compile_project(root)
    assert result.project is not None
    assert not result.failed, [each.message for each in result.diagnostics]
    words = ["generate", "platform", "prod"]
    release, under = names.get("release", "caipe"), names.get("under")
    return platform_values(result.project.environments[0], forms, version, release, under, words, chart)


def values(text: PlatformValues) -> dict[str, Any]:
    return dict(yaml.safe_load(text.text))


OFF = {
    "createLlmSecret": False,
    "externalSecrets": {"enabled": False},
    "llmSecrets": {
        "create": False,
        "secretName": "ai-platform-global-secrets",
        "externalSecrets": {"enabled": False},
    },
    "agentSecrets": {"create": False, "externalSecrets": {"enabled": False}},
}


@pytest.mark.parametrize(
    ("version", "component", "member"),
    [
        ("0.1.18", "agent-jira", "secrets"),
        ("0.1.19", "agent-jira", "agentSecrets"),
        ("0.5.21", "agent-jira", "agentSecrets"),
        ("0.5.22-rc.1", "agent-jira", "agentSecrets"),
        ("0.5.22", "mcp-jira", "agentSecrets"),
        ("0.5.23", "mcp-jira", "agentSecrets"),
        ("0.5.24", "mcp-jira", "mcpSecrets"),
        ("0.6.0", "mcp-jira", "mcpSecrets"),
        ("1.3.0-rc.6", "mcp-jira", "mcpSecrets"),
    ],
)
def test_each_version_has_its_own_form(tmp_path: Path, version: str, component: str, member: str) -> None:
    text = made(tmp_path, ALL, version)
    found = values(text)
    assert found[component][member]["secretName"] == "agent-jira-secrets"
    others = {"agent-jira": "mcp-jira", "mcp-jira": "agent-jira"}
    assert others[component] not in found
    assert set(found[component]) == ({member} if version != "0.1.18" else {member, "externalSecrets"})
    if version == "0.1.18":
        assert found["global"] == {
            "externalSecrets": {"enabled": False},
            "secrets": {"secretName": "ai-platform-global-secrets"},
        }
    else:
        assert found["global"] == OFF
    assert ("github" in text.unread) == (component == "mcp-jira")
    assert (text.warnings, text.is_newer) == ((), False)


def test_exactly_the_secrets_of_the_environment_are_mounted(tmp_path: Path) -> None:
    found = values(made(tmp_path, "secrets: {jira: {}}\n", "0.6.0"))
    assert set(found) == {"global", "mcp-jira"}
    assert found["global"] == {key: OFF[key] for key in ("externalSecrets", "agentSecrets")}


def test_the_text_says_how_it_is_made_and_is_the_same_each_time(tmp_path: Path) -> None:
    text = made(tmp_path, ALL, "0.6.0").text
    assert text.startswith(
        "# Generated by `platform-secrets generate platform`. Do not edit; run:\n"
        "#   platform-secrets generate platform prod\nglobal:\n"
    )
    (tmp_path / "again").mkdir()
    assert made(tmp_path / "again", ALL, "0.6.0").text == text


def test_an_unknown_newer_version_is_told_and_has_the_newest_form(tmp_path: Path) -> None:
    newer = made(tmp_path, ALL, "9.0.0")
    message = "CAIPE's chart 9.0.0 is newer than any that is known: the values have the form of 1.3"
    assert (newer.warnings, newer.is_newer) == ((message,), True)
    (tmp_path / "known").mkdir()
    assert made(tmp_path / "known", ALL, "1.3.0").text == newer.text


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("0.0.9", "CAIPE's chart 0.0.9 is older than any that is known"),
        ("latest", '--chart-version is not a version: "latest"'),
    ],
)
def test_what_is_no_known_version_is_refused(tmp_path: Path, version: str, message: str) -> None:
    with pytest.raises(Refusal) as raised:
        made(tmp_path, ALL, version)
    assert (str(raised.value), raised.value.help is not None) == (message, True)


def test_a_release_has_to_make_the_names_that_are_there(tmp_path: Path) -> None:
    text = made(tmp_path, "secrets: {caipe-mongodb: {}}\n", "0.6.0")
    assert set(values(text)) == {"global"}
    assert text.notes[0].startswith("caipe-mongodb: CAIPE's mongodb chart makes this Secret too")
    for folder, release, message in (
        ("other", "shop", '"caipe-mongodb" makes "caipe-mongodb-secret", but pods of the release "shop" read'),
        ("form", "Shop", "--release may only have"),
    ):
        (tmp_path / folder).mkdir()
        with pytest.raises(Refusal) as raised:
            made(tmp_path / folder, "secrets: {caipe-mongodb: {}}\n", "0.6.0", release=release)
        assert message in str(raised.value)
    (tmp_path / "right").mkdir()
    right = CATALOGUE.replace("target: caipe-mongodb-secret", "target: shop-mongodb-secret")
    assert (
        made(tmp_path / "right", "secrets: {caipe-mongodb: {}}\n", "0.6.0", release="shop", catalogue=right).unread
        == ()
    )


def test_a_key_that_is_read_by_its_name_has_to_be_there(tmp_path: Path) -> None:
    without = CATALOGUE.replace("OPENFGA_DATASTORE_URI:", "OTHER:")
    with pytest.raises(Refusal, match='"openfga" lacks "OPENFGA_DATASTORE_URI"'):
        made(tmp_path, "secrets: {openfga: {}}\n", "0.6.0", catalogue=without)


def test_what_nobody_reads_is_named_with_what_they_read(tmp_path: Path) -> None:
    text = made(tmp_path, "secrets: {github: {}, slack: {}, slack-mcp: {}, sharepoint: {}}\n", "0.6.0")
    assert text.unread == ("github", "slack", "sharepoint")
    assert text.notes == (
        f"github: no pod of CAIPE 0.6.0 reads it; {FORMS['hints']['github']}",
        "slack: no pod of CAIPE 0.6.0 reads it; the Slack agent's image reads `slack-mcp`",
        'no pod of CAIPE 0.6.0 is known to read "sharepoint"',
    )
    assert values(text)["mcp-slack"]["mcpSecrets"]["secretName"] == "agent-slack-mcp-secrets"


def test_a_secret_of_another_namespace_is_left_out_and_told(tmp_path: Path) -> None:
    text = made(tmp_path, "secrets: {jira: {namespace: elsewhere}, argocd: {}}\n", "0.6.0")
    assert set(values(text)) == {"global", "mcp-argocd"}
    assert text.notes == ('"jira" left out: pods of "ai-platform" mount no Secret of another namespace',)


def test_values_nest_for_a_parent_chart(tmp_path: Path) -> None:
    text = made(tmp_path, "subchart: secrets\nsecrets: {jira: {}}\n", "0.6.0", under="caipe")
    assert (list(values(text)), text.notes) == (["caipe"], ())
    (tmp_path / "plain").mkdir()
    plain = made(tmp_path / "plain", "subchart: secrets\nsecrets: {jira: {}}\n", "0.6.0")
    assert values(plain) == values(text)["caipe"]
    assert "--under NAME nests them" in plain.notes[0]


def test_the_web_interface_asks_for_no_secret_that_nothing_makes(tmp_path: Path) -> None:
    text = made(tmp_path, "secrets: {caipe-ui: {}}\n", "0.6.0")
    assert values(text)["caipe-ui"]["keycloakAdminClient"] == {"secretName": ""}
    (tmp_path / "made").mkdir()
    others = "madeElsewhere: {caipe-platform-secret: Keycloak}\nsecrets: {caipe-ui: {}}\n"
    assert "keycloakAdminClient" not in values(made(tmp_path / "made", others, "0.6.0"))["caipe-ui"]


@pytest.mark.parametrize("version", ["0.6.0", "1.3.0-rc.6", "1.3.0"])
def test_no_version_has_the_gateways_authorization_but_a_chart_that_reads_it(tmp_path: Path, version: str) -> None:
    text = "secrets: {agentgateway-cas: {}, agent-context: {}}\n"
    without = made(tmp_path, text, version)
    assert "agentgateway" not in values(without)["global"]
    assert any(note.startswith(f"agentgateway-cas: no pod of CAIPE {version} reads it; ") for note in without.notes)
    assert "--against" not in without.text
    (tmp_path / "against").mkdir()
    against = made(tmp_path / "against", text, version, chart=Chart("caipe", frozenset({"cas"})))
    assert values(against)["global"]["agentgateway"]["cas"] == {
        "existingSecret": {"name": "agent-agentgateway-cas-secrets"},
        "contextSecret": {"name": "agent-agent-context-secrets"},
    }
    assert not any(note.startswith("agentgateway-cas") for note in against.notes)
    # The head makes the same file again.
    assert "#   platform-secrets generate platform prod --against caipe\n" in against.text


SCHEDULER_KEY = "KC_SCHEDULER_CLIENT_SECRET"
KEYS = {"agent-keycloak-platform-secrets": "OIDC_CLIENT_SECRET", "agent-keycloak-scheduler-secrets": SCHEDULER_KEY}
BOTH = "secrets: {keycloak-platform: {}, keycloak-scheduler: {}, keycloak-admin: {}}\n"
OF_PLATFORM, OF_SCHEDULER = KEYS


@pytest.mark.parametrize(
    ("version", "client", "secret"),
    [
        ("0.6.0", None, OF_PLATFORM),
        ("1.0.0", None, OF_PLATFORM),
        ("1.1.1", None, OF_PLATFORM),
        ("1.1.2", None, None),
        ("1.3.0-rc.3", None, None),
        ("1.3.0-rc.4", None, OF_SCHEDULER),
        ("1.3.0", None, OF_SCHEDULER),
        # What the chart at hand says counts in every version.
        ("1.0.0", SCHEDULER, OF_SCHEDULER),
        ("1.2.0", PLATFORM, OF_PLATFORM),
        ("1.2.0", SCHEDULER, OF_SCHEDULER),
        ("1.3.0", PLATFORM, OF_PLATFORM),
        ("1.3.0", "a-client-of-our-own", None),
        ("0.5.0", PLATFORM, OF_PLATFORM),
    ],
)
def test_autonomous_agents_get_the_credential_of_the_client_that_they_log_in_as(
    tmp_path: Path, version: str, client: str | None, secret: str | None
) -> None:
    chart = None if client is None else Chart("caipe", texts={CLIENT: client})
    text = made(tmp_path, BOTH, version, chart=chart)
    reference = None if secret is None else {"name": secret, "key": KEYS[secret]}
    assert values(text).get("autonomous-agents", {}).get("dynamicAgentsAuth", {}).get("clientSecretRef") == reference
    notes = [note for note in text.notes if "`autonomous-agents.dynamicAgentsAuth` is not written" in note]
    assert bool(notes) == (secret is None and client is None)
    # The head makes the same file again.
    assert (chart is not None) == ("--against caipe" in text.text)


def test_a_chart_that_names_no_client_is_taken_by_its_version(tmp_path: Path) -> None:
    text = made(tmp_path, BOTH, "1.3.0", chart=Chart("caipe"))
    assert values(text)["autonomous-agents"]["dynamicAgentsAuth"]["clientSecretRef"]["name"] == OF_SCHEDULER


ADMIN = "keycloak.admin.secretRef"


@pytest.mark.parametrize(
    ("version", "secrets", "chart", "note"),
    [
        ("1.0.0", "{keycloak-platform: {}}", None, True),
        ("1.0.0", "{keycloak-platform: {}}", Chart("caipe"), True),
        ("1.0.0", "{keycloak-platform: {}}", Chart("caipe", true=frozenset({ADMIN})), False),
        ("1.0.0", "{keycloak-platform: {}}", Chart("caipe", true=frozenset({"keycloak.admin.password"})), False),
        ("1.0.0", "{keycloak-platform: {}, keycloak-admin: {}}", None, False),
        ("1.0.0", "{jira: {}}", None, False),
        ("0.6.0", "{keycloak-platform: {}}", None, False),
    ],
)
def test_a_keycloak_without_an_administrators_password_is_noted(
    tmp_path: Path, version: str, secrets: str, chart: Chart | None, *, note: bool
) -> None:
    text = made(tmp_path, f"secrets: {secrets}\n", version, chart=chart)
    assert any(f"set `{ADMIN}` in your own values" in each for each in text.notes) == note


def test_a_password_of_a_chart_is_known_as_set_and_not_kept(chart: Path) -> None:
    (chart / "values.yaml").write_text('keycloak: {admin: {password: "sentinel-4711", secretRef: ""}}', "utf-8")
    found = read_chart(FORMS, chart, (), None, "caipe")
    assert found.true == {"keycloak.admin.password"}
    assert "sentinel" not in repr(found)


def test_litellm_gets_the_llms_secret_as_a_list(tmp_path: Path) -> None:
    text = made(tmp_path, "secrets: {global: {use: [openai]}}\n", "1.2.0")
    assert values(text)["litellm"]["environmentSecrets"] == ["ai-platform-global-secrets"]


def test_the_users_context_is_signed_from_1_0_on(tmp_path: Path) -> None:
    text = made(tmp_path, "secrets: {user-context: {}}\n", "1.0.0")
    assert values(text)["autonomous-agents"]["userContext"]["existingSecret"] == {
        "name": "agent-user-context-secrets",
        "key": "DYNAMIC_AGENTS_USER_CONTEXT_HMAC_SECRET",
    }
    (tmp_path / "older").mkdir()
    assert made(tmp_path / "older", "secrets: {user-context: {}}\n", "0.6.0").unread == ("user-context",)


@pytest.mark.parametrize("secret", ["agentgateway-cas", "agent-context"])
def test_what_the_web_interface_reads_beside_its_own_secret_does_not_stand_for_it(tmp_path: Path, secret: str) -> None:
    text = made(tmp_path, f"secrets: {{{secret}: {{}}}}\n", "1.3.0")
    assert "caipe-ui" not in values(text)


@pytest.mark.parametrize(
    ("use", "chart", "note", "warning"),
    [
        ("azure-openai", None, True, False),
        ("azure-openai", Chart("caipe"), False, False),
        ("azure-openai", Chart("caipe", true=frozenset({"llmRouting.litellm.enabled"})), False, True),
        ("openai", Chart("caipe", true=frozenset({"llmRouting.litellm.enabled"})), False, False),
    ],
)
def test_the_key_that_litellm_reads_is_missed_where_it_routes(
    tmp_path: Path, use: str, chart: Chart | None, *, note: bool, warning: bool
) -> None:
    text = made(tmp_path, f"secrets: {{global: {{use: [{use}]}}}}\n", "1.2.0", chart=chart)
    message = (
        'with `llmRouting.litellm.enabled` CAIPE reads "OPENAI_API_KEY" of "global", which lacks it: '
        "add its variant to `use`"
    )
    assert (message in text.notes, message in text.warnings) == (note, warning)
    (tmp_path / "older").mkdir()
    assert made(tmp_path / "older", f"secrets: {{global: {{use: [{use}]}}}}\n", "0.6.0").warnings == ()


# Forms of a chart of our own, with secrets of the shipped catalogue.
def shaped(root: Path, secrets: str, *rows: Row, version: str = "1.0.0", more: str = "") -> PlatformValues:
    forms = {
        "oldest": "0.1.0",
        "newest": "1.3",
        "disable": [{"disable": ["global.eso"]}],
        "rows": rows_of(rows),
        "hints": {},
    }
    return made(root, f"{more}secrets: {secrets}\n", version, forms=forms)


def test_a_row_stands_for_each_of_its_words() -> None:
    row = {"of": ["x", "y"], "secrets": ["{}", "of-{}"], "mountedBy": "mcp-{}", "keys": {"{}.key": "K"}, "note": "n"}
    assert [{**each, "of": None} for each in rows_of([row])] == [
        {"of": None, "secrets": [w, f"of-{w}"], "mountedBy": f"mcp-{w}", "keys": {f"{w}.key": "K"}, "note": "n"}
        for w in ("x", "y")
    ]
    assert rows_of([{"secrets": ["z"]}]) == [{"secrets": ["z"]}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1.9", False),
        ("0.2.0-rc.1", False),
        ("0.2.0", True),
        ("0.9.9", True),
        ("1.0.0-rc.1", False),
        ("1.0.0", False),
    ],
)
def test_a_row_holds_from_its_first_version_to_before_its_last(text: str, *, expected: bool) -> None:
    assert holds({"since": "0.2.0", "before": "1.0.0-0"}, known_version(text)) is expected
    assert holds({}, known_version(text))


@pytest.mark.parametrize(("text", "newer"), [("1.3.9", False), ("1.4.0-rc.1", True), ("2.0.0", True)])
def test_a_newer_minor_version_is_unknown(tmp_path: Path, text: str, *, newer: bool) -> None:
    assert shaped(tmp_path, "{jira: {}}", version=text).is_newer is newer


def test_names_keys_and_switches_go_where_they_belong(tmp_path: Path) -> None:
    row = {
        "secrets": ["jira"],
        "name": ["a.b.name", "c.name"],
        "keys": {"a.b.key": "ATLASSIAN_TOKEN"},
        "disable": ["a.create"],
        "note": "mind it",
    }
    found = shaped(tmp_path, "{jira: {}}", row)
    assert values(found) == {
        "global": {"eso": False},
        "a": {"b": {"name": "agent-jira-secrets", "key": "ATLASSIAN_TOKEN"}, "create": False},
        "c": {"name": "agent-jira-secrets"},
    }
    assert (found.unread, found.notes) == ((), ("jira: mind it",))


def test_a_row_of_another_version_and_one_without_a_secret_write_nothing(tmp_path: Path) -> None:
    old = {"secrets": ["jira"], "before": "0.5.0", "name": ["old"]}
    found = shaped(tmp_path, "{jira: {}}", old, {"secrets": ["github"], "name": ["new"], "disable": ["x.create"]})
    assert (values(found), found.unread) == ({"global": {"eso": False}}, ("jira",))


@pytest.mark.parametrize(
    ("secrets", "name"),
    [("{jira: {}}", "agent-jira-secrets"), ("{jira: {}, slack-mcp: {}}", "agent-slack-mcp-secrets")],
)
def test_the_first_secret_that_there_is_counts(tmp_path: Path, secrets: str, name: str) -> None:
    assert values(shaped(tmp_path, secrets, {"secrets": ["slack-mcp", "jira"], "name": ["name"]}))["name"] == name


@pytest.mark.parametrize(("count", "used"), [(0, False), (1, True), (2, False)])
def test_a_secret_of_another_name_is_found_by_who_mounts_it(tmp_path: Path, count: int, *, used: bool) -> None:
    catalogue = CATALOGUE
    for name in ("jira", "argocd")[:count]:
        catalogue = catalogue.replace(f"mcp-{name}]", "mcp-own]")
    own = {"secrets": ["none"], "mountedBy": "mcp-own", "name": ["name"]}
    forms = {**FORMS, "disable": [], "rows": [own]}
    found = made(tmp_path, "secrets: {jira: {}, argocd: {}}\n", "1.0.0", catalogue=catalogue, forms=forms)
    assert ("name:" in found.text) is used


@pytest.mark.parametrize(
    ("secrets", "more", "expected"),
    [
        ("{caipe-ui: {}}", "", {"ui": {"admin": ""}}),
        ("{caipe-ui: {}}", "madeElsewhere: {platform-secret: others}\n", {}),
        ("{jira: {}}", "", {}),
        ("{caipe-ui: {}, argocd: {}}", "", {"ui": {"admin": "agent-argocd-secrets"}}),
    ],
)
def test_a_default_that_nothing_makes_is_taken_away(
    tmp_path: Path, secrets: str, more: str, expected: dict[str, Any]
) -> None:
    absent = {"values": {"ui.admin": ""}, "with": "caipe-ui", "unless": "platform-secret"}
    found = shaped(tmp_path, secrets, {"secrets": ["argocd"], "name": ["ui.admin"], "absent": absent}, more=more)
    assert values(found) == {"global": {"eso": False}, **expected}


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("caipe", "caipe-mongodb-secret"),
        ("my-mongodb-1", "my-mongodb-1-secret"),
        ("a" * 54, f"{'a' * 54}-mongodb-secret"),
        ("a" * 58, f"{'a' * 58}-mong-secret"),
        ("a" * 62, f"{'a' * 62}-secret"),
    ],
)
def test_derived_names_are_helms(release: str, name: str) -> None:
    assert usual_name("mongodb", "-secret", release) == name
