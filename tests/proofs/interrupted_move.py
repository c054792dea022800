"""A migration of many secrets that something happens to in the middle, and what must be true of it afterwards."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from compiler.live.stores import LiveStores
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.interface import StoreOptions, open_store
from compiler.stores.pacing import RetryPolicy
from tests import providers
from tests.commands import Done
from tests.proofs.conftest import World

VAULT, KEY_VAULT = providers.VAULT, providers.KEY_VAULT
# So many secrets, each with a worker of its own; what happens comes at the call of the one in the middle.
MANY, MIDDLE = 9, 5
TO = {VAULT: ("--to", "vault", "--from", "azure"), KEY_VAULT: ("--to", "azure")}
RESUMED = "incomplete; run the same command again to continue"


@dataclass
class Tripwire:
    """A store, as opened, that does `acts[n]` when `method` is called for the nth time, before that call goes on."""

    store: Any
    method: str
    acts: Mapping[int, Callable[[], object]]
    calls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __hash__(self) -> int:
        return id(self)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        found = getattr(self.store, name)
        if name != self.method:
            return found

        def tripping(*arguments: Any) -> Any:  # noqa: ANN401 - see above
            # Later calls wait here until the act is done; earlier ones may still be under way.
            with self._lock:
                self.calls += 1
                self.acts.get(self.calls, lambda: None)()
            return found(*arguments)

        return tripping


@contextmanager
def tripped(
    world: World, provider: Provider, method: str, acts: Mapping[int, Callable[[], object]], patience: float = 10.0
) -> Iterator[None]:
    """Within, `migrate` meets this tripwire in its stores of `provider`, and gives up after `patience` seconds."""
    policy = RetryPolicy(patience=patience, first_wait=0.02, longest_wait=0.25)

    def opener(address: StoreAddress, environ: Mapping[str, str]) -> Any:  # noqa: ANN401 - a store or its tripwire
        store = open_store(address, environ, StoreOptions(retry=policy))
        return Tripwire(store, method, acts) if address.provider is provider else store

    with world.monkeypatch.context() as patch:
        patch.setattr("compiler.cli.running.LiveStores", partial(LiveStores, opener=opener))
        yield


@dataclass(frozen=True)
class Move:
    """A migration of many secrets one way: to Vault or to Key Vault. `meant` is what must stand there in the end."""

    world: World
    to: Provider
    meant: dict[str, dict[str, str]]

    def run(self) -> Done:
        return self.world.run("migrate", "prod", *TO[self.to], "--apply", "--quiet")

    def standing(self) -> dict[str, tuple[int, dict[str, str]]]:
        """What the destination holds, with the number of its versions; asked of the servers themselves."""
        if self.to is VAULT:
            there = self.names()
            return {name: (self.world.vault_versions(name), self.world.get(name)) for name in self.meant.keys() & there}
        versions = {name: len(self.world.azure.versions(name)) for name in self.meant}
        return {name: (count, self.world.azure_object(name)) for name, count in versions.items() if count}

    def names(self) -> set[str]:
        listed = self.world.bao.call("GET", f"{self.world.mount}/metadata/many?list=true")["data"]["keys"]
        return {f"many/{name}" for name in listed}

    def has_no_half_item(self) -> int:
        """Every remote secret is as it was or as it is meant to be, in one version more; how many are done."""
        done = 0
        for name, (versions, document) in self.standing().items():
            is_old = document == {"OTHER": "kept"}
            assert is_old or document == self.meant[name], name
            assert versions == (2 if "OTHER" in document and not is_old else 1), name
            done += not is_old
        return done

    def is_whole(self) -> None:
        """The result is that of a run which nothing disturbed."""
        assert self.standing() == {name: (2 if "OTHER" in one else 1, one) for name, one in self.meant.items()}
        again = self.run()
        said = [line for line in again.err.splitlines() if not line.startswith("note: VAULT_ADDR replaces ")]
        assert (again.code, said) == (0, []), again
        assert "plan: " in again.out
        assert ", in " not in again.out.rpartition("plan: ")[2].partition("\n")[0]
        assert self.has_no_half_item() == MANY


def prepared(world: World, to: Provider) -> Move:
    """`MANY` keys of one entry, each in a remote secret of its own; every third one is there with another property."""
    keys = "".join(
        f"      K{n}: {{description: d, remote: {{azurekv: {{name: many-{n}}}, vault: {{name: many/{n}}}}}}}\n"
        for n in range(MANY)
    )
    catalogue = world.root / "environments/catalogue.yaml"
    entry = (
        "  many:\n    description: Many\n    target: many-secrets\n    syncWave: -49\n"
        "    remote: {vault: many/0, azurekv: many-0}\n    keys:\n"
    )
    catalogue.write_text(catalogue.read_text("utf-8") + entry + keys, "utf-8")
    base = world.root / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace("secrets: {github: {}, jira: {}}", "secrets: {many: {}}"), "utf-8")
    meant: dict[str, dict[str, str]] = {}
    for number in range(MANY):
        value = {f"K{number}": f"value {number} é"}
        names = {KEY_VAULT: f"many-{number}", VAULT: f"many/{number}"}
        source = VAULT if to is KEY_VAULT else KEY_VAULT
        store(world, source, names[source], value)
        is_there = number % 3 == 0
        if is_there:
            store(world, to, names[to], {"OTHER": "kept"})
        meant[names[to]] = ({"OTHER": "kept"} if is_there else {}) | value
    return Move(world, to, meant)


def store(world: World, provider: Provider, name: str, document: dict[str, str]) -> None:
    if provider is VAULT:
        world.put(name, document)
    else:
        world.azure.seed(name, json.dumps(document), content_type="application/json")


def incomplete(done: Done, word: str) -> None:
    """The run has told what happened and how to go on."""
    assert done.code == 4, done
    assert RESUMED in done.out
    # Wrapped to 80 columns, where the length of a port or a name decides.
    assert word in " ".join(done.out.split())
    assert "not found" not in done.out + done.err


def resumed(move: Move) -> None:
    done = move.run()
    assert done.code == 0, done
    move.is_whole()
