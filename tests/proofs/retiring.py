"""An environment whose secrets moved from one store to the other, and the command that deletes them in the first."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.commands import Done
from tests.proofs.conftest import World

STORES = ("vault", "azure")
NAMES = {"vault": ("agents/github", "agents/jira"), "azure": ("agents-github", "agents-jira")}
GITHUB = {"GITHUB_TOKEN": "token-1"}
JIRA = {"JIRA_TOKEN": "token-2", "JIRA_URL": "https://jira.example.com"}
# The earlier values that a secret has besides: what nobody reads any more, and what was deleted by hand.
OLD, BY_HAND = "old-token-1", "first-token-1"


@dataclass
class Retiring:
    """Both stores hold the same values. `left` is what the environment reads no more, and `serving` what it reads."""

    world: World
    left: str

    def __post_init__(self) -> None:
        for store in STORES:
            github, jira = NAMES[store]
            if store == self.left:
                self.hold(store, github, {"GITHUB_TOKEN": BY_HAND})
                self.hold(store, github, {"GITHUB_TOKEN": OLD})
            self.hold(store, github, GITHUB)
            self.hold(store, jira, JIRA)
        if self.left == "vault":
            self.world.bao.call("POST", f"{self.world.mount}/delete/agents/github", {"versions": [1]})
        self.reads(self.serving)

    @property
    def serving(self) -> str:
        return next(store for store in STORES if store != self.left)

    @property
    def github(self) -> str:
        return NAMES[self.left][0]

    @property
    def jira(self) -> str:
        return NAMES[self.left][1]

    def reads(self, store: str) -> None:
        """The environment says that it reads this store."""
        path = self.world.root / "environments/prod.yaml"
        path.write_text(f"labels: {{team: platform}}\nstore: {store}\n", "utf-8")

    def hold(self, store: str, name: str, values: Mapping[str, str]) -> None:
        if store == "vault":
            self.world.put(name, dict(values))
        else:
            self.world.azure.seed(name, json.dumps(values))

    @property
    def words(self) -> tuple[str, ...]:
        return ("retire", "prod", "--store", self.left, "--without-cluster")

    def __call__(self, *options: str) -> Done:
        words = [word for word in self.words if word != "--without-cluster" or "--cluster" not in options]
        return self.world.run(*words, "--quiet", *options)

    def undo(self, *options: str) -> Done:
        """The undo of the newest run."""
        newest = max(self.world.journals(), key=lambda path: path.stat().st_mtime_ns)
        return self.world.run("retire", "prod", "--undo", newest.stem, "--quiet", *options)

    def states(self) -> dict[str, Any]:
        """How each version in the store is, as the server itself tells; of a Key Vault's secret the phase."""
        if self.left == "azure":
            found = self.world.azure.state
            return {name: stored.phase if (stored := found.find_secret(name)) else None for name in NAMES["azure"]}
        return {name: self._versions(name) for name in NAMES["vault"]}

    def _versions(self, name: str) -> dict[str, str]:
        versions = self.world.bao.call("GET", f"{self.world.mount}/metadata/{name}")["data"]["versions"]
        return {
            number: "destroyed" if state["destroyed"] else "deleted" if state["deletion_time"] else "readable"
            for number, state in sorted(versions.items())
        }

    @property
    def before(self) -> dict[str, Any]:
        if self.left == "azure":
            return dict.fromkeys(NAMES["azure"], "active")
        return {"agents/github": {"1": "deleted", "2": "readable", "3": "readable"}, "agents/jira": {"1": "readable"}}

    @property
    def after(self) -> dict[str, Any]:
        if self.left == "azure":
            return dict.fromkeys(NAMES["azure"], "deleted")
        return {"agents/github": dict.fromkeys("123", "deleted"), "agents/jira": {"1": "deleted"}}

    def served(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the serving store holds."""
        read = self.world.get if self.serving == "vault" else self.world.azure_object
        github, jira = NAMES[self.serving]
        return read(github), read(jira)
