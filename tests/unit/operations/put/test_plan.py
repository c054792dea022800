from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.change.apply import Change, carry_out
from compiler.change.journal import runs
from compiler.change.plan import End, Kind, Options, Outcome, State
from compiler.model.environment import Environment
from compiler.operations.put import Target, odd_forms, put, target_of
from compiler.refusal import Refusal
from compiler.stores.errors import Code
from compiler.stores.secret_value import JsonKind, SecretValue
from tests.unit.changes import Listening
from tests.unit.conftest import Stores
from tests.unit.memory_store import MemoryStore


def putting(
    target: Target, values: dict[str, SecretValue], stores: Stores, *, recover: bool = False, root: Path | None = None
) -> Change:
    options = Options(recover=recover, root=root or Path(), stores=stores.live, applies=root is not None)
    return put([(target, values)], options)


def test_no_keys_means_those_that_the_environment_uses(environment: Environment) -> None:
    target = target_of(environment, "github", (), None)
    assert target.keys == ("GITHUB_TOKEN",)
    assert target.store.id == "vault"
    assert target.unused == ()


def test_named_keys_may_be_of_variants_not_in_use_and_of_another_store(environment: Environment) -> None:
    target = target_of(environment, "github", ("GITHUB_APP_ID", "GITHUB_TOKEN", "GITHUB_APP_ID"), "azure")
    assert target.keys == ("GITHUB_APP_ID", "GITHUB_TOKEN")
    assert target.store.id == "azure"
    assert target.unused == ("GITHUB_APP_ID",)


def test_what_there_is_not_is_answered_with_what_there_is(environment: Environment) -> None:
    with pytest.raises(Refusal, match='no secret "gihub"') as unknown:
        target_of(environment, "gihub", (), None)
    assert unknown.value.help == 'did you mean "github"?'
    with pytest.raises(Refusal, match='no store "azur"'):
        target_of(environment, "github", (), "azur")
    with pytest.raises(Refusal, match='"jira" has no key "JIRA_TOKEM"') as unknown_key:
        target_of(environment, "jira", ("JIRA_TOKEM",), None)
    assert unknown_key.value.help == 'did you mean "JIRA_TOKEN"?'


def test_the_plan_is_for_the_store_that_was_named(environment: Environment, stores: Stores) -> None:
    target = target_of(environment, "github", ("GITHUB_APP_KEY",), "azure")
    planned = putting(target, {"GITHUB_APP_KEY": SecretValue("pem")}, stores).plan(None)
    (write,) = planned.writes
    assert (write.store, write.name, write.whole is not None, write.changes) == ("azure", "github-app-key", True, {})
    assert planned.stores["azure"] is stores.azure
    assert planned.who == {"azure": "tester"}
    assert planned.destinations == {"azure": planned.stores["azure"].address.absolute}


def test_a_value_that_is_given_replaces_another_and_is_not_written_twice(
    environment: Environment, stores: Stores
) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"JIRA_TOKEN": SecretValue("old"), "JIRA_URL": SecretValue("same")})
    target = target_of(environment, "jira", (), None)
    plan = putting(target, {"JIRA_TOKEN": SecretValue("new"), "JIRA_URL": SecretValue("same")}, stores).plan(None)
    assert [(step.key, step.kind) for step in plan.steps] == [("JIRA_TOKEN", Kind.UPDATE), ("JIRA_URL", Kind.KEEP)]
    assert [list(write.changes) for write in plan.writes] == [["JIRA_TOKEN"]]


