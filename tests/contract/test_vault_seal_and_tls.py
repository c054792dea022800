"""A real server with raft storage and TLS: sealed in the middle, restarted, and approached the wrong way."""

import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.stores.errors import Code, ConflictError, StoreError
from compiler.stores.interface import SecretWriter, StoreOptions
from compiler.stores.pacing import RetryPolicy
from compiler.stores.secret_value import SecretValue
from tests.openbao_servers import RaftOpenBao
from tests.refusals import is_refused
from tests.virtual_clock import VirtualClock

OpenVault = Callable[..., SecretWriter]


def environ_of(server: RaftOpenBao) -> dict[str, str]:
    return {"VAULT_TOKEN": server.token, "VAULT_CACERT": str(server.ca_file)}


def test_a_private_authority_is_trusted_by_variable_or_by_address(raft: RaftOpenBao, open_vault: OpenVault) -> None:
    assert open_vault(raft.url, environ_of(raft)).whoami().subject == "root"
    given = open_vault(raft.url, {"VAULT_TOKEN": raft.token}, ca=raft.ca_file)
    assert given.whoami().subject == "root"


def test_a_seal_in_the_middle_is_waited_for_and_leaves_no_half_item(raft: RaftOpenBao, open_vault: OpenVault) -> None:
    policy = RetryPolicy(first_wait=0.05, longest_wait=0.2)
    store = open_vault(raft.url, environ_of(raft), StoreOptions(retry=policy))
    name = f"seal/{uuid.uuid4().hex}"
    store.write(name, {"A": SecretValue("1")}, None)
    raft.seal()
    opener = threading.Timer(0.4, raft.unseal)
    opener.start()
    assert store.write(name, {"A": SecretValue("2")}, store.read(name)).version == "2"
    opener.join()


def test_a_seal_without_end_is_told_and_can_be_resumed_after(raft: RaftOpenBao, open_vault: OpenVault) -> None:
    store = open_vault(raft.url, environ_of(raft))
    name = f"seal/{uuid.uuid4().hex}"
    store.write(name, {"A": SecretValue("1")}, None)
    base = store.read(name)
    raft.seal()
    try:
        with pytest.raises(StoreError, match="unseal", check=is_refused(Code.SEALED)):
            store.write(name, {"A": SecretValue("2")}, base)
        clock = VirtualClock()
        with pytest.raises(
            StoreError,
            match="the server runs, but is sealed",
            check=is_refused(Code.SEALED),
        ) as caught:
            open_vault(raft.url, environ_of(raft), StoreOptions(clock=clock)).whoami()
        # Somebody has to unseal it first: nobody waits for that at a first contact.
        assert (clock.now(), "bao operator unseal" in caught.value.remedy) == (0, True)
    finally:
        raft.unseal()
    assert store.read(name).version == "1"
    assert store.write(name, {"A": SecretValue("2")}, base).version == "2"
    with pytest.raises(ConflictError):
        store.write(name, {"A": SecretValue("2")}, base)


def test_a_server_that_nobody_has_initialised_is_told_from_a_sealed_one(open_vault: OpenVault, tmp_path: Path) -> None:
    with RaftOpenBao.start_new(tmp_path) as server:
        with pytest.raises(
            StoreError,
            match="the server is not initialised",
            check=is_refused(Code.SEALED),
        ) as caught:
            open_vault(server.url, {"VAULT_TOKEN": "hvs.any", "VAULT_CACERT": str(server.ca_file)}).whoami()
        assert "bao operator init" in caught.value.remedy


def test_data_and_versions_survive_a_restart(raft: RaftOpenBao, open_vault: OpenVault) -> None:
    store = open_vault(raft.url, environ_of(raft), StoreOptions())
    name = f"restart/{uuid.uuid4().hex}"
    store.write(name, {"A": SecretValue("1")}, None)
    raft.stop()
    raft.start()
    raft.await_sealed()
    raft.unseal()
    assert store.read(name).version == "1"
