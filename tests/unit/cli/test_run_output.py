import io
import sys
from dataclasses import replace
from typing import Any

import pytest

from compiler.change.plan import End, Kind, MissingLine, Outcome, Plan, State, Step, WriteResult
from compiler.cli.running import RunOutput
from compiler.cli.terminal.dialogue import Progress
from compiler.live.stores import Served
from tests.commands import invocation_of
from tests.unit.changes import outcome_of, plan_of, write_of
from tests.unit.memory_store import MemoryStore

REFUSED = Step("jira", "TOKEN", Kind.REFUSE, None, None, "why", "how")


def output(form: str = "text", **options: bool) -> RunOutput:
    given = {"quiet": True, "verbose": False, **options}
    return RunOutput(invocation_of("put", format=form, **given))


def plan(*names: str) -> Plan:
    return plan_of(*(write_of(MemoryStore(), name, A="1") for name in names), command="put")


def outcome(*states: State, **rest: Any) -> Outcome:  # noqa: ANN401
    return outcome_of(*(WriteResult("azure", str(state), state) for state in states), **rest)


def told(found: Outcome, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    output().end(found)
    shown = capsys.readouterr()
    return shown.out.splitlines(), shown.err


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (End.SHOWN, "nothing was written; add --apply to write this plan"),
        (End.NOTHING, "nothing was written: there are no changes to write"),
        (End.UNDONE, "nothing was written: there is nothing to undo"),
        (End.STUCK, "nothing was written: what is left of the run cannot be undone"),
        (End.DECLINED, "nothing was written"),
        (End.CHANGED, "the store changed after the plan was shown"),
        (End.BLOCKED, "nothing was written: 1 key blocks this plan"),
    ],
)
def test_where_nothing_was_written_the_last_line_says_why(
    capsys: pytest.CaptureFixture[str], end: End, said: str
) -> None:
    output().end(Outcome(plan_of(steps=(REFUSED,)), end))
    (line,) = capsys.readouterr().out.splitlines()
    assert said in line
    assert "--continue-on-error" not in line


def test_an_option_that_the_command_has_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    made = plan("a")
    output(continue_on_error=False).end(Outcome(replace(made, steps=(*made.steps, REFUSED)), End.BLOCKED))
    assert capsys.readouterr().out.endswith("; add --continue-on-error to write the rest\n")


def test_what_is_not_begun_is_a_count_and_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    found = outcome(State.DONE, *[State.PENDING] * 137)
    assert told(found, capsys)[0] == [
        "137 remote secrets not started",
        "run run-1: 1 of 138 done and verified",
        "incomplete; run the same command again to continue",
    ]
    out, _ = told(outcome(State.PENDING, interrupted=True), capsys)
    assert out[-1] == "interrupted; run the same command again to continue"


def test_an_end_that_could_not_be_noted_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = told(replace(outcome(State.DONE), unrecorded="the journal cannot be written: full"), capsys)
    assert err == "error: the end of the run could not be recorded: the journal cannot be written: full\n"
    assert out[-1] == "incomplete; run the same command again to continue"


def test_what_the_audit_file_lacks_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = told(replace(outcome(State.DONE), unaudited=(MissingLine("azure", "a", "v1"),)), capsys)
    assert err.startswith("error: the audit file has no entry for azure:a, version v1\nhelp: ")


def test_people_get_lines_and_programs_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    ended = Outcome(plan("a"), End.SHOWN)
    output().shows(ended.plan)
    assert capsys.readouterr().out.startswith('to   "azure" at ')
    shown = output("json")
    shown.shows(ended.plan)
    assert shown.end(ended, {"secret": "jira"}) == 0
    out = capsys.readouterr().out
    assert out.startswith('{\n  "format": 1,\n  "command": "put",\n')
    assert '"secret": "jira"' in out


def test_what_happens_on_the_way_is_a_note_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output("json")
    shown.waits("migrate, run 20250131-120000-4fa1c2 (process 7)\x1b[2J")
    shown.resumes("20250131-120000-4fa1c2")
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.startswith("note: waiting for another run: migrate, run 20250131-120000-4fa1c2 (process 7)")
    assert found.err.endswith("\nnote: resuming run 20250131-120000-4fa1c2\n")
    assert "\x1b" not in found.err


def test_a_person_is_asked_about_the_keys_that_are_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan("a", "b")
    for answer, is_yes in (("yes\n", True), ("n\n", False), ("", False)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        assert output().agrees(replace(made, steps=(*made.steps, REFUSED))) is is_yes
        assert capsys.readouterr().err == "Write 2 keys to prod? [y/N] "


def test_why_a_write_is_not_done_is_told_once_when_all_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[str, bool]] = []

    def step(_self: Progress, line: str, *, is_fine: bool = True) -> None:
        seen.append((line, is_fine))

    monkeypatch.setattr(Progress, "step", step)
    results = (
        WriteResult("azure", "a", State.DONE, "v1"),
        WriteResult("azure", "b", State.CONFLICT, None, (), "conflict", "why", "how"),
    )
    with output().applying(plan("a", "b")) as (stop, report):
        for result in results:
            report(result)
        assert not stop.is_set()
    assert seen == [("azure:a done, version v1", True), ("azure:b conflict", False)]
    assert told(outcome_of(*results), capsys)[0][:2] == ["azure:b conflict: why", "  help: how"]


def test_an_interrupt_takes_the_bar_away(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Progress] = []

    def close(bar: Progress) -> None:
        closed.append(bar)

    monkeypatch.setattr(Progress, "close", close)
    with pytest.raises(KeyboardInterrupt), output().applying(plan("a")):
        raise KeyboardInterrupt
    assert len(closed) == 1


def test_the_question_names_the_server_that_a_variable_leads_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    said = "VAULT_ADDR replaces http://v of prod; this Vault is c1"
    assert output().agrees(replace(plan("a"), served={"azure": Served(said=said)}))
    assert capsys.readouterr().err == f"Write 1 key to prod ({said})? [y/N] "
