"""Whatever keeps a command from its store at first: people read what is wrong and what to do, once it is known."""

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.live.stores import LiveStores
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.interface import SecretWriter, StoreOptions, open_store
from tests import providers
from tests.faulty_gateway import FaultyGateway, GatewayFault, ReceivedRequest
from tests.faulty_key_vault import Fault as KeyVaultFault
from tests.faulty_key_vault import FaultKind, FaultyKeyVault, VaultOptions
from tests.proofs.conftest import World
from tests.virtual_clock import VirtualClock

PAGE = b"<html>Sign in to the proxy</html>"
SERVICE, VAULT = "http://vault.vault.svc:8200", "https://nobody.vault.azure.net"
# Nothing of Python, and none of its libraries: names of classes, of modules, and what the C library calls an error.
JARGON = re.compile(
    r"\b(?:[A-Z][a-z]+){1,5}(?:Error|Exception|Timeout|Warning)\b|gaierror|errno|Errno|\bE[A-Z]{4,}\b|EAI_|Traceback"
    r"|urllib3|requests\.|hvac|http\.client|\bssl\.|\[SSL|socket|HTTPSConnectionPool"
)
COMMANDS = {
    "verify": ("verify", "prod"),
    "put": ("put", "prod", "jira", "--from-file", "{values}", "--apply"),
    "migrate from": ("migrate", "prod", "--to", "azure", "--apply", "--quiet"),
    "migrate to": ("migrate", "prod", "--to", "vault", "--from", "azure", "--apply", "--quiet"),
}
OF_KEY_VAULT = {
    "verify": ("verify", "prod", "--store", "azure"),
    "put": ("put", "prod", "jira", "--store", "azure", "--from-file", "{values}", "--apply"),
    "migrate from": COMMANDS["migrate to"],
    "migrate to": COMMANDS["migrate from"],
}


@dataclass
class Bench:
    """A world, in which waits pass on a virtual clock for each store; `waited` is how long, by provider."""

    world: World
    folder: Path
    raft: Any
    stack: ExitStack
    monkeypatch: pytest.MonkeyPatch
    clocks: dict[Provider, VirtualClock] = field(default_factory=dict)
    # Servers whose connection cannot be trusted: what they hear is counted.
    doubtful: list[FaultyGateway | FaultyKeyVault] = field(default_factory=list)
    # What a socket waits in real time, of which a busy machine may need some even for a server that answers.
    timeout: float = 5.0

    def open(self, address: StoreAddress, environ: Mapping[str, str]) -> SecretWriter:
        clock = self.clocks.setdefault(address.provider, VirtualClock())
        options = StoreOptions(clock=clock, connect_timeout=self.timeout, read_timeout=self.timeout)
        return open_store(address, environ, options)

    def vault_at(self, url: str, **variables: str) -> None:
        self.world.variables |= {"VAULT_ADDR": url, **variables}

    def key_vault_at(self, url: str, **variables: str) -> None:
        base = self.world.root / "environments/base.yaml"
        base.write_text(base.read_text("utf-8").replace(self.world.azure.url, url), "utf-8")
        self.world.variables |= variables

    def answering(self, rule: Callable[[ReceivedRequest], GatewayFault | None]) -> None:
        self.vault_at(self.stack.enter_context(FaultyGateway(self.world.bao.url, rule)).url)

    def closed_port(self) -> str:
        """An address at which nothing listens, and that nobody else can take meanwhile."""
        bound = self.stack.enter_context(socket.socket())
        bound.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{bound.getsockname()[1]}"

    def silent_port(self) -> str:
        """An address that lets everyone in and says nothing."""
        self.timeout = 0.1
        listener = self.stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def resolving(self, number: int) -> None:
        """Let every name server say this of names that are not this machine's."""
        real = socket.getaddrinfo

        def look_up(host: Any, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - the standard library's signature
            if host in ("127.0.0.1", "localhost"):
                return real(host, *given, **named)
            raise socket.gaierror(number, "Name or service not known")

        self.monkeypatch.setattr(socket, "getaddrinfo", look_up)

    def tls(self, *names: str, expired: bool = False) -> tuple[str, str]:
        """A server of an authority of its own, which the certificate names; its address and the authority's file."""
        authority = CertificateAuthority.create(self.folder)
        made = authority.issue(names, expired=expired)
        gateway = self.stack.enter_context(FaultyGateway(self.world.bao.url))
        self.doubtful.append(gateway)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*made)
        gateway._server.socket = context.wrap_socket(gateway._server.socket, server_side=True)
        return gateway.url.replace("http:", "https:"), str(authority.ca_file)

    def token(self, policy: str, **options: object) -> None:
        """Log in by a token that may do what `policy` says."""
        bao, name = self.world.bao, f"contact-{id(self)}"
        bao.call("POST", f"sys/policies/acl/{name}", {"policy": policy})
        made = bao.call("POST", "auth/token/create", {"policies": [name], **options})
        self.world.variables["VAULT_TOKEN"] = made["auth"]["client_token"]

    def other_key_vault(
        self, options: VaultOptions | None = None, fault: KeyVaultFault | None = None
    ) -> FaultyKeyVault:
        vault = self.stack.enter_context(FaultyKeyVault(options))
        if fault is not None:
            vault.add_fault(fault)
        else:
            self.doubtful.append(vault)
        self.key_vault_at(vault.url, **vault.environ())
        return vault

    def heard(self) -> int:
        """How many requests the servers got that cannot be trusted."""
        return sum(len(each.seen if isinstance(each, FaultyGateway) else each.requests()) for each in self.doubtful)


