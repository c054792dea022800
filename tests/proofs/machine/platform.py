"""A platform that runs: its project, both stores, and what must hold at every moment of every command."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from compiler.change import apply
from compiler.cli.commands import rotate
from compiler.model.store import StoreAddress
from compiler.model.store import StoreAddress as Address
from compiler.operations import rotate as rotation
from compiler.operations.put import Target as PutTarget
from compiler.pipeline import Result, compile_project, plan_values
from compiler.refusal import Refusal
from compiler.stores.interface import SecretWriter
from compiler.stores.registry import PROVIDERS
from compiler.stores.secret_value import SecretValue
from tests import providers
from tests.commands import Done, run_command
from tests.leaks import leaks
from tests.proofs.machine import one_thread
from tests.proofs.machine.faults import Fault, Faults, Killed
from tests.proofs.machine.project import (
    AZURE,
    ENVIRONMENTS,
    KEYS,
    PREVIOUS,
    STORES,
    VAULT,
    Reading,
    compile_once,
    place,
    readings,
    write_project,
)
from tests.proofs.machine.shelves import Shelf

# A remote secret: the id of its store and its name there.
Target = tuple[str, str]
Content = dict["str | None", str] | None
SENTINEL = "s3ntinel-of-the-machine"
KILLED = -9
_INPUTS = tuple(f"environments/{name}.yaml" for name in ENVIRONMENTS)
_OUTPUTS = tuple(f"chart/values-{name}.yaml" for name in ENVIRONMENTS)
_OLDEST, _APART = timedelta(days=66), timedelta(hours=12)


class BrokenError(AssertionError):
    """What must always hold does not."""


@dataclass(frozen=True)
class Moved:
    """What one command did: how it ended, what stood there before, and the remote secrets that it changed itself.

    `run` is the journal that grew, if one did; `is_disturbed` where another writer came in between.
    """

    done: Done
    fired: bool
    is_disturbed: bool
    before: Mapping[Target, Content]
    versions: Mapping[Target, str | None]
    changed: frozenset[Target]
    resolved: Mapping[Reading, str | None]
    files: Mapping[str, bytes]
    run: str | None


@dataclass(frozen=True)
class Compiled:
    """What the files of a project compile to, and what the cluster reads by them, kept for all walks in one folder."""

    results: dict[object, Result] = field(default_factory=dict)
    readings: dict[tuple[tuple[str, bytes], ...], dict[str, frozenset[Reading]]] = field(default_factory=dict)


@dataclass
class Platform:
    """`put` are the values that somebody put somewhere for a key; nothing else may ever be read for it."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    compiled: Compiled
    put: set[tuple[str, str, str]] = field(default_factory=set)
    stores: dict[str, Shelf] = field(default_factory=dict)
    read: dict[str, frozenset[Reading]] = field(default_factory=dict)
    _serial: itertools.count[int] = field(default_factory=itertools.count)
    _runs: itertools.count[int] = field(default_factory=itertools.count)
    _dates: itertools.count[int] = field(default_factory=itertools.count)
    _begun: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    _changed: set[Target] = field(default_factory=set)
    _broken: BrokenError | None = None

    def __post_init__(self) -> None:
        self.faults = Faults(self._strange, self._seen)
        for name, address in (
            ("vault", StoreAddress(providers.VAULT, VAULT, "secret")),
            ("azure", StoreAddress(providers.KEY_VAULT, AZURE)),
        ):
            self.stores[name] = Shelf(address, self.faults, self._date)
        write_project(self.root)
        for secret, keys in KEYS.items():
            for key in keys:
                self.hold("vault", secret, {key: self.new(secret, key)})
        self._install()
        assert self.run("compile", "--all").done.code == 0
        self._look()

    def _install(self) -> None:
        def opened(address: Address, _environ: Mapping[str, str], _options: object) -> SecretWriter:
            return next(each for each in self.stores.values() if each.address.provider is address.provider)

        for provider in PROVIDERS.values():
            self.monkeypatch.setattr(provider.load("store"), "opened", opened, raising=False)
            self.monkeypatch.setattr(provider, "adapter", "opened")
        for name in ("AI_PLATFORM_SECRET_STORE", "AZURE_KEYVAULT_NAME", "VAULT_ADDR", "VAULT_NAMESPACE"):
            self.monkeypatch.delenv(name, raising=False)
        # In the order in which they begin, also within a second.
        self.monkeypatch.setattr(apply, "new_id", lambda: f"20260102-030405-{next(self._runs):06x}")
        one_thread.install(self.monkeypatch)
        compile_once(self.monkeypatch, self.compiled.results)
        self.faults.install(self.monkeypatch)
        self.monkeypatch.setattr(rotate, "generated_values", self._made_up)
        # The cluster was healthy, and does not answer any more once the value is written.
        self.monkeypatch.setattr(rotation, "require_healthy", lambda *_given: None)
        self.monkeypatch.setattr(rotate, "connect_cluster", _no_cluster)

    def new(self, secret: str, key: str) -> str:
        """A value that somebody has for a key from now on; no two are the same."""
        value = f"{SENTINEL}-{secret}-{key}-{next(self._serial):06d}"
        # What replaces it may keep it in another key.
        self.put |= {(secret, each, value) for each in (key, PREVIOUS.get(key, key))}
        return value

    def _made_up(self, target: PutTarget) -> dict[str, SecretValue]:
        """What `rotate --generate` sets; values are made here, so that it is known whose they are."""
        return {key: SecretValue(self.new(target.secret.id, key)) for key in rotation.generated_values(target)}

    def _date(self) -> datetime:
        """When a version is made: half a day after the one before, and the first ones longer ago than a key's limit."""
        return self._begun - _OLDEST + _APART * next(self._dates)

    def hold(self, store: str, secret: str, values: Mapping[str, str]) -> None:
        """Write by hand, beside the program; what else is there stays."""
        shelf = self.stores[store]
        for key, value in values.items():
            name, prop = place(store, secret, key)
            if prop is None:
                shelf.hold(name, {}, value)
            else:
                found = shelf.newest(name)
                shelf.hold(name, {**(found.properties if found is not None else {}), prop: SecretValue(value)})

    def _strange(self, shelf: Shelf, name: str) -> None:
        store = next(each for each, own in self.stores.items() if own is shelf)
        lies = [(secret, key) for secret, keys in KEYS.items() for key in keys if place(store, secret, key)[0] == name]
        secret, key = lies[next(self._serial) % len(lies)]
        if shelf.newest(name) is None and shelf.versions.get(name):
            return
        self.hold(store, secret, {key: self.new(secret, key)})

    def run(self, *words: str) -> Moved:
        """Run a command in this process; one that is killed ends with -9."""
        before, versions = self.contents(), self.versions()
        resolved, files, sizes = self.resolved(), self.files(), self._journals()
        self._changed.clear()
        self._broken = None
        try:
            done = run_command(self.capsys, "--root", self.root, *words)
        except Killed:
            said = self.capsys.readouterr()
            done = Done(KILLED, said.out, said.err)
        fired = self.faults.fired
        is_disturbed = fired and self.faults.armed is Fault.STRANGER
        self.faults.arm(None, 0)
        if self._broken is not None:
            raise self._broken
        text = done.out + done.err
        if "Traceback" in text or "internal error" in text or leaks(text, SENTINEL):
            raise BrokenError(f"{words} printed a traceback or a value:\n{text}")
        grown = [run for run, size in self._journals().items() if size != sizes.get(run)]
        self.holds(f"the end of {words}")
        changed, journal = frozenset(self._changed), grown[0] if grown else None
        return Moved(done, fired, is_disturbed, before, versions, changed, resolved, files, journal)

    def _seen(self, what: str) -> None:
        """Each change that the program makes: looks at what is read now, and at what was announced before.

        Kept for the end of the command, which would take an error of the machine for one of its own.
        """
        try:
            self._check(what)
        except BrokenError as error:
            self._broken = self._broken or error

    def _check(self, what: str) -> None:
        method, _, rest = what.partition(" of ")
        if method.startswith("replacing"):
            self._look()
        else:
            if method == "set_tags":
                # No value is another one by that.
                return
            name, _, address = rest.partition(" in ")
            store = next(each for each, shelf in self.stores.items() if shelf.address.absolute == address)
            self._changed.add((store, name))
            self._require_announced(store, name)
        self.holds(what)

    def _require_announced(self, store: str, name: str) -> None:
        newest = max(self.root.glob(".platform-secrets/runs/*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        wanted = (f'"store":"{store}","name":"{name}","state":"started"'.encode(),)
        text = newest.read_bytes()
        if not any(each in text for each in wanted):
            raise BrokenError(f"{name} in {store} was changed before the journal had a line of it")

    def _look(self) -> None:
        """What the cluster reads by the values files, and would read by the environments as they are now."""
        files = tuple(self.files().items())
        known = self.compiled.readings
        if files not in known:
            known[files] = self._readings()
        self.read = known[files]

    def _readings(self) -> dict[str, frozenset[Reading]]:
        result = compile_project(self.root)
        assert result.project is not None
        compiled, _ = plan_values(result.project, self.root / "chart", "chart", self.root)
        return {
            each.environment: readings(each.environment, each.output.text)
            | (readings(each.environment, each.old) if each.old is not None else frozenset())
            for each in compiled
        }

    def holds(self, when: str) -> None:
        """Each key that is read, or would be after `compile`, is a value that somebody put there. Else BrokenError."""
        for each in itertools.chain.from_iterable(self.read.values()):
            value = self.stores[each.store].value(each.name, each.property)
            if value is None or (each.secret, each.key, value) not in self.put:
                what = "nothing" if value is None else "a value that nobody put there"
                raise BrokenError(
                    f"at {when}: {each.environment}/{each.secret}/{each.key} reads {what} in {each.store}"
                )

    def resolved(self) -> dict[Reading, str | None]:
        everything = itertools.chain.from_iterable(self.read.values())
        return {each: self.stores[each.store].value(each.name, each.property) for each in everything}

    def journal(self, run: str) -> str:
        """The journal of a run; empty for one that is lost."""
        path = self.root / f".platform-secrets/runs/{run}.jsonl"
        return path.read_text("utf-8") if path.exists() else ""

    def exists(self, path: str) -> bool:
        return Path(path).exists()

    def serving(self, environment: str, secret: str) -> str:
        """The store that a secret reads, by the values file or the environment."""
        return next(each.store for each in sorted(self.read[environment], key=str) if each.secret == secret)

    def names(self) -> list[Target]:
        return [(store, name) for store in STORES for name in self.stores[store].versions]

    def contents(self) -> dict[Target, Content]:
        return {(store, name): self.stores[store].content(name) for store, name in self.names()}

    def versions(self) -> dict[Target, str | None]:
        return {(store, name): self.stores[store].versions[name][-1].version for store, name in self.names()}

    def files(self) -> dict[str, bytes]:
        """The environments and their values files."""
        found = {path: (self.root / path).read_bytes() for path in _INPUTS}
        return found | {path: file.read_bytes() for path in _OUTPUTS if (file := self.root / path).exists()}

    def _journals(self) -> dict[str, int]:
        return {path.stem: path.stat().st_size for path in self.root.glob(".platform-secrets/runs/*.jsonl")}


def _no_cluster(*_given: object) -> NoReturn:
    raise Refusal("cannot run", "the cluster does not answer", "try again")
