import pytest

from tests.unit.consumers.conftest import BOTH, Bench, deployment, last

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
