"""What the writing commands have in common, each of them tried."""

import shlex
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from compiler.change.run_files import run_lock
from compiler.cli.terminal.dialogue import Progress
from compiler.stores.errors import Action, Code, StoreError
from compiler.stores.interface import Problem
from tests.commands import Done
from tests.unit.cli.two_ends import AZURE, KEY, Ends, Writing, journal, journals, lines


def at_the_write(ends: Ends, act: Callable[[str], object]) -> None:
    """Before each write of the Key Vault, `act` is called with its name."""

    def before(method: str, name: str) -> None:
        if method == "write":
            act(name)

    ends.azure.before = before


def undisturbed(ends: Ends) -> None:
    ends.azure.before = lambda _method, _name: None


@pytest.fixture
def unfinished(writing: Writing, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a run that was stopped before its first write."""

    def interrupted(*_rest: object, **_options: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("compiler.change.apply.apply_plan", interrupted)
        assert writing.over("--apply").code == 130
    return journal(writing.project).stem


def test_a_plan_writes_nothing_and_says_how_to_go_on(writing: Writing) -> None:
    found = writing()
    assert found.code == 0, found.err
    assert found.out.splitlines()[-2:] == [
        "plan: 1 key to create, in 1 remote secret",
        "nothing was written; add --apply to write this plan",
    ]
    assert writing.ends.azure.versions == {}
    assert not (writing.project / ".platform-secrets").exists()


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_value_is_filled_without_a_question_and_the_plan_says_so(writing: Writing, blank: str) -> None:
    writing.ends.azure.seed(AZURE, **{KEY: blank})
    planned = writing()
    assert (planned.code, "  update    azure:" in planned.out) == (0, True), planned.out
    assert "the value there now is blank, and will be filled" in " ".join(planned.out.split())
    assert "instead:" not in planned.out
    assert writing("--apply").code == 0
    assert writing.ends.azure.shown(AZURE) == {KEY: "token"}
    undone = writing.undo(journal(writing.project).stem, "--apply")
    assert (undone.code, writing.ends.azure.shown(AZURE)) == (0, {KEY: blank})


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


def test_what_a_store_would_refuse_is_not_sent(writing: Writing) -> None:
    writing.ends.azure.problems = (Problem("too-large", AZURE, "it is too large", "shorten it", KEY),)
    for options in ((), ("--apply",)):
        found = writing(*options)
        assert (found.code, found.out.splitlines()[-1][:40]) == (1, "nothing was written: 1 key blocks this p")
        assert "it is too large" in found.out
    assert writing.ends.azure.versions == {}
    assert not (writing.project / ".platform-secrets/runs").exists()


def test_a_failure_is_incomplete_and_resumed_by_the_same_command(writing: Writing) -> None:
    def refuse(name: str) -> None:
        raise StoreError(writing.ends.azure.place(name), Action.WRITE, "no answer", "wait", Code.UNAVAILABLE)

    at_the_write(writing.ends, refuse)
    found = writing("--apply")
    assert found.code == 4
    assert f"azure:{AZURE} failed: no answer\n  help: wait\n" in found.out
    # Why is said once.
    assert found.err.endswith(f"\n1/1 azure:{AZURE} failed\n")
    assert found.out.endswith("incomplete; run the same command again to continue\n")
    undisturbed(writing.ends)
    run = journal(writing.project).stem
    again = writing("--apply", "--format", "json")
    assert (again.code, again.report["run"]) == (0, run)
    assert f"note: resuming run {run}" in again.err


def test_a_resumed_run_that_is_stopped_by_another_writer_ends(writing: Writing, unfinished: str) -> None:
    writing.ends.azure.seed(AZURE, **{KEY: "theirs"})
    found = writing.over("--apply")
    assert (found.code, "another writer changed it" in " ".join(found.out.split())) == (1, True)
    assert lines(journal(writing.project))[-1]["state"] == "conflict"
    assert writing.ends.azure.shown(AZURE) == {KEY: "theirs"}
    assert writing.over("--apply").code == 0
    assert unfinished in {path.stem for path in journals(writing.project)}


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize("writing", ["put", "restore"], indirect=True)
def test_another_value_than_the_run_has_written_is_a_conflict(
    writing: Writing,
    noted: bool,  # noqa: FBT001
) -> None:
    assert writing.over("--apply").code == 0
    # As if the run had been killed: before its end, or before it could note the version either.
    kept = [line for line in journal(writing.project).read_text("utf-8").splitlines() if '"end"' not in line]
    kept = kept if noted else [line for line in kept if '"written"' not in line and '"done"' not in line]
    journal(writing.project).write_text("\n".join(kept) + "\n", "utf-8")
    writing.has("another")
    found = writing.over("--apply", "--format", "json")
    (step,) = found.report["steps"]
    assert (found.code, step["kind"], step["key"]) == (1, "conflict", KEY)
    assert ("the run already wrote a different value for it, version v1" in step["reason"]) is noted
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
    at_the_write(writing.ends, lambda name: writing.ends.azure.seed(name, **{KEY: "theirs"}))
    found = writing("--apply", "--quiet")
    assert (found.code, f"azure:{AZURE} conflict" in found.out) == (1, True)
    assert writing.ends.azure.shown(AZURE) == {KEY: "theirs"}


def test_the_audit_file_is_written_or_the_run_is_not_begun(writing: Writing, tmp_path: Path) -> None:
    refused = writing("--apply", "--audit", str(tmp_path / "none" / "audit"))
    assert (refused.code, "the audit file cannot be opened" in refused.err) == (3, True)
    assert writing.ends.azure.versions == {}
    assert not (writing.project / ".platform-secrets/runs").exists()
    assert writing("--apply", "--audit", str(tmp_path / "audit")).code == 0
    _, line = lines(tmp_path / "audit")
    assert (line["who"], line["action"], line["name"], line["properties"]) == ("tester", "create", AZURE, [KEY])
    assert line["run"] == journal(writing.project).stem


def test_the_end_says_when_the_cluster_has_it_and_prints_the_undo(
    writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(writing.project / "none"))
    done = writing("--apply")
    undo = f"platform-secrets {writing.name} dev --undo {journal(writing.project).stem} --apply"
    # The environment reads Vault, and that is not where it was written.
    assert done.out.endswith(f"done and verified\nto undo it: {undo}\n"), done.out
    undone = writing.undo(journal(writing.project).stem, "--apply")
    assert undone.out.endswith("done and verified\n"), undone.out


class TestADeletedSecret:
    """It is recovered by plan and consent; what refuses it prints the command that does."""

    @pytest.fixture(autouse=True)
    def deleted(self, ends: Ends) -> None:
        ends.azure.seed(AZURE, **{KEY: "old"}, OTHER="theirs")
        ends.azure.deleted.add(AZURE)

    def test_the_refusal_prints_the_command_that_recovers_it(self, writing: Writing, run: Callable[..., Done]) -> None:
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
        assert [line["action"] for line in audit] == ["recover", "recover", "update", "update"]

    def test_the_command_is_for_the_same_project(
        self, writing: Writing, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        files = {name: f"project/{name}" for name in ("dev.age", "key", "value")}
        found = run("--root", "project", *(files.get(word, word) for word in writing.words))
        assert "platform-secrets --root project " in found.out, found.out + found.err

    def test_its_undo_deletes_it_again(self, writing: Writing) -> None:
        assert writing("--recover", "--apply").code == 0
        assert writing.undo(journal(writing.project).stem, "--apply").code == 0
        assert writing.ends.azure.deleted == {AZURE}


class TestAnotherRun:
    """One at a time writes from a project, and the second one waits."""

    def test_it_is_waited_for(self, writing: Writing) -> None:
        held = ExitStack()
        held.enter_context(run_lock(writing.project, "put, run 20250131-120000-4fa1c2"))
        thread = threading.Timer(0.3, held.close)
        thread.start()
        found = writing("--apply")
        thread.join()
        assert found.code == 0, found.err
        assert found.err.count("note: waiting for another run: put, run 20250131-120000-4fa1c2 (process ") == 1

    @pytest.mark.parametrize("undone", [False, True])
    def test_after_ten_seconds_nothing_is_written(
        self,
        writing: Writing,
        done: str,
        monkeypatch: pytest.MonkeyPatch,
        undone: bool,  # noqa: FBT001
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
        def broken(_name: str) -> None:
            raise KeyError("s3ntinel")

        at_the_write(ends, broken)

    def test_the_command_says_where_and_that_it_can_go_on(self, writing: Writing) -> None:
        found = writing("--apply", "--quiet")
        assert found.code == 4
        assert found.out.endswith("incomplete; run the same command again to continue\n")
        assert "internal error: KeyError at compiler/" in found.err
        assert "this is a bug; run the command again with --debug" in found.err
        assert "Traceback" not in found.err
        assert "s3ntinel" not in found.out + found.err
        assert lines(journal(writing.project))[-1]["state"] == "incomplete"

        undisturbed(writing.ends)
        again = writing("--apply")
        assert (again.code, "resuming run" in again.err) == (0, True)

    @pytest.mark.parametrize("first", [True, False])
    def test_debug_shows_the_way_there_and_no_text(
        self,
        writing: Writing,
        run: Callable[..., Done],
        first: bool,  # noqa: FBT001
    ) -> None:
        words = (*writing.words, "--apply", "--quiet")
        found = run("--debug", *words) if first else run(*words, "--debug")
        assert "compiler/change/apply.py" in found.err
        assert "s3ntinel" not in found.out + found.err

    def test_a_report_for_programs_has_it_too(self, writing: Writing) -> None:
        report = writing("--apply", "--quiet", "--format", "json").report
        assert (report["exitCode"], report["results"][0]["code"]) == (4, "defect")
