"""Journals and audit files that earlier releases wrote are read: their runs go on, are completed and undone."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands import EditFile, RunCommand
from tests.unit.cli.two_ends import AZURE, KEY, VAULT, Ends, Writing, journal, lines

RECORDED = Path(__file__).parent / "recorded"


@dataclass
class Recorded:
    """A recorded run in the project, its audit file and the command that resumes or undoes it."""

    project: Path
    run: str

    @property
    def audit(self) -> list[tuple[Any, ...]]:
        found = [(line["state"], line["action"], line["version"]) for line in lines(self.project / "audit")]
        assert {line["run"] for line in lines(self.project / "audit")} == {self.run}
        return found

    @property
    def ended(self) -> str:
        (found,) = [line["state"] for line in lines(journal(self.project)) if line["type"] == "end"][-1:]
        return str(found)


@pytest.fixture
def recorded(project: Path) -> Callable[[str], Recorded]:
    def place(name: str) -> Recorded:
        runs = project / ".platform-secrets/runs"
        runs.mkdir(parents=True)
        (path,) = (RECORDED / name).glob("*.jsonl")
        shutil.copy(path, runs)
        shutil.copy(RECORDED / name / "audit", project)
        return Recorded(project, path.stem)

    return place


@pytest.fixture
def retiring(edit: EditFile) -> None:
    edit("environments/dev.yaml", "    use: [openai]", "    use: [openai]\n  github: {store: azure}")
    edit("environments/staging.yaml", "  jira:\n", "  github:\n")


def test_a_complete_run_is_undone(recorded: Callable[[str], Recorded], migrate: Writing) -> None:
    found = recorded("complete")
    migrate.ends.azure.seed(AZURE, **{KEY: "token"})
    done = migrate.undo(found.run, "--apply", "--audit", "audit")
    assert (done.code, migrate.ends.azure.held) == (0, {})
    assert found.audit[2:] == [("writing", "delete", None), ("written", "delete", "v1")]


@pytest.mark.parametrize("writing", ["put"], indirect=True)
@pytest.mark.parametrize("name", ["undone", "undo-unrecorded"])
def test_an_undo_is_complete_or_is_completed(recorded: Callable[[str], Recorded], writing: Writing, name: str) -> None:
    found = recorded(name)
    for value in ("before", "token", "before"):
        writing.ends.azure.seed(AZURE, **{KEY: value})
    done = writing.undo(found.run, "--apply", "--audit", "audit")
    assert (done.code, writing.ends.azure.writes) == (0, [])
    assert found.audit == [("writing", "restore", None), ("written", "restore", "v3")]
    assert writing.undo(found.run, "--apply").out.endswith("there is nothing to undo\n")


@pytest.mark.usefixtures("retiring")
def test_a_retirement_is_undone(recorded: Callable[[str], Recorded], run: RunCommand, ends: Ends) -> None:
    found = recorded("retired")
    ends.azure.seed(AZURE, **{KEY: "token"})
    ends.vault.deleted.add(VAULT)
    ends.vault.gone[VAULT] = {"v1"}
    assert (found.ended, found.audit) == ("complete", [("writing", "delete", None), ("written", "delete", "v1")])
    assert run("retire", "dev", "--undo", found.run, "--apply").code == 0
    assert set(ends.vault.held) == {VAULT}
