from pathlib import Path

from compiler.cli import commands
from compiler.cli.commands import COMMANDS
from compiler.cli.main import help_text
from compiler.text.command_line import PROGRAM


def test_each_file_of_commands_is_in_the_table_and_in_the_help() -> None:
    files = {path.stem for path in Path(commands.__path__[0]).glob("*.py")} - {"__init__"}
    assert {module for module, _ in COMMANDS.values()} == files
    for name, (_, line) in COMMANDS.items():
        assert f"  {name.ljust(max(map(len, COMMANDS)))}  {line}\n" in help_text()
        assert len(f"  {name}  {line}") <= 100
    assert help_text().startswith(f"usage: {PROGRAM} ")
