"""Runs one command: parses its arguments, opens its project, prints what it found, and ends in order after a signal."""

from __future__ import annotations

import gc
import os
import signal
import threading
from argparse import SUPPRESS
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from compiler.cli.exposed import refuse_exposed_values
from compiler.cli.parser import Parser, see_all
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.model.document import Severity
from compiler.model.files import foreign_part, leads_out
from compiler.refusal import COULD_NOT_RUN, FOUND, INTERRUPTED, OK, Refusal, follows_interrupt, system_reason
from compiler.stages.resolve import STORE_OPTION, STORE_VARIABLE, Outside, outside_of
from compiler.text.wording import BLANK, PROGRAM, command_line, name_context, name_project, project_to_name, shell_line

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

    from compiler.live.stores import LiveStores
    from compiler.model.document import Diagnostic
    from compiler.model.environment import Environment, Project
    from compiler.pipeline import Result
    from compiler.render.content import CommandRun, Line


_MARK = "environments"
_WITHOUT_PROJECT = frozenset({"completion", "demo", "rules"})


class InputError(Exception):
    """Ends a command whose input has errors, after these were shown."""


class Invocation(NamedTuple):
    """What a command is run with: its name, its arguments, its project, and the streams that it prints to."""

    name: str
    arguments: Namespace
    parser: Parser
    named_root: str | None = None
    is_debug: bool = False

    @property
    def root(self) -> Path:
        """The project's folder: `--root`, else the nearest one upward that has environments/. Raises Refusal."""
        return project_folder(self.named_root)

    @property
    def form(self) -> str:
        """The format of the output; where the option has no default, or is not there, it is text."""
        return getattr(self.arguments, "format", None) or "text"

    @property
    def is_json(self) -> bool:
        """Whether the report for programs is asked for, in place of lines for people."""
        return self.form == "json"

    def note(self, *texts: str) -> None:
        """Show what is to know and changes nothing, unless `--quiet` is given."""
        if not getattr(self.arguments, "quiet", False):
            standard_error().note(*texts)

    def lines(self, lines: Iterable[Line], *, is_error: bool = False) -> None:
        """Print what is for people, on standard output or on standard error; nothing beside a report for programs."""
        if not self.is_json:
            outlet = standard_error() if is_error else standard_output()
            outlet.show(lines)
            outlet.flush()

    def report(self, content: Callable[[], Mapping[str, Any]], code: int, environment: str | None = None) -> int:
        """Print the report for programs, where that is asked for: the whole of standard output. Returns the `code`."""
        if self.is_json:
            from compiler.render.content import envelope  # noqa: PLC0415 - most runs are for people

            standard_output().show(envelope(self.name, environment, code, content()))
        return code

    def findings(
        self,
        diagnostics: Sequence[Diagnostic],
        environment: str | None = None,
        *,
        content: Mapping[str, Any] | None = None,
        is_answered: bool = True,
        least: int = OK,
    ) -> int:
        """Print the diagnostics in the format asked for, with `content` in JSON; returns the exit code, at `least`."""
        given = self.arguments
        code = max(least, code_of(diagnostics, is_strict=getattr(given, "strict", False), is_answered=is_answered))
        if diagnostics or self.form != "text":
            # Most runs have nothing to show, and do not import what would render it.
            from compiler.render.content import CommandRun  # noqa: PLC0415

            run = CommandRun(self.name, environment, code, content or {})
            report(diagnostics, run, self.form, see_all(given))
        return code

    def summary(self, lines: Iterable[Line]) -> None:
        """Print the end of the output, which stays on the screen; where programs read that, on standard error."""
        if not getattr(self.arguments, "quiet", False):
            (standard_output() if self.form == "text" else standard_error()).show(lines)

    def require_own_project(self, *, sends: bool) -> None:
        """Notes that a project found above may be another user's.

        Raises Refusal for a command that `sends` credentials to the servers that the project names, and in the working
        folder too, as git does.
        """
        root = _find_project() if self.named_root is None else None
        is_here = root == working_folder()
        if root is None or (is_here and not sends):
            return
        foreign = foreign_part((root / _MARK, root / _MARK / "layers"))
        if foreign is None:
            return
        path, how = foreign
        message = f'the project was found in "{root}", and "{path}" {how}'
        if sends:
            named = "." if is_here else str(root)
            way_out = f"if it is meant, name it: `{shell_line(PROGRAM, '--root', named, BLANK)}`"
            raise Refusal("cannot run", f"{message}: your credentials would go where it says", way_out)
        standard_error().note(f"{message}; --root names another")


