"""What goes wrong while a command runs: at one of the calls of a store, lines of a journal and changes of a file."""

import errno
import os
import signal
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from compiler.change.run_files import LineFile
from compiler.model.files import create_file
from compiler.stages import files
from compiler.stores.errors import Action, Code, ForbiddenError, StoreError, StoreLocation
from tests.proofs.machine.shelves import Shelf


class Fault(StrEnum):
    """One thing that goes wrong; the calls that it may meet stand beside it in `_MEETS`."""

    FORBIDDEN_READ = "forbidden-read"
    FORBIDDEN_WRITE = "forbidden-write"
    LOST_REPLY = "lost-reply"
    STORE_DOWN = "store-down"
    STRANGER = "stranger"  # another writer comes right before a write
    KILLED = "killed"
    TORN_LINE = "torn-line"  # killed in the middle of a line of the journal
    FULL_DISK = "full-disk"
    INTERRUPTED = "interrupted"


class Moment(StrEnum):
    """A call that a fault may meet."""

    ASKED = "asked"
    WRITING = "writing"
    WRITTEN = "written"
    LINE = "line"
    NOTED = "noted"
    FILE = "file"
    PLACED = "placed"


_MEETS = {
    Fault.FORBIDDEN_READ: {Moment.ASKED},
    Fault.FORBIDDEN_WRITE: {Moment.WRITING},
    Fault.LOST_REPLY: {Moment.WRITTEN},
    Fault.STORE_DOWN: {Moment.ASKED, Moment.WRITING},
    Fault.STRANGER: {Moment.WRITING},
    Fault.KILLED: {Moment.WRITING, Moment.WRITTEN, Moment.LINE, Moment.NOTED, Moment.FILE, Moment.PLACED},
    Fault.TORN_LINE: {Moment.LINE},
    Fault.FULL_DISK: {Moment.LINE, Moment.FILE},
    Fault.INTERRUPTED: {Moment.ASKED, Moment.WRITING, Moment.WRITTEN, Moment.FILE, Moment.PLACED},
}
# After those the same command is run again, and goes on where it was stopped.
STOPS = frozenset(Fault) - {Fault.STRANGER}
ALL = frozenset(Fault)
# Those meet calls of a write alone, of which many commands make one or two, and others none.
OF_WRITES = frozenset({Fault.FORBIDDEN_WRITE, Fault.LOST_REPLY, Fault.STRANGER})
OF_LINES = frozenset({Fault.KILLED, Fault.TORN_LINE, Fault.FULL_DISK})
# `cutover` and `compile` write no store and no journal.
OF_FILES = frozenset({Fault.KILLED, Fault.FULL_DISK, Fault.INTERRUPTED})
OF_READING = frozenset({Fault.FORBIDDEN_READ, Fault.STORE_DOWN})


class Killed(BaseException):
    """The process ended here: nothing that it does afterwards reaches a store or the disk."""


class Faults:
    """Lets the armed fault happen at the n-th call that it may meet; `fired` says whether it did.

    `stranger` writes to a store as somebody else, `seen` is told of each change that is made.
    """

    def __init__(self, stranger: Callable[[Shelf, str], None], seen: Callable[[str], None]) -> None:
        self._stranger = stranger
        self._seen = seen
        self.armed: Fault | None = None
        self.fired = False
        self._left = 0
        self._is_dead = False
        self._down: Shelf | None = None

    def arm(self, fault: Fault | None, at: int) -> None:
        self.armed, self._left = fault, at
        self.fired = self._is_dead = False
        self._down = None

    def asked(self, store: Shelf, method: str, name: str) -> None:
        self._store(Moment.ASKED, store, method, name)

    def writing(self, store: Shelf, method: str, name: str) -> None:
        self._store(Moment.WRITING, store, method, name)

    def written(self, store: Shelf, method: str, name: str) -> None:
        self._seen(f"{method} of {name} in {store.address.absolute}")
        self._store(Moment.WRITTEN, store, method, name)

    def _store(self, moment: Moment, store: Shelf, method: str, name: str) -> None:
        self._breathe()
        if self._down is store:
            raise self._unavailable(store, name)
        match self._due(moment):
            case Fault.FORBIDDEN_READ | Fault.FORBIDDEN_WRITE:
                action = Action.READ if moment is Moment.ASKED else Action.WRITE
                place = StoreLocation(store.address.absolute, name)
                raise ForbiddenError(place, action, "not allowed", "ask for it", permission=method)
            case Fault.LOST_REPLY:
                raise self._unavailable(store, name)
            case Fault.STORE_DOWN:
                self._down = store
                raise self._unavailable(store, name)
            case Fault.STRANGER:
                self._stranger(store, name)

    def line(self, file: LineFile, line: Mapping[str, Any], *, wait: bool) -> None:
        """Adds `line` to a journal, or as much of it as a fault lets through."""
        self._breathe()
        fault = self._due(Moment.LINE)
        if fault is Fault.FULL_DISK:
            # What there was room for is taken back.
            raise _no_space()
        if fault is Fault.TORN_LINE:
            os.write(file._descriptor, file._begin + str(dict(line)).encode()[:20])
            self._die()
        _APPEND(file, line, wait=wait)
        self._due(Moment.NOTED)

    def file(self, change: Callable[..., Any], *given: Any, **more: Any) -> Any:  # noqa: ANN401 - any call of `os`
        """Makes a change of a file."""
        self._breathe()
        if self._due(Moment.FILE) is Fault.FULL_DISK:
            raise _no_space()
        result = change(*given, **more)
        if change is _REPLACE:
            self._seen(f"replacing {given[1]}")
        self._due(Moment.PLACED)
        return result

    def _due(self, moment: Moment) -> Fault | None:
        """The fault that happens now, if one does; kills and interrupts happen here."""
        if self.armed is None or self.fired or moment not in _MEETS[self.armed]:
            return None
        self._left -= 1
        if self._left > 0:
            return None
        self.fired = True
        if self.armed is Fault.KILLED:
            self._die()
        if self.armed is Fault.INTERRUPTED:
            signal.raise_signal(signal.SIGINT)
        return self.armed

    def _breathe(self) -> None:
        if self._is_dead:
            raise Killed

    def _die(self) -> None:
        self._is_dead = True
        raise Killed

    def _unavailable(self, store: Shelf, name: str) -> StoreError:
        place = StoreLocation(store.address.absolute, name)
        return StoreError(place, Action.CONNECT, "it does not answer", "wait until it does", Code.UNAVAILABLE)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand between the program and the disk. Nothing is waited for there: here a kill loses no line."""
        faults = self

        def append(file: LineFile, line: Mapping[str, Any], *, wait: bool = True) -> None:
            faults.line(file, line, wait=wait)

        def staged(temporary: Path, content: bytes, mode: int = 0o644) -> None:
            faults.file(_WRITE, temporary, content, mode)

        monkeypatch.setattr(LineFile, "append", append)
        monkeypatch.setattr(files, "create_file", staged)
        for name, change in (("replace", _REPLACE), ("link", os.link), ("unlink", os.unlink)):
            monkeypatch.setattr(os, name, lambda *given, _change=change, **more: faults.file(_change, *given, **more))
        monkeypatch.setattr(os, "fsync", lambda _descriptor: faults._breathe())


_APPEND, _WRITE, _REPLACE = LineFile.append, create_file, os.replace


def _no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
