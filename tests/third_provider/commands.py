"""Runs commands with a registry that has one provider more, which is there as soon as this module is imported.

Each command is a list of arguments in JSON. NEWEST in them stands for the newest run.
"""

import json
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path

_NAME, _SHIPPED = "compiler.stores.registry", "(VAULT, KEY_VAULT)"


def register() -> None:
    """Load registry.py as it would be with one line more, before anything has read it."""
    spec = find_spec(_NAME)
    assert isinstance(spec, ModuleSpec)
    text = Path(spec.origin or "").read_text("utf-8")
    assert text.count(_SHIPPED) == 1
    line = "from tests.third_provider.provider import PROVIDER as SHELF\n"
    registry = sys.modules[_NAME] = module_from_spec(spec)
    head, mark, rest = text.partition("from collections.abc")
    text = f"{head}{line}{mark}{rest}".replace(_SHIPPED, "(VAULT, KEY_VAULT, SHELF)")
    exec(compile(text, spec.origin or "", "exec"), registry.__dict__)  # noqa: S102 - the file, with a line more


register()

from compiler.cli.main import main  # noqa: E402
from compiler.model.store import StoreAddress  # noqa: E402
from compiler.stores.interface import StoreOptions  # noqa: E402
from compiler.stores.secret_value import SecretValue  # noqa: E402
from tests.third_provider.provider import PROVIDER  # noqa: E402
from tests.third_provider.store import SHELVES, ShelfStore  # noqa: E402

OLD = "https://old.shelf.example.com"


def run(root: str, *commands: str) -> None:
    """Fills the old shelf, runs each command, and prints its exit code and what the shelves hold then."""
    token = {"GITHUB_TOKEN": SecretValue("worth-reading")}
    ShelfStore(StoreAddress(PROVIDER, OLD), {}, StoreOptions()).write("books/github", token, None)
    for command in commands:
        runs = sorted(Path(root).glob(".platform-secrets/runs/*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        newest = runs[-1].stem if runs else ""
        words = json.loads(command)
        where = [] if words[:2] == ["new", "project"] else ["--root", root]
        code = main([*where, *(newest if word == "NEWEST" else word for word in words)])
        held = {url: sorted(shelf.held) for url, shelf in SHELVES.items()}
        sys.stdout.write(f"\nDONE {json.dumps([code, held])}\n")
        sys.stdout.flush()