def project_folder(given: str | None) -> Path:
    """The project's folder: the one `given`, else the nearest one upward that has environments/. Raises Refusal."""
    if given is not None:
        if not (Path(given) / _MARK).is_dir():
            above = _project_in(Path(os.path.abspath(given)).parents)  # noqa: PTH100 - pathlib's own keeps `..`
            way_out = f"the project is the folder above: {shell_line('--root', str(above))}"
            raise Refusal("usage", f'no folder "{_MARK}" in {given}', way_out if above else _new_project(given))
        return Path(given).absolute()
    if (found := _find_project()) is not None:
        return found
    way_out = f"name the project's folder with --root, or {_new_project()}"
    raise Refusal("usage", f'no folder "{_MARK}" here or above', way_out)


def known_project() -> Path | None:
    """The project that command lines name, or that is found from here; None where there is none."""
    with suppress(Refusal):
        return project_folder(project_to_name())
    return None


def _find_project() -> Path | None:
    """The nearest folder upward that is a project."""
    here = working_folder()
    return _project_in((here, *here.parents))


def _project_in(folders: Iterable[Path]) -> Path | None:
    """The first of `folders` that is a project."""
    for folder in folders:
        # No generator: an interrupt inside of one is reported once more where it is thrown away.
        if (folder / _MARK).is_dir():
            return folder
    return None


def _new_project(*folder: str) -> str:
    # The folder is an argument here: `--root` names a project that is there.
    return f"create a project with `{shell_line(PROGRAM, 'new', 'project', *folder)}`"


def command(module: str) -> ModuleType:
    """Imports the sub-command's module, which has DESCRIPTION, EXAMPLES, `configure` and `run`, and may have KINDS."""
    return import_module(f"compiler.cli.commands.{module}")


def kinds_of(module: str) -> Mapping[str, tuple[str, Mapping[str, dict[str, Any]]]]:
    """What the sub-command makes, by its first word: what each is, and its arguments with their settings."""
    kinds: Mapping[str, tuple[str, Mapping[str, dict[str, Any]]]] = getattr(command(module), "KINDS", {})
    return kinds


def parser_of(name: str, module: str, words: Sequence[str] = ()) -> Parser:
    """The parser of the sub-command `name`: where it has kinds, that of the first which is among `words`."""
    chosen, kinds = command(module), kinds_of(module)
    kind = next((word for word in words if word in kinds), None)
    if kind is not None:
        what, arguments = kinds[kind]
        begin = f"{PROGRAM} {name} {kind} "
        examples = [each for each in chosen.EXAMPLES if f"{each} ".startswith(begin)]
        does = chosen.DESCRIPTION.partition(" ")[0]
        parser = Parser(f"{name} {kind}", f"{does} {what}.", examples)
        parser.add_argument("kind", choices=(kind,), help=SUPPRESS)
        for argument, settings in arguments.items():
            parser.add_argument(argument, **settings)
    elif kinds:
        listed = "\n".join(f"  {each}: {what}" for each, (what, _) in kinds.items())
        way = f"`{PROGRAM} {name} KIND --help` shows its options."
        parser = Parser(name, f"{chosen.DESCRIPTION}\n{listed}\n\n{way}", chosen.EXAMPLES)
        parser.add_argument("kind", choices=tuple(kinds), help="one of the above")
    else:
        parser = Parser(name, chosen.DESCRIPTION, chosen.EXAMPLES)
    chosen.configure(parser)
    return parser


def parsers_of(name: str, module: str) -> tuple[Parser, ...]:
    """The parsers of each kind of a sub-command, or its only one."""
    return tuple(parser_of(name, module, [kind]) for kind in kinds_of(module)) or (parser_of(name, module),)


