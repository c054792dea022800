import shlex
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import compiler.text.extra
from compiler.text.extra import install_line


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

    monkeypatch.setattr(compiler.text.extra, "distribution", missing)
    what = shlex.split(install_line("backup"))[-1]
    assert what == f"{Path(compiler.text.extra.__file__).resolve().parents[2]}[backup]"
    assert Path(what.removesuffix("[backup]"), "pyproject.toml").is_file()
