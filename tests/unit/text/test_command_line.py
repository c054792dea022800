import shlex
import sys
from contextvars import copy_context
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import compiler.text.wording
from compiler.text.wording import command_line, install_line, name_project, shell_line


def test_a_line_names_the_program_and_its_words() -> None:
    assert command_line("compile", "prod") == "platform-secrets compile prod"


def test_it_names_the_projects_folder_where_the_command_was_given_one() -> None:
    def named(root: str | None) -> str:
        name_project(root)
        return command_line("explain", "prod", "a b")

    assert copy_context().run(named, "my project") == "platform-secrets --root 'my project' explain prod 'a b'"
    assert copy_context().run(named, None) == "platform-secrets explain prod 'a b'"


def test_a_line_of_another_program_is_quoted() -> None:
    line = shell_line("bao", "kv", "enable-versioning", "a;touch${IFS}pwn")
    assert line == "bao kv enable-versioning 'a;touch${IFS}pwn'"
    assert shell_line("az", "login", "--tenant", "…") == "az login --tenant …"


def test_it_is_installed_by_the_python_that_runs_the_program() -> None:
    assert shlex.split(install_line("azure")) == [sys.executable, "-m", "pip", "install", "platform-secrets[azure]"]
    assert install_line("azure").endswith(" -m pip install 'platform-secrets[azure]'")


def test_the_program_alone_is_installed_with_what_it_needs() -> None:
    assert shlex.split(install_line())[-1] == "platform-secrets"


def test_without_a_name_of_the_python_it_is_the_one_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    assert install_line("vault") == "python -m pip install 'platform-secrets[vault]'"


def test_of_a_clone_that_is_not_installed_no_index_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", missing)
    what = shlex.split(install_line("backup"))[-1]
    assert what == f"{Path(compiler.text.wording.__file__).resolve().parents[2]}[backup]"
    assert Path(what.removesuffix("[backup]"), "pyproject.toml").is_file()
