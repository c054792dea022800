import io
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.change.plan import End, Kind, Outcome, Plan, State, Step, WriteResult
from compiler.change.run_files import run_lock
from compiler.cli.running import Progress, RunOutput, code_of_run
from compiler.live.stores import ServerFacts
from tests.commands import Done, RunCommand, invocation_of
from tests.memory_store import MemoryStore
from tests.unit.changes import outcome_of, plan_of, write_of
from tests.unit.cli.two_ends import AZURE, KEY, WRITING, Ends, Writing, journal, journals, lines

# What the writing commands have in common, each of them tried.


def test_a_plan_writes_nothing_and_says_how_to_go_on(writing: Writing) -> None:
    found = writing()
    assert found.code == 0, found.err
    assert found.out.splitlines()[-2:] == [
        "plan: 1 key to create, in 1 remote secret",
        "nothing was written; add --apply to write this plan",
    ]
    assert writing.ends.azure.versions == {}
    assert not (writing.project / ".platform-secrets").exists()


def test_apply_shows_plan_progress_and_result(writing: Writing) -> None:
    found = writing("--apply")
    assert (found.code, "create" in found.out) == (0, True)
    assert f"run {journal(writing.project).stem}: 1 of 1 done and verified" in found.out
    assert f"1/1 azure:{AZURE} done, version v1\n" in found.err
    assert writing.ends.azure.shown(AZURE) == {KEY: "token"}
    again = writing("--apply")
    assert (again.code, again.out.splitlines()[-1]) == (0, "nothing was written: there are no changes to write")
    assert len(journals(writing.project)) == 1


def test_what_stays_as_it_is_is_a_count_unless_it_is_asked_for(writing: Writing) -> None:
    assert "1/1" not in writing("--apply", "--quiet").err
    assert (AZURE in writing().out, "1 key unchanged" in writing().out) == (False, True)
    assert f"keep      azure:{AZURE}" in writing("--verbose").out


def test_a_failure_is_incomplete_and_the_same_command_completes_it(writing: Writing) -> None:
    writing.ends.azure.silence("write", AZURE)
    found = writing("--apply")
    assert found.code == 4
    assert f"azure:{AZURE} failed: no answer\n  help: wait\n" in found.out
    # Why is said once.
    assert found.err.endswith(f"\n1/1 azure:{AZURE} failed\n")
    assert found.out.endswith("incomplete; run the same command again to continue\n")
    writing.ends.azure.failures.clear()
    assert writing("--apply").code == 0
    assert writing.ends.azure.shown(AZURE) == {KEY: "token"}


def test_only_what_deletes_is_told_of_other_stores(writing: Writing) -> None:
    found = writing("--not-the-same", "staging/azure")
    assert (found.code, "--not-the-same needs --undo" in found.err) == (2, True)
    assert writing.ends.azure.calls == []


