"""Both stores of the shipped project in memory, the commands that write to them, and the journals of these."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrage import x25519  # type: ignore[import-untyped]

from compiler.model.store import StoreAddress
from compiler.operations.age_file import encrypt_to
from compiler.operations.backup import Backup, encode
from compiler.stores.secret_value import SecretValue
from tests.commands import Done, RunCommand
from tests.memory_store import MemoryStore
from tests.platforms import base_text, write_project

VAULT, AZURE = "ai-platform-engineering/github-secret", "ai-platform-engineering-github"
KEY = "GITHUB_PERSONAL_ACCESS_TOKEN"
WRITING = ("migrate", "put", "restore")
# Two secrets of the shipped project, by the same names.
FEW = {
    "base": base_text(
        "{argocd: {}, github: {}}",
        namespace="ai-platform-engineering",
        vault='name: vault-secret-store, server: "http://vault.vault.svc.cluster.local:8200"',
        azure="name: azure-keyvault-store",
    ),
    "dev": "{}\n",
    "catalogue": """\
secrets:
  argocd:
    target: agent-argocd-secrets
    remote: {vault: ai-platform-engineering/argocd-secret, azurekv: ai-platform-engineering-argocd}
    syncWave: -49
    keys:
      ARGOCD_TOKEN: {description: Argo CD API token}
      ARGOCD_API_URL: {}
      ARGOCD_VERIFY_SSL: {}
  github:
    target: agent-github-secrets
    remote: {vault: ai-platform-engineering/github-secret, azurekv: ai-platform-engineering-github}
    syncWave: -49
    keys:
      GITHUB_PERSONAL_ACCESS_TOKEN: {}
""",
}


class Ends:
    """A store for each provider."""

    def __init__(self) -> None:
        self.vault, self.azure = MemoryStore("https://vault"), MemoryStore("https://azure")

    def open(self, address: StoreAddress, environ: Mapping[str, str]) -> MemoryStore:
        del environ
        return self.vault if address.provider.id == "vault" else self.azure


@dataclass
class Writing:
    """The command `name`, with which one value comes to the Key Vault of `dev`: `token`, or what `has` said last."""

    name: str
    project: Path
    ends: Ends
    run: RunCommand

    def __post_init__(self) -> None:
        self._identity = x25519.Identity.generate()
        (self.project / "key").write_text(f"{self._identity}\n", "utf-8")
        (self.project / "key").chmod(0o600)
        self.has("token")

    @property
    def words(self) -> tuple[str, ...]:
        given = {
            "migrate": ("--to", "azure", "--only", "github"),
            "put": ("github", KEY, "--store", "azure", "--from-file", "value"),
            "restore": ("dev.age", "--identity", "key", "--to", "azure"),
        }
        return (self.name, "dev", *given[self.name])

    def has(self, value: str) -> None:
        """Where the value comes from holds this one from now on."""
        self.ends.vault.seed(VAULT, **{KEY: value})
        (self.project / "value").write_text(value, "utf-8")
        (self.project / "value").chmod(0o600)
        backup = Backup("dev", "2026-01-02T03:04:05+00:00", {("github", KEY): SecretValue(value)}, ())
        (self.project / "dev.age").write_bytes(encrypt_to(encode(backup), [str(self._identity.to_public())]))

    def __call__(self, *options: str) -> Done:
        return self.run(*self.words, *options)

    def over(self, *options: str) -> Done:
        """The command where a different value is replaced, which `put` does without being told."""
        chosen = () if self.name == "put" else ("--on-conflict", "overwrite")
        return self(*chosen, *options)

    def undo(self, run: str, *options: str) -> Done:
        return self.run(self.name, "dev", "--undo", run, *options)


def with_few_secrets(project: Path) -> Path:
    """The project with the secrets in FEW alone, for tests that run hundreds of commands."""
    for path in (project / "environments").iterdir():
        path.unlink()
    return write_project(project, **FEW)


def journals(project: Path) -> list[Path]:
    return sorted((project / ".platform-secrets/runs").glob("*.jsonl"))


def journal(project: Path) -> Path:
    """The only one there is."""
    (found,) = journals(project)
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
