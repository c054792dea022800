"""A proxy's 404 in place of a store's answer, through `verify`, `migrate`, `put` and `backup`: no secret is absent."""

from collections.abc import Iterator

import pyrage  # type: ignore[import-untyped]
import pytest

from tests.faulty_gateway import FaultyGateway, GatewayFault, ReceivedRequest
from tests.faulty_key_vault import Fault, FaultKind
from tests.proofs.conftest import World

PAGE = GatewayFault(status=404, headers={"Content-Type": "text/html"}, body=b"<html><body>404 Not Found</body></html>")
COMMANDS = {
    "verify": ("verify", "prod"),
    "migrate from there": ("migrate", "prod", "--to", "azure", "--apply"),
    "migrate to there": ("migrate", "prod", "--from", "azure", "--to", "vault", "--apply"),
    "put": ("put", "prod", "jira", "--from-file", "{values}", "--apply"),
    "backup": ("backup", "prod", "{backup}", "--recipient", str(pyrage.x25519.Identity.generate().to_public())),
}


@pytest.fixture(params=["/data/", "/internal/ui/mounts/", "/lookup-self"])
def page(world: World, request: pytest.FixtureRequest) -> Iterator[str]:
    """A gateway before Vault that answers questions about secrets, mounts or tokens with its own page."""

    def rule(seen: ReceivedRequest) -> GatewayFault | None:
        return PAGE if request.param in seen.path else None

    world.fill()
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "t", "JIRA_URL": "u"}')
    with FaultyGateway(world.bao.url, rule) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        yield request.param


def argv(world: World, command: str) -> list[str]:
    values = world.private("values.json", '{"JIRA_TOKEN": "typed", "JIRA_URL": "typed"}')
    return [part.format(values=values, backup=world.root / "b.age") for part in COMMANDS[command]]


def assert_none_is_absent(text: str) -> None:
    assert "no such secret" not in text
    assert "missing-secret" not in text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_in_place_of_vault_is_no_answer(world: World, page: str, command: str) -> None:
    done = world.run(*argv(world, command))
    assert done.code == 3, page
    assert "the server that answered is not Vault: status 404" in done.err
    assert_none_is_absent(done.err + done.out)
    assert world.vault_versions("agents/jira") == 1
    assert set(world.azure_versions()) == {"agents-jira"}
    assert not (world.root / "b.age").exists()


@pytest.mark.parametrize("command", ["verify", "migrate from there", "put"])
@pytest.mark.parametrize(
    "fault",
    [Fault(FaultKind.HTML, page=404, times=None), Fault(FaultKind.STATUS, status=404, times=None)],
    ids=["page", "another code"],
)
def test_so_is_one_in_place_of_key_vault(world: World, command: str, fault: Fault) -> None:
    world.fill()
    world.azure.add_fault(fault)
    options = [] if command.startswith("migrate") else ["--store", "azure"]
    done = world.run(*argv(world, command), *options)
    assert done.code == 3
    assert_none_is_absent(done.err + done.out)
    assert world.azure_versions() == {}
