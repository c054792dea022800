"""The proofs of weather, limits and patience without a virtual clock: the whole `migrate` on real servers and time.

They take minutes by nature, and run in `make proofs`. The same proofs on virtual time are in `limits`.
"""

import json
import random
import threading
import time
import urllib.error
import urllib.request

import pytest

from compiler.stores.pacing import UNLIMITED
from tests.faulty_gateway import FaultyGateway, GatewayFault, ReceivedRequest
from tests.faulty_key_vault import Fault, FaultKind
from tests.openbao_servers import await_kv
from tests.proofs.conftest import World, only_in_proofs

pytestmark = [pytest.mark.slow, only_in_proofs]

MANY = 2_000
# 5 % resets, 5 % server errors, half of each after the request was handled, and jitter; the first that hits is it.
STORM = (
    Fault(FaultKind.RESET, times=None, rate=0.026),
    Fault(FaultKind.RESET_REPLY, times=None, rate=0.026),
    Fault(FaultKind.STATUS, times=None, rate=0.027, status=503),
    Fault(FaultKind.STATUS_AFTER, times=None, rate=0.028, status=500),
    Fault(FaultKind.DELAY, times=None, rate=0.1, seconds=0.01),
    Fault(FaultKind.DELAY, times=None, rate=0.1, seconds=0.03),
    Fault(FaultKind.DELAY, times=None, rate=0.05, seconds=0.08),
)


class Storm:
    """The same on the way to Vault, which a gateway cuts; `hits` counts its two kinds."""

    def __init__(self) -> None:
        self.hits = {"reset": 0, "error": 0}
        self._chance = random.Random(25)  # noqa: S311 - repeatable weather, not cryptography
        self._lock = threading.Lock()

    def __call__(self, _seen: ReceivedRequest) -> GatewayFault | None:
        with self._lock:
            roll, delay = self._chance.random(), self._chance.choice((0, 0, 0, 0.01, 0.03))
            if roll < 0.1:
                self.hits["reset" if roll < 0.05 else "error"] += 1
        time.sleep(delay)
        if roll < 0.05:
            return GatewayFault(drop_before=roll < 0.025, drop_after=roll >= 0.025)
        if roll < 0.1:
            return GatewayFault(status=500 if roll < 0.075 else 503, body=b'{"errors": ["a scripted failure"]}')
        return None


def seed_key_vault(world: World, values: dict[str, str]) -> None:
    for number, (key, value) in enumerate(values.items()):
        world.azure.seed(f"k{number}", json.dumps({key: value}), content_type="application/json")
    world.azure.seed("agents-github", json.dumps({"GITHUB_TOKEN": "token-1"}))
    world.azure.seed("agents-jira", json.dumps({"JIRA_TOKEN": "token-2", "JIRA_URL": "https://jira.example.com"}))


def empty_vault(world: World) -> None:
    world.bao.call("DELETE", f"sys/mounts/{world.mount}")
    world.bao.call("POST", f"sys/mounts/{world.mount}", {"type": "kv", "options": {"version": "2"}})
    await_kv(world.bao, world.mount)


def assert_whole(world: World, to: str, values: dict[str, str]) -> None:
    for number, (key, value) in enumerate(values.items()):
        if to == "azure":
            assert [json.loads(version.value) for version in world.azure.versions(f"k{number}")] == [{key: value}]
        else:
            assert world.get(f"many/k{number}") == {key: value}
            assert world.vault_versions(f"many/k{number}") == 1


