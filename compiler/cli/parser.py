"""Parses a command's arguments, refuses what does not go together, and prints its help."""

from __future__ import annotations

import argparse
import re
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from compiler.refusal import Refusal
from compiler.text.wording import ACCEPT_STORE, NOT_THE_SAME, PROGRAM, closest, command_line, quote, suggest

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

# For diagnostics, as compiler/render/formats.py has them; for a command's own report; for a comparison.
FORMATS = ("text", "json", "github", "sarif")
REPORT_FORMATS = ("text", "json")
DIFF_FORMATS = ("text", "json", "markdown")
# Longer lines are hard to read, however wide the terminal; in narrower ones a name and its help do not fit.
_WIDEST, _NARROWEST = 100, 50
# An example of the help stands behind two spaces; in a terminal of 80 characters it is whole.
_EXAMPLE, _CONTINUED = 76, " " * 6
# Options of other programs, and what they are here.
_ENVIRONMENT = frozenset({"-e", "--env", "--environment"})
_HABITS = {"--dry-run": "--check", "--yes": "--apply", "-y": "--apply"}
_OPTION = re.compile(r"-[a-zA-Z]|--[a-zA-Z][a-zA-Z-]*")
# Its own words stay as they are: `error` below goes by them, and looking for a translation imports `locale`.
argparse._ = str  # type: ignore[attr-defined]


# For an option that takes a value each time that it is given.
REPEATABLE: Mapping[str, Any] = MappingProxyType({"action": "append", "default": []})


