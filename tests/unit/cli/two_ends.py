"""Both stores of the shipped project in memory, for the commands that move secrets; and the journals of these."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.unit.operations.memory_store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from compiler.model.store_address import StoreAddress

VAULT, AZURE = "ai-platform-engineering/github-secret", "ai-platform-engineering-github"
KEY = "GITHUB_PERSONAL_ACCESS_TOKEN"


class Ends:
    """A store for each provider."""

    def __init__(self) -> None:
        self.vault, self.azure = MemoryStore("https://vault"), MemoryStore("https://azure")

    def open(self, address: StoreAddress, environ: Mapping[str, str]) -> MemoryStore:
        del environ
        return self.vault if address.provider == "vault" else self.azure


def journal(project: Path) -> Path:
    """The only one there is."""
    (found,) = (project / ".platform-secrets/runs").glob("*.jsonl")
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