@pytest.mark.parametrize("to", ["azure", "vault"])
def test_in_real_time_2000_secrets_through_a_storm_are_verified_at_130_percent_of_the_requests(
    world: World, to: str
) -> None:
    if to == "azure":
        values = world.spread(MANY)
    else:
        values = world.declare(MANY)
        seed_key_vault(world, values)
    storm = Storm()
    options = ("--from", "vault" if to == "azure" else "azure", "--apply")
    with FaultyGateway(world.bao.url) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        with pytest.MonkeyPatch.context() as hurried:
            # Only to count: what the limits are for is another proof.
            hurried.setattr("compiler.stores.azure_key_vault.store.KEY_VAULT_QUOTAS", UNLIMITED)
            done = world.migrate(*options, to=to)
        assert done.code == 0, done.out[-2000:] + done.err
        ideal = (len(gateway.seen), len(world.azure.requests()))
        if to == "azure":
            world.azure.state._secrets.clear()
        else:
            empty_vault(world)
        gateway.seen.clear()
        world.azure.forget_requests()

        gateway.rule = storm
        for fault in STORM:
            world.azure.add_fault(fault)
        done = world.migrate(*options, to=to)
        assert done.code == 0, done.out[-2000:] + done.err
    assert f"{MANY + 2} of {MANY + 2} done and verified" in done.out
    assert_whole(world, to, values)
    at_vault, at_azure = len(gateway.seen), world.azure.requests()
    assert min(storm.hits.values()) > 0.04 * at_vault
    for kinds in ({FaultKind.RESET, FaultKind.RESET_REPLY}, {FaultKind.STATUS, FaultKind.STATUS_AFTER}):
        assert sum(request.fault in kinds for request in at_azure) > 0.04 * len(at_azure)
    assert at_vault <= 1.3 * ideal[0]
    assert len(at_azure) <= 1.3 * ideal[1]


def test_in_real_time_a_vault_that_throttles_and_then_fails_for_30_seconds_is_sat_out(world: World) -> None:
    values = world.declare(100)
    seed_key_vault(world, values)
    writes = 0
    closed_at: float | None = None
    answered = {429: 0, 503: 0}

    def rule(seen: ReceivedRequest) -> GatewayFault | None:
        nonlocal writes, closed_at
        writes += seen.method == "POST" and "/data/" in seen.path
        if closed_at is None and writes > 30:
            closed_at = time.monotonic()
        since = time.monotonic() - closed_at if closed_at is not None else 30
        if since >= 30:
            return None
        status = 429 if since < 15 else 503
        answered[status] += 1
        return GatewayFault(status=status, body=b'{"errors": ["not now"]}')

    with FaultyGateway(world.bao.url, rule) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        started = time.monotonic()
        done = world.migrate("--from", "azure", "--apply", to="vault")
        took = time.monotonic() - started
    assert done.code == 0, done.out[-2000:] + done.err
    assert took >= 30
    assert all(answered.values())
    assert_whole(world, "vault", values)


def retry_after_of_a_refusal(world: World) -> str | None:
    """What OpenBao itself says when its rate limit is passed."""
    address = f"{world.bao.url}/v1/{world.mount}/data/x"
    asking = urllib.request.Request(address, headers={"X-Vault-Token": world.bao.token})  # noqa: S310 - a server of ours
    for _ in range(1_000):
        try:
            urllib.request.urlopen(asking, timeout=5).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 429:
                return error.headers.get("Retry-After")
    raise AssertionError("no refusal in 1,000 requests")


@pytest.mark.parametrize("says_when", [False, True], ids=["without Retry-After", "with Retry-After"])
def test_in_real_time_a_real_servers_own_rate_limit_is_kept_to(world: World, says_when: bool) -> None:  # noqa: FBT001
    values = world.declare(150)
    seed_key_vault(world, values)
    world.bao.call("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": says_when})
    quota = f"sys/quotas/rate-limit/{world.mount}"
    world.bao.call("POST", quota, {"path": f"{world.mount}/", "rate": 60, "interval": "1s"})
    assert (retry_after_of_a_refusal(world) is not None) == says_when
    refused: list[str | None] = []

    def note(body: bytes) -> bytes:
        if b"quota exceeded" in body:
            refused.append(None)
        return body

    with FaultyGateway(world.bao.url, lambda _seen: GatewayFault(rewrite=note)) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        done = world.migrate("--from", "azure", "--apply", to="vault")
    world.bao.call("DELETE", quota)
    assert done.code == 0, done.out[-2000:] + done.err
    assert refused
    assert_whole(world, "vault", values)