def test_the_same_run_is_told_by_the_keys_and_never_by_a_value(environment: Environment, stores: Stores) -> None:
    target = target_of(environment, "jira", (), None)
    one, two = SecretValue("s3ntinel"), SecretValue("another")
    first = putting(target, {"JIRA_TOKEN": one, "JIRA_URL": two}, stores).identity
    assert first == putting(target, {"JIRA_URL": one, "JIRA_TOKEN": two}, stores).identity
    assert "s3ntinel" not in repr(first)
    others = (
        putting(target, {"JIRA_TOKEN": one}, stores),
        putting(target, {"JIRA_TOKEN": one, "JIRA_URL": two}, stores, recover=True),
        putting(target_of(environment, "jira", (), "azure"), {"JIRA_TOKEN": one, "JIRA_URL": two}, stores),
    )
    assert all(other.identity != first for other in others)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (SecretValue(""), "is blank"),
        (SecretValue(" \n"), "is blank"),
        (SecretValue("<your token>"), "is a placeholder"),
        (SecretValue("changeme"), "is a placeholder"),
        (SecretValue("sk_test_..."), "is a placeholder"),
        (SecretValue("apiVersion: v1\nkind: Secret\n"), "is the manifest of a Kubernetes Secret"),
        (SecretValue("5", JsonKind.NUMBER), "is not text"),
        (SecretValue("a\0b"), "NUL"),
        (SecretValue("\ud800x"), "not valid Unicode"),
    ],
)
def test_no_unfit_value_is_even_compared(
    environment: Environment, stores: Stores, value: SecretValue, what: str
) -> None:
    target = target_of(environment, "jira", (), None)
    with pytest.raises(Refusal, match=f'the value of "JIRA_URL" .*{what}'):
        putting(target, {"JIRA_TOKEN": SecretValue("fine"), "JIRA_URL": value}, stores)
    assert stores.vault is not None
    assert stores.vault.reads == []


def test_a_key_without_a_place_in_the_store_is_refused(environment: Environment, stores: Stores) -> None:
    from dataclasses import replace  # noqa: PLC0415 - this test's need

    entry = environment.catalogue.entries["vaultonly"]
    secret = replace(environment.secrets["jira"], id="vaultonly", entry=entry, keys=())
    changed = replace(environment, secrets={"vaultonly": secret})
    target = target_of(changed, "vaultonly", ("ONLY",), "azure")
    with pytest.raises(Refusal, match='"ONLY" has no place in "azure"'):
        putting(target, {"ONLY": SecretValue("x")}, stores)
    storeless = replace(environment, secrets={"jira": replace(secret, store=None)})
    with pytest.raises(Refusal):
        target_of(storeless, "jira", ("ONLY",), None)


def test_space_at_an_end_is_told() -> None:
    quoted = odd_forms({"A": SecretValue('"x"'), "B": SecretValue("x"), "C": SecretValue("'x'")})
    assert list(quoted) == [(key, "the value has quotes around it, which are stored with it") for key in "AC"]
    spaced = odd_forms({"A": SecretValue("x "), "B": SecretValue("x"), "C": SecretValue("\nx")})
    assert list(spaced) == [(key, "the value begins or ends with white space") for key in "AC"]
    both = odd_forms({"A": SecretValue("'x'\n")})
    assert [what.split()[2] for _, what in both] == ["begins", "has"]


