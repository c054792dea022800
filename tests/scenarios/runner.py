"""Runs scenarios: text files with command lines, what happens around them, and what is printed and changed.

A file begins with `#` lines, which say what it shows. Then come, line by line:

    $ migrate dev --to azure --apply      a command of the program, run in this process; `RUN1` is the first run's id
    < yes                                 below it: what a person types; with `<<`, what comes through a pipe
    % vault shop/db DB_USER=ada           somebody writes a version of a remote secret; stores are `vault` and `azure`,
                                          another name is a Vault at https://NAME.example.com
    % azure shop-db TEXT                  the same, of a Key Vault's text that is no object
    % azure shop-db deleted               somebody deletes it
    % vault shop/db ends                  its newest version will delete itself
    % azure shop-db tagged owner=them     its newest version has this tag
    % azure shop-db disabled              it cannot be read any more
    % azure shop-db denied                whoever runs the commands may not write it
    % azure silent                        from now on the store does not answer
    % azure silent write shop-db          the same, for that call of that name
    % azure answers                       it does again
    % days 10                             what is written from now on is so old
    % set NAME=VALUE                      a variable of the shell
    % write environments/dev.yaml         a file of the project; its text is below, after `| `

Everything else is written by `pytest tests/scenarios --update-scenarios`: what a command prints, `[1]` for its exit
code where it is not 0, and below `=` what it changed, in stores and files. No value of a store may be in an output, nor
what is typed or written with "pa55" in it.
"""

import difflib
import io
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from compiler.cli.main import main
from compiler.model.store import StoreAddress
from tests.providers import VAULT
from tests.scenarios.stores import STORES, ScenarioStore, new_stores

GIVEN = ("#", "$", "<", "%", "|")
RUN_ID = re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{6}\b")
MOMENT = re.compile(r"\b\d{4}-\d{2}-\d{2}(?:(?:T|\s+)\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\+00:00|Z|\s+UTC)?)?")
PROGRESS = re.compile(r"(?:^\d+/\d+ .*\n)+", re.MULTILINE)
SHORTEST_SECRET = 6
TYPED = "pa55"


def _sort_progress(lines: re.Match[str]) -> str:
    found = [line.partition(" ") for line in lines[0].splitlines()]
    texts = sorted(text for _, _, text in found)
    return "".join(f"{number} {text}\n" for (number, _, _), text in zip(found, texts, strict=True))


class Terminal(io.StringIO):
    """A person who types these lines, hidden or not."""

    def isatty(self) -> bool:
        return True

    def ask_hidden(self, _question: str) -> str:
        return self.readline().removesuffix("\n")


