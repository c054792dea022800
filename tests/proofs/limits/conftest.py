"""`migrate` on virtual time: the whole command, real clients, stores without sockets, and a clock that never waits."""

import functools
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from compiler.change.apply import apply_plan
from compiler.cli.main import main
from compiler.live.observation import Observation
from compiler.live.stores import LiveStores
from compiler.model.store import StoreAddress
from compiler.stores.interface import SecretWriter, StoreOptions, open_store
from tests import providers
from tests.faulty_key_vault import FaultyKeyVault, Limits, VaultOptions
from tests.platforms import agents_base, write_project
from tests.proofs.limits.pool_clock import PoolClock
from tests.proofs.limits.wires import KeyVaultWire, VaultWire

MOUNT = "kv"
# Unicode, quotes, line ends and white space at both ends: what a careless way between two stores would change.
_TAIL = ' é "quoted" \\ line\nend\r\n\t\U0001d518 '
_CATALOGUE = """
secrets:
  many:
    description: Many keys, each in a remote secret of its own
    target: agent-many-secrets
    remote: {vault: agents/many, azurekv: agents-many}
    syncWave: -49
    keys:
"""


@dataclass
class Weather:
    """How the way between client and store is. `latency` is the longest time of one way, in seconds."""

    clock: PoolClock
    latency: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(25))  # noqa: S311 - repeatable, not secret

    def travel(self) -> None:
        if self.latency:
            self.clock.sleep(self.chance.uniform(0, self.latency))


@dataclass
class Ends:
    """A project of `count` secrets over a Vault and a Key Vault, both in memory and on `clock`."""

    root: Path
    clock: PoolClock
    weather: Weather
    azure: FaultyKeyVault
    vault: VaultWire
    values: dict[str, str]
    capsys: pytest.CaptureFixture[str]

    def migrate(self, to: str = "azure") -> tuple[int, str]:
        """Exit code and output of `migrate --apply`."""
        self.capsys.readouterr()
        source = {"azure": "vault", "vault": "azure"}[to]
        code = main(["--root", str(self.root), "migrate", "prod", "--to", to, "--from", source, "--apply", "--quiet"])
        captured = self.capsys.readouterr()
        return code, captured.out[-1000:] + captured.err

    def fill(self, store: str) -> None:
        """Give one store what the environment asks for."""
        for number, (key, value) in enumerate(self.values.items()):
            if store == "vault":
                self.vault.documents[f"many/k{number}"] = [{key: value}]
            else:
                self.azure.seed(f"k{number}", json.dumps({key: value}), content_type="application/json")

    def assert_whole(self, store: str) -> None:
        """Each secret is there byte for byte, in one version, and nothing else is."""
        if store == "vault":
            held = self.vault.documents
            wanted = {f"many/k{number}": [{key: value}] for number, (key, value) in enumerate(self.values.items())}
        else:
            held = {
                name: [json.loads(version.value) for version in self.azure.versions(name)]
                for name in self.azure.state.names()
            }
            wanted = {f"k{number}": [{key: value}] for number, (key, value) in enumerate(self.values.items())}
        assert held == wanted

    def requests(self, store: str) -> list[Any]:
        """What the store saw: `time`, `method`, `path`, `status` and `fault` of each."""
        return self.vault.log if store == "vault" else self.azure.requests()

    def journals(self) -> list[Path]:
        return sorted((self.root / ".platform-secrets/runs").glob("*.jsonl"))


@pytest.fixture
def clock() -> PoolClock:
    # Of today: adapters hold dates that a store tells against the machine's.
    return PoolClock(float(int(time.time())))


@pytest.fixture
def make_ends(
    clock: PoolClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ends]]:
    """Make the ends for so many secrets, workers and limits; every `migrate` then runs on the clock."""
    opened: list[FaultyKeyVault] = []

    def make(count: int, *, workers: int = 16, limits: Limits | None = None, retry_after: str | None = None) -> Ends:
        options = VaultOptions(clock.now, limits or Limits(None, None), throttle_retry_after=retry_after)
        azure = FaultyKeyVault(options)
        azure.start()
        opened.append(azure)
        weather = Weather(clock)
        vault = VaultWire(MOUNT, clock.now, weather.travel)
        vault.throttle_retry_after = retry_after
        ends = Ends(_project(tmp_path, azure.url, count), clock, weather, azure, vault, _values(count), capsys)
        for name, value in {"VAULT_TOKEN": "root", **azure.environ(lifetime=1e9)}.items():
            monkeypatch.setenv(name, value)
        opener = _opener(ends, StoreOptions(clock=clock, chance=_jitter()))
        monkeypatch.setattr("compiler.cli.running.LiveStores", lambda environ: LiveStores(environ, opener))
        monkeypatch.setattr("compiler.operations.migrate.Observation", functools.partial(Observation, workers=workers))
        monkeypatch.setattr("compiler.change.apply.apply_plan", functools.partial(apply_plan, workers=workers))
        for module in ("change.apply", "live.observation"):
            monkeypatch.setattr(f"compiler.{module}.ThreadPoolExecutor", clock.pool)
        monkeypatch.setattr("compiler.change.apply.wait", clock.wait)
        return ends

    yield make
    for each in opened:
        each.__exit__(None, None, None)


def _opener(ends: Ends, options: StoreOptions) -> Callable[[StoreAddress, Mapping[str, str]], SecretWriter]:
    def opener(address: StoreAddress, environ: Mapping[str, str]) -> SecretWriter:
        store = open_store(address, environ, options)
        if address.provider is providers.VAULT:
            cast("Any", store)._connection.client.adapter._transport = ends.vault
        else:
            cast("Any", store)._client.close()
            cast("Any", store)._client = KeyVaultWire(ends.azure, ends.weather.travel)
        return store

    return opener


def _jitter() -> Callable[[], float]:
    # Never below a half, so that a proof knows how long a wait is at least.
    chance = random.Random(6)  # noqa: S311 - repeatable, not secret
    return lambda: chance.uniform(0.5, 1.0)


def _values(count: int) -> dict[str, str]:
    return {f"K{number}": f" {number}{_TAIL * (1 + number % 40)}" for number in range(count)}


def _project(root: Path, azure: str, count: int) -> Path:
    keys = "".join(
        f"      K{n}: {{description: d, remote: {{azurekv: {{name: k{n}}}, vault: {{name: many/k{n}}}}}}}\n"
        for n in range(count)
    )
    base = agents_base("http://127.0.0.1:1", azure, MOUNT, "{many: {}}")
    return write_project(root, base=base, catalogue=_CATALOGUE + keys, prod="labels: {team: platform}\n")
