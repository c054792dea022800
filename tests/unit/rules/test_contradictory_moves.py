import time

import pytest

from compiler.rules.contradictory_moves import check
from tests.pace import allowed
from tests.unit.rules.conftest import CATALOGUE, TAKING, Judge

GUARDING = CATALOGUE.replace("  aws:\n", "  aws:\n    guards: true\n")


def moves(steps: str) -> str:
    return f"moves: {{to: azure, steps: {steps}}}"


def test_a_secret_in_two_steps_is_found_with_the_first(judge: Judge) -> None:
    found = judge(check, moves("[[github], [aws, github]]"))
    assert found.messages == ['"github" is in two steps']
    assert (found.marked, found.related) == (["github"], ["github"])


@pytest.mark.parametrize("steps", ["[[all], [github]]", "[[github, all]]", "[[all, github]]"])
def test_the_rest_is_alone_and_last(judge: Judge, steps: str) -> None:
    assert judge(check, moves(steps)).messages == ['"all" means the rest, so it is a step of its own and the last']


@pytest.mark.parametrize("steps", ["[[aws], [github]]", "[[aws, github]]"])
def test_what_guards_a_store_is_alone_and_last(judge: Judge, steps: str) -> None:
    found = judge(check, moves(steps), catalogue=GUARDING)
    assert found.messages == ['"aws" guards a store, so it moves alone and after all others']
    assert found.related == ["guards"]
    assert judge(check, moves("[[aws], [all]]"), catalogue=GUARDING).marked == ["aws"]


@pytest.mark.parametrize(
    ("text", "said"), [("moves: {to: azure}", "steps"), ("moves: {steps: [[all]]}", "to"), ("moves: {}", "to")]
)
def test_steps_and_a_store_to_go_to_are_both_needed(judge: Judge, text: str, said: str) -> None:
    assert judge(check, text).messages[0] == f'`moves` has no "{said}"'


def test_a_secret_that_is_called_like_the_rest_is_found(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("  aws:\n", "  all:\n")
    assert judge(check, moves("[[all]]"), catalogue=catalogue).marked == ["moves"]


def test_steps_in_an_order_that_can_be_gone_are_fine(judge: Judge) -> None:
    assert not judge(check)
    assert not judge(check, moves("[[github], [aws, global]]"))
    assert not judge(check, moves("[[github], [all]]"), catalogue=GUARDING)
    assert not judge(check, moves("[[github, global], [aws]]"), catalogue=GUARDING)
    assert not judge(check, "moves: {tu: azure}")


def test_secrets_with_a_value_in_common_stand_in_one_step(judge: Judge) -> None:
    listed = "secrets: {ci: {}}\n"
    found = judge(check, listed + moves("[[ci], [all]]"), catalogue=TAKING)
    assert found.messages == ['"ci" and "github" have a value in common, so they move in one step']
    assert (found.marked, found.related) == (["ci"], ["github/GITHUB_TOKEN"])
    assert judge(check, listed + moves("[[github]]"), catalogue=TAKING).marked == ["github"]
    assert not judge(check, listed + moves("[[ci, github], [all]]"), catalogue=TAKING)
    assert not judge(check, listed + moves("[[aws], [all]]"), catalogue=TAKING)
    assert not judge(check, moves("[[github], [all]]"), catalogue=TAKING)


@pytest.mark.heavy
def test_many_steps_are_judged_in_time(judge: Judge) -> None:
    steps = ", ".join(f"[s{number}]" for number in range(15000))
    begin = time.process_time()
    assert not judge(check, moves(f"[{steps}]"))
    assert time.process_time() - begin < allowed(2)
