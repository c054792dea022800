"""Runs commands with a registry that has one provider more: `python commands.py ROOT`, the arguments as JSON lines."""

import json
import sys
from pathlib import Path
from types import MappingProxyType

from compiler.stores import registry
from tests.third_provider.provider import PROVIDER

# In a process of its own, before anything else has read the registry: one line, as it would be in registry.py.
registry.PROVIDERS = MappingProxyType({**registry.PROVIDERS, PROVIDER.id: PROVIDER})  # type: ignore[misc]

from compiler.cli.main import main  # noqa: E402
from compiler.model.store import StoreAddress  # noqa: E402
from compiler.stores.interface import StoreOptions  # noqa: E402
from tests.third_provider.store import SHELVES, ShelfStore  # noqa: E402

OLD = "https://old.shelf.example.com"


def run(root: str) -> None:
    """Fills the old shelf, runs each command, and prints its exit code and what the shelves hold then."""
    ShelfStore(StoreAddress(PROVIDER, OLD), {}, StoreOptions()).seed("books/github", GITHUB_TOKEN="worth-reading")
    for line in sys.stdin:
        runs = sorted(Path(root).glob(".platform-secrets/runs/*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        newest = runs[-1].stem if runs else ""
        code = main(["--root", root, *(newest if word == "NEWEST" else word for word in json.loads(line))])
        held = {url: sorted(shelf.held) for url, shelf in SHELVES.items()}
        sys.stdout.write(f"\nDONE {json.dumps([code, held])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run(sys.argv[1])
