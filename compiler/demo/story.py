"""Tells the story of the demo: the project that it begins with, and each command that it runs, in order."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from compiler.demo.servers import DemoStores
from compiler.edit.new_entry import SecretRequest, StoreRequest, new_secret, new_store
from compiler.edit.new_project import new_project, write_new
from compiler.model.files import create_file
from compiler.stores.azure_key_vault.provider import PROVIDER as KEY_VAULT
from compiler.stores.registry import PROVIDERS
from compiler.stores.vault.provider import PROVIDER as VAULT

PLATFORM: Final = "shop"
_SECRETS: Final = {
    "github": ("GitHub agent", ("GITHUB_TOKEN",)),
    "jira": ("Jira agent", ("ATLASSIAN_TOKEN", "ATLASSIAN_EMAIL")),
}
_ENVIRONMENT: Final = """\
stores:
  vault:
    clusterId: "{cluster_id}"
  azure:
    vaultUrl: {key_vault}
    waive: {{unexpected-vault-domain: a vault on this machine}}
secrets:
  {github}: {{}}
  jira: {{}}
"""
# Those of the local stores, whatever other providers there are.
_LOCAL: Final = (VAULT, KEY_VAULT)
_FIRST_STORE, _SECOND_STORE = (provider.store_id for provider in _LOCAL)


@dataclass(frozen=True)
class ShownCommand:
    """The words of one command, of this program unless they are `others`, and the exit code that the story expects."""

    words: tuple[str, ...]
    code: int = 0
    others: bool = False


@dataclass(frozen=True)
class Chapter:
    """A part of the story, up to the next pause."""

    title: str
    text: str
    commands: tuple[ShownCommand, ...]


def _own(line: str, code: int = 0) -> ShownCommand:
    return ShownCommand(tuple(line.split()), code)


def _other(line: str) -> ShownCommand:
    return ShownCommand(tuple(line.split()), others=True)


CHAPTERS: Final = (
    Chapter(
        "A typo",
        "dev is one file. A name in it is wrong: the compiler shows the place and the right name.",
        (
            _other("cat environments/dev.yaml"),
            _own("compile dev", 1),
            _other("sed -i.bak s/githbu/github/ environments/dev.yaml"),
            _own("compile dev"),
        ),
    ),
    Chapter(
        "Values in OpenBao",
        "OpenBao is empty, and verify says so before a cluster would. put takes values from a private file.",
        (
            _own("verify dev", 1),
            _own("put dev github --from-file ../github.env --apply"),
            _own("put dev jira --from-file ../jira.env --apply"),
            _own("verify dev"),
        ),
    ),
    Chapter(
        "The same values in Key Vault",
        "migrate copies them, and reads back each write. The cluster still uses OpenBao.",
        (_own(f"migrate dev --to {_SECOND_STORE} --apply"),),
    ),
    Chapter(
        "One agent first",
        "cutover edits one line, once it has checked that both stores hold the same values of jira.",
        (_own(f"cutover dev jira --to {_SECOND_STORE} --apply"), _own("status dev")),
    ),
    Chapter(
        "The way back",
        "The same edit in reverse. OpenBao still holds every value.",
        (_own(f"cutover dev jira --back --to {_FIRST_STORE} --apply"), _own("status dev")),
    ),
)


def write_project(root: Path, stores: DemoStores, *, with_typo: bool) -> None:
    """A project in `root` that has two secrets and both `stores`."""
    first, _ = _LOCAL
    write_new(new_project(root, PLATFORM, PLATFORM, first.id, {first.id: stores.openbao})[0], root)
    for provider in _LOCAL:
        log_in = next(iter(provider.log_ins))
        write_new([new_store(root, StoreRequest(provider.store_id, log_in, "base"))[0]], root)
    for name, (description, keys) in _SECRETS.items():
        request = SecretRequest(name, description, dict.fromkeys(("target", *PROVIDERS)), keys)
        write_new(new_secret(root, request)[0], root)
    github = "githbu" if with_typo else "github"
    text = _ENVIRONMENT.format(cluster_id=stores.cluster_id, key_vault=stores.key_vault, github=github)
    (root / "environments/dev.yaml").write_text(text, "utf-8")


def write_values(folder: Path) -> None:
    """A file of random values for each secret, readable by its owner alone."""
    for name, (_, keys) in _SECRETS.items():
        lines = (f"{key}={secrets.token_urlsafe(18)}\n" for key in keys)
        create_file(folder / f"{name}.env", "".join(lines).encode())