def option(metavar: str, help_text: str, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 - argparse's own
    """The settings of an argument that takes a value."""
    return {"metavar": metavar, "help": help_text, **settings}


def flag(help_text: str) -> dict[str, Any]:
    """The settings of an argument that takes no value."""
    return {"action": "store_true", "help": help_text}


def member_of(name: str) -> str:
    """Where the parsed arguments have the value of an option."""
    return name.removeprefix("--").replace("-", "_")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Breaks lines at spaces alone: names of options and files are to be copied whole, and so are commands."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrap(text, width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Keeps empty lines, and lines that begin with spaces; the others are paragraphs."""
        blocks: list[str] = []
        for line in text.split("\n"):
            if line and blocks and blocks[-1] and " " not in (line[0], blocks[-1][0]):
                blocks[-1] += f" {line}"
            else:
                blocks.append(indent + line)
        return "\n".join(
            block
            if block.startswith(_CONTINUED) or (block.startswith(" ") and PROGRAM in block)
            else "\n".join(_wrap(block, width, "    " if block.startswith(" ") else ""))
            for block in blocks
        )


def _break_example(example: str) -> str:
    """An example as a shell takes it over several lines, each of at most 80 characters, broken before options."""
    first, *words = re.split(r" (?=-|\| )", example)
    lines = [first]
    for word in words:
        if len(lines[-1]) + len(word) < _EXAMPLE:
            lines[-1] += f" {word}"
        else:
            lines[-1] += " \\"
            lines.append(_CONTINUED + word)
    return "\n".join(lines)


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    import textwrap  # noqa: PLC0415 - for the help alone

    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


class _StoreOnce(argparse._StoreAction):  # noqa: SLF001 - argparse's own, which takes the last value in silence
    """Stores the value of an argument, and refuses a second one of an option."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Namespace, values: object, option_string: str | None = None
    ) -> None:
        if option_string is not None and isinstance(parser, Parser):
            if self.dest in parser.stored:
                raise Refusal("usage", f"{option_string} is given more than once", "give it once")
            parser.stored.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A sub-command's parser: full option names only, options anywhere, and what is wrong raised as Refusal."""

    def __init__(self, command: str, description: str, examples: Sequence[str]) -> None:
        super().__init__(
            prog=f"{PROGRAM} {command}",
            description=description,
            # For each argument argparse makes one, and asking for the terminal's width imports shutil.
            formatter_class=partial(_HelpFormatter, width=_WIDEST),
            allow_abbrev=False,
        )
        # Python 3.14 colours help by itself.
        self.color = False
        self.register("action", None, _StoreOnce)
        # The options with one value that the command line gave so far.
        self.stored: set[str] = set()
        self.command = command
        self.add_argument("--root", metavar="DIR", default=None, help=argparse.SUPPRESS)
        self.add_argument("--no-color", action="store_true", help=argparse.SUPPRESS)
        self.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
        self._examples = examples
        self._written: list[argparse.Action] = []
        self._exclusive: list[tuple[str, tuple[str, ...], str]] = []
        self._needing: list[tuple[str, tuple[str, ...]]] = []
        # Whether the command logs in to the stores that the project names.
        self.logs_in = False

    def add_flag(self, name: str, help_text: str) -> None:
        self.add_argument(name, **flag(help_text))

    def add_option(self, name: str, metavar: str, help_text: str, **settings: Any) -> None:  # noqa: ANN401 - argparse's
        """Adds an option that takes a value."""
        self.add_argument(name, **option(metavar, help_text, **settings))

    def add_repeatable(self, name: str, metavar: str, help_text: str) -> None:
        """Adds an option that takes a value each time that it is given."""
        self.add_option(name, metavar, help_text, **REPEATABLE)

    def add_several(self, name: str, metavar: str, help_text: str, **settings: Any) -> None:  # noqa: ANN401 - likewise
        """Adds an option that takes one value or more each time that it is given."""
        self.add_option(name, metavar, help_text, nargs="+", action="extend", default=[], **settings)

    def add_secrets(self, help_text: str) -> None:
        """Adds the secrets that the command is about, which `--only` names too; without any, it is about all."""
        self.add_argument("secrets", metavar="SECRET", nargs="*", help=f"{help_text}; by default all")
        self.add_repeatable("--only", "SECRET", "another way to name a secret; repeatable")

    def add_written_file(self, name: str, help_text: str, *, metavar: str = "FILE", nargs: str | None = None) -> None:
        """Adds an argument that names a file or folder to write: no link in the project may lead it elsewhere."""
        self._written.append(self.add_argument(name, metavar=metavar, nargs=nargs, help=help_text))

    def add_cluster(self, help_text: str, *, implied_by: Sequence[str] = ()) -> None:
        """Adds `--cluster` and its `--context`, which is refused alone; `implied_by` are options that ask it too."""
        self.add_flag("--cluster", f'{help_text}; needs the extra "cluster"')
        self.add_option("--context", "NAME", "kubeconfig context for --cluster; by default the current one")
        # A caller who names a context expects that it is looked at.
        self.require("--context", "--cluster", *implied_by)

    def exclude(self, argument: str, *others: str, way_out: str = "leave one of them out") -> None:
        """Refuses `argument`, or an option with one of its choices, together with any of the `others`."""
        self._exclusive.append((argument, others, way_out))

    def require(self, argument: str, *others: str) -> None:
        """Refuses `argument` without any of the `others`."""
        self._needing.append((argument, others))

    def files_to_write(self, parsed: Namespace) -> dict[str, str]:
        """The files that the arguments name for writing, by the argument as people know it."""
        given = {_argument_name(action): getattr(parsed, action.dest) for action in self._written}
        return {name: file for name, file in given.items() if file is not None}

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:  # noqa: ANN401 - argparse's own signature
        action = super().add_argument(*names, **settings)
        if action.nargs == argparse.ZERO_OR_MORE:
            # argparse counts these among what is required, and says so where something else is missing.
            action.required = False
        return action

    def parse(self, arguments: Sequence[str]) -> Namespace:
        # Spares argparse the formatting of a usage that nobody sees here.
        self.usage = ""
        self.stored.clear()
        parsed, unknown = self.parse_known_intermixed_args(list(arguments))
        if unknown:
            raise Refusal("usage", self._describe_unknown(unknown[0]), self._way_out(unknown[0]))
        self._refuse_empty(parsed)
        actions = [action for action in self._actions if _is_given(action, parsed)]
        given = {_argument_name(each) for each in actions}
        given |= {
            f"{_argument_name(each)} {getattr(parsed, each.dest)}" for each in actions if each.choices is not None
        }
        self._refuse_contradictions(given)
        if "only" in parsed and "secrets" in parsed:
            parsed.only, parsed.secrets = [*dict.fromkeys((*parsed.secrets, *parsed.only))], []
        return parsed

    def _refuse_empty(self, parsed: Namespace) -> None:
        # An unset variable of a script: taken as a path it would be the working folder, as a name it matches nothing.
        for action in self._actions:
            value = getattr(parsed, action.dest, None)
            if "" in (value if isinstance(value, list) else [value]):
                raise Refusal("usage", f"{_argument_name(action)} is empty", "give it a value or leave it out")

    def _refuse_contradictions(self, given: set[str]) -> None:
        for argument, others, way_out in self._exclusive:
            for other in others:
                if {argument, other} <= given:
                    raise Refusal("usage", f"{argument} cannot be combined with {other}", way_out)
        for argument, others in self._needing:
            if argument in given and given.isdisjoint(others):
                *before, last = others
                needed = f"{', '.join(before)} or {last}" if before else last
                add = "add one of them" if before else f"add {last}"
                raise Refusal("usage", f"{argument} needs {needed}", f"{add}, or leave {argument} out")

    def format_help(self) -> str:
        import shutil  # noqa: PLC0415 - for the help alone

        width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))
        self.formatter_class = partial(_HelpFormatter, width=width)
        examples = "\n".join(f"  {_break_example(example)}" for example in self._examples)
        self.epilog = f"examples:\n{examples}" if examples else None
        return super().format_help()

    def options(self) -> tuple[str, ...]:
        """Every option that the help shows, for completion."""
        return tuple(
            option
            for action in self._actions
            if action.help is not argparse.SUPPRESS
            for option in action.option_strings
            if option.startswith("--")
        )

    def arguments(self) -> dict[str, str]:
        """Every argument that the help shows but the help itself, as people know it, with its name when parsed."""
        shown = [each for each in self._actions if each.help is not argparse.SUPPRESS and each.dest != "help"]
        return {_argument_name(action): action.dest for action in shown}

    def values_of_options(self) -> dict[str, str]:
        """What each option takes that takes a value, as its help names it."""
        return {
            option: str(each.metavar) for each in self._actions if each.nargs != 0 for option in each.option_strings
        }

    def takes_value(self) -> dict[str, bool]:
        """Whether each option takes a value."""
        return {option: action.nargs != 0 for action in self._actions for option in action.option_strings}

    def next_arguments(self, words: Sequence[str]) -> list[argparse.Action]:
        """The arguments that the next word may be, behind `words` of an unfinished line; for completion."""
        options = {option: action for action in self._actions for option in action.option_strings}
        awaited: argparse.Action | None = None
        names: list[str] = []
        for word in words:
            if awaited is not None:
                awaited = None
            elif not word.startswith("-"):
                names.append(word)
            elif word in options and options[word].nargs != 0:
                awaited = options[word]
        if awaited is not None:
            return [awaited]
        left, found = len(names), list[argparse.Action]()
        for action in self._actions:
            if action.option_strings:
                continue
            if action.nargs == "*":
                found.append(action)
            elif left == 0 and not found:
                return [action]
            left -= left > 0
        return found

    def pairs(self) -> set[str]:
        """The options whose value has an equals sign, and those that say themselves what is wrong with one."""
        shown = {option: str(action.metavar) for action in self._actions for option in action.option_strings}
        return {option for option, metavar in shown.items() if "=" in metavar or metavar == "KEY"}

    def error(self, message: str) -> NoReturn:
        if ": ignored explicit argument " in message:
            # What was given to it is not shown: of `put` it may be a secret.
            message = message.partition(":")[0].removeprefix("argument ") + " takes no value"
        if ": invalid days value: " in message:
            message = message.partition(":")[0].removeprefix("argument ") + " is not a number of days"
            raise Refusal("usage", message, "write it as 30d")
        if message.endswith(": expected one argument"):
            message = message.partition(":")[0].removeprefix("argument ") + " needs a value"
        missing = message.rpartition("are required: ")[2].split(", ")
        for action in self._actions:
            if action.choices is not None and not action.option_strings and action.dest in missing:
                raise Refusal("usage", f"no {action.dest} given", suggest("", action.choices, f"{action.dest}s"))
        raise Refusal("usage", message, f"`{self.prog} --help` lists the arguments")

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401 - argparse's own signature
        if value and action.choices is not None and value not in action.choices:
            what = _argument_name(action)
            if action.option_strings:
                # What was given to it is not shown: to `put --input` it may be a secret.
                message = f"unknown value for {what}"
                raise Refusal("usage", message, suggest(value, action.choices, "choices"))
            raise Refusal("usage", f"unknown {what} {quote(value)}", suggest(value, action.choices, f"{what}s"))

    def _describe_unknown(self, word: str) -> str:
        shown = word.partition("=")[0]
        if not word.startswith("-"):
            return f'unexpected argument "{shown}"'
        # What is no option's name is not shown: it may be a password that begins with a hyphen.
        return f'unknown option "{shown}"' if _OPTION.fullmatch(shown) else "unknown option"

    def _way_out(self, word: str) -> str:
        name, options = word.partition("=")[0], self.options()
        if name in _ENVIRONMENT and "ENV" in self.arguments():
            return f"write the environment's name without {name}"
        if name == "--dry-run" and "--apply" in options:
            return f"leave it out: without --apply `{self.command}` shows its plan first"
        if name == "--undo":
            return f"`{command_line('runs')}` lists the runs, each with the line that undoes it"
        if (meant := _HABITS.get(name)) in options:
            return f'did you mean "{meant}"?'
        # Without the hyphens, which are alike in all.
        match = closest(name.lstrip("-"), [each.removeprefix("--") for each in options]) if name[:2] == "--" else None
        return f'did you mean "--{match}"?' if match else f"`{self.prog} --help` lists the arguments"