@pytest.fixture
def bench(world: World, tmp_path: Path, raft: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:  # noqa: ANN401
    world.fill()
    world.azure.seed("agents-github", '{"GITHUB_TOKEN": "t"}')
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "t", "JIRA_URL": "u"}')
    (tmp_path / "ca").mkdir()
    with ExitStack() as stack:
        made = Bench(world, tmp_path / "ca", raft, stack, monkeypatch)
        monkeypatch.setattr(
            "compiler.cli.commands.verify.open_stores_for_reading", lambda environ: LiveStores(environ, made.open)
        )
        monkeypatch.setattr("compiler.cli.running.LiveStores", lambda environ: LiveStores(environ, made.open))
        yield made


def sealed(seen: ReceivedRequest, **state: object) -> GatewayFault:
    """What a server answers that is sealed: to everything the same, but for the question about its seal."""
    if seen.path == "/v1/sys/seal-status":
        told = {"initialized": True, "sealed": True, "t": 3, "n": 5, "progress": 1, **state}
        return GatewayFault(200, {"Content-Type": "application/json"}, json.dumps(told).encode())
    return GatewayFault(503, {"Content-Type": "application/json"}, b'{"errors":["Vault is sealed"]}\n')


def unresolvable(bench: Bench) -> None:
    bench.resolving(socket.EAI_NONAME)
    bench.vault_at(SERVICE)


def no_name_server(bench: Bench) -> None:
    bench.resolving(socket.EAI_AGAIN)
    bench.vault_at(SERVICE)


def untrusted(bench: Bench) -> None:
    url, _ = bench.tls("127.0.0.1")
    bench.vault_at(url, VAULT_CACERT=str(bench.raft.ca_file))


def misnamed(bench: Bench) -> None:
    url, ca = bench.tls("vault.example.com")
    bench.vault_at(url, VAULT_CACERT=ca)


def expired_certificate(bench: Bench) -> None:
    url, ca = bench.tls("127.0.0.1", expired=True)
    bench.vault_at(url, VAULT_CACERT=ca)


def expired_token(bench: Bench) -> None:
    bench.token('path "sys/*" { capabilities = ["read"] }')
    bench.world.bao.call("POST", "auth/token/revoke", {"token": bench.world.variables["VAULT_TOKEN"]})


