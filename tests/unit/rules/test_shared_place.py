import pytest

from compiler.rules.shared_place import check
from tests.unit.rules.conftest import JudgeProject


def test_finds_two_environments_on_one_place(judge_project: JudgeProject) -> None:
    found = judge_project(check, {"prod": "secrets: {aws: {}}", "staging": "labels: {a: b}"})
    assert found.messages == ['environments "staging" and "prod" both read "platform/github" from the same store']
    assert found.paths == ["environments/staging.yaml"]
    assert found.scopes == [("secrets", "github")]
    assert found[0].related[0].span.path == "environments/prod.yaml"


def test_points_at_what_the_environment_itself_says(judge_project: JudgeProject) -> None:
    url = "https://shared.vault.azure.net"
    text = f"store: azure\nstores: {{azure: {{vaultUrl: {url}}}}}"
    assert judge_project(check, {"a": text, "b": text}).marked == ["azure"]
    text = f"stores: {{vault: {{server: {url}}}}}"
    assert judge_project(check, {"a": text, "b": text}).marked == [url]


def test_reports_each_later_environment_against_the_first(judge_project: JudgeProject) -> None:
    names = ["a", "b", "c", "d"]
    found = judge_project(check, dict.fromkeys(names, "labels: {a: b}"))
    assert found.paths == [f"environments/{name}.yaml" for name in names[1:]]
    assert all('and "a" both' in message for message in found.messages)


def test_reports_a_key_with_a_place_of_its_own(judge_project: JudgeProject) -> None:
    text = "store: azure\nsecrets: {github: {use: [app], remote: {azurekv: %s}}}"
    found = judge_project(check, {"a": text % "one", "b": text % "two"})
    assert found.messages == ['environments "b" and "a" both read "github-app-key" from the same store']


def test_compares_addresses_and_names_as_the_store_does(judge_project: JudgeProject) -> None:
    one = "store: azure\nstores: {azure: {vaultUrl: https://one.vault.azure.net}}"
    two = "store: azure\nstores: {azure: {vaultUrl: https://ONE.vault.azure.net:443/, prefix: PLATFORM-}}"
    two += "\nsecrets: {github: {remote: {azurekv: GitHub}}}"
    assert len(judge_project(check, {"a": one, "b": two})) == 1


@pytest.mark.parametrize(
    "second",
    [
        "stores: {vault: {server: https://other.example.com}}",
        "stores: {vault: {server: http://vault.example.com}}",
        "stores: {vault: {mount: kv}}",
        "stores: {vault: {vaultNamespace: team}}",
        "stores: {vault: {prefix: b/}}",
        "secrets: {github: null, aws: {}}",
        "secrets: {github: {remote: {vault: Platform/github}}}",
    ],
)
def test_leaves_different_places_alone(judge_project: JudgeProject, second: str) -> None:
    assert not judge_project(check, {"a": "labels: {a: b}", "b": second})


@pytest.mark.parametrize(
    "server",
    [
        "http://vault.vault.svc.cluster.local:8200",
        "http://vault.vault.svc",
        "http://localhost:8200",
        "http://vault:8200",
    ],
)
def test_each_cluster_has_its_own_internal_addresses(judge_project: JudgeProject, server: str) -> None:
    text = f"stores: {{vault: {{server: {server}}}}}"
    assert not judge_project(check, {"a": text, "b": text})


def test_one_environment_may_read_one_place_twice(judge_project: JudgeProject) -> None:
    text = "secrets: {aws: {remote: {vault: platform/github}}}"
    assert not judge_project(check, {"a": text})
    two = "stores: {two: {provider: vault, name: two, server: https://vault.example.com}}\nsecrets: {aws: {store: two}}"
    assert not judge_project(check, {"a": two})


def test_leaves_a_store_without_a_usable_address_alone(judge_project: JudgeProject) -> None:
    for server in ("null", "nonsense", "https://u:p@vault.example.com"):
        text = f"stores: {{vault: {{server: {server}}}}}"
        assert not judge_project(check, {"a": text, "b": text})


def test_tells_the_secrets_of_two_stores_apart(judge_project: JudgeProject) -> None:
    text = "stores: {vault: {server: https://%s.example.com}}\nsecrets: {github: {store: azure}, aws: {}}"
    found = judge_project(check, {"a": text % "one", "b": text % "two"})
    assert found.messages == ['environments "b" and "a" both read "platform-github" from the same store']
    found = judge_project(check, {"a": text % "one", "b": text % "one"})
    assert found.messages == ['environments "b" and "a" both read 2 secrets from the same places: "aws", "github"']


def test_tells_two_environments_once_and_names_their_secrets(judge_project: JudgeProject) -> None:
    texts = dict.fromkeys(("a", "b", "c"), "secrets: {aws: {}, global: {use: [openai]}}")
    found = judge_project(check, texts | {"b": "labels: {a: b}"})
    assert found.messages == [
        'environments "b" and "a" both read "platform/github" from the same store',
        'environments "c" and "a" both read 3 secrets from the same places: "github", "aws", "global"',
    ]
    assert (found[1].help or "").endswith("`waive: {shared-place: the reason}`, and to the others")


def test_tells_each_environment_against_the_first_that_reads_a_secret(judge_project: JudgeProject) -> None:
    text = "secrets: {%s: {}}\nstores: {vault: {prefix: p/}}"
    found = judge_project(check, {"a": text % "aws" + "\n", "b": "labels: {a: b}", "c": "secrets: {aws: {}}", "d": ""})
    assert [message.partition(" both")[0] for message in found.messages] == [
        'environments "c" and "b"',
        'environments "d" and "b"',
    ]


def test_counts_a_secret_once_that_reads_two_places(judge_project: JudgeProject) -> None:
    text = "store: azure\nsecrets: {github: {use: [pat, app]}}"
    found = judge_project(check, {"a": text, "b": text})
    assert found.messages == ['environments "b" and "a" both read 1 secret from the same places: "github"']


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [("c1", "c1", 1), ("c1", "c2", 0), ("c1", None, 0), (None, None, 0)],
)
@pytest.mark.parametrize("server", ["http://vault.vault.svc:8200", "http://127.0.0.1:8200", "http://vault:8200"])
def test_an_address_of_each_cluster_is_compared_where_both_name_the_same_vault(
    judge_project: JudgeProject, server: str, first: str | None, second: str | None, count: int
) -> None:
    def text(cluster: str | None) -> str:
        named = f", clusterId: {cluster}" if cluster is not None else ""
        return f'stores: {{vault: {{server: "{server}"{named}}}}}'

    assert len(judge_project(check, {"a": text(first), "b": text(second)})) == count
    # One that is the same everywhere is judged by itself.
    public = "stores: {vault: {server: https://shared.example.com, clusterId: %s}}"
    assert (
        len(judge_project(check, {"a": public % "c1", "b": text(None).replace(server, "https://shared.example.com")}))
        == 1
    )
