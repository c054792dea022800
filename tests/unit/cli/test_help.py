from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from compiler.cli import main
from compiler.cli.commands import COMMANDS
from compiler.cli.invocation import parser_of
from compiler.cli.parser import Parser
from tests.commands import Done


def test_paragraphs_are_filled_and_lists_and_examples_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    parser = Parser(
        "try",
        "Tries what was not tried before, and again,\nand again with --a-long-option.\n  one: thing\n\nThen no more.",
        ("platform-secrets try a --store vault --without-any-comparison --apply",),
    )
    parser.add_argument("--store", metavar="ID", help="the store that is tried first, by --a-long-option-too")
    assert (
        parser.format_help()
        == """\
usage: platform-secrets try [-h] [--store ID]

Tries what was not tried before, and again, and again with
--a-long-option.
  one: thing

Then no more.

options:
  -h, --help  show this help message and exit
  --store ID  the store that is tried first, by
              --a-long-option-too

examples:
  platform-secrets try a --store vault --without-any-comparison --apply
"""
    )


@pytest.mark.parametrize("width", [60, 80])
def test_every_commands_help_is_no_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    too_long = []
    for name, (module, _) in COMMANDS.items():
        parser = parser_of(name, module)
        for words in ([], *([kind] for kind in parser.kinds)):
            usage, _, rest = parser.help_for(words).partition("\n\n")
            rest, _, examples = rest.partition("\nexamples:\n")
            # A part of the usage is broken nowhere; it stands alone where it is too long. Commands are copied whole.
            too_long += [line for line in usage.split("\n") if len(line) > width and "] [" in line]
            too_long += [line for line in rest.split("\n") if len(line) > width and "platform-secrets " not in line]
            # One of several lines is copied whole too.
            too_long += [line for line in examples.split("\n") if len(line) > 80]
    assert too_long == []


@pytest.mark.parametrize(("given", "used"), [("300", "100"), ("20", "50")])
def test_neither_a_very_wide_nor_a_very_narrow_terminal_is_filled(
    given: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = parser_of("verify", COMMANDS["verify"][0])
    monkeypatch.setenv("COLUMNS", used)
    expected = parser.format_help()
    monkeypatch.setenv("COLUMNS", given)
    assert parser.format_help() == expected


def test_without_a_terminal_help_is_80_columns_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "compiler", "verify", "--help"]
    monkeypatch.setenv("COLUMNS", "80")
    expected = parser_of("verify", COMMANDS["verify"][0]).format_help()
    monkeypatch.delenv("COLUMNS")
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert done.stdout == expected


def test_the_programs_own_help_fits_in_80_columns() -> None:
    assert max(map(len, main.help_text().split("\n"))) <= 80


@pytest.mark.parametrize(
    ("words", "own", "foreign"),
    [
        (
            ("generate",),
            ("{argocd,argocd-health,platform,access}", "generate TARGET --help"),
            ("--repo URL", "--revision"),
        ),
        (
            ("generate", "argocd"),
            ("--repo URL", ", app-of-apps", "generate argocd prod"),
            ("hcl", "--against", " access "),
        ),
        (("generate", "access"), ("--form {hcl,az}", "[ENV ...]"), ("application", "--repo", "generate platform")),
        (("generate", "argocd-health"), ("health checks",), ("ENV", "--check", "generate argocd prod")),
        (("new",), ("{project,environment,secret,store,chart}", "new KIND --help"), ("--key KEY ",)),
        (("new", "secret", "project"), ("--key KEY", "[NAME]", "new secret db"), ("--auth", "--extends", "new store")),
        (("new", "store"), ("--auth METHOD", "its name in the cluster"), ("--key", "that of the folder")),
        (("new", "chart"), ("Creates the chart",), ("NAME", "examples")),
    ],
)
def test_the_help_of_a_kind_has_its_own_options_and_examples_alone(
    run: Callable[..., Done], words: tuple[str, ...], own: tuple[str, ...], foreign: tuple[str, ...]
) -> None:
    done = run(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert [text for text in own if text not in done.out] == []
    assert [text for text in foreign if text in done.out] == []
    assert run("--no-color", words[0], "--help", *words[1:]).out == done.out


def test_no_options_help_repeats_its_choices() -> None:
    repeated = []
    for name, (module, _) in COMMANDS.items():
        for action in parser_of(name, module)._actions:
            words = set(re.findall(r"[\w-]+", action.help or ""))
            # The default is worth a word; where another word stands for the choices, the help alone has them.
            if action.metavar is None and len({str(choice) for choice in action.choices or ()} & words) > 1:
                repeated.append((name, action.help))
    assert repeated == []
