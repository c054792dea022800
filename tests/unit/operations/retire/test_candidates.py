import pytest

from compiler.live.readers import ReadIndex
from compiler.model.store import remote_places
from compiler.operations.retire import Candidates, candidates_of
from compiler.refusal import Refusal
from tests.unit.conftest import TAKERS
from tests.unit.operations.retire.conftest import Bench


def found(bench: Bench, *only: str, read: str = "", store: str = "vault") -> Candidates:
    environment = bench.environment()
    identity = environment.stores[store].identity
    readers = ReadIndex((identity,))
    if read:
        assert readers.meet("staging/vault", identity)
        readers.add(remote_places(identity, read), "staging/jira", "staging/vault")
    return candidates_of(environment, environment.stores[store], only, readers)


def test_each_remote_secret_has_its_keys_and_where_they_are_served(bench: Bench) -> None:
    github, jira = found(bench).free
    assert (github.name, github.secrets, jira.name) == ("agents/github", ("github",), "agents/jira")
    assert [key.key for key in github.keys] == ["GITHUB_TOKEN", "GITHUB_APP_ID", "GITHUB_APP_KEY"]
    assert [str(key.source) for key in github.keys] == [
        "azure:agents-github#GITHUB_TOKEN",
        "azure:agents-github#GITHUB_APP_ID",
        "azure:github-app-key",
    ]
    assert [(secret, str(place)) for secret, place in github.mains] == [("github", "azure:agents-github")]


def test_what_is_read_stays_apart_and_only_what_was_named_is_looked_at(bench: Bench) -> None:
    all_of_them = found(bench, read="agents/jira")
    assert [each.name for each in all_of_them.free] == ["agents/github"]
    (jira,) = all_of_them.read
    assert (jira.name, [each.name for each in jira.readers]) == ("agents/jira", ["staging/jira"])
    named = found(bench, "jira")
    assert ([each.name for each in named.free], named.read, named.only) == (["agents/jira"], (), ("jira",))
    with pytest.raises(Refusal, match="has no secret"):
        found(bench, "jria")


def test_a_remote_secret_of_two_secrets_comes_with_both_when_one_is_named(bench: Bench) -> None:
    path = bench.root / "environments/catalogue.yaml"
    path.write_text(path.read_text("utf-8").replace("vault: agents/jira", "vault: agents/github"), "utf-8")
    (both,) = found(bench, "jira").free
    assert (both.name, both.secrets) == ("agents/github", ("github", "jira"))
    assert [secret for secret, _ in both.mains] == ["github", "jira"]


def test_a_secret_without_a_place_in_the_store_is_passed_over(bench: Bench) -> None:
    path = bench.root / "environments/catalogue.yaml"
    path.write_text(path.read_text("utf-8").replace("{vault: agents/jira, ", "{"), "utf-8")
    assert found(bench).skipped == (("jira", 'the catalogue gives it no place in "vault"'),)
    assert found(bench, "github").skipped == ()


def test_a_value_that_several_secrets_have_is_looked_at_once_with_any_of_them(bench: Bench) -> None:
    text = (bench.root / "environments/catalogue.yaml").read_text("utf-8")
    bench.write("catalogue", text + TAKERS)
    bench.base("secrets: {github: {}, ", "secrets: {report: {}, board: {}, github: {}, ")
    (remote,) = [each for each in found(bench, "report").free if each.name == "agents/jira"]
    assert remote.secrets == ("report", "board", "jira")
    assert [(key.secret, key.key) for key in remote.keys] == [("jira", "JIRA_TOKEN"), ("jira", "JIRA_URL")]
    assert found(bench).skipped == ()