def _is_given(action: argparse.Action, parsed: Namespace) -> bool:
    return getattr(parsed, action.dest, None) not in (action.default, None, [])


def _argument_name(action: argparse.Action) -> str:
    return action.option_strings[0] if action.option_strings else str(action.metavar or action.dest)


def add_format(parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS) -> None:
    parser.add_argument("--format", choices=formats, default="text", help="output format; text by default")


def add_all(parser: Parser) -> None:
    parser.add_flag("--all", "show all findings, files and changes, not the first of a kind")


def see_all(arguments: Namespace) -> str | None:
    """How to see findings that are not shown; None where all are, by `--all` or for a command without it."""
    return None if getattr(arguments, "all", True) else "`--all` shows them"


def context_of(arguments: Namespace) -> tuple[str, ...]:
    """The options that name the cluster, for command lines."""
    return ("--context", arguments.context) if arguments.context is not None else ()


def add_accept_cluster(parser: Parser) -> None:
    """The option of every command that logs in to stores."""
    parser.logs_in = True
    help_text = "accept the Vault with this cluster id in place of the expected one, after a rebuild or failover"
    parser.add_option("--accept-cluster", "ID", help_text)


def add_accept_store(parser: Parser, *needs: str) -> None:
    """The option of commands that answer for what the cluster reads; it needs one of the options `needs`."""
    parser.add_repeatable(
        ACCEPT_STORE, "ID", "accept that the cluster reads this store, where that is not proven; repeatable"
    )
    if needs:
        parser.require(ACCEPT_STORE, *needs)


