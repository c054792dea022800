from __future__ import annotations

import argparse
import os

import pytest

from compiler.cli.command_table import COMMANDS
from compiler.cli.help_text import help_text
from compiler.cli.invocation import parser_of


def of(*options: str, **named: str) -> str:
    parser = argparse.ArgumentParser(add_help=False)
    for option in options:
        parser.add_argument(option, action="store_true", help="says something")
    for name, nargs in named.items():
        parser.add_argument(name, metavar=name.upper(), nargs=nargs or None, help=f"the {name}")
    return help_text("program try", "Tries.", parser._actions, "examples:\n  program try it")


def test_the_whole_page() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_argument("shell", choices=("bash", "zsh"), nargs="?", help="the shell")
    parser.add_argument("--store", metavar="ID", help="the store " + "and again " * 10)
    parser.add_argument("--of-a-long-name", metavar="WORD", help="something")
    parser.add_argument("--plain")
    parser.add_argument("--hidden", help=argparse.SUPPRESS)
    assert help_text("program try", "Tries.\nAnd again.", parser._actions, "examples:\n  program try it") == (
        """\
usage: program try [-h] [--store ID] [--of-a-long-name WORD] [--plain PLAIN] ENV [{bash,zsh}]

Tries.
And again.

positional arguments:
  ENV                   the environment
  {bash,zsh}            the shell

options:
  -h, --help            show this help message and exit
  --store ID            the store and again and again and again and again and again and again and
                        again and again and again and again
  --of-a-long-name WORD
                        something
  --plain PLAIN

examples:
  program try it
"""
    )


@pytest.mark.parametrize(
    ("nargs", "shown"), [("", "NAME"), ("?", "[NAME]"), ("*", "[NAME ...]"), ("+", "NAME [NAME ...]")]
)
def test_how_often_a_word_is_given_is_shown(nargs: str, shown: str) -> None:
    assert of("--yes", name=nargs).startswith(f"usage: program try [--yes] {shown}\n")


def test_a_command_without_words_has_no_section_for_them() -> None:
    assert "positional" not in of("--yes")


def test_a_long_usage_is_broken_between_its_parts() -> None:
    text = of(*(f"--option-{number}" for number in range(20)), name="")
    usage = text.partition("\n\n")[0].split("\n")
    assert len(usage) == 5
    assert all(len(line) <= 100 and line.startswith(" " * 19) for line in usage[1:])
    assert usage[-1].strip() == "NAME"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_commands_help_is_no_wider_than_the_page_and_the_same_on_every_terminal(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = parser_of(name, COMMANDS[name][0])
    text = parser.format_help()
    arguments = text.partition("options:")[2].partition("examples:")[0]
    assert max(map(len, arguments.split("\n"))) <= 100
    monkeypatch.setitem(os.environ, "COLUMNS", "40")
    assert parser.format_help() == text
