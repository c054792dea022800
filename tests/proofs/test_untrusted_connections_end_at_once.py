"""A connection that cannot be trusted is one clear failure within two seconds, and nothing else is tried."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from compiler.demo.local_key_vault import CertificateAuthority
from tests.commands import Done
from tests.faulty_gateway import FaultyGateway, GatewayFault
from tests.faulty_key_vault import Fault as KeyVaultFault
from tests.faulty_key_vault import FaultKind, FaultyKeyVault, VaultOptions
from tests.openbao_servers import RaftOpenBao
from tests.pace import allowed_wall
from tests.proofs.conftest import World

SECONDS = 2.0
# What another try would be made for: the time of a first contact.
PATIENCE = 10.0
PAGE = b"<html>Sign in to the proxy</html>"
VAULT_COMMANDS = (
    ("verify", "prod"),
    ("migrate", "prod", "--to", "azure", "--apply", "--quiet"),
    ("migrate", "prod", "--to", "vault", "--from", "azure", "--apply", "--quiet"),
    ("put", "prod", "jira", "--from-file", "{values}", "--apply"),
)
KEY_VAULT_COMMANDS = (
    ("verify", "prod", "--store", "azure"),
    *VAULT_COMMANDS[1:3],
    ("put", "prod", "jira", "--store", "azure", "--from-file", "{values}", "--apply"),
)


@dataclass(frozen=True)
class Doubtful:
    """A server not to be trusted; `seen` tells how many requests it was sent."""

    url: str
    variables: dict[str, str]
    seen: Callable[[], int] = lambda: 0


def refused(world: World, command: tuple[str, ...]) -> str:
    """Run it; the one error that it ends with."""
    values = world.root / "values.json"
    values.write_text('{"JIRA_TOKEN": "typed"}', "utf-8")
    values.chmod(0o600)
    started = time.monotonic()
    done: Done = world.run(*(part.replace("{values}", str(values)) for part in command))
    assert time.monotonic() - started < allowed_wall(SECONDS, below=PATIENCE), done
    assert done.code == 3, done
    errors = [line for line in done.err.splitlines() if "error: " in line or "error[" in line]
    assert len(errors) == 1, done
    assert "Traceback" not in done.err
    return errors[0]


def place(world: World, setting: str, url: str) -> None:
    """Write an address into the environment."""
    old = world.bao.url if setting == "server" else world.azure.url
    path = world.root / "environments/base.yaml"
    path.write_text(path.read_text("utf-8").replace(f'{setting}: "{old}"', f'{setting}: "{url}"'), "utf-8")


@contextmanager
def tls_gateway(folder: Path, world: World, names: tuple[str, ...], *, expired: bool = False) -> Iterator[Doubtful]:
    """A gateway to the real server with a certificate of an own authority."""
    authority = CertificateAuthority.create(folder)
    made = authority.issue(names, expired=expired)
    with FaultyGateway(world.bao.url) as gateway:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*made)
        gateway._server.socket = context.wrap_socket(gateway._server.socket, server_side=True)
        url = gateway.url.replace("http:", "https:")
        yield Doubtful(url, {"VAULT_CACERT": str(authority.ca_file)}, lambda: len(gateway.seen))


@contextmanager
def untrusted_vault(case: str, folder: Path, world: World, raft: RaftOpenBao) -> Iterator[Doubtful]:
    match case:
        case "unknown CA":
            with tls_gateway(folder, world, ("127.0.0.1",)) as server:
                yield Doubtful(server.url, {"VAULT_CACERT": str(raft.ca_file)}, server.seen)
        case "expired":
            with tls_gateway(folder, world, ("127.0.0.1",), expired=True) as server:
                yield server
        case "wrong host":
            with tls_gateway(folder, world, ("vault.example.com",)) as server:
                yield server
        case "http to a server of TLS":
            yield Doubtful(raft.url.replace("https:", "http:"), {"VAULT_CACERT": str(raft.ca_file)})
        case "TLS to a server of http":
            yield Doubtful(world.bao.url.replace("http:", "https:"), {})
        case "http over a network":
            yield Doubtful("http://vault.example.com:8200", {})
        case _:
            page = GatewayFault(200, {"Content-Type": "text/html"}, PAGE)
            with FaultyGateway(world.bao.url, lambda _seen: page) as proxy:
                yield Doubtful(proxy.url, {}, lambda: len(proxy.seen) - 1)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("unknown CA", "an authority that is not trusted"),
        ("expired", "certificate has expired"),
        ("wrong host", "certificate names another host"),
        ("http to a server of TLS", "the server speaks TLS only"),
        ("TLS to a server of http", "it does not speak TLS"),
        ("http over a network", "plain http would send the token in the clear"),
        ("a proxy's page", "the server that answered is not Vault"),
    ],
)
def test_a_vault_that_cannot_be_trusted(world: World, tmp_path: Path, raft: RaftOpenBao, case: str, words: str) -> None:
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "t", "JIRA_URL": "u"}')
    world.azure.seed("agents-github", '{"GITHUB_TOKEN": "t"}')
    versions = world.azure_versions()
    prod = world.root / "environments/prod.yaml"
    prod.write_text(prod.read_text("utf-8") + "waive: {insecure-address: proof}\n", "utf-8")
    told = []
    with untrusted_vault(case, tmp_path, world, raft) as server:
        place(world, "server", server.url)
        world.variables |= server.variables
        for command in VAULT_COMMANDS:
            told.append(refused(world, command))
            assert words in told[-1]
            # A page is fetched once, by the first question; everything else ends before a request.
            assert server.seen() == (len(told) - 1 if case == "a proxy's page" else 0)
    assert world.azure_versions() == versions


@contextmanager
def untrusted_key_vault(case: str, world: World) -> Iterator[FaultyKeyVault]:
    match case:
        case "unknown CA":
            with FaultyKeyVault() as vault:
                world.variables |= vault.environ() | {"AZURE_KEYVAULT_CACERT": str(world.azure.ca_file)}
                yield vault
        case "expired":
            with FaultyKeyVault(VaultOptions(expired_certificate=True)) as vault:
                world.variables |= vault.environ()
                yield vault
        case "wrong host":
            with FaultyKeyVault(VaultOptions(server_names=("*.vault.azure.net",))) as vault:
                world.variables |= vault.environ()
                yield vault
        case _:
            with FaultyKeyVault() as vault:
                world.variables |= vault.environ()
                vault.add_fault(KeyVaultFault(FaultKind.HTML, times=None))
                yield vault


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("unknown CA", "not trusted"),
        ("expired", "expired"),
        ("wrong host", "host"),
        ("a proxy's page", "not Key Vault"),
    ],
)
def test_a_key_vault_that_cannot_be_trusted(world: World, case: str, words: str) -> None:
    world.fill()
    with untrusted_key_vault(case, world) as vault:
        place(world, "vaultUrl", vault.url)
        for turn, command in enumerate(KEY_VAULT_COMMANDS, 1):
            assert words in refused(world, command)
            assert len(vault.requests()) == (turn if case == "a proxy's page" else 0)
        assert not any(request.writes for request in vault.requests())
    assert world.vault_versions("agents/jira") == 1


def test_a_key_vault_by_http_is_refused_before_anything_is_sent(world: World) -> None:
    world.fill()
    with FaultyGateway(world.bao.url) as gateway:
        place(world, "vaultUrl", gateway.url)
        for command in (*KEY_VAULT_COMMANDS[:2], KEY_VAULT_COMMANDS[3]):
            started = time.monotonic()
            done = world.run(*command)
            assert time.monotonic() - started < allowed_wall(SECONDS, below=PATIENCE)
            assert (done.code, done.rules[0]) == (1, "invalid-address"), done
        assert gateway.seen == []


def test_a_key_vault_that_speaks_no_tls_is_told_so(world: World) -> None:
    world.fill()
    with FaultyGateway(world.bao.url) as gateway:
        place(world, "vaultUrl", gateway.url.replace("http:", "https:"))
        for command in KEY_VAULT_COMMANDS:
            assert "TLS" in refused(world, command)
        assert gateway.seen == []
