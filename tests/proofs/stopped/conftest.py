"""A project whose stores hold what each command needs, and a command line for each."""

import json
from pathlib import Path

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from tests.proofs.conftest import World

NAMES = ("agents-github", "github-app-key")
VALUES = {"GITHUB_TOKEN": "token-1", "GITHUB_APP_KEY": "pem"}


@pytest.fixture
def commands(world: World, tmp_path: Path) -> dict[str, tuple[str, ...]]:
    """A command line for each command; those that write write the same two remote secrets of the Key Vault."""
    identity, key, plain = x25519.Identity.generate(), tmp_path / "key", tmp_path / "values.json"
    for path, text in ((key, str(identity)), (plain, json.dumps(VALUES))):
        path.write_text(text, "utf-8")
        path.chmod(0o600)
    world.fill()
    world.put("agents/github", VALUES)
    backup, only, recipient = str(tmp_path / "prod.age"), ("--only", "github"), str(identity.to_public())
    return {
        # What is restored.
        "earlier": ("backup", "prod", backup, "--recipient", recipient, *only),
        "put": ("put", "prod", "github", "--store", "azure", "--from-file", str(plain), "--apply"),
        "restore": ("restore", "prod", backup, "--identity", str(key), "--to", "azure", "--apply"),
        "migrate": ("migrate", "prod", "--to", "azure", *only, "--apply"),
        "undo": ("migrate", "prod", "--undo", "RUN", "--apply"),
        "verify": ("verify", "prod", "github"),
        "backup": ("backup", "prod", str(tmp_path / "again.age"), "--recipient", recipient, "--replace"),
    }


def ready(world: World, commands: dict[str, tuple[str, ...]], command: str) -> tuple[str, ...]:
    """The command line, once the Key Vault and the run files are as the command finds them for the first time."""
    if command == "restore" and not Path(commands["earlier"][2]).exists():
        assert world.run(*commands["earlier"]).code == 0
    world.azure.state._secrets.clear()
    for journal in world.journals():
        journal.unlink()
    if command != "undo":
        return commands[command]
    for name in NAMES:
        world.azure.seed(name, '{"GITHUB_TOKEN": "old"}')
    assert world.run(*commands["migrate"], "--on-conflict", "overwrite").code == 0
    return tuple(world.journals()[0].stem if word == "RUN" else word for word in commands["undo"])