# What is done, words of the reason, words of the remedy, and the seconds that the command waited.
VAULTS: dict[str, tuple[Callable[[Bench], object], str, str, int]] = {
    "unresolvable": (
        unresolvable,
        "the host name vault.vault.svc does not resolve here: it is the cluster's own",
        "kubectl port-forward -n vault svc/vault 8200",
        0,
    ),
    "no name server": (no_name_server, "the name server gives no answer for the host name", "check this machine", 9),
    "refused": (
        lambda bench: bench.vault_at(f"http://{bench.closed_port()}"),
        "nothing listens at 127.0.0.1:",
        "or correct VAULT_ADDR",
        0,
    ),
    "timeout": (
        lambda bench: bench.vault_at(f"http://{bench.silent_port()}"),
        "it does not answer, tried for",
        "check the network",
        9,
    ),
    "closed": (
        lambda bench: bench.answering(lambda _: GatewayFault(drop_before=True)),
        "the connection was closed without an answer, tried for 9 s",
        "check the network",
        9,
    ),
    "untrusted": (
        untrusted,
        "signed by an authority that is not trusted",
        "does not have its CA: correct that, or VAULT_ADDR",
        0,
    ),
    "misnamed": (misnamed, "its certificate names another host", "correct VAULT_ADDR", 0),
    "expired certificate": (expired_certificate, "its certificate has expired", "correct VAULT_ADDR", 0),
    "http over a network": (
        lambda bench: bench.vault_at("http://vault.example.com:8200"),
        "plain http would send the token in the clear",
        "use https, or set PLATFORM_SECRETS_ALLOW_HTTP=1 where the network is trusted",
        0,
    ),
    "http to TLS": (
        lambda bench: bench.vault_at(bench.raft.url.replace("https:", "http:")),
        "the server speaks TLS only",
        "use https://",
        0,
    ),
    "TLS to http": (
        lambda bench: bench.vault_at(bench.world.bao.url.replace("http:", "https:")),
        "it does not speak TLS",
        "correct VAULT_ADDR",
        0,
    ),
    "page": (
        lambda bench: bench.answering(lambda _: GatewayFault(200, {"Content-Type": "text/html"}, PAGE)),
        "the server that answered is not Vault",
        "check the address and the proxy",
        0,
    ),
    "gateway": (
        lambda bench: bench.answering(lambda _: GatewayFault(503, {"Content-Type": "text/html"}, PAGE)),
        "what stands before the server answers 503",
        "check that the server runs and is unsealed",
        9,
    ),
    "sealed": (
        lambda bench: bench.answering(sealed),
        "the server runs, but is sealed: it can read none of its secrets (1 of 3 unseal keys are entered)",
        "bao operator unseal",
        0,
    ),
    "uninitialised": (
        lambda bench: bench.answering(lambda seen: sealed(seen, initialized=False, t=0, n=0, progress=0)),
        "the server is not initialised: it is new",
        "bao operator init",
        0,
    ),
    "standby": (
        lambda bench: bench.answering(lambda _: GatewayFault(473, {}, b'{"errors":[]}')),
        "this node is a standby",
        "use the address of the active node",
        9,
    ),
    "denied": (
        lambda bench: bench.token('path "auth/token/lookup-self" { capabilities = ["read"] }'),
        "the token of VAULT_TOKEN has no policy on it",
        "give the token a policy",
        0,
    ),
    "expired token": (
        expired_token,
        "the token of VAULT_TOKEN is unknown, expired, revoked or used up",
        "log in again",
        0,
    ),
    "no token": (
        lambda bench: bench.world.variables.update(VAULT_TOKEN=""),
        "VAULT_TOKEN is set but empty",
        "unset it to use ~/.vault-token",
        0,
    ),
}


def key_vault_unresolvable(bench: Bench) -> None:
    bench.resolving(socket.EAI_NONAME)
    bench.key_vault_at(VAULT)


def key_vault_no_name_server(bench: Bench) -> None:
    bench.resolving(socket.EAI_AGAIN)
    bench.key_vault_at(VAULT)


def stranger(bench: Bench) -> None:
    other = bench.stack.enter_context(FaultyKeyVault())
    bench.world.variables["AZURE_KEYVAULT_TOKEN"] = other.environ()["AZURE_KEYVAULT_TOKEN"]


def untrusted_key_vault(bench: Bench) -> None:
    bench.other_key_vault()
    bench.world.variables["AZURE_KEYVAULT_CACERT"] = str(bench.world.azure.ca_file)


KEY_VAULTS: dict[str, tuple[Callable[[Bench], object], str, str, int]] = {
    "unresolvable": (
        key_vault_unresolvable,
        "nobody.vault.azure.net does not resolve here: there is no such vault, or its private DNS zone is not linked",
        "correct vaultUrl or AZURE_KEYVAULT_NAME",
        0,
    ),
    "no name server": (
        key_vault_no_name_server,
        "the name server gives no answer for the host name nobody.vault.azure.net, tried for 9 s",
        "check this machine",
        9,
    ),
    "refused": (
        lambda bench: bench.key_vault_at(f"https://{bench.closed_port()}"),
        "nothing listens at 127.0.0.1:",
        "correct vaultUrl",
        0,
    ),
    "timeout": (
        lambda bench: bench.key_vault_at(f"https://{bench.silent_port()}"),
        "it does not answer, tried for",
        "check the network",
        9,
    ),
    "closed": (
        lambda bench: bench.other_key_vault(fault=KeyVaultFault(FaultKind.RESET, times=None)),
        "the connection was closed without an answer, tried for 9 s",
        "check the network",
        9,
    ),
    "untrusted": (
        untrusted_key_vault,
        "signed by an authority that is not trusted",
        "does not have its CA: correct that, or vaultUrl",
        0,
    ),
    "misnamed": (
        lambda bench: bench.other_key_vault(VaultOptions(server_names=("*.vault.azure.net",))),
        "its certificate names another host",
        "correct vaultUrl",
        0,
    ),
    "expired certificate": (
        lambda bench: bench.other_key_vault(VaultOptions(expired_certificate=True)),
        "its certificate has expired",
        "correct vaultUrl",
        0,
    ),
    "TLS to http": (
        lambda bench: bench.key_vault_at(bench.world.bao.url.replace("http:", "https:")),
        "it does not speak TLS",
        "correct vaultUrl",
        0,
    ),
    "page": (
        lambda bench: bench.other_key_vault(fault=KeyVaultFault(FaultKind.HTML, times=None)),
        "not Key Vault",
        "check the vault's URL",
        0,
    ),
    "failing": (
        lambda bench: bench.other_key_vault(fault=KeyVaultFault(FaultKind.STATUS, times=None, status=503)),
        "it answered with status 503, tried for 9 s",
        "run again later",
        9,
    ),
    "denied": (
        lambda bench: bench.world.azure.deny("get", "ForbiddenByFirewall"),
        "the vault's firewall blocks this network",
        "add this address",
        0,
    ),
    "a stranger's token": (stranger, "the token of AZURE_KEYVAULT_TOKEN was rejected", "az login", 0),
    "no token": (
        lambda bench: bench.world.variables.update(AZURE_KEYVAULT_TOKEN=""),
        "AZURE_KEYVAULT_TOKEN is set but empty",
        "or unset it",
        0,
    ),
}