def invoke(name: str, module: str, arguments: Sequence[str], root: str | None = None, *, is_debug: bool = False) -> int:
    """Parses `arguments`, runs the sub-command `name` and returns its exit code."""
    parser = parser_of(name, module, arguments)
    if _asks_for_help(arguments):
        # Before parsing: a help that first wants the command line to be right helps nobody.
        standard_output().write_raw(parser.format_help())
        return OK
    name_project(root)
    refuse_exposed_values(parser, arguments)
    parsed = parser.parse(arguments)
    root = parsed.root if parsed.root is not None else root
    name_project(root)
    name_context(getattr(parsed, "context", None))
    invocation = Invocation(name, parsed, parser, root, parsed.debug or is_debug)
    for shown, file in parser.files_to_write(parsed).items():
        if leads_out(invocation.root, Path(file)):
            raise Refusal(
                "cannot run", f"{shown} leads out of the project through a link", "name the file that it leads to"
            )
    # `new project` makes one of its own.
    if name not in _WITHOUT_PROJECT and getattr(parsed, "kind", "") != "project":
        is_offline = getattr(parsed, "offline", False) or getattr(parsed, "stores", True) is False
        invocation.require_own_project(sends=parser.logs_in and not is_offline)
    try:
        with orderly_termination(), interruption(NOTHING_WRITTEN):
            code: int = command(module).run(invocation)
            return code
    except InputError:
        return FOUND


def working_folder() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise Refusal("cannot run", "the working folder no longer exists", "change to another folder") from None


def _asks_for_help(arguments: Sequence[str]) -> bool:
    before_values = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--help" in before_values or "-h" in before_values


def outside(store: str | None, named: Sequence[str], *, ignores_variable: bool = False) -> Outside:
    """The options and variables that apply to a command that names the environments `named`.

    Raises Refusal for a store without exactly one environment: a forgotten variable must not move all of them. With
    `ignores_variable` the variable is only noted. AZURE_KEYVAULT_NAME always applies: it fills in a missing address.
    """
    variable = os.environ.get(STORE_VARIABLE)
    if ignores_variable and variable:
        standard_error().note(f"{STORE_VARIABLE} is ignored: --check uses the stores that the files choose")
    if len(set(named)) != 1:
        if store is not None:
            raise Refusal("usage", f"{STORE_OPTION} applies to one environment, {_how_many(named)}", "name exactly one")
        if variable and not ignores_variable:
            message = f"{STORE_VARIABLE} is set and applies to one environment, {_how_many(named)}"
            raise Refusal("usage", message, f"name exactly one, or unset {STORE_VARIABLE}")
    return outside_of(store, os.environ, variable_counts=not ignores_variable)


def _how_many(named: Sequence[str]) -> str:
    return f"but {len(set(named))} are named" if named else "but none is named, which means all"


def code_of(diagnostics: Collection[Diagnostic], *, is_strict: bool = False, is_answered: bool = True) -> int:
    """The exit code of a command that found `diagnostics`; `is_strict` counts warnings too."""
    if not is_answered:
        return COULD_NOT_RUN
    grave = {Severity.ERROR, Severity.WARNING} if is_strict else {Severity.ERROR}
    return FOUND if any(each.severity in grave for each in diagnostics) else OK


def report(
    diagnostics: Sequence[Diagnostic],
    run: CommandRun | None = None,
    form: str = "text",
    see_all: str | None = None,
    of_run: Sequence[Diagnostic] = (),
) -> None:
    """Shows `diagnostics`: text on standard error, other formats on standard output.

    Text shows the first findings of each rule, and `see_all` says how to see the rest. What any diagnostic of `of_run`
    conceals is concealed in all lines.
    """
    if form == "text" and not diagnostics:
        return
    from compiler.render.content import CommandRun, first_of_each_rule, show  # noqa: PLC0415 - only where there is one
    from compiler.render.formats import FORMATS  # noqa: PLC0415 - likewise
    from compiler.rules import ALL_RULES  # noqa: PLC0415 - likewise

    outlet = standard_error() if form == "text" else standard_output()
    first, run = diagnostics, run or CommandRun("")
    if form == "text" and see_all is not None:
        first, left_out = first_of_each_rule(diagnostics)
        run = run._replace(left_out=left_out, see_all=see_all)
    outlet.show(FORMATS[form](show(first, of_run or diagnostics), ALL_RULES, run))
    # Both streams may lead to one place, where what a command says after this has to come after it.
    outlet.flush()


def by_compile() -> str:
    """How to see findings that are not shown, for commands that do not validate the input and have no `--all`."""
    return f"`{command_line('compile', '--all')}` shows them"


def report_errors(diagnostics: Sequence[Diagnostic]) -> None:
    """Shows only the errors of a run, for commands that do not validate the input."""
    errors = [each for each in diagnostics if each.severity is Severity.ERROR]
    report(errors, see_all=by_compile(), of_run=diagnostics)


