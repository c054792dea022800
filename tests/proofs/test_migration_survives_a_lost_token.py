"""A migration whose token or right ends in the middle is resumable, leaves no half item and writes once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from compiler.model.provider import Provider
from compiler.stores.pacing import Clock
from tests.faulty_gateway import FaultyGateway
from tests.faulty_key_vault import Fault, FaultKind
from tests.proofs.conftest import World
from tests.proofs.interrupted_move import KEY_VAULT, MANY, MIDDLE, VAULT, incomplete, prepared, resumed, tripped


def token(world: World, **more: object) -> str:
    """A token that may do what a migration needs, and no more."""
    rule = f'path "{world.mount}/*" {{ capabilities = ["create", "update", "read", "list"] }}'
    world.bao.call("PUT", f"sys/policies/acl/{world.mount}", {"policy": rule})
    made = world.bao.call("POST", "auth/token/create", {"policies": [world.mount], **more})
    return str(made["auth"]["client_token"])


def revoke(world: World) -> None:
    world.bao.call("POST", "auth/token/revoke", {"token": world.variables["VAULT_TOKEN"]})


@pytest.mark.parametrize(("method", "turn"), [("write", MIDDLE), ("read", MANY + MIDDLE)], ids=["written", "read back"])
def test_a_token_revoked_while_the_destination_is_written_is_resumed_with_another(
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
    with tripped(world, VAULT, "read", {MIDDLE: lambda: revoke(world)}):
        again = move.run()
    assert again.code == 3, again
    assert "revoked" in again.err
    world.variables["VAULT_TOKEN"] = token(world)
    resumed(move)


def test_a_token_revoked_while_the_source_is_read_ends_before_the_first_write(world: World) -> None:
    move = prepared(world, KEY_VAULT)
    world.variables["VAULT_TOKEN"] = token(world)
    with tripped(world, VAULT, "read", {MIDDLE: lambda: revoke(world)}):
        done = move.run()
    assert (done.code, done.out) == (3, ""), done
    assert "revoked" in done.err
    assert not any(request.writes for request in world.azure.requests())
    assert world.journals() == []
    world.variables["VAULT_TOKEN"] = token(world)
    assert move.run().code == 0
    move.is_whole()


def test_a_token_revoked_after_the_source_was_read_is_not_missed(world: World) -> None:
    move = prepared(world, KEY_VAULT)
    world.variables["VAULT_TOKEN"] = token(world)
    with tripped(world, KEY_VAULT, "write", {MIDDLE: lambda: revoke(world)}):
        done = move.run()
    assert done.code == 0, done
    world.variables["VAULT_TOKEN"] = token(world)
    move.is_whole()


@pytest.mark.parametrize(("method", "turn"), [("write", MIDDLE), ("read", MANY + MIDDLE)], ids=["written", "read back"])
def test_a_key_vault_session_revoked_while_it_is_written_is_resumed_with_another(
    world: World, method: str, turn: int
) -> None:
    move = prepared(world, KEY_VAULT)
    with tripped(world, KEY_VAULT, method, {turn: world.azure.issuer.revoke_all}):
        incomplete(move.run(), "revoked")
    move.has_no_half_item()
    assert move.run().code == 3
    world.variables |= world.azure.environ()
    resumed(move)


def test_a_key_vault_session_revoked_while_it_is_read_ends_before_the_first_write(world: World) -> None:
    move = prepared(world, VAULT)
    with tripped(world, KEY_VAULT, "read", {MIDDLE: world.azure.issuer.revoke_all}):
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
    [(VAULT, "write", MIDDLE), (VAULT, "read", MANY + MIDDLE), (KEY_VAULT, "read", MIDDLE)],
    ids=["written", "read back", "read as the source"],
)
def test_a_token_that_ends_in_the_middle_is_replaced_by_one_new_log_in(
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


def test_a_token_whose_time_is_over_in_the_middle_is_replaced(world: World) -> None:
    move, role = prepared(world, VAULT), Role(world)
    world.variables |= role.variables(token_ttl="3s", token_max_ttl="3s")
    with counted(world) as gateway:
        with tripped(world, VAULT, "write", {MIDDLE: lambda: time.sleep(3.2)}):
            done = move.run()
        assert done.code == 0, done
        assert gateway.count("POST", "/login") >= 2
    move.is_whole()


def test_tokens_of_few_uses_are_replaced_as_often_as_they_run_out(world: World) -> None:
    move = prepared(world, VAULT)
    world.variables |= Role(world).variables(token_num_uses=8)
    done = move.run()
    assert done.code == 0, done
    move.is_whole()


def test_a_renewable_token_is_renewed_before_it_expires_in_the_middle(world: World) -> None:
    move = prepared(world, VAULT)
    given = world.variables["VAULT_TOKEN"] = token(world, ttl="60s", renewable=True)
    skipped = [0.0]
    with counted(world) as gateway, world.monkeypatch.context() as patch:
        # By the clock of the stores the last sixth of its time begins in the middle.
        patch.setattr(Clock, "now", lambda _clock: time.monotonic() + skipped[0])
        with tripped(world, VAULT, "write", {MIDDLE: lambda: skipped.append(skipped.pop() + 50)}, patience=120):
            done = move.run()
        assert done.code == 0, done
        assert gateway.count("POST", "renew-self") >= 1
    # The server keeps it from then on for as long as it was first to live.
    assert world.bao.call("POST", "auth/token/lookup", {"token": given})["data"]["last_renewal"]
    world.variables["VAULT_TOKEN"] = world.bao.token
    move.is_whole()


def test_a_log_in_that_is_refused_in_the_middle_is_tried_once_and_resumed_later(world: World) -> None:
    move, role = prepared(world, VAULT), Role(world)
    world.variables |= role.variables(secret_id_num_uses=1)
    with counted(world) as gateway:
        with tripped(world, VAULT, "write", {MIDDLE: role.end_tokens}):
            incomplete(move.run(), "rejected the approle log-in")
        # A server locks a role out for a quarter of an hour after five.
        assert gateway.count("POST", "/login") == 2
        move.has_no_half_item()
        world.variables |= role.variables(secret_id_num_uses=99)
        resumed(move)


def test_a_permission_that_is_gone_in_the_middle_is_resumable_and_leaves_no_half_item(world: World) -> None:
    world.spread(12)
    world.azure.add_fault(Fault(FaultKind.FORBID, method="PUT", times=None, after=5))
    done = world.migrate("--apply")
    assert done.code == 4
    assert "incomplete; run the same command again to continue" in done.out
    stored = world.azure_versions()
    assert 0 < len(stored) < 14
    world.azure.clear_faults()
    assert world.migrate("--apply").code == 0
    assert len(world.azure_versions()) == 14
    assert all(len(versions) == 1 for versions in world.azure_versions().values())