def days(text: str) -> timedelta:
    """A number of days such as `30d`, or `30`; argparse names the option for a ValueError."""
    from datetime import timedelta  # noqa: PLC0415 - the help and most commands need none

    days = int(text.removesuffix("d"))
    # Ten thousand days lie beyond every date that a store takes.
    if not 0 <= days <= 10_000:  # noqa: PLR2004 - see above
        raise ValueError("more days than any date has")
    return timedelta(days=days)


# What every writing command takes, and the undo of a run too.
_OF_ALL = frozenset(
    ("accept_cluster", "apply", "audit", "environment", "format", "not_the_same", "quiet", "undo", "verbose")
)


def add_writing(
    parser: Parser,
    *,
    apply_help: str = "write; without it, only show the plan",
    deletes: bool = False,
    recovers: bool = True,
    removes: Sequence[str] = (),
) -> None:
    """Adds the options of every command that writes to stores, after its own, which `--undo` does not take.

    With the options `removes` it takes something away, too.
    """
    if recovers and not deletes:
        parser.add_flag("--recover", "recover deleted secrets in the store first")
    parser.add_flag("--apply", apply_help)
    parser.add_option("--undo", "RUN", "undo what this run of the command wrote")
    # Not in silence: whoever says `--only github` does not mean the whole run.
    parser.exclude("--undo", *own_arguments(parser), way_out="--undo undoes the whole run: leave one of them out")
    parser.add_repeatable(
        NOT_THE_SAME,
        "STORE",
        "treat STORE (as the plan names it) as a different store, so that the deletion is allowed; repeatable",
    )
    if not deletes:
        parser.require(NOT_THE_SAME, "--undo", *removes)
    add_accept_cluster(parser)
    parser.add_written_file("--audit", "append a line to this file for each write")
    parser.add_flag("--verbose", "also show unchanged keys")
    parser.add_flag("--quiet", "show no progress")


def own_arguments(parser: Parser) -> dict[str, str]:
    """The arguments that an undo knows from the journal, with their names when parsed; none holds a value."""
    return {name: member for name, member in parser.arguments().items() if member not in _OF_ALL}


def require_store(arguments: Namespace, name: str, stores: Iterable[str]) -> str:
    """The store that the option of this name gives. Raises Refusal without it: there is nothing to undo either."""
    given: str | None = getattr(arguments, member_of(name))
    if given is None:
        named = " or ".join(f"{name} {store}" for store in stores)
        message = f"give either the store with {name} or a run with --undo"
        raise Refusal("usage", message, f"add {named}" if named else None)
    return given
