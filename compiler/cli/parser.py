"""Lists the commands, parses their arguments and writes their help.

Help is written here because argparse's formatter breaks lines and names options differently from one Python to the
next, and the reference page shows it.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from typing import TYPE_CHECKING, Any, NoReturn

from compiler.refusal import Refusal
from compiler.render.content import FORMATS
from compiler.text.command_line import PROGRAM
from compiler.text.wording import closest, quoted, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


# Longer lines are hard to read, however wide the terminal; in narrower ones a name and its help do not fit.
_WIDEST, _NARROWEST = 100, 50
_FURTHEST = 24
# Of a line that goes on below, in a shell.
_CONTINUED = " \\"


def help_text(program: str, description: str, actions: Sequence[argparse.Action], examples: str) -> str:
    """Usage, description, arguments, options and examples of `program`; `actions` are argparse's.

    Lines of `description` that begin with spaces stay lines of their own, as do empty ones and those of `examples`.
    """
    width = _width()
    shown = [action for action in actions if action.help is not argparse.SUPPRESS]
    options = [action for action in shown if action.option_strings]
    positionals = [action for action in shown if not action.option_strings]
    column = min(_FURTHEST, max(len(_name(action)) for action in shown) + 4)
    sections = [
        _usage(program, list(map(_given, options)), list(map(_given, positionals)), width),
        "\n".join(_paragraphs(description, width)),
        *(_section("positional arguments", positionals, column, width) if positionals else ()),
        *_section("options", options, column, width),
        "\n".join(line for example in examples.split("\n") for line in _example(example, width)),
    ]
    return "\n\n".join(section.rstrip() for section in sections) + "\n"


def _width() -> int:
    """The columns of the terminal, or of COLUMNS, as argparse asks for them: 80 where there is neither."""
    import shutil  # noqa: PLC0415 - only where help is asked for

    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))


def _paragraphs(text: str, width: int) -> Iterator[str]:
    blocks: list[str] = []
    for line in text.split("\n"):
        before = blocks[-1] if blocks else ""
        if not line or line.startswith(" ") or not before or before.startswith(" "):
            blocks.append(line)
        else:
            blocks[-1] += f" {line}"
    for block in blocks:
        yield from _wrapped(block, width, indent="    " if block.startswith(" ") else "") or [""]


def _example(line: str, width: int) -> Iterator[str]:
    lines = _wrapped(line, width - len(_CONTINUED), indent="      ")
    if len(line) <= width or len(lines) == 1:
        yield line
        return
    *before, last = lines
    yield from (each + _CONTINUED for each in before)
    yield last


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    # Names of options and files, and commands, are to be copied whole.
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _usage(program: str, options: Sequence[str], positionals: Sequence[str], width: int) -> str:
    start = f"usage: {program} "
    line = start + " ".join((*options, *positionals))
    if len(line) <= width:
        return line
    lines = [*_filled(options, width - len(start)), *_filled(positionals, width - len(start))]
    return start + f"\n{' ' * len(start)}".join(lines)


def _filled(parts: Sequence[str], width: int) -> Iterator[str]:
    line = ""
    for part in parts:
        if line and len(line) + 1 + len(part) > width:
            yield line
            line = ""
        line = f"{line} {part}" if line else part
    if line:
        yield line


def _section(title: str, actions: Sequence[argparse.Action], column: int, width: int) -> Iterator[str]:
    lines = [f"{title}:"]
    for action in actions:
        name = f"  {_name(action)}"
        first, *rest = _wrapped(action.help or "", width - column) or [""]
        if len(name) + 2 > column:
            lines += [name, " " * column + first]
        else:
            lines.append(name.ljust(column) + first)
        lines += [" " * column + line for line in rest]
    yield "\n".join(line.rstrip() for line in lines)


def _name(action: argparse.Action) -> str:
    """`-h, --help`, `--store ID`, `ENV` or `{bash,zsh}`."""
    return f"{', '.join(action.option_strings)} {_value(action)}".strip()


def _given(action: argparse.Action) -> str:
    """How it is written on the command line."""
    if action.option_strings:
        return f"[{f'{action.option_strings[0]} {_value(action)}'.strip()}]"
    forms = {"?": "[{}]", "*": "[{} ...]", "+": "{0} [{0} ...]"}
    return forms.get(str(action.nargs), "{}").format(_value(action))


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper() if action.option_strings else action.dest


_OPTION = re.compile(r"-[a-zA-Z]|--[a-zA-Z][a-zA-Z-]*")
# Its own words stay as they are: `error` below goes by them, and looking for a translation imports `locale`.
argparse._ = str  # type: ignore[attr-defined]


class _Width(argparse.HelpFormatter):
    """Formats nothing here, but argparse makes one for each argument, and asking for the terminal's imports shutil."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class Parser(argparse.ArgumentParser):
    """A sub-command's parser: full option names only, options anywhere, and what is wrong raised as Refusal."""

    def __init__(self, command: str, description: str, examples: Sequence[str]) -> None:
        super().__init__(
            prog=f"{PROGRAM} {command}",
            description=description,
            epilog="examples:\n" + "\n".join(f"  {example}" for example in examples),
            formatter_class=_Width,
            allow_abbrev=False,
        )
        self.add_argument("--root", metavar="DIR", default=None, help=argparse.SUPPRESS)
        self.add_argument("--no-color", action="store_true", help=argparse.SUPPRESS)
        self.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
        self._written: list[argparse.Action] = []
        self._asking_cluster: tuple[str, ...] = ()

    def add_written_file(self, name: str, help_text: str) -> None:
        """Adds an argument that names a file to write: no link in the project may lead it elsewhere."""
        self._written.append(self.add_argument(name, metavar="FILE", help=help_text))

    def add_cluster(self, help_text: str, *, implied_by: Sequence[str] = ()) -> None:
        """Adds `--cluster` and its `--context`, which is refused alone; `implied_by` are options that ask it too."""
        self.add_argument("--cluster", action="store_true", help=f'{help_text}; needs the extra "cluster"')
        self.add_argument(
            "--context", metavar="NAME", help="kubeconfig context for --cluster; by default the current one"
        )
        self._asking_cluster = ("cluster", *implied_by)

    def written_files(self, parsed: argparse.Namespace) -> dict[str, str]:
        """The files that the arguments name for writing, by the argument as people know it."""
        given = {_shown(action): getattr(parsed, action.dest) for action in self._written}
        return {name: file for name, file in given.items() if file is not None}

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:  # noqa: ANN401 - argparse's own signature
        action = super().add_argument(*names, **settings)
        if action.nargs == argparse.ZERO_OR_MORE:
            # argparse counts these among what is required, and says so where something else is missing.
            action.required = False
        return action

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        # Else argparse formats the usage, which nobody sees here.
        self.usage = ""
        parsed, unknown = self.parse_known_intermixed_args(list(arguments))
        if unknown:
            raise Refusal("usage", self._unknown(unknown[0]), self._way_out(unknown, arguments))
        self._refuse_empty(parsed)
        self._refuse_idle_context(parsed)
        return parsed

    def _refuse_empty(self, parsed: argparse.Namespace) -> None:
        # An unset variable of a script: taken as a path it would be the working folder, as a name it matches nothing.
        for action in self._actions:
            value = getattr(parsed, action.dest, None)
            if "" in (value if isinstance(value, list) else [value]):
                raise Refusal("usage", f"{_shown(action)} is empty", "give it a value or leave it out")

    def _refuse_idle_context(self, parsed: argparse.Namespace) -> None:
        asks = any(getattr(parsed, name) for name in self._asking_cluster)
        if self._asking_cluster and not asks and parsed.context is not None:
            # Whoever names a context would take it for looked at.
            raise Refusal("usage", "--context is for --cluster", "leave it out, or give --cluster")

    def format_help(self) -> str:

        return help_text(self.prog, self.description or "", self._actions, self.epilog or "")

    def options(self) -> tuple[str, ...]:
        """Every option that the help shows, for completion."""
        return tuple(
            option
            for action in self._actions
            if action.help is not argparse.SUPPRESS
            for option in action.option_strings
            if option.startswith("--")
        )

    def takes_value(self) -> dict[str, bool]:
        """Whether each option takes a value."""
        return {option: action.nargs != 0 for action in self._actions for option in action.option_strings}

    @property
    def takes_environment(self) -> bool:
        """Whether an environment's name is an argument, for completion."""
        return any(action.metavar == "ENV" for action in self._actions)

    def error(self, message: str) -> NoReturn:
        if ": ignored explicit argument " in message:
            # What was given to it is not shown: of `put` it may be a secret.
            message = message.partition(":")[0].removeprefix("argument ") + " takes no value"
        if message.endswith(": expected one argument"):
            message = message.partition(":")[0].removeprefix("argument ") + " needs a value"
        missing = message.rpartition("are required: ")[2].split(", ")
        for action in self._actions:
            if action.choices is not None and not action.option_strings and action.dest in missing:
                raise Refusal("usage", f"no {action.dest} given", suggest("", action.choices, f"{action.dest}s"))
        raise Refusal("usage", message, f"`{self.prog} --help` lists the arguments")

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401 - argparse's own signature
        if value and action.choices is not None and value not in action.choices:
            what = _shown(action)
            if action.option_strings:
                # What was given to it is not shown: to `put --input` it may be a secret.
                message = f"unknown value for {what}"
                raise Refusal("usage", message, suggest(value, action.choices, "choices"))
            raise Refusal("usage", f"unknown {what} {quoted(value)}", suggest(value, action.choices, f"{what}s"))

    def _unknown(self, word: str) -> str:
        shown = word.partition("=")[0]
        if not word.startswith("-"):
            return f'unexpected argument "{shown}"'
        # What is no option's name is not shown: it may be a password that begins with a hyphen.
        return f'unknown option "{shown}"' if _OPTION.fullmatch(shown) else "unknown option"

    def _way_out(self, unknown: Sequence[str], arguments: Sequence[str]) -> str:
        from compiler.cli.typing_mistakes import of_argument  # noqa: PLC0415 - only where one is wrong

        word, own = unknown[0], self.prog.removeprefix(f"{PROGRAM} ")
        if (known := of_argument(own, self.takes_value(), arguments, unknown)) is not None:
            return known
        match = closest(word.partition("=")[0], self.options()) if word.startswith("-") else None
        return f'did you mean "{match}"?' if match else f"`{self.prog} --help` lists the arguments"


def _shown(action: argparse.Action) -> str:
    return action.option_strings[0] if action.option_strings else str(action.metavar or action.dest)


def add_format(parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS) -> None:
    parser.add_argument("--format", choices=formats, default="text", help="output format; text by default")


def add_all(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="show all findings and files, not the first 20 of a kind")


def see_all(arguments: argparse.Namespace) -> str | None:
    """How to see findings that are not shown, for a command with `--all`; None where that is given."""
    return None if arguments.all else "`--all` shows them"


def add_accept_cluster(parser: argparse.ArgumentParser) -> None:
    help_text = "accept the Vault with this cluster id in place of the expected one, after a rebuild or failover"
    parser.add_argument("--accept-cluster", metavar="ID", help=help_text)


def add_store(parser: argparse.ArgumentParser, help_text: str) -> None:
    parser.add_argument("--store", metavar="ID", help=help_text)
