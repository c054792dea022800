import pytest

from compiler.rules.contradictory_policy import check
from tests.unit.rules.conftest import CATALOGUE, Judge


def with_policies(creation: str, deletion: str) -> str:
    said = f"    syncWave: -50\n    creationPolicy: {creation}\n    deletionPolicy: {deletion}\n"
    return CATALOGUE.replace("    syncWave: -50\n", said)


def test_finds_a_secret_that_the_operator_may_not_delete(judge: Judge) -> None:
    found = judge(check, with_policies("Orphan", "Delete"))
    assert found.messages == ['the operator does not own the Secret of "global", and so may not delete it']
    assert (found.marked, found.related) == (["Delete"], ["Orphan"])


@pytest.mark.parametrize("policies", [("Owner", "Delete"), ("Orphan", "Retain"), ("Orphan", "Merge")])
def test_leaves_other_policies_alone(judge: Judge, policies: tuple[str, str]) -> None:
    assert not judge(check, with_policies(*policies))