class TestGivenAgain:
    """A run that was cut off is given its values again: the journal holds none."""

    @pytest.fixture
    def azure(self, stores: Stores) -> MemoryStore:
        assert stores.azure is not None
        return stores.azure

    @pytest.fixture
    def again(
        self, environment: Environment, stores: Stores, azure: MemoryStore, tmp_path: Path, listening: Listening
    ) -> Callable[..., Outcome]:
        """The same `put` of two remote secrets once more, of which the first was written and the other was not."""
        target = target_of(environment, "github", ("GITHUB_APP_KEY", "GITHUB_TOKEN"), "azure")

        def put_again(app_key: str = "pem", token: str = "t") -> Outcome:  # noqa: S107 - what a test writes
            values = {"GITHUB_APP_KEY": SecretValue(app_key), "GITHUB_TOKEN": SecretValue(token)}
            return carry_out(putting(target, values, stores, root=tmp_path), listening)

        azure.failures["write", "agents-github"] = stores.failure(Code.UNAVAILABLE, "agents-github")
        first = put_again()
        assert {result.state for result in first.results} == {State.DONE, State.FAILED}
        azure.failures.clear()
        azure.writes.clear()
        return put_again

    def test_with_the_same_values_the_rest_is_written_and_the_run_has_ended(
        self, again: Callable[..., Outcome], azure: MemoryStore, tmp_path: Path, listening: Listening
    ) -> None:
        ended = again()
        assert {step.key: step.kind for step in ended.plan.steps} == {
            "GITHUB_APP_KEY": Kind.KEEP,
            "GITHUB_TOKEN": Kind.CREATE,
        }
        assert (ended.end, azure.writes, len(listening.resumed)) == (End.APPLIED, ["agents-github"], 1)
        assert [run.ended for run in runs(tmp_path)] == ["complete"]
        assert "pem" not in next(runs(tmp_path)).path.read_text("utf-8")

    def test_another_value_for_what_it_wrote_is_a_conflict_by_its_key_and_the_next_run_writes_it(
        self, again: Callable[..., Outcome], azure: MemoryStore, tmp_path: Path
    ) -> None:
        ended = again(app_key="another pem")
        assert {step.key: step.kind for step in ended.plan.steps} == {
            "GITHUB_APP_KEY": Kind.CONFLICT,
            "GITHUB_TOKEN": Kind.CREATE,
        }
        assert "wrote a different value" in ended.plan.steps[0].reason
        assert (ended.end, azure.writes) == (End.BLOCKED, [])
        assert [run.ended for run in runs(tmp_path)] == ["conflict"]
        assert again(app_key="another pem").end is End.APPLIED
        assert azure.writes == ["github-app-key", "agents-github"]

    def test_another_value_for_what_it_had_not_written_is_written(
        self, again: Callable[..., Outcome], azure: MemoryStore
    ) -> None:
        assert again(token="another").end is End.APPLIED
        assert azure.shown("agents-github") == {"GITHUB_TOKEN": "another"}

    def test_what_was_stored_and_not_noted_is_the_runs_where_the_value_is_the_same(
        self, again: Callable[..., Outcome], azure: MemoryStore, tmp_path: Path
    ) -> None:
        run = next(runs(tmp_path))
        kept = [line for line in run.path.read_text("utf-8").splitlines() if '"written"' not in line]
        lines = [line for line in kept if '"done"' not in line]
        run.path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        ended = again()
        assert ended.plan.stored == {("azure", "github-app-key"): "v1"}
        assert azure.writes == ["agents-github"]
        assert [entry.after for entry in next(runs(tmp_path)).entries.values()] == ["v1", "v1"]


def test_several_secrets_are_one_run_on_all_their_stores(environment: Environment, stores: Stores) -> None:
    jira, github = target_of(environment, "jira", (), None), target_of(environment, "github", (), "azure")
    given = [(jira, {"JIRA_TOKEN": SecretValue("a")}), (github, {"GITHUB_TOKEN": SecretValue("b")})]
    change = put(given, Options(stores=stores.live))
    plan = change.plan(None)
    assert [(step.secret, step.key, step.place.store) for step in plan.steps] == [
        ("jira", "JIRA_TOKEN", "vault"),
        ("github", "GITHUB_TOKEN", "azure"),
    ]
    assert set(plan.destinations) == {"vault", "azure"}
    assert change.identity["secrets"] == {"jira": ["JIRA_TOKEN"], "github": ["GITHUB_TOKEN"]}
    # A run of one secret is found again whether it was put alone or from an input of several.
    alone = put(given[:1], Options(stores=stores.live)).identity
    assert (alone["secret"], alone["keys"], "secrets" in alone) == ("jira", ["JIRA_TOKEN"], False)


def test_one_unfit_value_stops_all_secrets_before_any_store_is_asked(environment: Environment, stores: Stores) -> None:
    given = [
        (target_of(environment, "jira", (), None), {"JIRA_TOKEN": SecretValue("a")}),
        (target_of(environment, "github", (), None), {"GITHUB_TOKEN": SecretValue("changeme")}),
    ]
    with pytest.raises(Refusal, match='"GITHUB_TOKEN" is a placeholder'):
        put(given, Options(stores=stores.live))
    assert stores.vault is not None
    assert (stores.vault.reads, stores.vault.held) == ([], {})


def test_two_values_for_one_place_are_refused(sharing: Environment, stores: Stores) -> None:
    jira = target_of(sharing, "jira", (), None)
    given = [(jira, {"JIRA_TOKEN": SecretValue("s3ntinel")}), (jira, {"JIRA_TOKEN": SecretValue("other")})]
    with pytest.raises(
        Refusal, match="jira/JIRA_TOKEN and jira/JIRA_TOKEN share one value, but the input gives two"
    ) as raised:
        put(given, Options(stores=stores.live))
    assert "s3ntinel" not in str(raised.value)
    same = [(jira, {"JIRA_TOKEN": SecretValue("one")}), (jira, {"JIRA_TOKEN": SecretValue("one")})]
    assert len(put(same, Options(stores=stores.live)).plan(None).writes) == 1
