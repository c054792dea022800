"""Runs one sub-command: parses its arguments and finds the project's folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from compiler.cli.exit_codes import OK
from compiler.cli.parser import Parser
from compiler.cli.terminal.interrupts import orderly_termination
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.model.files import foreign_part, leads_out
from compiler.refusal import Refusal
from compiler.text.command_line import BLANK, PROGRAM, name_project, shell_line

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from typing import Protocol

    class Command(Protocol):
        """A module of this package that is a sub-command; its docstring's first line is for readers of the code."""

        DESCRIPTION: str
        EXAMPLES: tuple[str, ...]

        def configure(self, parser: Parser) -> None: ...
        def run(self, arguments: Namespace, invocation: Invocation) -> int: ...


_MARK = "environments"
# They log in to the stores that the project names; `--offline` of one of them does not.
_LIVE = frozenset({"backup", "cutover", "migrate", "put", "restore", "retire", "status", "verify"})
_WITHOUT_PROJECT = frozenset({"completion", "rules"})


@dataclass(frozen=True, slots=True)
class Globals:
    """The options that stand before the command."""

    root: str | None = None
    is_debug: bool = False


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a command is given beside its own arguments."""

    options: Globals

    @property
    def root(self) -> Path:
        """The project's folder: `--root`, else the nearest one upward that has environments/. Raises Refusal."""
        if self.options.root is not None:
            root = Path(self.options.root)
            if not (root / _MARK).is_dir():
                raise Refusal("usage", f'no folder "{_MARK}" in {self.options.root}', _new_project(self.options.root))
            return root.absolute()
        if (found := _found()) is not None:
            return found
        raise Refusal(
            "usage", f'no folder "{_MARK}" here or above', f"name the project's folder with --root, or {_new_project()}"
        )

    def require_own_project(self, *, sends: bool) -> None:
        """Notes that a project which was found above, and not named, may be another user's.

        Raises Refusal for a command that `sends` credentials to the servers that the project names.
        """
        root = _found() if self.options.root is None else None
        if root is None or root == working_folder():
            return
        foreign = foreign_part((root / _MARK, root / _MARK / "layers"))
        if foreign is None:
            return
        path, how = foreign
        message = f'the project was found in "{root}", and "{path}" {how}'
        if sends:
            way_out = f"if it is meant, name it: `{shell_line(PROGRAM, '--root', str(root), BLANK)}`"
            raise Refusal("cannot run", f"{message}: your credentials would go where it says", way_out)
        standard_error().note(f"{message}; --root names another")


def _found() -> Path | None:
    """The nearest folder upward that is a project."""
    here = working_folder()
    for folder in (here, *here.parents):
        # No generator: an interrupt inside of one is reported once more where it is thrown away.
        if (folder / _MARK).is_dir():
            return folder
    return None


def _new_project(*folder: str) -> str:
    # The folder is an argument here: `--root` names a project that is there.
    return f"create a project with `{shell_line(PROGRAM, 'new', 'project', *folder)}`"


def command(module: str) -> Command:
    """The sub-command of that module; only the one that is used is imported."""
    return cast("Command", import_module(f"compiler.cli.commands.{module}"))


def parser_of(name: str, module: str) -> Parser:
    """The parser of the sub-command `name`."""
    chosen = command(module)
    parser = Parser(name, chosen.DESCRIPTION, chosen.EXAMPLES)
    chosen.configure(parser)
    return parser


def invoke(name: str, module: str, arguments: Sequence[str], options: Globals) -> int:
    """Parses `arguments` and runs the sub-command `name`; returns its exit code."""
    parser = parser_of(name, module)
    if _asks_for_help(arguments):
        # Before parsing: a help that first wants the command line to be right helps nobody.
        standard_output().product(parser.format_help())
        return OK
    parsed = parser.parse(arguments)
    root = parsed.root if parsed.root is not None else options.root
    is_debug = parsed.debug or options.is_debug
    name_project(root)
    invocation = Invocation(Globals(root, is_debug))
    for shown, file in parser.written_files(parsed).items():
        if leads_out(invocation.root, Path(file)):
            raise Refusal(
                "cannot run", f"{shown} leads out of the project through a link", "name the file that it leads to"
            )
    # `new project` makes one of its own.
    if name not in _WITHOUT_PROJECT and getattr(parsed, "kind", "") != "project":
        invocation.require_own_project(sends=name in _LIVE and not getattr(parsed, "offline", False))
        _refuse_swapped(name, parser, parsed, arguments, invocation)
    with orderly_termination():
        return command(module).run(parsed, invocation)


def _refuse_swapped(
    name: str, parser: Parser, parsed: Namespace, arguments: Sequence[str], invocation: Invocation
) -> None:
    environment = getattr(parsed, "environment", None)
    root = invocation.options.root or _found()
    if environment is None or root is None:
        return
    # Not by Path: a name that is longer than a file's may be is an error to it.
    if os.path.isfile(os.path.join(root, _MARK, f"{environment}.yaml")):  # noqa: PTH113, PTH118
        return
    from compiler.cli.typing_mistakes import swapped_environment  # noqa: PLC0415 - only where one is wrong

    swapped = swapped_environment(name, parsed, parser.takes_value(), arguments, Path(root))
    if swapped is not None:
        raise swapped


def working_folder() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise Refusal("cannot run", "the working folder no longer exists", "change to another folder") from None


def _asks_for_help(arguments: Sequence[str]) -> bool:
    before_values = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--help" in before_values or "-h" in before_values
