import pytest

from compiler.live.read_many import Likeness
from compiler.operations.cutover_gate import StoreComparison, Switch, compare_stores
from compiler.stores.errors import Action, DisabledError, ForbiddenError, StoreLocation
from compiler.stores.secret_value import JsonKind, SecretValue
from tests.unit.memory_store import secrets
from tests.unit.operations.cutover.conftest import Bench


def likenesses(bench: Bench) -> dict[str, str]:
    return {each.key: str(each.likeness) for each in comparison(bench).keys}


def comparison(bench: Bench) -> StoreComparison:
    environment = bench.environment()
    stores = environment.stores
    return compare_stores([Switch(environment, "jira", stores["vault"], stores["azure"])], bench.live())


def test_equal_values_are_found_equal_with_one_read_of_each_side(bench: Bench) -> None:
    assert likenesses(bench) == {"JIRA_TOKEN": "equal", "JIRA_URL": "equal"}
    assert (bench.vault.reads, bench.azure.reads) == (["agents/jira"], ["agents-jira"])
    assert bench.vault.writes == bench.azure.writes == []


def test_a_value_that_differs_in_text_or_kind_is_different(bench: Bench) -> None:
    bench.azure.hold(
        "agents-jira", {**secrets(JIRA_TOKEN="t-2 "), "JIRA_URL": SecretValue("https://jira", JsonKind.NUMBER)}
    )
    assert likenesses(bench) == {"JIRA_TOKEN": "different", "JIRA_URL": "different"}


def test_what_the_present_store_does_not_hold_is_told_from_what_it_does_not_tell(bench: Bench) -> None:
    bench.vault.hold("agents/jira", secrets(JIRA_URL="https://jira"))
    assert likenesses(bench) == {"JIRA_TOKEN": "only-there", "JIRA_URL": "equal"}
    place = StoreLocation("https://vault", "agents/jira")
    bench.vault.failures["read", "agents/jira"] = DisabledError(place, Action.READ, "it is disabled", "enable it")
    assert set(likenesses(bench).values()) == {"only-there"}
    bench.vault.failures["read", "agents/jira"] = ForbiddenError(
        place, Action.READ, "it is forbidden", "get a role", permission="read"
    )
    found = comparison(bench)
    assert {each.likeness for each in found.keys} == {Likeness.UNKNOWN}
    assert all(each.why is not None and "it is forbidden" in each.why.message for each in found.keys)


@pytest.mark.parametrize("silent", ["vault", "azurekv"])
def test_a_store_that_does_not_answer_leaves_the_likeness_open(bench: Bench, silent: str) -> None:
    bench.silent.add(silent)
    expected = "unknown" if silent == "vault" else "missing"
    assert set(likenesses(bench).values()) == {expected}
    assert comparison(bench).found.answered == (silent == "vault")


def test_no_value_is_in_what_is_found(bench: Bench) -> None:
    bench.vault.seed("agents/jira", JIRA_TOKEN="s3ntinel-4711", JIRA_URL="s3ntinel-4711")
    found = comparison(bench)
    assert "s3ntinel" not in repr(found)
    (switch,) = {each.switch for each in found.keys}
    assert len(found.of(switch)) == 2
