"""A project of two agents over two stores in memory, and the plan of whatever `cutover` is asked for in it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.view import ClusterView
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment
from compiler.model.store import StoreAddress
from compiler.operations.cutover import Cutover, plan_cutover
from compiler.operations.cutover_cluster import ClusterGate
from compiler.operations.cutover_gate import CutoverRequest, Mode
from compiler.stages.resolve import Outside
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from tests.memory_store import MemoryStore
from tests.platforms import environment_of, write_agents_project

OUTSIDE = Outside()


class Bench:
    """The project in `root`, its stores, and what is planned in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        write_agents_project(root)
        self.stores: dict[str, MemoryStore] = {}
        self.vault, self.azure = MemoryStore("https://vault"), MemoryStore("https://azure")
        self.again = MemoryStore("https://again.example.com")
        self.silent: set[str] = set()

    def equal(self) -> None:
        """Both stores hold what both agents need."""
        for store, between in ((self.vault, "/"), (self.azure, "-")):
            store.seed(f"agents{between}github", GITHUB_TOKEN="t-1")
            store.seed(f"agents{between}jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")

    def write(self, name: str, text: str) -> None:
        (self.root / f"environments/{name}.yaml").write_text(text, "utf-8")

    def text(self, name: str = "prod") -> str:
        return (self.root / f"environments/{name}.yaml").read_text("utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        text = self.text(name)
        assert old in text
        self.write(name, text.replace(old, new))

    def add_entry(self, *lines: str) -> None:
        """Give the catalogue an entry that no environment has."""
        entry = ("  other:", "target: other-secrets", "syncWave: -49", *lines)
        self.write("catalogue", self.text("catalogue").rstrip() + "\n" + "\n    ".join(entry) + "\n")

    def environment(self, name: str = "prod") -> Environment:
        return environment_of(self.root, name, outside=OUTSIDE)

    def live(self, environ: Mapping[str, str] | None = None) -> LiveStores:
        return LiveStores(environ or {}, self._open)

    def plan(
        self,
        mode: Mode,
        *secrets: str,
        name: str = "prod",
        view: ClusterView | None = None,
        **more: Any,  # noqa: ANN401
    ) -> Cutover:
        request = replace(CutoverRequest(name, mode, secrets), **more)
        cluster = ClusterGate(view) if view is not None else None
        return plan_cutover(self.environment(name), request, self.root, OUTSIDE, self.live(), cluster)

    def to_azure(self, *secrets: str, **more: Any) -> Cutover:  # noqa: ANN401 - fields of a request
        return self.plan(Mode.TO, *secrets, to="azure", **more)

    def _open(self, address: StoreAddress, environ: Mapping[str, str]) -> MemoryStore:
        del environ
        store = self.vault if address.provider.id == "vault" else self.azure
        if address.url == "https://again.example.com":
            store = self.again
        store.address = address
        if address.provider.id in self.silent:
            raise StoreError(
                StoreLocation(address.absolute),
                Action.CONNECT,
                "the connection was refused",
                "check the address",
                Code.UNAVAILABLE,
            )
        return store


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path / "project")
    made.equal()
    return made


def said(cutover: Cutover) -> list[tuple[str, str]]:
    """What is not passed: the subject and the verdict."""
    return [(str(each.about), str(each.verdict)) for each in cutover.checks if str(each.verdict) != "passed"]
