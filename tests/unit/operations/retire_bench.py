"""A project whose `prod` moved from Vault to a Key Vault, both in memory, and what is planned to be deleted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from compiler.change.apply import Change
from compiler.change.plan import Options, Plan, Step
from compiler.cluster.view import ClusterView
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment
from compiler.model.store import StoreAddress
from compiler.operations.retire import Retirement, retire
from compiler.stages.resolve import Outside
from tests.memory_store import MemoryStore
from tests.platforms import environment_of, write_agents_project


@dataclass
class Bench:
    """The project in `root`; `opened` are its stores by their absolute address, `environ` is what the caller has.

    `candidates` are those of each plan that was made, `outside` what completes environments.
    """

    root: Path
    opened: dict[str, MemoryStore]
    environ: dict[str, str]
    candidates: list[Retirement] = field(default_factory=list)
    outside: Outside = field(default_factory=Outside)

    def write(self, name: str, text: str) -> None:
        (self.root / f"environments/{name}.yaml").write_text(text, "utf-8")

    def base(self, old: str, new: str) -> None:
        path = self.root / "environments/base.yaml"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def environment(self, name: str = "prod") -> Environment:
        return environment_of(self.root, name, outside=self.outside)

    def live(self) -> LiveStores:
        return LiveStores(self.environ, self._open)

    def store(self, name: str) -> MemoryStore:
        found = self.live().open(self.environment().stores[name])
        assert isinstance(found, MemoryStore)
        return found

    @property
    def vault(self) -> MemoryStore:
        return self.store("vault")

    @property
    def azure(self) -> MemoryStore:
        return self.store("azure")

    def change(self, *only: str, cluster: ClusterView | None = None, store: str = "vault", **more: Any) -> Change:  # noqa: ANN401 - of a setting
        setting = Options(root=self.root, stores=self.live(), **more)
        return retire(self.environment(), store, only, cluster, setting, self.outside, self.candidates.append)

    def found(self, *only: str, **more: Any) -> Retirement:  # noqa: ANN401 - as above
        self.change(*only, **more).plan()
        return self.candidates[-1]

    def plan(self, *only: str, **more: Any) -> Plan:  # noqa: ANN401 - as above
        return self.change(*only, **more).plan()

    def steps(self, *only: str, **more: Any) -> dict[str, Step]:  # noqa: ANN401 - as above
        return {step.key: step for step in self.plan(*only, **more).steps}

    def _open(self, address: StoreAddress, environ: Mapping[str, str]) -> MemoryStore:
        del environ
        return self.opened.setdefault(address.absolute, MemoryStore(address))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    root = tmp_path / "project"
    write_agents_project(root)
    made = Bench(root, {}, {})
    made.write("prod", "store: azure\n")
    for store, between in ((made.vault, "/"), (made.azure, "-")):
        store.seed(f"agents{between}github", GITHUB_TOKEN="t-1")
        store.seed(f"agents{between}jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    return made
