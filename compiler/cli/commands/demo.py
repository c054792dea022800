"""Runs `demo`, which shows the whole workflow on two local stores, or keeps these for commands of one's own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from compiler.cli.invocation import Invocation, interruption, refusals, was_interrupted
from compiler.cli.main import main
from compiler.cli.parser import Parser
from compiler.cli.terminal.dialogue import is_terminal
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.demo.servers import (
    EXPORTS,
    DemoStores,
    demo_stores,
    list_demos,
    make_own,
    new_kept_folder,
    new_temporary_folder,
    require_extra,
    require_own,
    stop_kept,
)
from compiler.demo.story import CHAPTERS, PLATFORM, ShownCommand, write_project, write_values
from compiler.model.files import create_file
from compiler.refusal import INTERRUPTED, OK, Refusal
from compiler.render.content import Painted, Style
from compiler.text.wording import command_line, quote, shell_line

DESCRIPTION = """Shows the whole workflow in a minute: a typo with its place, values in OpenBao, their copy in a Key
Vault, the switch of one agent, and the way back. Each command really runs, against an OpenBao server and a local Key
Vault that the demo starts on this machine. It needs no account, no cluster and no project, and leaves nothing behind.
With --keep it starts both stores and returns, for commands of your own."""
EXAMPLES = (
    "platform-secrets demo",
    "platform-secrets demo --keep",
    "platform-secrets demo --stop",
)
# What a person's shell may say of other stores, and of proxies, which these are not behind.
_OTHERS = ("AI_PLATFORM_", "AZURE_", "BAO_", "PLATFORM_SECRETS_", "VAULT_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def configure(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="with --stop: which demo, where several are kept")
    parser.add_flag("--no-pause", "wait for no Enter; the default without a terminal")
    parser.add_flag("--keep", "start both stores, show how to reach them, and return")
    parser.add_flag("--stop", "end a demo that --keep started, and remove its folder")
    parser.exclude("--stop", "--keep", "--no-pause")
    parser.exclude("--keep", "--no-pause")


def run(invocation: Invocation) -> int:
    name = invocation.arguments.name
    if invocation.arguments.stop:
        return _stop(name)
    if name is not None:
        option = f"--{name}"
        is_option = option in invocation.parser.options()
        way_out = f"did you mean `{command_line('demo', option)}`?" if is_option else "leave it out, or add --stop"
        raise Refusal("usage", "only --stop takes the name of a demo", way_out)
    require_extra()
    has_pauses = not invocation.arguments.no_pause and is_terminal() and standard_output().isatty()
    with refusals():
        return _keep() if invocation.arguments.keep else _tell(has_pauses=has_pauses)


def _tell(*, has_pauses: bool) -> int:
    with interruption("nothing is left of the demo"):
        _say("The demo starts an OpenBao server and a local Key Vault on this machine, both in memory.")
        with demo_stores(new_temporary_folder) as stores:
            _tell_story(stores, has_pauses=has_pauses)
    keep = command_line("demo", "--keep")
    _say("", f"That was the workflow; nothing is left behind. To try it yourself: {keep}")
    return OK


def _tell_story(stores: DemoStores, *, has_pauses: bool) -> None:
    project = stores.folder / PLATFORM
    write_project(project, stores, with_typo=True)
    write_values(stores.folder)
    with _surroundings(project, stores.variables):
        for number, chapter in enumerate(CHAPTERS, 1):
            if number > 1:
                _pause(has_pauses=has_pauses)
            standard_output().show(["", (Painted(f"{number}. {chapter.title}", Style.STRONG),), chapter.text])
            for command in chapter.commands:
                _run(command)


def _run(command: ShownCommand) -> None:
    """Show a command as one would type it, and run it. Raises Refusal where it ends otherwise than the story says."""
    line = shell_line(*command.words) if command.others else command_line(*command.words)
    _say("", (Painted(f"$ {line}", Style.HELP),))
    if command.others:
        done = subprocess.run(command.words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 - words of the story
        standard_output().write(done.stdout)
        code = done.returncode
    else:
        code = main(command.words)
    standard_output().flush()
    if code == INTERRUPTED or was_interrupted():
        raise KeyboardInterrupt
    if code != command.code:
        message = f"the demo ended early: `{line}` exited with {code}, not {command.code}"
        raise Refusal("cannot run", message, "this is a bug; report the output")


def _pause(*, has_pauses: bool) -> None:
    if has_pauses:
        outlet = standard_error()
        outlet.write("\n[Enter goes on, Ctrl-C ends] ")
        outlet.flush()
        sys.stdin.readline()


@contextmanager
def _surroundings(folder: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """Run the block in `folder`, with `variables` in place of those that lead to other stores."""
    before, here = dict(os.environ), Path.cwd()
    for name in _foreign():
        del os.environ[name]
    os.environ.update(variables)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)


def _foreign() -> list[str]:
    return [name for name in os.environ if name.startswith(_OTHERS) or name.upper() in _PROXIES]


def _keep() -> int:
    state = _state_folder()
    make_own(state)
    with interruption("nothing is left of the demo"), demo_stores(lambda: new_kept_folder(state)) as stores:
        project, exports = stores.folder / PLATFORM, stores.folder / EXPORTS
        write_project(project, stores, with_typo=False)
        _write_exports(exports, stores.variables)
        stores.keep()
    _say(
        f"OpenBao at {stores.openbao} and a local Key Vault at {stores.key_vault} run for a day",
        f"to reach them from this shell: {shell_line('.', str(exports))}",
        f"to try them with a project: {shell_line('cd', str(project))}",
        f"to end them, and remove that project: {command_line('demo', '--stop', stores.folder.name)}",
    )
    return OK


def _write_exports(path: Path, variables: Mapping[str, str]) -> None:
    foreign = [shell_line("unset", *names)] if (names := sorted(set(_foreign()) - set(variables))) else []
    lines = [*foreign, *(f"export {shell_line(f'{name}={value}')}" for name, value in variables.items())]
    create_file(path, "".join(f"{line}\n" for line in lines).encode())


def _stop(name: str | None) -> int:
    state = _state_folder()
    names = list_demos(state)
    if not names:
        raise Refusal("cannot run", "no demo is kept", f"`{command_line('demo', '--keep')}` starts one")
    require_own(state)
    if name is None and len(names) > 1:
        lines = " or ".join(f"`{command_line('demo', '--stop', each)}`" for each in names)
        raise Refusal("usage", f"{len(names)} demos are kept", f"run {lines}")
    chosen = name or names[0]
    if chosen not in names:
        raise Refusal("usage", f"no demo {quote(chosen)} is kept", f"those that are: {', '.join(names)}")
    was_running = stop_kept(state / chosen)
    how = "ended" if was_running else "was no longer running"
    _say(f"demo {chosen}: {how}; its folder is removed, its variables stay in your shell until you close it")
    return OK


def _state_folder() -> Path:
    """Where the XDG specification has what outlives a program and is no setting."""
    named = os.environ.get("XDG_STATE_HOME", "")
    base = Path(named) if named.startswith("/") else Path("~/.local/state").expanduser()
    return base / "platform-secrets" / "demos"


def _say(*lines: str | tuple[Painted]) -> None:
    standard_output().show(lines)
    standard_output().flush()
