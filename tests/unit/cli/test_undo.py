"""`--undo RUN` of each writing command."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from compiler.change.run_files import run_lock
from compiler.stores.errors import Action, Code, StoreError
from tests.commands import Done
from tests.unit.cli.two_ends import AZURE, KEY, WRITING, Ends, Writing, journal, journals, lines
from tests.unit.memory_store import MemoryStore

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


def test_what_was_replaced_is_there_again(writing: Writing) -> None:
    writing.ends.azure.seed(AZURE, **{KEY: "old"}, OTHER="theirs")
    assert writing.over("--apply").code == 0
    assert writing.ends.azure.shown(AZURE) == {KEY: "token", "OTHER": "theirs"}
    run = journal(writing.project).stem
    assert kinds(writing.undo(run, "--format", "json")) == ["update"]
    assert writing.undo(run, "--apply").code == 0
    assert writing.ends.azure.shown(AZURE) == {KEY: "old", "OTHER": "theirs"}
    assert len(writing.ends.azure.versions[AZURE]) == 3


@pytest.mark.parametrize(
    ("command", "options"), [(command, each) for command, options in NOT_FOR_UNDO.items() for each in options]
)
def test_it_takes_no_option_that_it_would_not_heed(
    run: Callable[..., Done], project: Path, ends: Ends, command: str, options: tuple[str, ...]
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


def test_another_commands_run_is_refused_with_the_line_to_use(
    writing: Writing, done: str, run: Callable[..., Done]
) -> None:
    line = f"platform-secrets {writing.name} dev --undo {done}"
    for other in WRITING:
        found = run(other, "dev", "--undo", done)
        if other != writing.name:
            assert (found.code, line in found.err) == (2, True), found.err
    assert run(*line.split()[1:], "--apply").code == 0
    assert writing.ends.azure.deleted == {AZURE}


def test_the_line_to_use_is_for_the_same_project(
    writing: Writing, done: str, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    other = next(name for name in WRITING if name != writing.name)
    found = run("--root", "project", other, "dev", "--undo", done)
    (line,) = [line.removeprefix("help: run ") for line in found.err.splitlines() if line.startswith("help: run ")]
    assert line == f"platform-secrets --root project {writing.name} dev --undo {done}"
    assert run(*line.split()[1:], "--apply").code == 0
    assert writing.ends.azure.deleted == {AZURE}


def test_it_is_for_the_runs_environment_and_place(
    writing: Writing, done: str, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "ai-platform-staging")
    found = run(writing.name, "staging", "--undo", done)
    assert (found.code, f"{writing.name} dev --undo {done}" in found.err) == (2, True)
    writing.ends.azure.address = MemoryStore("https://elsewhere").address
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "another")
    found = writing.undo(done)
    assert (found.code, "the run names https://azure" in found.err) == (2, True)


@pytest.mark.parametrize("newer", WRITING)
def test_runs_on_one_secret_are_undone_newest_first_whichever_commands_they_are_of(
    writing: Writing, done: str, newer: str, project: Path, ends: Ends, run: Callable[..., Done]
) -> None:
    other = Writing(newer, project, ends, run)
    other.has("newer")
    assert other.over("--apply").code == 0
    (later,) = {path.stem for path in journals(project)} - {done}
    for options in ((), ("--apply",)):
        early = writing.undo(done, *options)
        said = " ".join(early.out.split())
        assert (early.code, f"undo that run first: platform-secrets {newer} dev --undo {later}" in said) == (1, True)
    assert other.undo(later, "--apply").code == 0
    assert ends.azure.shown(AZURE) == {KEY: "token"}
    assert kinds(writing.undo(done, "--format", "json")) == ["delete"]
    assert writing.undo(done, "--apply").code == 0
    assert ends.azure.deleted == {AZURE}


def test_what_another_command_noted_before_this_one_had_the_lock_counts(
    writing: Writing, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*given: Any) -> AbstractContextManager[object]:  # noqa: ANN401
        note = {"type": "undo", "store": "azure", "name": AZURE, "state": "done", "version": None}
        with journal(writing.project).open("a") as file:
            file.write(json.dumps(note) + "\n")
        return run_lock(*given)

    monkeypatch.setattr("compiler.change.undo.run_lock", late)
    undone = writing.undo(done, "--apply", "--format", "json")
    assert (undone.code, kinds(undone)) == (0, ["keep"])
    assert writing.ends.azure.deleted == set()


def test_a_failure_is_incomplete_and_the_same_command_goes_on(writing: Writing, done: str) -> None:
    store = writing.ends.azure
    store.failures["soft_delete", AZURE] = StoreError(
        store.place(AZURE), Action.DELETE, "no answer", "wait", Code.UNAVAILABLE
    )
    found = writing.undo(done, "--apply", "--quiet")
    assert (found.code, f"azure:{AZURE} failed: no answer" in found.out) == (4, True)
    store.failures.clear()
    again = writing.undo(done, "--apply", "--quiet", "--format", "json")
    assert (again.code, again.report["undo"], again.report["exitCode"]) == (0, done, 0)
    assert store.deleted == {AZURE}
    # Written down in the journal of the run that it takes back.
    undone = [line["state"] for line in lines(journal(writing.project)) if line["type"] == "undo"]
    assert undone == ["started", "started", "done"]


def test_a_store_that_the_environment_has_no_more_is_named(
    writing: Writing, done: str, edit: Callable[[str, str, str], None]
) -> None:
    edit("environments/base.yaml", "  azure:", "  elsewhere:")
    found = writing.undo(done, "--apply")
    assert (found.code, 'has no store "azure"' in found.err) == (2, True)
