"""A server with namespaces holds two stores where they differ by one; a Vault that ignores them holds one, the root."""

import http.server
import json
from collections.abc import Iterator

import pytest

from tests.faulty_gateway import FaultyGateway, GatewayFault, ReceivedRequest
from tests.openbao_servers import skip_without_namespaces
from tests.proofs.conftest import World
from tests.proofs.retiring import Retiring
from tests.proofs.test_refusals_name_their_cause import PUT, run


class CommunityEdition(FaultyGateway):
    """Stands before OpenBao, says that it is HashiCorp's community edition, and ignores namespaces as that does."""

    def _handle(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        del handler.headers["X-Vault-Namespace"]
        super()._handle(handler)


def as_community(seen: ReceivedRequest) -> GatewayFault | None:
    if seen.path != "/v1/sys/health":
        return None
    return GatewayFault(rewrite=lambda said: json.dumps({**json.loads(said), "enterprise": False}).encode())


@pytest.fixture
def community(world: World) -> Iterator[CommunityEdition]:
    with CommunityEdition(world.bao.url, as_community) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        yield gateway


@pytest.fixture
def retiring(world: World) -> Retiring:
    made = Retiring(world, "vault")
    staging = "labels: {team: platform}\nstore: vault\nstores: {vault: {vaultNamespace: nobody}}\n"
    (world.root / "environments/staging.yaml").write_text(staging, "utf-8")
    return made


def test_whoever_reads_in_another_namespace_keeps_nothing_where_there_are_namespaces(retiring: Retiring) -> None:
    skip_without_namespaces(retiring.world.bao)
    done = retiring("--apply")
    assert done.code == 0, done
    assert retiring.states() == retiring.after


def test_whoever_reads_in_a_namespace_that_is_ignored_reads_the_root(
    retiring: Retiring, community: CommunityEdition
) -> None:
    done = retiring("--apply")
    assert "read by staging/github" in done.out
    assert retiring.states() == retiring.before
    assert community.count("GET", "sys/health") > 0
    # It is no other store, whatever a person says.
    refused = retiring("--apply", "--not-the-same", "staging/vault")
    assert (refused.code, "is on the same server" in refused.err) == (2, True)
    assert retiring.states() == retiring.before


@pytest.mark.parametrize(
    "words",
    [
        PUT,
        ("migrate", "prod", "--to", "azure", "--apply", "--quiet"),
        ("retire", "prod", "--store", "vault", "--without-cluster", "--apply"),
        ("status", "prod"),
        ("verify", "prod"),
    ],
)
def test_a_namespace_that_is_ignored_is_refused_before_anything_is_read_or_written(
    retiring: Retiring, community: CommunityEdition, words: tuple[str, ...]
) -> None:
    world = retiring.world
    base = world.root / "environments/base.yaml"
    base.write_text(
        base.read_text("utf-8").replace(f"mount: {world.mount}", f"mount: {world.mount}, vaultNamespace: nobody")
    )
    (world.root / "environments/staging.yaml").unlink()
    if words[0] != "retire":
        retiring.reads("vault")
    done = run(world, *words)
    assert done.code != 0, done
    assert "this Vault ignores namespaces: the operator reads the root today" in done.out + done.err, done
    assert "remove vaultNamespace" in done.out + done.err
    assert [seen.path for seen in community.seen if seen.with_token] == []
    assert retiring.states() == retiring.before
