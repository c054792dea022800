"""A small project, compiled, and stores in memory behind it, for operations on live stores."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from compiler.live.stores import LiveStores
from compiler.model.environment import Environment
from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from tests.memory_store import MemoryStore
from tests.platforms import project_of, write_agents_project
from tests.refusals import refusal
from tests.unit.changes import Listening

_VAULT_ONLY = """\
  vaultonly:
    description: Lies in Vault alone
    target: agent-vaultonly-secrets
    remote: {vault: agents/vaultonly}
    syncWave: -49
    keys:
      ONLY: {description: Value}
"""


# Both take jira's token, one by way of the other.
TAKERS = """\
  board:
    target: agent-board-secrets
    remote: {vault: agents/board, azurekv: agents-board}
    syncWave: -49
    keys:
      OWN: {}
      ATLASSIAN_TOKEN: {from: jira/JIRA_TOKEN}
  report:
    target: agent-report-secrets
    syncWave: -49
    keys:
      TOKEN: {from: board/ATLASSIAN_TOKEN}
      APP: {from: github/GITHUB_APP_ID}
"""


def taking(root: Path, secrets: str = "board: {}, report: {}") -> Environment:
    """`prod` of a project in which two more secrets may take values, written below `root`."""
    write_agents_project(root, entries=TAKERS)
    (root / "environments/prod.yaml").write_text(f"secrets: {{{secrets}}}\n", "utf-8")
    return project_of(root).environments[0]


@dataclass
class Stores:
    """The stores of the project: `live` opens them, `vault` and `azure` are what it opens."""

    vault: MemoryStore = field(init=False)
    azure: MemoryStore = field(init=False)
    live: LiveStores = field(init=False)

    def failure(self, kind: type[StoreError] | Code, name: str) -> StoreError:
        return refusal(kind, StoreLocation("vault", name), Action.READ, "it is refused", "do something")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """`prod`, which reads Vault and has a Key Vault beside it."""
    write_agents_project(tmp_path, entries=_VAULT_ONLY)
    return project_of(tmp_path).environments[0]


@pytest.fixture
def sharing(environment: Environment) -> Environment:
    """The same, with all entries in one remote secret, of which `vaultonly` is not enabled."""
    entries = {
        name: replace(entry, remote={"vault": "agents/shared", "azurekv": "agents-shared"})
        for name, entry in environment.catalogue.entries.items()
    }
    secrets = {name: replace(secret, entry=entries[name]) for name, secret in environment.secrets.items()}
    return replace(environment, catalogue=replace(environment.catalogue, entries=entries), secrets=secrets)


@pytest.fixture
def stores(environment: Environment) -> Stores:
    made = Stores()
    opened: dict[str, MemoryStore] = {}

    def opener(address: StoreAddress, environ: Mapping[str, str]) -> MemoryStore:
        return opened.setdefault(address.absolute, MemoryStore(address))

    made.live = LiveStores({}, opener)
    made.vault, made.azure = (made.live.open(environment.stores[name]) for name in ("vault", "azure"))  # type: ignore[assignment]
    return made


@pytest.fixture
def listening() -> Listening:
    return Listening()
