"""Picks the sub-command and returns its exit code; the only module that turns an exception into a message."""

from __future__ import annotations

from contextvars import Context

from compiler import __version__
from compiler.cli.commands import ALIASES, COMMANDS, FIRST_STEPS, GROUPS, INCIDENT
from compiler.cli.terminal.outlet import outlets, standard_error, standard_output
from compiler.refusal import COULD_NOT_RUN, INTERRUPTED, OF_REFUSAL, OK, Refusal, describe_defect
from compiler.text.wording import PROGRAM

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TAKES_VALUE = "--root"
_ENVIRONMENT = ("-e", "--env", "--environment")
_FLAGS = ("--debug", "--no-color", "--version", "--help", "-h")


def main(argv: Sequence[str]) -> int:
    """Runs the command that `argv` names and returns its exit code; whatever happens, it raises nothing."""
    with outlets(is_colourless="--no-color" in argv):
        # What one command leaves behind is nothing that the next one in this process may say.
        return Context().run(_run_reporting_errors, argv)


def _run_reporting_errors(argv: Sequence[str]) -> int:
    is_debug = "--debug" in argv
    try:
        return _run(argv)
    except Refusal as refusal:
        return _show_refusal(refusal)
    except ModuleNotFoundError as error:
        missing = _missing_package(error)
        return _defect(error, is_debug=is_debug) if missing is None or is_debug else _show_refusal(missing)
    except KeyboardInterrupt:
        from compiler.cli.invocation import LEFT_BEHIND  # noqa: PLC0415 - only where it is needed

        standard_error().show([f"interrupted; {LEFT_BEHIND.get()}"])
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one boundary: nothing a user did may end in a traceback
        return _defect(error, is_debug=is_debug)


def _show_refusal(refusal: Refusal) -> int:
    standard_error().error(refusal.message, refusal.help, refusal.details)
    return OF_REFUSAL[refusal.kind]


def _defect(error: Exception, *, is_debug: bool) -> int:
    standard_error().write(describe_defect(error, is_debug=is_debug))
    return COULD_NOT_RUN


def _missing_package(error: ModuleNotFoundError) -> Refusal | None:
    """What to install, where the program runs from a clone by a Python without its packages; None for our own."""
    from compiler.text.wording import install_line  # noqa: PLC0415 - only where it is needed

    package = (error.name or "").partition(".")[0]
    if package in ("", "compiler"):
        return None
    return Refusal("cannot run", f'the Python package "{package}" is not installed', f"run: {install_line()}")


def _run(argv: Sequence[str]) -> int:
    options, rest = _split(argv)
    if "--version" in options:
        standard_output().write_raw(f"{PROGRAM} {__version__}\n")
        return OK
    if "--help" in options or "-h" in options:
        standard_output().write_raw(help_text())
        return OK
    if not rest:
        raise Refusal("usage", "no command given", f"`{PROGRAM} --help` lists them")
    name, *arguments = rest
    if name not in COMMANDS:
        raise _refuse_command(name, arguments, options.get(_TAKES_VALUE))
    # Only now: the help needs neither argparse nor a command.
    from compiler.cli.invocation import invoke  # noqa: PLC0415

    return invoke(name, COMMANDS[name][0], arguments, options.get(_TAKES_VALUE), is_debug="--debug" in options)


def help_text() -> str:
    """What `platform-secrets --help` prints."""
    most = max(map(len, FIRST_STEPS)) + len(PROGRAM) + 1
    steps, incident = (
        _columns({f"{PROGRAM} {words}": what for words, what in lines.items()}, most)
        for lines in (FIRST_STEPS, INCIDENT)
    )
    width = max(map(len, COMMANDS))
    groups = "\n".join(
        f"{title}:\n{_columns({name: line for name, (_, line) in group.items()}, width)}"
        for title, group in GROUPS.items()
    )
    return f"""usage: {PROGRAM} [--root DIR] [--no-color] [--debug] COMMAND ...

Compiles a platform's environments into validated Helm values for External
Secrets Operator, and manages their secrets in Vault and Azure Key Vault.

first steps:
{steps}
in an incident:
{incident}
{groups}
options, before or after the command:
  --root DIR  project folder; by default the nearest with environments/, upward
  --no-color  no colour, as NO_COLOR does; FORCE_COLOR colours pipes as well
  --debug     show where an unexpected error happened
  --version   print the version
  -h, --help  print this help, or that of the command
"""


def _columns(rows: Mapping[str, str], width: int = 0) -> str:
    width = max(width, *map(len, rows))
    return "".join(f"  {name.ljust(width)}  {line}\n" for name, line in rows.items())


def _split(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The options that stand before the command, and the command with what follows it."""
    options: dict[str, str] = {}
    rest = list(argv)
    while rest and rest[0].startswith("-"):
        option, equals, value = rest.pop(0).partition("=")
        if option == _TAKES_VALUE and (equals or rest):
            if option in options:
                raise Refusal("usage", f"{option} is given more than once", "give it once")
            options[option] = value if equals else rest.pop(0)
            if not options[option]:
                raise Refusal("usage", f"{option} is empty", "give it a value or leave it out")
        elif option == _TAKES_VALUE:
            raise Refusal("usage", f"{option} needs a folder", "name the project's folder")
        elif option in _FLAGS and not equals:
            options[option] = ""
        else:
            way_out = f"`{PROGRAM} --help` lists them; those of one command stand after its name"
            if option in _ENVIRONMENT:
                way_out = "the environment's name stands behind the command, without an option"
            raise Refusal("usage", "unknown option before the command", way_out)
    return options, rest


def _refuse_command(name: str, arguments: Sequence[str], root: str | None) -> Refusal:
    from compiler.cli.exposed import value_refusal  # noqa: PLC0415 - only where it is needed
    from compiler.text.wording import closest, name_project  # noqa: PLC0415 - likewise

    name_project(root)
    if any("=" in word and not word.startswith("-") for word in (name, *arguments)):
        return value_refusal(name)
    match = ALIASES.get(name) or closest(name, COMMANDS)
    way_out = f'did you mean "{match}"?' if match else f"`{PROGRAM} --help` lists them"
    return Refusal("usage", f'unknown command "{name}"', way_out)
