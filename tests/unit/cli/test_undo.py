from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

import pytest

from compiler.operations.runs.lock import RunLock
from compiler.stores.errors import Action, UnavailableError
from tests.unit.cli.two_ends import AZURE, KEY, VAULT, journal, lines
from tests.unit.operations.memory_store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.commands import Done
    from tests.unit.cli.two_ends import Ends


def test_it_shows_and_then_does(project: Path, run: Callable[..., Done], ends: Ends, done: str, tmp_path: Path) -> None:
    shown = run("migrate", "dev", "--undo", done)
    assert (shown.code, shown.out.splitlines()[-1]) == (0, "nothing was written; --apply does this")
    assert json.loads(run("migrate", "dev", "--undo", done, "--format", "json").out)["applied"] is False
    undone = run("migrate", "dev", "--undo", done, "--apply", "--audit", str(tmp_path / "audit"))
    assert (undone.code, ends.azure.deleted) == (0, {AZURE})
    assert lines(tmp_path / "audit")[0]["action"] == "delete"
    again = run("migrate", "dev", "--undo", done, "--apply", "--format", "json")
    assert [result["state"] for result in json.loads(again.out)["results"]] == ["kept"]
    assert run("migrate", "dev", "--undo", done).out.endswith("nothing was written: there is nothing to take back\n")


@pytest.mark.parametrize(
    "options",
    [
        ("--only", "github"),
        ("--from", "vault"),
        ("--all-properties",),
        ("--recover",),
        ("--stringify",),
        ("--continue-on-error",),
        ("--on-conflict", "skip"),
    ],
)
def test_it_takes_no_option_that_it_would_not_heed(
    run: Callable[..., Done], ends: Ends, done: str, options: tuple[str, ...]
) -> None:
    found = run("migrate", "dev", "--undo", done, *options, "--apply")
    assert (found.code, f"{options[0]} does not go with it" in found.err) == (2, True)
    assert ends.azure.deleted == set()


def test_it_refuses_what_changed_since_and_exits_1(run: Callable[..., Done], ends: Ends, done: str) -> None:
    ends.azure.seed(AZURE, **{KEY: "theirs"})
    shown = run("migrate", "dev", "--undo", done)
    assert (shown.code, shown.out.splitlines()[-1]) == (1, "nothing was written: there is nothing to take back")
    assert run("migrate", "dev", "--undo", done, "--apply").code == 1
    assert ends.azure.deleted == set()


def test_it_is_for_the_runs_environment_and_place(
    run: Callable[..., Done], ends: Ends, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "ai-platform-staging")
    assert 'the run is of the environment "dev"' in run("migrate", "staging", "--undo", done).err
    ends.azure.address = MemoryStore("https://elsewhere").address
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "another")
    found = run("migrate", "dev", "--undo", done)
    assert (found.code, "it wrote to https://azure" in found.err) == (2, True)


def test_runs_on_one_secret_are_undone_newest_first(
    run: Callable[..., Done], migrate: Callable[..., Done], ends: Ends, done: str, project: Path
) -> None:
    ends.vault.seed(VAULT, **{KEY: "newer"})
    assert migrate("--apply", "--on-conflict", "overwrite").code == 0
    (newer,) = {path.stem for path in (project / ".platform-secrets/runs").glob("*.jsonl")} - {done}
    for options in ((), ("--apply",)):
        early = run("migrate", "dev", "--undo", done, *options)
        assert (early.code, f"undo that run first, with --undo {newer}" in early.out) == (1, True)
    assert run("migrate", "dev", "--undo", newer, "--apply").code == 0
    assert ends.azure.shown(AZURE) == {KEY: "token"}
    assert "undo: 1 delete" in run("migrate", "dev", "--undo", done).out
    assert run("migrate", "dev", "--undo", done, "--apply").code == 0
    assert ends.azure.deleted == {AZURE}


def test_what_another_command_noted_before_this_one_had_the_lock_counts(
    run: Callable[..., Done], ends: Ends, done: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(RunLock):
        def __enter__(self) -> Self:
            with journal(project).open("a") as file:
                file.write(json.dumps({"type": "undo", "name": AZURE, "state": "done", "version": None}) + "\n")
            return super().__enter__()

    monkeypatch.setattr("compiler.cli.undo.RunLock", Late)
    undone = run("migrate", "dev", "--undo", done, "--apply", "--format", "json")
    assert [result["state"] for result in undone.report["results"]] == ["kept"]
    assert ends.azure.deleted == set()


def test_a_failure_is_incomplete_and_the_same_command_goes_on(
    run: Callable[..., Done], ends: Ends, done: str, project: Path
) -> None:
    ends.azure.failures["soft_delete", AZURE] = UnavailableError(
        ends.azure.place(AZURE), Action.DELETE, "no answer", "wait"
    )
    found = run("migrate", "dev", "--undo", done, "--apply", "--quiet")
    assert (found.code, f"azure:{AZURE} failed: no answer; wait" in found.out) == (4, True)
    ends.azure.failures.clear()
    again = run("migrate", "dev", "--undo", done, "--apply", "--quiet", "--format", "json")
    assert (again.code, again.report["undo"], again.report["exitCode"]) == (0, done, 0)
    assert ends.azure.deleted == {AZURE}
    # Written down in the journal of the run that it takes back.
    undone = [line["state"] for line in lines(journal(project)) if line["type"] == "undo"]
    assert undone == ["started", "started", "done"]


def test_a_store_that_the_environment_has_no_more_is_named(
    run: Callable[..., Done], ends: Ends, done: str, edit: Callable[[str, str, str], None]
) -> None:
    del ends
    edit("environments/base.yaml", "  azure:", "  elsewhere:")
    found = run("migrate", "dev", "--undo", done, "--apply")
    assert (found.code, 'has no store "azure"' in found.err) == (2, True)
