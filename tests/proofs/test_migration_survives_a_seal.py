"""A seal in the middle of a migration, on a real server with raft storage and TLS: resumable, and written once."""

import threading
from collections.abc import Iterator

import pytest

from tests.openbao_servers import RaftOpenBao, await_kv
from tests.proofs.conftest import World, only_in_proofs
from tests.proofs.interrupted_move import KEY_VAULT, MANY, MIDDLE, VAULT, incomplete, prepared, resumed, tripped

pytestmark = only_in_proofs


@pytest.fixture
def sealable(world: World, raft: RaftOpenBao) -> Iterator[World]:
    """The same project on the server with raft storage and TLS, which is unsealed in the end."""
    base = world.root / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace(world.bao.url, raft.url), "utf-8")
    world.bao = raft
    world.variables |= {"VAULT_TOKEN": raft.token, "VAULT_CACERT": str(raft.ca_file)}
    raft.call("POST", f"sys/mounts/{world.mount}", {"type": "kv", "options": {"version": "2"}})
    await_kv(raft, world.mount)
    yield world
    raft.unseal()


def test_a_destination_sealed_while_it_is_written_is_resumed_after_it_is_unsealed(
    sealable: World, raft: RaftOpenBao
) -> None:
    move = prepared(sealable, VAULT)
    with tripped(sealable, VAULT, "write", {MIDDLE: raft.seal}, patience=4):
        incomplete(move.run(), "sealed")
    with tripped(sealable, VAULT, "read", {1: lambda: None}):
        still = move.run()
    assert still.code == 3, still
    assert "sealed" in still.err
    raft.unseal()
    move.has_no_half_item()
    # Sealed once more, while the rest is planned.
    with tripped(sealable, VAULT, "read", {MIDDLE: raft.seal}, patience=4):
        again = move.run()
    assert again.code == 3, again
    assert "sealed" in again.err
    raft.unseal()
    resumed(move)


def test_a_destination_sealed_while_it_is_read_back_is_resumed_after_it_is_unsealed(
    sealable: World, raft: RaftOpenBao
) -> None:
    move = prepared(sealable, VAULT)
    with tripped(sealable, VAULT, "read", {MANY + MIDDLE: raft.seal}, patience=4):
        incomplete(move.run(), "sealed")
    raft.unseal()
    move.has_no_half_item()
    resumed(move)


def test_a_destination_sealed_for_a_moment_is_waited_for(sealable: World, raft: RaftOpenBao) -> None:
    move = prepared(sealable, VAULT)

    def seal() -> None:
        raft.seal()
        threading.Timer(0.3, raft.unseal).start()

    with tripped(sealable, VAULT, "write", {MIDDLE: seal}, patience=30):
        done = move.run()
    assert done.code == 0, done
    move.is_whole()


def test_a_source_sealed_while_it_is_read_ends_before_the_first_write(sealable: World, raft: RaftOpenBao) -> None:
    move = prepared(sealable, KEY_VAULT)
    with tripped(sealable, VAULT, "read", {MIDDLE: raft.seal}, patience=4):
        done = move.run()
    assert (done.code, done.out) == (3, ""), done
    assert "sealed" in done.err
    assert not any(request.writes for request in sealable.azure.requests())
    assert sealable.journals() == []
    raft.unseal()
    assert move.run().code == 0
    move.is_whole()


def test_a_source_sealed_after_it_was_read_is_not_missed(sealable: World, raft: RaftOpenBao) -> None:
    move = prepared(sealable, KEY_VAULT)
    with tripped(sealable, KEY_VAULT, "write", {MIDDLE: raft.seal}, patience=4):
        done = move.run()
    assert done.code == 0, done
    raft.unseal()
    move.is_whole()
