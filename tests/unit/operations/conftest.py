"""A small project, compiled, and stores in memory behind it, for operations on live stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import pytest

from compiler.operations.live import LiveStores
from compiler.pipeline import compile_project
from compiler.stores.errors import Action, ConflictError, NotFoundError, Place, StoreError
from compiler.stores.interface import Attributes, Identity, Problem, RemoteSecret, Written
from compiler.stores.secret import Secret
from tests.agents_project import write_agents_project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from compiler.model.environment import Environment
    from compiler.model.store_address import StoreAddress

_VAULT_ONLY = """\
  vaultonly:
    description: Lies in Vault alone
    target: agent-vaultonly-secrets
    remote: {vault: agents/vaultonly}
    syncWave: -49
    keys:
      ONLY: {description: Value}
"""


@dataclass(eq=False)
class MemoryStore:
    """A SecretWriter over a dictionary. `failures` are raised for their name and method, `writes` are the names."""

    address: StoreAddress
    held: dict[str, RemoteSecret] = field(default_factory=dict)
    failures: dict[tuple[str, str], BaseException] = field(default_factory=dict)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    slipped: tuple[str, ...] = ()
    lies: bool = False
    writes: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    versions: Iterator[int] = field(default_factory=lambda: count(1))

    def hold(self, name: str, properties: Mapping[str, Secret], whole: str | None = None) -> None:
        value = Secret(whole) if whole is not None else None
        self.held[name] = RemoteSecret(name, str(next(self.versions)), dict(properties), Attributes(), value)

    def read(self, name: str) -> RemoteSecret:
        self.reads.append(name)
        self._fail("read", name)
        if name not in self.held:
            raise NotFoundError(self.place(name), Action.READ, "there is no such secret", "make it")
        return self.held[name]

    def read_version(self, name: str, version: str) -> RemoteSecret:
        self._fail("read_version", name)
        assert self.held[name].version == version
        return self.held[name]

    def check(self, name: str, changes: Mapping[str, Secret], base: RemoteSecret | None) -> tuple[Problem, ...]:
        del changes, base
        return self.problems.get(name, ())

    def check_whole(self, name: str, value: Secret, base: RemoteSecret | None) -> tuple[Problem, ...]:
        del value, base
        return self.problems.get(name, ())

    def write(self, name: str, changes: Mapping[str, Secret], base: RemoteSecret | None) -> Written:
        before = base.properties if base is not None else {}
        return self._write(name, {**before, **changes}, None, base)

    def write_whole(self, name: str, value: Secret, base: RemoteSecret | None) -> Written:
        return self._write(name, {}, value, base)

    def whoami(self) -> Identity:
        return Identity("tester", "token")

    def close(self) -> None:
        pass

    def place(self, name: str) -> Place:
        return Place(self.address.absolute, name)

    def _write(
        self, name: str, properties: Mapping[str, Secret], whole: Secret | None, base: RemoteSecret | None
    ) -> Written:
        self._fail("write", name)
        found, expected = self.held.get(name), base.version if base is not None else None
        if (found.version if found is not None else None) != expected:
            raise ConflictError(
                self.place(name), Action.WRITE, "another writer was there", "look", expected=expected, found=None
            )
        self.writes.append(name)
        version = str(next(self.versions))
        shown = {key: Secret("other") for key in properties} if self.lies else dict(properties)
        self.held[name] = RemoteSecret(name, version, shown, Attributes(), whole)
        return Written(version, self.slipped)

    def _fail(self, method: str, name: str) -> None:
        if (failure := self.failures.get((method, name))) is not None:
            raise failure


@dataclass
class Stores:
    """The stores of the project: `live` opens them, `vault` and `azure` are what it opens."""

    vault: MemoryStore | None = None
    azure: MemoryStore | None = None
    live: LiveStores = field(init=False)

    def failure(self, kind: type[StoreError], name: str) -> StoreError:
        return kind(Place("vault", name), Action.READ, "it is refused", "do something")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """`prod`, which reads Vault and has a Key Vault beside it."""
    write_agents_project(tmp_path, entries=_VAULT_ONLY)
    result = compile_project(tmp_path)
    assert not result.failed, result.diagnostics
    assert result.project is not None
    return result.project.environments[0]


@pytest.fixture
def stores(environment: Environment) -> Stores:
    made = Stores()
    opened: dict[str, MemoryStore] = {}

    def opener(address: StoreAddress, environ: Mapping[str, str]) -> MemoryStore:
        return opened.setdefault(address.absolute, MemoryStore(address))

    made.live = LiveStores({}, opener)  # type: ignore[arg-type]
    made.vault, made.azure = (made.live.open(environment.stores[name]) for name in ("vault", "azure"))  # type: ignore[assignment]
    return made
