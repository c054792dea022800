"""The two stores of a world behind gateways that trickle on order, and what a command then takes."""

import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from compiler.demo.local_key_vault import CertificateAuthority
from tests.commands import Done
from tests.proofs.conftest import World
from tests.trickling_gateway import Tls, TricklingGateway

PUT = ("put", "prod", "jira", "--from-file", "{values}", "--apply")
TO_AZURE = ("migrate", "prod", "--to", "azure", "--apply", "--quiet")
TO_VAULT = ("migrate", "prod", "--to", "vault", "--from", "azure", "--apply", "--quiet")
# A command; what its store is sent when it begins to answer a byte at a time; the store.
AFTER_AN_ANSWER = (
    (("verify", "prod"), b"/data/", "vault"),
    (("verify", "prod", "--store", "azure"), b"Bearer ", "azure"),
    (PUT, b"/data/", "vault"),
    (PUT, b"POST ", "vault"),
    ((*PUT, "--store", "azure"), b"PUT ", "azure"),
    (TO_AZURE, b"PUT ", "azure"),
    (TO_VAULT, b"POST ", "vault"),
)
FROM_THE_START = (
    (("verify", "prod"), "vault"),
    (("verify", "prod", "--store", "azure"), "azure"),
    (PUT, "vault"),
    ((*PUT, "--store", "azure"), "azure"),
    (TO_AZURE, "azure"),
    (TO_VAULT, "vault"),
)


@dataclass
class Ends:
    """A world whose addresses are the gateways'."""

    world: World
    gateways: dict[str, TricklingGateway]

    def trickle(self, store: str, asked: bytes = b"") -> None:
        """Let a store answer byte by byte from when it was sent `asked`; nothing: from the start."""
        self.gateways[store].is_slow = lambda gateway: asked in gateway.sent

    def run(self, *command: str) -> tuple[Done, float]:
        """What became of a command, and the seconds it took."""
        values = self.world.private("values.json", '{"JIRA_TOKEN": "typed"}')
        started = time.monotonic()
        done = self.world.run(*(part.replace("{values}", str(values)) for part in command))
        took = time.monotonic() - started
        assert done.code in {3, 4}, done
        assert "Traceback" not in done.err
        return done, took


@contextmanager
def behind_gateways(world: World, *, pace: float) -> Iterator[Ends]:
    """Put gateways before both stores and fill what the commands read."""
    world.fill()
    world.azure.seed("agents-github", '{"GITHUB_TOKEN": "other"}')
    folder = world.root / "authority"
    folder.mkdir()
    authority = CertificateAuthority.create(folder)
    made = authority.issue(("localhost",))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*made)
    client = ssl.create_default_context(cafile=str(world.azure.ca_file))
    world.variables["AZURE_KEYVAULT_CACERT"] = str(authority.ca_file)
    base = world.root / "environments/base.yaml"
    with ExitStack() as stack:
        gateways = {}
        for store, url, tls in (("vault", world.bao.url, None), ("azure", world.azure.url, Tls(server, client))):
            head, _, port = url.rpartition(":")
            gateway = gateways[store] = stack.enter_context(TricklingGateway(int(port), pace=pace, tls=tls))
            base.write_text(base.read_text("utf-8").replace(f'"{url}"', f'"{head}:{gateway.port}"'), "utf-8")
        yield Ends(world, gateways)


def make_room(world: World, command: tuple[str, ...]) -> None:
    """Let a migration have something to write."""
    if command == TO_AZURE:
        world.azure.state._secrets.clear()
    if command == TO_VAULT:
        world.azure.seed("agents-jira", '{"JIRA_TOKEN": "token-2", "JIRA_URL": "u"}')
        for name in ("github", "jira"):
            world.bao.call("DELETE", f"{world.mount}/metadata/agents/{name}")