@contextmanager
def values(bench: Bench) -> Iterator[str]:
    file = bench.folder / "values.json"
    file.write_text('{"JIRA_TOKEN": "typed"}', "utf-8")
    file.chmod(0o600)
    yield str(file)


def told(bench: Bench, command: tuple[str, ...], reason: str, remedy: str) -> None:
    """Run it, and look at what people read."""
    with values(bench) as file:
        done = bench.world.run(*(part.replace("{values}", file) for part in command))
    text = done.err + done.out
    # Of a store that forbids it verify knows that it is there.
    assert done.code == 3 or (done.code, command[0]) == (1, "verify"), done
    assert reason in text
    helps = [line for line in text.splitlines() if line.strip().startswith("help: ")]
    assert any(remedy in line for line in helps), text
    assert not JARGON.search(text), JARGON.search(text)
    assert "://" in text
    assert bench.world.journals() == []


def cases(failures: Iterable[str], commands: Iterable[str]) -> list[tuple[str, str]]:
    """Each failure with one command, and one that is waited for with each command: all log in by one way."""
    return [(failure, "verify") for failure in failures] + [
        ("no name server", command) for command in commands if command != "verify"
    ]


@pytest.mark.parametrize(("failure", "command"), cases(VAULTS, COMMANDS))
def test_a_vault(bench: Bench, failure: str, command: str) -> None:
    arrange, reason, remedy, seconds = VAULTS[failure]
    arrange(bench)
    told(bench, COMMANDS[command], reason, remedy)
    clock = bench.clocks.get(providers.VAULT)
    # What the sockets themselves take is not on this clock.
    assert seconds - 3 <= (0 if clock is None else clock.now()) <= seconds + 0.1
    assert bench.heard() == 0
    # A store that is there is not waited for.
    assert bench.clocks.get(providers.KEY_VAULT, VirtualClock()).now() == 0


@pytest.mark.parametrize(("failure", "command"), cases(KEY_VAULTS, OF_KEY_VAULT))
def test_a_key_vault(bench: Bench, failure: str, command: str) -> None:
    arrange, reason, remedy, seconds = KEY_VAULTS[failure]
    arrange(bench)
    told(bench, OF_KEY_VAULT[command], reason, remedy)
    clock = bench.clocks.get(providers.KEY_VAULT)
    assert seconds - 3 <= (0 if clock is None else clock.now()) <= seconds + 0.1
    assert bench.heard() == 0
    assert bench.clocks.get(providers.VAULT, VirtualClock()).now() == 0


def test_two_stores_that_are_not_reached_are_both_told_after_the_time_of_one(bench: Bench) -> None:
    prod = bench.world.root / "environments/prod.yaml"
    prod.write_text(prod.read_text("utf-8") + "secrets: {github: {store: azure}}\n", "utf-8")
    bench.resolving(socket.EAI_AGAIN)
    bench.vault_at(SERVICE)
    bench.key_vault_at(VAULT)
    done = bench.world.run("verify", "prod")
    assert (done.code, done.rules) == (3, ["no-answer", "no-answer"])
    assert [round(clock.now()) for clock in bench.clocks.values()] == [9, 9]


def test_a_key_vault_by_http_is_refused_before_anything_is_sent(bench: Bench) -> None:
    with FaultyGateway(bench.world.bao.url) as gateway:
        bench.key_vault_at(gateway.url)
        for command in (OF_KEY_VAULT["verify"], OF_KEY_VAULT["migrate to"], COMMANDS["put"]):
            done = bench.world.run(*command)
            assert (done.code, done.rules[0]) == (1, "invalid-address"), done
        assert gateway.seen == []
