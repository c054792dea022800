from dataclasses import replace

import pytest

from compiler.consumers.findings import known_keys, unmade
from compiler.consumers.readers import Made
from compiler.model.diagnostic import Severity
from tests.unit.conftest import TAKERS
from tests.unit.consumers.conftest import BOTH, Bench, deployment, gathered, last

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
    said = "External Secrets Operator 2.9 does not serve this one's API"
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