@dataclass
class Scenario:
    """A project, its stores, and what was printed so far."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    stores: dict[str, ScenarioStore] = field(default_factory=new_stores)
    runs: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=lambda: {TYPED})

    def __post_init__(self) -> None:
        self.monkeypatch.chdir(self.root)
        self.monkeypatch.setattr("compiler.live.stores.open_store", self._open)

    def _open(self, address: StoreAddress, _environ: object, _options: object) -> ScenarioStore:
        host = urlsplit(address.url).hostname or ""
        own = (name for name, at in STORES.items() if urlsplit(at.url).hostname == host)
        name = next(own, host.partition(".")[0])
        store = self.stores.setdefault(name, ScenarioStore(name, address, count()))
        store.address = address
        return store

    def replay(self, text: str) -> str:
        """The scenario with what its commands print and change now."""
        given = [line for line in text.splitlines() if line.startswith(GIVEN)]
        return "".join(f"{line}\n" for line in self._replay(given))

    def _replay(self, given: list[str]) -> Iterator[str]:
        rest, is_begun = iter([*given, ""]), False
        line = next(rest)
        for after in rest:
            below = []
            mark = {"$": "<", "%": "|"}.get(line[:1], "\0")
            while after.startswith(mark):
                below.append(after)
                after = next(rest, "")  # noqa: PLW2901 - the lines below belong to this one
            if is_begun and line.startswith(("$", "%")):
                yield ""
            # What happens before a command stands right above it.
            is_begun = line.startswith("$")
            yield line
            yield from below
            texts = [each.lstrip("<|")[1:] for each in below]
            if line.startswith("$ "):
                yield from self._run(line[2:], texts, is_piped=any(each.startswith("<<") for each in below))
            elif line.startswith("% "):
                self._happen(shlex.split(line[2:]), texts)
            line = after

    def _run(self, line: str, typed: list[str], *, is_piped: bool) -> Iterator[str]:
        for number, run in enumerate(self.runs, 1):
            line = line.replace(f"RUN{number}", run)
        before, output = self._state(), io.StringIO()
        with self.monkeypatch.context() as patch, redirect_stdout(output), redirect_stderr(output):
            text = "".join(f"{each}\n" for each in typed)
            terminal, pipe = Terminal(text), io.TextIOWrapper(io.BytesIO(text.encode()))
            patch.setattr("sys.stdin", terminal if typed and not is_piped else pipe)
            patch.setattr("getpass.getpass", terminal.ask_hidden)
            code = main(shlex.split(line))
        printed = output.getvalue()
        assert not [secret for secret in self.secrets if secret in printed], f"{line} prints a value:\n{printed}"
        yield from self._settle(printed).splitlines()
        if code:
            yield f"[{code}]"
        after = self._state()
        for name in sorted({*before, *after}):
            yield from map(self._settle, self._changes(name, before.get(name, ""), after.get(name, "")))

    def _changes(self, name: str, before: str, after: str) -> Iterator[str]:
        if before == after:
            return
        if name.partition(" ")[0] in self.stores:
            yield f"= {name} {after or 'is gone'}"
            return
        if not before or not after:
            yield f"= {name}: {'is gone' if before else f'new, {len(after.splitlines())} lines'}"
            return
        for line in difflib.ndiff(before.splitlines(), after.splitlines()):
            if line[0] in "+-":
                yield f"= {name}: {line}"

    def _state(self) -> dict[str, str]:
        """The contents of the stores and files; journals have tests of their own."""
        files = {
            str(path.relative_to(self.root)): path.read_text("utf-8")
            for path in sorted(self.root.rglob("*.yaml"))
            if not path.is_relative_to(self.root / "chart/templates")
        }
        return {**files, **{name: line for store in self.stores.values() for name, line in store.contents().items()}}

    def _settle(self, text: str) -> str:
        """The text with stand-ins for run ids, moments and the folder."""
        for run in RUN_ID.findall(text):
            if run not in self.runs:
                self.runs.append(run)
            text = text.replace(run, f"RUN{self.runs.index(run) + 1}")
        text = MOMENT.sub("DATE", text.replace(str(self.root), "PROJECT"))
        # Writes end in any order.
        return PROGRESS.sub(_sort_progress, text)

    def _happen(self, words: list[str], texts: list[str]) -> None:
        match words:
            case ["days", days]:
                for store in self.stores.values():
                    store.days = float(days)
            case ["set", pair]:
                name, _, value = pair.partition("=")
                self.monkeypatch.setenv(name, value)
            case ["write", path]:
                (self.root / path).write_text("".join(f"{each}\n" for each in texts), "utf-8")
                (self.root / path).chmod(0o600)
            case [name, *what] if what:
                other = ScenarioStore(name, StoreAddress(VAULT, f"https://{name}.example.com"), count())
                self._happen_in_store(self.stores.setdefault(name, other), what)
            case _:
                pytest.fail(f"% {shlex.join(words)}: nothing of that form can happen")

    def _happen_in_store(self, store: ScenarioStore, words: list[str]) -> None:
        match words:
            case [secret, ("deleted" | "denied" | "disabled" | "ends") as word]:
                acts = {"deleted": store.remove, "denied": store.deny, "disabled": store.disable, "ends": store.end}
                acts[word](secret)
            case ["silent"]:
                store.is_silent = True
            case ["silent", method, secret]:
                store.silence(method, secret)
            case [secret, "tagged", tag]:
                store.tag(secret, tag)
            case ["answers"]:
                store.is_silent = False
                store.failures.clear()
            case [secret, whole] if "=" not in whole:
                store.seed_whole(secret, whole)
            case [secret, *pairs]:
                values = {pair.partition("=")[0]: pair.partition("=")[2] for pair in pairs}
                self.secrets |= {value for value in values.values() if len(value) >= SHORTEST_SECRET}
                store.put(secret, values)
            case _:
                pytest.fail(f"% {store.name} {shlex.join(words)}: nothing of that form can happen")