def tell_notes(result: Result, told: Container[str] = ()) -> None:
    """Shows which options and variables changed the result, except notes in `told`, which were shown before."""
    standard_error().note(*(note for note in result.notes if note not in told))


def require_sound(result: Result, told: Container[str] = ()) -> Project:
    """The project of a run without errors, after its notes were shown. Raises InputError after the errors were."""
    if result.failed or result.project is None:
        report_errors(result.diagnostics)
        raise InputError
    tell_notes(result, told)
    return result.project


def live_environments(names: Sequence[str], invocation: Invocation) -> tuple[Environment, ...]:
    """The environments `names`, or all, as their files alone define them. Raises InputError where one has errors."""
    from compiler.pipeline import compile_project  # noqa: PLC0415 - some commands compile nothing

    if os.environ.get(STORE_VARIABLE):
        standard_error().note(f"{STORE_VARIABLE} is ignored: commands on live stores use only the files and options")
    found = require_sound(compile_project(invocation.root, names, files_alone())).environments
    # What is compiled stays to the end. From here on the run is long, and errors and their frames make cycles: few, and
    # a search each 700 maps takes a third of the time of a cluster's large lists.
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()
    return found


def files_alone() -> Outside:
    """What the environment variables may fill in where the files choose the stores: an address that these leave out."""
    return outside_of(None, os.environ, variable_counts=False)


@contextmanager
def open_stores(
    invocation: Invocation, opener: Callable[[Mapping[str, str]], LiveStores], *, is_quiet: bool = False
) -> Iterator[LiveStores]:
    """The live stores of a command, which accept the cluster that its arguments name and show their notes."""
    with opener(os.environ) as stores:
        if not is_quiet:
            stores.on_note(standard_error().note)
        stores.accept(invocation.arguments.accept_cluster)
        yield stores


def tell_waiting(holder: str) -> None:
    standard_error().note(f"waiting for another run: {holder}")


@contextmanager
def refusals() -> Iterator[None]:
    """Turn an OSError of the run's own files into a Refusal."""
    try:
        yield
    except OSError as error:
        where = f' "{error.filename}"' if error.filename else ""
        reason = system_reason(error)
        failure = Refusal("cannot run", f"cannot use the run's files:{where} {reason}")
    else:
        return
    raise failure from None


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def signals_to_handle() -> tuple[signal.Signals, ...]:
    """Those of SIGNALS that end a command: one that `nohup` starts is to outlive the terminal."""
    return tuple(each for each in SIGNALS if each != signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN)


@contextmanager
def orderly_termination() -> Iterator[None]:
    """While the block runs, the first signal unwinds it, and further ones do not interrupt that."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is _interrupt:
        # Signals are the main thread's.
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in signals_to_handle()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def was_interrupted() -> bool:
    """Whether a signal came in an orderly block, also where a callback of the interpreter lost its exception."""
    return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    # A second exception in the middle of the first one's clean-up would end as a complaint of whatever was cleaned up.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


_STANDARD_ERROR = 2
NOTHING_WRITTEN: Final = "nothing was written"
GOES_ON: Final = "run the same command again to continue"
# What an interrupt leaves behind at this moment.
LEFT_BEHIND: Final[ContextVar[str]] = ContextVar("what an interrupt leaves behind", default=NOTHING_WRITTEN)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Sets the event at the first signal; the second one ends the process at once.

    Only the main thread gets signals: in another one the event is never set.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in signals_to_handle()}

    def first(_number: int, _frame: object) -> None:
        stop.set()
        _handle(_end)
        _say("\nstopping: requests in progress are finished first\n")

    _handle(first)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(_number: int, _frame: object) -> NoReturn:
    _say(f"interrupted; {GOES_ON}\n")
    os._exit(INTERRUPTED)


def _handle(handler: Callable[[int, object], None]) -> None:
    for number in signals_to_handle():
        signal.signal(number, handler)


def _say(line: str) -> None:
    # Not through `sys.stderr`: the signal may come in the middle of a write to it, which must not be entered twice.
    with suppress(OSError):
        os.write(_STANDARD_ERROR, line.encode())


@contextmanager
def interruption(said: str) -> Iterator[None]:
    """Lets an interrupt say `said`, also after the block, until another block says something else.

    What leaves the block is a KeyboardInterrupt, also where a lock complained of one.
    """
    LEFT_BEHIND.set(said)
    try:
        yield
    except Exception as error:
        if not follows_interrupt(error):
            raise
    else:
        return
    raise KeyboardInterrupt
