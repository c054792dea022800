"""Proof 18: a seal, and a token that goes, in the middle of a migration: resumable, no half item, nothing twice.

The servers are real: one with raft storage and TLS for what seals, one in memory for what tokens do.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from compiler.demo.faulty_gateway import FaultyGateway
from compiler.model.store_address import Provider
from compiler.operations.live import LiveStores
from compiler.stores.open import open_store
from compiler.stores.options import StoreOptions
from compiler.stores.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from compiler.demo.local_openbao import LocalOpenBao
    from compiler.model.store_address import StoreAddress
    from tests.commands import Done
    from tests.proofs.conftest import World

VAULT, KEY_VAULT = Provider.VAULT, Provider.AZURE_KEY_VAULT
MANY = 24
TO = {VAULT: ("--to", "vault", "--from", "azure"), KEY_VAULT: ("--to", "azure")}
RESUMED = "incomplete; run the same command again to go on from here"


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
    world: World, provider: Provider, method: str, acts: Mapping[int, Callable[[], object]], patience: float = 0.3
) -> Iterator[None]:
    """Within, `migrate` meets this tripwire in its stores of `provider`, and gives up after `patience` seconds."""
    policy = RetryPolicy(patience=patience, first_wait=0.02, longest_wait=0.1)

    def opener(address: StoreAddress, environ: Mapping[str, str]) -> Any:  # noqa: ANN401 - a store or its tripwire
        store = open_store(address, environ, StoreOptions(retry=policy))
        return Tripwire(store, method, acts) if address.provider is provider else store

    with world.monkeypatch.context() as patch:
        patch.setattr("compiler.cli.migrate.LiveStores", partial(LiveStores, opener=opener))
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
        found: dict[str, tuple[int, dict[str, str]]] = {}
        for name in self.meant:
            if self.to is KEY_VAULT:
                if versions := self.world.azure.versions(name):
                    found[name] = len(versions), self.world.azure_object(name)
            elif name in self.names():
                found[name] = self.world.vault_versions(name), self.world.get(name)
        return found

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
        """The result is that of a run which nothing disturbed, and it is one run."""
        assert self.standing() == {name: (2 if "OTHER" in one else 1, one) for name, one in self.meant.items()}
        assert len(self.world.journals()) == 1
        again = self.run()
        assert (again.code, again.err) == (0, ""), again
        assert "0 remote secrets to write" in again.out
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


@pytest.fixture
def sealable(world: World, raft: LocalOpenBao) -> Iterator[World]:
    """The same project on the server with raft storage and TLS, which is unsealed in the end."""
    base = world.root / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace(world.bao.url, raft.url), "utf-8")
    world.bao = raft
    world.variables |= {"VAULT_TOKEN": raft.token, "VAULT_CACERT": str(raft.ca_file)}
    raft.call("POST", f"sys/mounts/{world.mount}", {"type": "kv", "options": {"version": "2"}})
    raft._await_kv(world.mount)
    yield world
    raft.unseal()


def token(world: World, **more: object) -> str:
    """A token that may do what a migration needs, and no more."""
    rule = f'path "{world.mount}/*" {{ capabilities = ["create", "update", "read", "list"] }}'
    world.bao.call("PUT", f"sys/policies/acl/{world.mount}", {"policy": rule})
    made = world.bao.call("POST", "auth/token/create", {"policies": [world.mount], **more})
    return str(made["auth"]["client_token"])


def revoke(world: World) -> None:
    world.bao.call("POST", "auth/token/revoke", {"token": world.variables["VAULT_TOKEN"]})


def incomplete(done: Done, word: str) -> None:
    """The run has told what happened and how to go on."""
    assert done.code == 4, done
    assert RESUMED in done.out
    assert word in done.out
    assert "not found" not in done.out + done.err


def resumed(move: Move) -> None:
    done = move.run()
    assert done.code == 0, done
    assert "is resumed" in done.err
    move.is_whole()


@pytest.mark.parametrize(("method", "turn"), [("write", 9), ("read", MANY + 9)], ids=["written", "read back"])
def test_proof_18_a_destination_sealed_while_it_is_written_is_resumed_after_it_is_unsealed(
    sealable: World, method: str, turn: int
) -> None:
    move = prepared(sealable, VAULT)
    with tripped(sealable, VAULT, method, {turn: sealable.bao.seal}):
        incomplete(move.run(), "sealed")
    with tripped(sealable, VAULT, "read", {1: lambda: None}):
        still = move.run()
    assert still.code == 3, still
    assert "sealed" in still.err
    sealable.bao.unseal()
    move.has_no_half_item()
    # Sealed once more, while the rest is planned.
    with tripped(sealable, VAULT, "read", {9: sealable.bao.seal}):
        again = move.run()
    assert again.code == 3, again
    assert "sealed" in again.err
    sealable.bao.unseal()
    resumed(move)


def test_proof_18_a_destination_sealed_for_a_moment_is_waited_for(sealable: World) -> None:
    move = prepared(sealable, VAULT)

    def seal() -> None:
        sealable.bao.seal()
        threading.Timer(0.3, sealable.bao.unseal).start()

    with tripped(sealable, VAULT, "write", {9: seal}, patience=30):
        done = move.run()
    assert done.code == 0, done
    move.is_whole()


def test_proof_18_a_source_sealed_while_it_is_read_ends_before_the_first_write(sealable: World) -> None:
    move = prepared(sealable, KEY_VAULT)
    with tripped(sealable, VAULT, "read", {9: sealable.bao.seal}):
        done = move.run()
    assert (done.code, done.out) == (3, ""), done
    assert "sealed" in done.err
    assert not any(request.writes for request in sealable.azure.requests())
    assert sealable.journals() == []
    sealable.bao.unseal()
    assert move.run().code == 0
    move.is_whole()


def test_proof_18_a_source_sealed_after_it_was_read_is_not_missed(sealable: World) -> None:
    move = prepared(sealable, KEY_VAULT)
    with tripped(sealable, KEY_VAULT, "write", {9: sealable.bao.seal}):
        done = move.run()
    assert done.code == 0, done
    sealable.bao.unseal()
    move.is_whole()


@pytest.mark.parametrize(("method", "turn"), [("write", 9), ("read", MANY + 9)], ids=["written", "read back"])
def test_proof_18_a_token_revoked_while_the_destination_is_written_is_resumed_with_another(
    world: World, method: str, turn: int
) -> None:
    move = prepared(world, VAULT)
    world.variables["VAULT_TOKEN"] = token(world)
    with tripped(world, VAULT, method, {turn: lambda: revoke(world)}):
        incomplete(move.run(), "revoked")
    move.has_no_half_item()
    still = move.run()
    assert still.code == 3, still
    assert "revoked" in still.err
    world.variables["VAULT_TOKEN"] = token(world)
    with tripped(world, VAULT, "read", {9: lambda: revoke(world)}):
        again = move.run()
    assert again.code == 3, again
    assert "revoked" in again.err
    world.variables["VAULT_TOKEN"] = token(world)
    resumed(move)


def test_proof_18_a_token_revoked_while_the_source_is_read_ends_before_the_first_write(world: World) -> None:
    move = prepared(world, KEY_VAULT)
    world.variables["VAULT_TOKEN"] = token(world)
    with tripped(world, VAULT, "read", {9: lambda: revoke(world)}):
        done = move.run()
    assert (done.code, done.out) == (3, ""), done
    assert "revoked" in done.err
    assert not any(request.writes for request in world.azure.requests())
    assert world.journals() == []
    world.variables["VAULT_TOKEN"] = token(world)
    assert move.run().code == 0
    move.is_whole()


def test_proof_18_a_token_revoked_after_the_source_was_read_is_not_missed(world: World) -> None:
    move = prepared(world, KEY_VAULT)
    world.variables["VAULT_TOKEN"] = token(world)
    with tripped(world, KEY_VAULT, "write", {9: lambda: revoke(world)}):
        done = move.run()
    assert done.code == 0, done
    world.variables["VAULT_TOKEN"] = token(world)
    move.is_whole()


@pytest.mark.parametrize(("method", "turn"), [("write", 9), ("read", MANY + 9)], ids=["written", "read back"])
def test_proof_18_a_key_vault_session_revoked_while_it_is_written_is_resumed_with_another(
    world: World, method: str, turn: int
) -> None:
    move = prepared(world, KEY_VAULT)
    with tripped(world, KEY_VAULT, method, {turn: world.azure.issuer.revoke_all}):
        incomplete(move.run(), "revoked")
    move.has_no_half_item()
    assert move.run().code == 3
    world.variables |= world.azure.environ()
    resumed(move)


def test_proof_18_a_key_vault_session_revoked_while_it_is_read_ends_before_the_first_write(world: World) -> None:
    move = prepared(world, VAULT)
    with tripped(world, KEY_VAULT, "read", {9: world.azure.issuer.revoke_all}):
        done = move.run()
    assert (done.code, done.out) == (3, ""), done
    assert move.has_no_half_item() == 0
    assert world.journals() == []
    world.variables |= world.azure.environ()
    assert move.run().code == 0
    move.is_whole()


class Role:
    """An AppRole of a mount of its own, whose tokens live as long as they are told or until they are ended."""

    def __init__(self, world: World, path: str = "approle") -> None:
        self._bao = world.bao
        self._policy = world.mount
        self._path = f"{path}-{world.mount}"
        token(world)
        self._bao.call("POST", f"sys/auth/{self._path}", {"type": "approle"})

    def variables(self, **life: object) -> dict[str, str]:
        """What logs in, with a new secret id."""
        role = f"auth/{self._path}/role/migration"
        self._bao.call("POST", role, {"token_policies": [self._policy], **life})
        return {
            "VAULT_TOKEN": "",
            "PLATFORM_SECRETS_VAULT_AUTH": "approle",
            "PLATFORM_SECRETS_VAULT_AUTH_MOUNT": self._path,
            "VAULT_ROLE_ID": self._bao.call("GET", f"{role}/role-id")["data"]["role_id"],
            "VAULT_SECRET_ID": self._bao.call("POST", f"{role}/secret-id")["data"]["secret_id"],
        }

    def end_tokens(self) -> None:
        self._bao.call("PUT", f"sys/leases/revoke-prefix/auth/{self._path}/login", {"sync": True})


@contextmanager
def counted(world: World) -> Iterator[FaultyGateway]:
    """Within, Vault is reached through a gateway that counts."""
    with FaultyGateway(world.bao.url) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        yield gateway
    del world.variables["VAULT_ADDR"]
    world.monkeypatch.delenv("VAULT_ADDR")


@pytest.mark.parametrize(
    ("to", "method", "turn"),
    [(VAULT, "write", 9), (VAULT, "read", MANY + 9), (KEY_VAULT, "read", 9)],
    ids=["written", "read back", "read as the source"],
)
def test_proof_18_a_token_that_ends_in_the_middle_is_replaced_by_one_new_log_in(
    world: World, to: Provider, method: str, turn: int
) -> None:
    move, role = prepared(world, to), Role(world)
    world.variables |= role.variables()
    with counted(world) as gateway:
        with tripped(world, VAULT, method, {turn: role.end_tokens}):
            done = move.run()
        assert done.code == 0, done
        assert gateway.count("POST", "/login") == 2
    move.is_whole()


def test_proof_18_a_token_whose_time_is_over_in_the_middle_is_replaced(world: World) -> None:
    move, role = prepared(world, VAULT), Role(world)
    world.variables |= role.variables(token_ttl="3s", token_max_ttl="3s")
    with counted(world) as gateway:
        with tripped(world, VAULT, "write", {9: lambda: time.sleep(3.2)}):
            done = move.run()
        assert done.code == 0, done
        assert gateway.count("POST", "/login") >= 2
    move.is_whole()


def test_proof_18_tokens_of_few_uses_are_replaced_as_often_as_they_run_out(world: World) -> None:
    move = prepared(world, VAULT)
    world.variables |= Role(world).variables(token_num_uses=60)
    done = move.run()
    assert done.code == 0, done
    move.is_whole()


def test_proof_18_a_renewable_token_is_renewed_before_it_expires_in_the_middle(world: World) -> None:
    move = prepared(world, VAULT)
    world.variables["VAULT_TOKEN"] = token(world, ttl="2s", renewable=True)
    started = time.monotonic()
    with counted(world) as gateway:
        # One after the other waits, so that a third of its time is left when some of them go on.
        with tripped(world, VAULT, "write", dict.fromkeys(range(1, 8), lambda: time.sleep(0.4))):
            done = move.run()
        assert done.code == 0, done
        assert time.monotonic() - started > 2.4
        assert gateway.count("POST", "renew-self") >= 1
    world.variables["VAULT_TOKEN"] = world.bao.token
    move.is_whole()


def test_proof_18_a_log_in_that_is_refused_in_the_middle_is_resumed_with_another(world: World) -> None:
    move, role = prepared(world, VAULT), Role(world)
    world.variables |= role.variables(secret_id_num_uses=1)
    with tripped(world, VAULT, "write", {9: role.end_tokens}):
        incomplete(move.run(), "refused the approle log-in")
    move.has_no_half_item()
    # Of another mount: a server locks a role out for a while after some refused log-ins.
    world.variables |= Role(world, "another").variables()
    resumed(move)
