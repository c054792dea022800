import argparse
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from compiler.cli import main
from compiler.cli.command_table import COMMANDS
from compiler.cli.invocation import parser_of
from compiler.cli.parser import help_text


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the terminal's width; 100 where a test does not."""

    def set_columns(count: int) -> None:
        monkeypatch.setenv("COLUMNS", str(count))

    set_columns(100)
    return set_columns


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
    assert help_text(
        "program try", "Tries.\nAnd again.\n  one: thing\n\nOn and on.", parser._actions, "examples:\n  program try it"
    ) == (
        """\
usage: program try [-h] [--store ID] [--of-a-long-name WORD] [--plain PLAIN] ENV [{bash,zsh}]

Tries. And again.
  one: thing

On and on.

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


@pytest.mark.parametrize("width", [60, 80, 100])
def test_every_commands_help_is_no_wider_than_the_terminal(width: int, columns: Callable[[int], None]) -> None:
    columns(width)
    too_long = []
    for name, (module, _) in COMMANDS.items():
        usage, _, rest = parser_of(name, module).format_help().partition("\n\n")
        # A part of the usage is broken nowhere; it stands alone where it is too long. Commands are copied whole.
        too_long += [line for line in usage.split("\n") if len(line) > width and line.count("[") > 1]
        too_long += [line for line in rest.split("\n") if len(line) > width and "$(" not in line and " | " not in line]
    assert too_long == []


@pytest.mark.parametrize(("given", "used"), [(300, 100), (20, 50)])
def test_neither_a_very_wide_nor_a_very_narrow_terminal_is_filled(
    given: int, used: int, columns: Callable[[int], None]
) -> None:
    parser = parser_of("verify", COMMANDS["verify"][0])
    columns(used)
    expected = parser.format_help()
    columns(given)
    assert parser.format_help() == expected


def test_without_a_terminal_help_is_80_columns_wide(
    columns: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "compiler", "verify", "--help"]
    columns(80)
    expected = parser_of("verify", COMMANDS["verify"][0]).format_help()
    monkeypatch.delenv("COLUMNS")
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert done.stdout == expected


def test_the_programs_own_help_fits_in_80_columns() -> None:
    assert max(map(len, main.help_text().split("\n"))) <= 80


def test_a_long_example_goes_on_below_as_a_shell_takes_it(columns: Callable[[int], None]) -> None:
    columns(50)
    examples = (
        "examples:\n  program try it with --one word --and another --word\n  program try it with --one word --and"
    )
    parser = argparse.ArgumentParser()
    assert help_text("program try", "Tries.", parser._actions, examples).endswith(
        """
examples:
  program try it with --one word --and another \\
      --word
  program try it with --one word --and
"""
    )


def test_no_options_help_repeats_its_choices() -> None:
    repeated = []
    for name, (module, _) in COMMANDS.items():
        for action in parser_of(name, module)._actions:
            words = set(re.findall(r"[\w-]+", action.help or ""))
            # The default is worth a word.
            if len({str(choice) for choice in action.choices or ()} & words) > 1:
                repeated.append((name, action.help))
    assert repeated == []
