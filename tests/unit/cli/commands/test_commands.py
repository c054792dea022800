from pathlib import Path

import pytest

from compiler.cli import commands
from compiler.cli.commands import COMMANDS, FIRST_STEPS, GROUPS, INCIDENT
from compiler.cli.invocation import parser_of
from compiler.cli.main import help_text
from compiler.text.wording import PROGRAM
from tests.commands import RunCommand


def test_each_file_of_commands_is_in_the_table_and_in_the_help() -> None:
    files = {path.stem for path in Path(commands.__path__[0]).glob("*.py")} - {"__init__"}
    assert {module for module, _ in COMMANDS.values()} == files
    for name, (_, line) in COMMANDS.items():
        assert f"  {name.ljust(max(map(len, COMMANDS)))}  {line}\n" in help_text()
        assert len(f"  {name}  {line}") <= 100
    assert help_text().startswith(f"usage: {PROGRAM} ")


def test_each_command_stands_in_one_group_of_the_help() -> None:
    assert list(GROUPS) == ["build", "live stores", "move", "recover", "look", "tools"]
    assert sorted(name for group in GROUPS.values() for name in group) == sorted(COMMANDS)
    _, *sections = help_text().split("\n\n")
    shown = [section.partition(":\n")[0] for section in sections if ":\n" in section]
    assert shown == ["first steps", "in an incident", *GROUPS, "options, before or after the command"]


def test_the_first_steps_are_seven_lines_that_their_commands_take() -> None:
    assert len(FIRST_STEPS) == 7
    for step, what in {**FIRST_STEPS, **INCIDENT}.items():
        name, *words = step.split()
        parser_of(name, COMMANDS[name][0], words).parse(words)
        assert f"  {PROGRAM} {step} " in help_text()
        assert f" {what}\n" in help_text()


def test_the_steps_after_the_demo_make_values_files(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, first, second, *_ = FIRST_STEPS
    assert run(*first.split()).code == 0
    monkeypatch.chdir(tmp_path / "shop")
    assert run(*second.split()).code == 0
    assert list((tmp_path / "shop/chart").glob("values-*.yaml"))
