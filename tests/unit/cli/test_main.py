from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

import compiler
from compiler.cli import invocation
from compiler.cli.commands import COMMANDS
from compiler.cli.invocation import interruption
from compiler.refusal import Refusal
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from tests.commands import RunCommand

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from compiler.refusal import Kind

ROOT = Path(__file__).resolve().parents[3]
SENTINEL = "ghp_s3ntinels3ntinels3ntinels3ntinel0"


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command(run: RunCommand, flag: str) -> None:
    done = run(flag)
    assert done.code == 0
    for name, (_, line) in COMMANDS.items():
        assert f"  {name.ljust(10)}  {line}\n" in done.out


def test_help_imports_nothing_that_costs() -> None:
    code = (
        "import sys; from compiler.cli.main import main; main(['--help']);"
        "print(*sorted({'yaml','jsonschema','argparse','dataclasses','typing','re'} & sys.modules.keys()))"
    )
    # -S: what a distribution's own start-up files import is not ours.
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env={"PATH": ""}
    )
    assert done.stdout.splitlines()[-1] == ""


def test_every_command_has_its_module() -> None:
    for module, _ in COMMANDS.values():
        assert find_spec(f"compiler.cli.commands.{module}") is not None


def test_version(run: RunCommand) -> None:
    assert run("--version").out == f"platform-secrets {compiler.__version__}\n"


def test_no_command_is_a_usage_error(run: RunCommand) -> None:
    done = run()
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: no command given\nhelp: `platform-secrets --help` lists them\n"


def test_an_unknown_command_is_told_the_nearest(run: RunCommand) -> None:
    done = run("compil")
    assert (done.code, done.err) == (2, 'error: unknown command "compil"\nhelp: did you mean "compile"?\n')


def test_an_unknown_command_that_looks_like_a_credential_is_not_repeated(run: RunCommand) -> None:
    done = run(SENTINEL)
    assert done.code == 2
    assert SENTINEL not in done.err


def test_a_message_is_printable_and_hides_what_a_person_pasted(run: RunCommand) -> None:
    done = run("--root", f"a\x1b {SENTINEL}", "compile")
    assert (done.code, done.err.splitlines()[0]) == (2, 'error: no folder "environments" in a\\x1b …')


@pytest.mark.parametrize(
    "arguments", [("--rot",), ("--root",), ("--root=",), ("--root", "", "rules"), ("--version=1",)]
)
def test_wrong_options_before_the_command(run: RunCommand, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).code == 2


@pytest.mark.parametrize("arguments", [("--root", "{}", "compile"), ("--root={}", "compile"), ("compile", "--root={}")])
def test_root_stands_before_or_after_the_command(
    run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir("/")
    done = run(*(each.format(project) for each in arguments))
    assert done.code == 0
    assert (project / "chart/values-prod.yaml").is_file()


def test_a_project_is_found_from_a_folder_below(
    run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "chart" / "templates")
    assert run("compile", "dev").out == "chart/values-dev.yaml: written, 7 secrets, 21 keys\n"


def test_a_package_that_is_not_installed_is_named(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "compiler.cli.commands.rules", raising=False)
    monkeypatch.setitem(sys.modules, "compiler.cli.commands.rules", None)
    assert "internal error: ModuleNotFoundError" in run("rules").err

    def fails(name: str) -> NoReturn:
        raise ModuleNotFoundError("No module named 'yaml'", name="yaml.cyaml")

    monkeypatch.setattr("compiler.cli.invocation.import_module", fails)
    done = run("rules")
    assert (done.code, done.out) == (3, "")
    assert done.err.splitlines()[0] == 'error: the Python package "yaml" is not installed'
    assert done.err.endswith(" -m pip install platform-secrets\n")
    assert "internal error: ModuleNotFoundError" in run("--debug", "rules").err


def test_no_project_is_a_usage_error(run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("compile")
    assert (done.code, done.out) == (2, "")
    assert "--root" in done.err
    assert run("--root", tmp_path, "compile").code == 2


def _fail(error: BaseException) -> Callable[..., int]:
    def fail(*_: object, **__: object) -> int:
        raise error

    return fail


def test_an_unexpected_error_shows_its_type_and_place_only(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "invoke", _fail(ValueError(SENTINEL)))
    done = run("compile")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("internal error: ValueError at compiler/cli/main.py:")
    assert SENTINEL not in done.err
    assert len(done.err.splitlines()) == 2


def test_debug_shows_the_way_there_and_no_message(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "invoke", _fail(ValueError(SENTINEL)))
    done = run("--debug", "compile")
    assert done.code == 3
    assert SENTINEL not in done.err
    assert ":_run" in done.err
    assert "Traceback" not in done.err


def test_an_interrupt_is_130(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "invoke", _fail(KeyboardInterrupt()))
    done = run("compile")
    assert (done.code, done.err) == (130, "interrupted; nothing was written\n")


@pytest.mark.parametrize(
    ("block", "shown"),
    [
        (nullcontext(), "interrupted; nothing was written\n"),
        (interruption("the files are"), "interrupted; the files are\n"),
    ],
)
def test_an_interrupt_is_one_line_that_says_what_it_leaves_behind(
    project: Path, run: RunCommand, monkeypatch: pytest.MonkeyPatch, block: AbstractContextManager[None], shown: str
) -> None:
    def interrupt(*_: object, **__: object) -> int:
        with block:
            pass
        raise KeyboardInterrupt

    monkeypatch.setattr(invocation, "invoke", interrupt)
    done = run("rules")
    assert (done.code, done.out, done.err) == (130, "", shown)
    # The next command in the same process has written nothing.
    monkeypatch.setattr(invocation, "invoke", _fail(KeyboardInterrupt()))
    assert run("rules").err == "interrupted; nothing was written\n"


@pytest.mark.parametrize(("kind", "code"), [("usage", 2), ("cannot run", 3), ("found", 1)])
def test_a_refusal_is_told_with_its_way_out_and_ends_with_the_code_of_its_kind(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch, kind: Kind, code: int
) -> None:
    monkeypatch.setattr(invocation, "invoke", _fail(Refusal(kind, "no", "do this", "a\nb")))
    done = run("compile")
    assert (done.code, done.out, done.err) == (code, "", "error: no\n  a\n  b\nhelp: do this\n")


def test_a_stores_remedy_is_told_once_and_whole(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    # The remedy has a semicolon, as that of an unknown mount has.
    error = StoreError(
        StoreLocation("https://store"), Action.CONNECT, "no answer; none", "wait; then run again", Code.UNAVAILABLE
    )
    monkeypatch.setattr(invocation, "invoke", _fail(error))
    done = run("compile")
    assert done.code == 3
    assert done.err == "error: cannot connect to https://store: no answer; none\nhelp: wait; then run again\n"


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("put",), "ENV"),
        (("migrate",), "ENV"),
        (("backup",), "ENV"),
        (("explain",), "ENV"),
        (("diff",), "ENV"),
    ],
)
def test_only_what_must_be_named_is_said_to_be_missing(
    run: RunCommand, arguments: tuple[str, ...], missing: str
) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert done.err.splitlines()[0] == f"error: the following arguments are required: {missing}"


def test_words_to_choose_from_are_listed_where_none_is_given(run: RunCommand) -> None:
    done = run("new")
    assert (
        done.err == 'error: no kind given\nhelp: the kinds are "project", "environment", "secret", "store", "chart"\n'
    )