def test_an_interrupt_says_how_to_go_on(writing: Writing, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(Progress):
        def step(self, line: str, *, is_fine: bool = True) -> None:
            del line, is_fine
            raise KeyboardInterrupt

    monkeypatch.setattr("compiler.cli.running.Progress", Interrupting)
    found = writing("--apply")
    assert (found.code, "interrupted; run the same command again" in found.out) == (130, True)


def test_a_conflict_at_the_write_exits_1(writing: Writing) -> None:
    writing.ends.azure.before_each("write", lambda name: writing.ends.azure.seed(name, **{KEY: "theirs"}))
    found = writing("--apply", "--quiet")
    assert (found.code, f"azure:{AZURE} conflict" in found.out) == (1, True)
    assert writing.ends.azure.shown(AZURE) == {KEY: "theirs"}


def test_the_audit_file_is_written_or_the_run_is_not_begun(writing: Writing, tmp_path: Path) -> None:
    refused = writing("--apply", "--audit", str(tmp_path / "none" / "audit"))
    assert (refused.code, "the audit file cannot be opened" in refused.err) == (3, True)
    assert writing.ends.azure.versions == {}
    assert not (writing.project / ".platform-secrets/runs").exists()
    assert writing("--apply", "--audit", str(tmp_path / "audit")).code == 0
    announced, line = lines(tmp_path / "audit")
    assert (announced["state"], line["state"]) == ("writing", "written")
    assert (line["who"], line["action"], line["name"], line["properties"]) == ("tester", "create", AZURE, [KEY])
    assert line["run"] == journal(writing.project).stem


def test_the_end_says_when_the_cluster_has_it_and_prints_the_undo(
    writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(writing.project / "none"))
    done = writing("--apply")
    undo = f"platform-secrets {writing.name} dev --undo {journal(writing.project).stem} --apply"
    # The environment reads Vault, and that is not where it was written, which `put` says.
    unread = 'no pod of dev reads "github" from "azure": "vault" serves it\n' if writing.name == "put" else ""
    assert done.out.endswith(f"done and verified\n{unread}to undo it: {undo}\n"), done.out
    undone = writing.undo(journal(writing.project).stem, "--apply")
    assert undone.out.endswith("done and verified\n"), undone.out


class TestADeletedSecret:
    """It is recovered by plan and consent; what refuses it prints the command that does."""

    @pytest.fixture(autouse=True)
    def deleted(self, ends: Ends) -> None:
        ends.azure.seed(AZURE, **{KEY: "old"}, OTHER="theirs")
        ends.azure.deleted.add(AZURE)

    def test_the_refusal_prints_the_command_that_recovers_it(self, writing: Writing, run: RunCommand) -> None:
        refused = writing.over("--apply", "--audit", "an audit file")
        assert refused.code == 1, refused.err
        assert (writing.ends.azure.deleted, writing.ends.azure.writes) == ({AZURE}, [])
        (printed,) = [line.strip() for line in refused.out.splitlines() if line.strip().startswith("platform-secrets ")]
        words = shlex.split(printed)
        assert words[1:3] == [writing.name, "dev"]
        assert ("--on-conflict" in words) is (writing.name != "put")
        # It writes, as the command did that was refused.
        assert words[words.index("--audit") + 1] == "an audit file"
        assert words[-2:] == ["--recover", "--apply"]
        planned = run(*words[1:-1])
        assert (planned.code, f"recover   azure:{AZURE}" in planned.out) == (0, True), planned.out
        assert (writing.ends.azure.deleted, writing.ends.azure.writes) == ({AZURE}, [])
        assert run(*words[1:]).code == 0
        assert writing.ends.azure.shown(AZURE) == {KEY: "token", "OTHER": "theirs"}
        assert writing.ends.azure.deleted == set()
        audit = lines(writing.project / "an audit file")
        assert [line["action"] for line in audit if line["state"] == "written"] == ["recover", "update"]

    def test_the_command_is_for_the_same_project(
        self, writing: Writing, run: RunCommand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        files = {name: f"project/{name}" for name in ("dev.age", "key", "value")}
        found = run("--root", "project", *(files.get(word, word) for word in writing.words))
        assert "platform-secrets --root project " in found.out, found.out + found.err


class TestAnotherRun:
    """One at a time writes from a project, and the second one waits."""

    @pytest.mark.parametrize("undone", [False, True])
    def test_after_ten_seconds_nothing_is_written(
        self, writing: Writing, done: str, monkeypatch: pytest.MonkeyPatch, *, undone: bool
    ) -> None:
        writing.has("newer")
        now, written = [0.0], len(writing.ends.azure.writes)

        def sleep(seconds: float) -> None:
            now[0] += seconds

        with run_lock(writing.project, "put, run 20250131-120000-4fa1c2"):
            clock = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
            monkeypatch.setattr("compiler.change.run_files.time", clock)
            found = writing.undo(done, "--apply") if undone else writing.over("--apply")
        assert (found.code, "another run is in progress: put, run 20250131" in found.err) == (3, True)
        assert 10 <= now[0] < 11
        assert len(writing.ends.azure.writes) == written


class TestADefect:
    """What nothing expected ends as a run that can go on, without a value and without a traceback."""

    @pytest.fixture(autouse=True)
    def broken(self, ends: Ends) -> None:
        ends.azure.failures["write", AZURE] = KeyError("s3ntinel")

    def test_the_command_says_where_and_that_it_can_go_on(self, writing: Writing) -> None:
        found = writing("--apply", "--quiet")
        assert found.code == 4
        assert found.out.endswith("incomplete; run the same command again to continue\n")
        assert "internal error: KeyError at compiler/" in found.err
        assert "this is a bug; run the command again with --debug" in found.err
        assert "Traceback" not in found.err
        assert "s3ntinel" not in found.out + found.err
        assert lines(journal(writing.project))[-1]["state"] == "incomplete"

        writing.ends.azure.failures.clear()
        assert writing("--apply").code == 0

    @pytest.mark.parametrize("first", [True, False])
    def test_debug_shows_the_way_there_and_no_text(self, writing: Writing, run: RunCommand, *, first: bool) -> None:
        words = (*writing.words, "--apply", "--quiet")
        found = run("--debug", *words) if first else run(*words, "--debug")
        assert "compiler/change/apply.py" in found.err
        assert "s3ntinel" not in found.out + found.err


# `--undo RUN` of each writing command.

# What the run itself was given, which says nothing to its undo.
NOT_FOR_UNDO = {
    "migrate": [
        ("--only", "github"),
        ("--from", "vault"),
        ("--all-properties",),
        ("--recover",),
        ("--stringify",),
        ("--continue-on-error",),
        ("--on-conflict", "skip"),
    ],
    "put": [("--store", "azure"), ("--from-file", "value"), ("--stdin",), ("--recover",)],
    "restore": [
        ("--identity", "key"),
        ("--to", "azure"),
        ("--only", "github"),
        ("--from-environment", "dev"),
        ("--on-conflict", "skip"),
        ("--recover",),
    ],
}


STUCK = "nothing was written: what is left of the run cannot be undone"


def kinds(done: Done) -> list[str]:
    return [step["kind"] for step in done.report["steps"]]


def test_it_shows_and_then_does(writing: Writing, done: str, tmp_path: Path) -> None:
    shown = writing.undo(done)
    assert (shown.code, shown.out.splitlines()[-1]) == (0, "nothing was written; add --apply to write this plan")
    report = writing.undo(done, "--format", "json").report
    assert (report["command"], report["undo"], report["applied"]) == (writing.name, done, False)
    undone = writing.undo(done, "--apply", "--audit", str(tmp_path / "audit"))
    assert (undone.code, writing.ends.azure.deleted) == (0, {AZURE})
    assert lines(tmp_path / "audit")[0]["action"] == "delete"
    again = writing.undo(done, "--apply", "--format", "json")
    assert (again.code, kinds(again), again.report["results"]) == (0, ["keep"], [])
    for options in ((), ("--apply",)):
        assert writing.undo(done, *options).out.endswith("\nnothing was written: there is nothing to undo\n")


@pytest.mark.parametrize(
    ("command", "options"), [(command, each) for command, options in NOT_FOR_UNDO.items() for each in options]
)
def test_it_takes_no_option_that_it_would_not_heed(
    run: RunCommand, project: Path, ends: Ends, command: str, options: tuple[str, ...]
) -> None:
    writing = Writing(command, project, ends, run)
    assert writing("--apply").code == 0
    found = writing.undo(journal(project).stem, *options, "--apply")
    assert (found.code, f"cannot be combined with {options[0]}" in found.err) == (2, True), found.err
    assert ends.azure.deleted == set()


def test_what_another_environment_reads_by_now_stays(writing: Writing, done: str, project: Path) -> None:
    text = (project / "environments/staging.yaml").read_text("utf-8")
    (project / "environments/qa.yaml").write_text(
        text.replace("ai-platform-staging.", "ai-platform.").replace("  jira:\n", "  github:\n"), "utf-8"
    )
    for options in ((), ("--apply",)):
        found = writing.undo(done, *options)
        assert (found.code, 'it is in use again, read there by "qa/github"' in " ".join(found.out.split())) == (
            1,
            True,
        )
    assert writing.ends.azure.deleted == set()


def test_it_refuses_what_changed_since_and_exits_1(writing: Writing, done: str) -> None:
    writing.ends.azure.seed(AZURE, **{KEY: "theirs"})
    shown = writing.undo(done)
    assert (shown.code, shown.out.splitlines()[-1]) == (1, STUCK)
    assert writing.undo(done, "--apply").code == 1
    assert writing.ends.azure.deleted == set()


def test_the_line_to_use_is_for_the_same_project(
    writing: Writing, done: str, run: RunCommand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    other = next(name for name in WRITING if name != writing.name)
    found = run("--root", "project", other, "dev", "--undo", done)
    (line,) = [line.removeprefix("help: run ") for line in found.err.splitlines() if line.startswith("help: run ")]
    assert line == f"platform-secrets --root project {writing.name} dev --undo {done}"
    assert run(*line.split()[1:], "--apply").code == 0
    assert writing.ends.azure.deleted == {AZURE}


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


def test_an_option_that_the_command_has_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    made = plan("a")
    output(continue_on_error=False).end(Outcome(replace(made, steps=(*made.steps, REFUSED)), End.BLOCKED))
    assert capsys.readouterr().out.endswith("; add --continue-on-error to write the rest\n")


def test_an_end_that_could_not_be_noted_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = told(replace(outcome(State.DONE), unrecorded="the journal cannot be written: full"), capsys)
    assert err == "error: the end of the run could not be recorded: the journal cannot be written: full\n"
    assert out[-1] == "incomplete; run the same command again to continue"


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
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.startswith("note: waiting for another run: migrate, run 20250131-120000-4fa1c2 (process 7)")
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
    assert output().agrees(replace(plan("a"), served={"azure": ServerFacts(said=said)}))
    assert capsys.readouterr().err == f"Write 1 key to prod ({said})? [y/N] "


@pytest.mark.parametrize(
    ("found", "is_clean", "code"),
    [
        (outcome(State.DONE, State.KEPT), True, 0),
        (outcome(State.DONE), False, 1),
        (outcome(State.DONE, State.CONFLICT), True, 1),
        (outcome(State.UNVERIFIED), True, 1),
        (outcome(State.CONFLICT, State.FAILED), True, 4),
        (outcome(State.PENDING), True, 4),
        (outcome(State.DONE, defect=KeyError()), True, 4),
        (outcome(State.DONE, unrecorded="the disk is full"), True, 4),
        (outcome(State.DONE, State.PENDING, interrupted=True), True, 130),
    ],
)
def test_the_exit_code_says_how_a_run_ended(found: Outcome, is_clean: bool, code: int) -> None:  # noqa: FBT001
    assert code_of_run(found if is_clean else replace(found, plan=plan_of(steps=(REFUSED,)))) == code


@pytest.mark.parametrize(
    ("end", "is_clean", "code"),
    [
        (End.SHOWN, True, 0),
        (End.SHOWN, False, 1),
        (End.NOTHING, True, 0),
        (End.NOTHING, False, 1),
        (End.DECLINED, True, 0),
        (End.BLOCKED, False, 1),
        (End.CHANGED, True, 1),
    ],
)
def test_the_exit_code_says_whether_a_plan_can_be_written(end: End, is_clean: bool, code: int) -> None:  # noqa: FBT001
    assert code_of_run(Outcome(plan("a") if is_clean else plan_of(steps=(REFUSED,)), end)) == code


class ErrorTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> ErrorTerminal:
    """What standard error is from here on."""
    terminal = ErrorTerminal()
    monkeypatch.setattr("sys.stderr", terminal)
    return terminal


def set_clock(monkeypatch: pytest.MonkeyPatch, now: Callable[[], float]) -> None:
    monkeypatch.setattr("compiler.cli.running.time", SimpleNamespace(monotonic=now))


def test_without_a_terminal_each_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(2, quiet=False)
    progress.step("one done")
    progress.step("two failed", is_fine=False)
    progress.close()
    assert capsys.readouterr().err == "1/2 one done\n2/2 two failed\n"


def test_a_terminal_gets_a_bar_with_rate_and_time_left_and_the_number_of_those_that_are_not_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_terminal(monkeypatch)
    seconds = count(0, 10)
    set_clock(monkeypatch, lambda: next(seconds))
    progress = Progress(120, quiet=False)
    for number in range(10):
        progress.step(f"{number} done")
    assert "] 10/120  0/s" in terminal.getvalue()
    progress.step("bad", is_fine=False)
    progress.close()
    text = terminal.getvalue()
    assert "[##......................] 11/120  1 not done  0/s  18:10 left" in text
    # Each is a result line of the end, if anything is to be said of it.
    assert "bad" not in text
    assert "0 done" not in text
    assert text.endswith("\r\x1b[K")


def test_a_bar_is_not_drawn_more_often_than_eyes_can_read_but_the_last_time(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    set_clock(monkeypatch, lambda: 5.0)
    progress = Progress(1000, quiet=False)
    for _ in range(1000):
        progress.step("done")
    assert terminal.getvalue().count("[") - terminal.getvalue().count("\x1b[") == 2


def test_what_is_not_done_is_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    set_clock(monkeypatch, lambda: 5.0)
    progress = Progress(1000, quiet=False)
    progress.step("one")
    progress.step("two", is_fine=False)
    assert "2/1000  1 not done" in terminal.getvalue()


def test_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    progress = Progress(1, quiet=True)
    progress.step("one", is_fine=False)
    progress.close()
    assert terminal.getvalue() == ""
