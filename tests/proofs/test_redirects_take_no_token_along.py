"""A redirect to another host ends every command, and that host is sent no token, no log-in and no value.

The other host answers plain HTTP, so that nothing but the refusal to follow keeps a request from it.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.commands import Done
from tests.faulty_gateway import FaultyGateway, GatewayFault, ReceivedRequest
from tests.faulty_key_vault import Fault as KeyVaultFault
from tests.faulty_key_vault import FaultKind
from tests.proofs.conftest import World

STATUSES = (301, 302, 303, 307, 308)
# Each status is judged once for all that is sent: one that may change the method, and one that keeps it.
TWO = (302, 308)
TO_KEY_VAULT = ("migrate", "prod", "--to", "azure", "--apply", "--quiet")
TO_VAULT = ("migrate", "prod", "--to", "vault", "--from", "azure", "--apply", "--quiet", "--on-conflict=overwrite")
PUT = ("put", "prod", "jira", "--from-file", "{values}", "--apply")
# When Vault sends elsewhere, by what it is asked.
MOMENTS: dict[str, Callable[[ReceivedRequest], bool]] = {
    "everything": lambda _seen: True,
    "log-in": lambda seen: "/auth/" in seen.path,
    "mount": lambda seen: "/sys/" in seen.path,
    "read": lambda seen: "/data/" in seen.path and seen.method == "GET",
    "write": lambda seen: "/data/" in seen.path and seen.method == "POST",
}


@pytest.fixture
def elsewhere() -> Iterator[FaultyGateway]:
    with FaultyGateway() as other:
        yield other


@pytest.fixture
def filled(world: World) -> World:
    world.fill()
    world.azure.seed("agents-github", '{"GITHUB_TOKEN": "from azure"}', content_type="application/json")
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "from azure", "JIRA_URL": "u"}', content_type="application/json")
    return world


def redirecting(
    fault: GatewayFault, when: Callable[[ReceivedRequest], bool]
) -> Callable[[ReceivedRequest], GatewayFault | None]:
    return lambda seen: fault if when(seen) else None


def run(world: World, *argv: str) -> Done:
    values = world.private("values.json", '{"JIRA_TOKEN": "typed"}')
    return world.run(*(part.replace("{values}", str(values)) for part in argv))


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_vault_sends_to_another_host_and_that_host_hears_nothing(
    filled: World, elsewhere: FaultyGateway, moment: str
) -> None:
    versions = filled.azure_versions()
    commands = [("verify", "prod"), TO_KEY_VAULT, TO_VAULT, PUT] if moment != "write" else [TO_VAULT, PUT]
    for status in STATUSES if moment == "everything" else TWO:
        fault = GatewayFault(status, {"Location": f"{elsewhere.url}/v1/{filled.mount}/data/agents/jira"})
        with FaultyGateway(filled.bao.url, redirecting(fault, MOMENTS[moment])) as gateway:
            filled.variables["VAULT_ADDR"] = gateway.url
            for command in commands:
                done = run(filled, *command)
                assert done.code == (4 if moment == "write" else 3), (status, done)
                assert "redirect" in done.out + done.err, (status, done)
            assert gateway.seen
        assert elsewhere.seen == []
    assert filled.azure_versions() == versions
    assert filled.vault_versions("agents/jira") == 1


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_key_vault_sends_to_another_host_and_that_host_hears_nothing(
    filled: World, elsewhere: FaultyGateway, method: str
) -> None:
    versions = filled.azure_versions()
    reading = [("verify", "prod", "--store", "azure"), TO_VAULT]
    writing = [(*TO_KEY_VAULT, "--on-conflict=overwrite"), (*PUT, "--store", "azure")]
    for status in STATUSES if method == "GET" else TWO:
        there = f"{elsewhere.url}/secrets/agents-jira"
        filled.azure.add_fault(KeyVaultFault(FaultKind.REDIRECT, method, times=None, status=status, location=there))
        for command in (*reading, *writing) if method == "GET" else writing:
            done = run(filled, *command)
            assert done.code == (4 if method == "PUT" else 3), (status, done)
            assert "redirect" in done.out + done.err, (status, done)
        filled.azure.clear_faults()
        assert elsewhere.seen == []
    assert filled.azure_versions() == versions


def test_a_log_in_is_not_taken_along_either(filled: World, elsewhere: FaultyGateway) -> None:
    filled.variables |= {
        "VAULT_TOKEN": "",
        "PLATFORM_SECRETS_VAULT_AUTH": "approle",
        "VAULT_ROLE_ID": "role",
        "VAULT_SECRET_ID": "secret id",
    }
    for status in TWO:
        fault = GatewayFault(status, {"Location": f"{elsewhere.url}/v1/auth/approle/login"})
        with FaultyGateway(filled.bao.url, redirecting(fault, MOMENTS["everything"])) as gateway:
            filled.variables["VAULT_ADDR"] = gateway.url
            for command in (("verify", "prod"), TO_KEY_VAULT, PUT):
                done = run(filled, *command)
                assert done.code == 3, (status, done)
            assert {(seen.method, seen.path) for seen in gateway.seen} == {("GET", "/v1/sys/health")}
        assert elsewhere.seen == []
