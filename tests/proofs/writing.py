"""Each command that writes to stores, so that one proof is made of all of them: the same keys, the same places."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyrage import x25519  # type: ignore[import-untyped]

from compiler.operations.age_file import encrypt_to
from compiler.operations.backup import Backup, encode
from compiler.stores.secret_value import SecretValue

if TYPE_CHECKING:
    from pathlib import Path

    from tests.commands import Done
    from tests.proofs.conftest import World

COMMANDS = ("migrate", "put", "restore")
VALUES = {"GITHUB_TOKEN": "token-1", "GITHUB_APP_KEY": "pem-1"}
# In the Key Vault the keys lie in two remote secrets, in Vault in one.
TOKEN, PEM, VAULT = "agents-github", "github-app-key", "agents/github"
NAMES = (TOKEN, PEM)


@dataclass
class Writing:
    """The command `name`, which brings `VALUES`, or what `has` said last, to the store `to`."""

    world: World
    folder: Path
    name: str
    to: str = "azure"
    _identity: Any = field(default_factory=x25519.Identity.generate)

    def __post_init__(self) -> None:
        self._write("key", str(self._identity).encode())
        self.has(VALUES)

    def has(self, values: dict[str, str]) -> None:
        """Where the values come from holds these from now on."""
        if self.name == "put":
            self._write("values.json", json.dumps(values).encode())
        elif self.name == "restore":
            keys = {("github", key): SecretValue(value) for key, value in values.items()}
            backup = Backup("prod", "2026-01-02T03:04:05+00:00", keys, ())
            self._write("prod.age", encrypt_to(encode(backup), [str(self._identity.to_public())]))
        elif self.to == "azure":
            self.world.put(VAULT, values)
        else:
            self.world.azure.seed(TOKEN, json.dumps({"GITHUB_TOKEN": values["GITHUB_TOKEN"]}))
            self.world.azure.seed(PEM, values["GITHUB_APP_KEY"])

    @property
    def words(self) -> tuple[str, ...]:
        source = {"azure": "vault", "vault": "azure"}[self.to]
        key, backup, values = (str(self.folder / name) for name in ("key", "prod.age", "values.json"))
        given = {
            "migrate": ("--to", self.to, "--from", source, "--only", "github"),
            "put": ("github", "--from-file", values, "--store", self.to),
            "restore": (backup, "--identity", key, "--to", self.to),
        }
        return (self.name, "prod", *given[self.name])

    @property
    def over(self) -> tuple[str, ...]:
        """The words with which a different value is replaced, which `put` does without being told."""
        return (*self.words, *(() if self.name == "put" else ("--on-conflict", "overwrite")))

    def __call__(self, *options: str) -> Done:
        return self.world.run(*self.over, "--quiet", *options)

    def undo(self, *options: str) -> Done:
        """The undo of the newest run."""
        newest = max(self.world.journals(), key=lambda path: path.stat().st_mtime_ns)
        return self.world.run(self.name, "prod", "--undo", newest.stem, "--quiet", *options)

    def standing(self) -> dict[str, str]:
        """The values of the keys, as the server itself tells them."""
        if self.to == "vault":
            return self.world.get(VAULT)
        return {**self.world.azure_object(TOKEN), "GITHUB_APP_KEY": self.world.azure.value(PEM)}

    def versions(self) -> dict[str, int]:
        """How many there are of each remote secret."""
        if self.to == "vault":
            return {VAULT: self.world.vault_versions(VAULT)}
        return {name: len(self.world.azure_versions().get(name, ())) for name in NAMES}

    def _write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
