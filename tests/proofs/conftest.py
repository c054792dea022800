"""Two ends for commands on live stores, a mount of a real OpenBao and a local Key Vault, and a project over both."""

import itertools
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from compiler.live.ages import KeyAge
from compiler.live.stores import LiveStores
from compiler.operations.due import ages_of
from compiler.operations.references import cells_to_read
from compiler.operations.verify import verify
from compiler.pipeline import compile_project
from compiler.stores.azure_key_vault import client as key_vault_client
from compiler.stores.http import trusting
from tests.commands import Done, run_command
from tests.faulty_key_vault import FaultyKeyVault, Limits, VaultOptions
from tests.openbao_servers import await_kv
from tests.own_process import LIVE, OwnProcesses, processes_with
from tests.platforms import write_agents_project
from tests.proofs.writing import COMMANDS, Writing

ROOT = Path(__file__).resolve().parents[2]
# What `make proofs` runs and `make test` does not: every proof on each store, and those of network faults and seals.
ALL_PROOFS = os.environ.get("PLATFORM_SECRETS_PROOFS") == "1"
only_in_proofs = pytest.mark.skipif(not ALL_PROOFS, reason="by `make proofs`")
_Case = TypeVar("_Case")
_MOUNTS = itertools.count()


def on_stores(chosen: Iterable[_Case], others: Iterable[_Case]) -> list[_Case]:
    """The cases of a proof: those on the store that has more ways of its own there, and in `make proofs` the others."""
    return [*chosen, *(others if ALL_PROOFS else ())]


@dataclass
class World:
    """A project in `root` whose environment `prod` reads Vault, with a Key Vault beside it."""

    root: Path
    bao: LocalOpenBao
    mount: str
    azure: FaultyKeyVault
    variables: dict[str, str]
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    processes: OwnProcesses

    def run(self, *argv: str) -> Done:
        """Run a command in this process."""
        for name, value in self.variables.items():
            self.monkeypatch.setenv(name, value)
        # A line that was printed names the project already.
        return run_command(self.capsys, *(() if argv[:1] == ("--root",) else ("--root", self.root)), *argv)

    def migrate(self, *options: str, to: str = "azure") -> Done:
        return self.run("migrate", "prod", "--to", to, "--quiet", *options)

    def report(self, *options: str, to: str = "azure") -> dict[str, Any]:
        return self.migrate("--format", "json", *options, to=to).report

    def process(self, program: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program text in a process of its own, with the command line in its arguments."""
        variables = {"PATH": os.defpath, "HOME": str(self.root), **self.variables}
        return self.processes.run(program, "--root", str(self.root), *argv, variables=variables)

    def private(self, name: str, text: str) -> Path:
        """A file in the project's folder that its owner alone may read."""
        path = self.root / name
        path.write_text(text, "utf-8")
        path.chmod(0o600)
        return path

    def put(self, name: str, values: dict[str, Any]) -> None:
        """Write a document into Vault."""
        self.bao.call("POST", f"{self.mount}/data/{name}", {"data": values})

    def get(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.bao.call("GET", f"{self.mount}/data/{name}")["data"]
        return dict(found["data"])

    def vault_versions(self, name: str) -> int:
        return int(self.bao.call("GET", f"{self.mount}/metadata/{name}")["data"]["current_version"])

    def azure_object(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.azure.value(name))
        return found

    def azure_versions(self) -> dict[str, list[str]]:
        """Every version there is, by name."""
        names = list(self.azure.state.names())
        return {name: [version.id for version in self.azure.versions(name)] for name in names}

    def serve_from(self, store: str) -> None:
        """Have every secret of `prod` read this store."""
        (self.root / "environments/prod.yaml").write_text(f"store: {store}\n", "utf-8")

    def fill(self) -> None:
        """Give the source what the environment asks for."""
        self.put("agents/github", {"GITHUB_TOKEN": "token-1"})
        self.put("agents/jira", {"JIRA_TOKEN": "token-2", "JIRA_URL": "https://jira.example.com"})

    def declare(self, count: int) -> dict[str, str]:
        """Give the entry `jira` so many keys, each in a remote secret of its own on both sides; return their values."""
        keys = "".join(
            f"      K{n}: {{description: d, remote: {{azurekv: {{name: k{n}}}, vault: {{name: many/k{n}}}}}}}\n"
            for n in range(count)
        )
        catalogue = self.root / "environments/catalogue.yaml"
        catalogue.write_text(catalogue.read_text("utf-8") + keys, "utf-8")
        return {f"K{number}": f"value {number} é" for number in range(count)}

    def spread(self, count: int) -> dict[str, str]:
        """The same, with the values in Vault."""
        values = self.declare(count)
        self.fill()
        for number, (key, value) in enumerate(values.items()):
            self.put(f"many/k{number}", {key: value})
        return values

    def ages(self, now: datetime | None = None, variables: dict[str, str] | None = None) -> dict[str, KeyAge]:
        """How old the keys are that `prod` reads, by their names."""
        result = compile_project(self.root, ["prod"])
        assert result.project is not None, [each.message for each in result.diagnostics]
        (environment,) = result.project.environments
        references, _ = cells_to_read(environment)
        with LiveStores(variables or self.variables) as stores:
            ages = ages_of(verify(references, stores), stores, now or datetime.now(UTC))
        return {each.key: age for each, age in ages.items()}

    def journals(self) -> list[Path]:
        return sorted((self.root / ".platform-secrets/runs").glob("*.jsonl"))


@pytest.fixture(scope="session")
def own_processes() -> Iterator[OwnProcesses]:
    with processes_with(LIVE) as processes:
        yield processes


@pytest.fixture
def key_vault() -> Iterator[FaultyKeyVault]:
    with FaultyKeyVault(VaultOptions(limits=Limits(None, None))) as vault:
        yield vault


@pytest.fixture
def world(
    openbao: LocalOpenBao,
    key_vault: FaultyKeyVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    own_processes: OwnProcesses,
) -> World:
    mount = f"kv-{os.getpid()}-{next(_MOUNTS)}"
    openbao.call("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
    await_kv(openbao, mount)
    root = tmp_path / "project"
    write_agents_project(root, openbao.url, key_vault.url, mount=mount)
    # Each command of a test trusts the same file.
    monkeypatch.setattr(key_vault_client, "trusting", lru_cache(trusting))
    variables = {"VAULT_TOKEN": openbao.token, **key_vault.environ()}
    return World(root, openbao, mount, key_vault, variables, monkeypatch, capsys, own_processes)


@pytest.fixture(params=COMMANDS)
def writing(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Writing:
    """Each command that writes, into the Key Vault."""
    return Writing(world, tmp_path, request.param)


def _into(store: str) -> list[tuple[str, str]]:
    return [(name, store) for name in COMMANDS]


@pytest.fixture(params=on_stores(_into("vault"), _into("azure")), ids="-into-".join)
def writing_into(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Writing:
    """Each command that writes, into a Vault, and in `make proofs` into a Key Vault too."""
    name, to = request.param
    return Writing(world, tmp_path, name, to)
