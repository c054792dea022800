from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from compiler.cli.command_table import COMMANDS
from compiler.cli.invocation import Globals, Invocation, command, invoke, parser_of, working_folder
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_describes_itself(name: str) -> None:
    chosen = command(COMMANDS[name][0])
    assert chosen.DESCRIPTION
    assert all(f"platform-secrets {name}" in example for example in chosen.EXAMPLES)
    assert parser_of(name, COMMANDS[name][0]).prog == f"platform-secrets {name}"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--nonsense", "--help"]])
def test_help_comes_before_anything_else(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert invoke("explain", "explain", arguments, Globals()) == 0
    assert "examples:\n  platform-secrets explain prod\n" in capsys.readouterr().out


def test_the_root_is_the_nearest_folder_upward(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "environments")
    assert Invocation(Globals()).root == project
    monkeypatch.chdir(project.parent)
    assert Invocation(Globals("project")).root == project
    with pytest.raises(Refusal) as refused:
        _ = Invocation(Globals("else where")).root
    # Not `--root`: that names a project that is there.
    assert refused.value.help == "create a project with `platform-secrets new project 'else where'`"


def test_a_working_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(Refusal):
        working_folder()
    monkeypatch.chdir(tmp_path)


def test_only_the_chosen_command_is_imported(start: Callable[..., Any]) -> None:
    process = start("rules", PYTHONPROFILEIMPORTTIME="1")
    _, err = process.communicate(timeout=30)
    imported = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
    assert "compiler.rules" in imported
    assert not imported & {"compiler.pipeline", "compiler.project_files", "yaml", "jsonschema", "shutil"}
