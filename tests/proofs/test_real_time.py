"""The proofs of weather, limits and patience without a virtual clock: the whole `migrate` on real servers and time.

They take minutes by nature, and run in `make proofs`. The same proofs on virtual time are in `limits`.
"""

import json
import urllib.error
import urllib.request

import pytest

from tests.faulty_gateway import FaultyGateway, GatewayFault
from tests.proofs.conftest import World, only_in_proofs

pytestmark = [pytest.mark.slow, only_in_proofs]


def seed_key_vault(world: World, values: dict[str, str]) -> None:
    for number, (key, value) in enumerate(values.items()):
        world.azure.seed(f"k{number}", json.dumps({key: value}), content_type="application/json")
    world.azure.seed("agents-github", json.dumps({"GITHUB_TOKEN": "token-1"}))
    world.azure.seed("agents-jira", json.dumps({"JIRA_TOKEN": "token-2", "JIRA_URL": "https://jira.example.com"}))


def assert_whole(world: World, to: str, values: dict[str, str]) -> None:
    for number, (key, value) in enumerate(values.items()):
        if to == "azure":
            assert [json.loads(version.value) for version in world.azure.versions(f"k{number}")] == [{key: value}]
        else:
            assert world.get(f"many/k{number}") == {key: value}
            assert world.vault_versions(f"many/k{number}") == 1


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
