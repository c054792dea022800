"""The project that the machine works on: two environments over one Vault and one Key Vault, and what they read there.

`jira` and `wiki` lie in one remote secret, keys of `github` and `jira` are whole values in the Key Vault, and the
environment `staging` reads the same places as `prod`: what one command does for one of them, another one may be
reading. A new value of `github` works beside the old one, one of `jira` moves that into another key, and one of `wiki`
ends it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from compiler import pipeline
from compiler.live import readers
from compiler.model.document import Document
from compiler.operations import cutover
from compiler.pipeline import Result, compile_project
from compiler.stages.load import load_text
from compiler.stages.resolve import Outside
from tests import platforms
from tests.platforms import agents_base

VAULT, AZURE = "https://vault.example.com:8200", "https://agents.vault.azure.net"
ENVIRONMENTS, STORES = ("prod", "staging"), ("vault", "azure")
KEYS = {
    "github": ("GITHUB_TOKEN", "GITHUB_KEY"),
    "jira": ("JIRA_TOKEN", "JIRA_OLD"),
    "wiki": ("WIKI_TOKEN",),
    "notes": ("NOTES_TOKEN",),
}
# The secret whose Kubernetes Secret has every property as a key, and one that no entry lists.
EXTRACTED, SURPLUS = "notes", "NOTES_OLD"
# The remote secret of each secret in each store, and what stands elsewhere.
REMOTES = {
    "vault": {"github": "agents/github", "jira": "agents/jira", "wiki": "agents/jira", "notes": "agents/notes"},
    "azure": {"github": "agents-github", "jira": "agents-jira", "wiki": "agents-jira", "notes": "agents-notes"},
}
WHOLE = {("azure", "GITHUB_KEY"): "github-key", ("azure", "JIRA_OLD"): "jira-old"}
# The key that keeps a former value, those whose former value does not work any more, and the limit of each key but one.
PREVIOUS = {"JIRA_TOKEN": "JIRA_OLD"}
WITHOUT_OVERLAP = {"WIKI_TOKEN"}
UNLIMITED = {"JIRA_OLD"}
LIMIT = timedelta(days=60)
_CATALOGUE = """\
secrets:
  github:
    target: agent-github
    remote: {vault: agents/github, azurekv: agents-github}
    syncWave: -49
    keys:
      GITHUB_TOKEN: {rotate: 60d, overlap: two-keys, issuer: self}
      GITHUB_KEY: {rotate: 60d, issuer: self, remote: {azurekv: {name: github-key, whole: true}}}
  jira:
    target: agent-jira
    remote: {vault: agents/jira, azurekv: agents-jira}
    syncWave: -49
    keys:
      JIRA_TOKEN: {rotate: 60d, overlap: previous, previousKey: JIRA_OLD, issuer: self}
      JIRA_OLD: {remote: {azurekv: {name: jira-old, whole: true}}}
  wiki:
    target: agent-wiki
    remote: {vault: agents/jira, azurekv: agents-jira}
    syncWave: -49
    keys: {WIKI_TOKEN: {rotate: 60d, overlap: none, issuer: self}}
  notes:
    target: agent-notes
    extract: true
    remote: {vault: agents/notes, azurekv: agents-notes}
    syncWave: -49
    keys: {NOTES_TOKEN: {rotate: 60d, issuer: self}}
"""
_PROD = """\
# What prod says.
labels: {team: platform}   # ours
secrets:
  jira:
    # one first
    store: vault  # for now
"""
_STAGING = "labels: {team: platform}\r\nsecrets: {github: {store: 'vault'}}\r\n"


class Reading(NamedTuple):
    """A key that a values file has the cluster read: where, and for what."""

    environment: str
    secret: str
    key: str
    store: str
    name: str
    property: str | None


def place(store: str, secret: str, key: str) -> tuple[str, str | None]:
    """Where a key lies: the name of the remote secret, and the property in it."""
    whole = WHOLE.get((store, key))
    return (whole, None) if whole is not None else (REMOTES[store][secret], key)


def write_project(root: Path) -> None:
    """Writes its input below `root`."""
    base = agents_base(VAULT, AZURE, secrets="{github: {}, jira: {}, wiki: {}, notes: {}}")
    platforms.write_project(root, base=base, catalogue=_CATALOGUE, prod=_PROD, staging=_STAGING)


def compile_once(monkeypatch: pytest.MonkeyPatch, known: dict[object, Result]) -> None:
    """Have the same files compiled once: two thirds of a command's time, for files of which one in ten changes."""

    def compiled(
        root: Path,
        names: Sequence[str] = (),
        outside: Outside | None = None,
        unwritten: Mapping[str, str] | None = None,
    ) -> Result:
        texts = {f"environments/{path.name}": path.read_bytes() for path in (root / "environments").iterdir()}
        texts |= {path: text.encode() for path, text in (unwritten or {}).items()}
        # Of what was written only the names count.
        written = tuple(sorted(path.name for path in (root / "chart").glob("values-*.yaml")))
        key = (root, tuple(names), repr(outside), frozenset(texts.items()), written)
        if key not in known:
            known[key] = compile_project(root, names, outside, unwritten)
        return known[key]

    for module in (pipeline, readers, cutover):
        monkeypatch.setattr(module, "compile_project", compiled)


@lru_cache
def readings(environment: str, text: str) -> frozenset[Reading]:
    """What the chart has the cluster read by a values file with this `text`."""
    document, _ = load_text(f"values-{environment}.yaml", text, is_output=True)
    assert isinstance(document, Document)
    found: Any = document.root.plain_data()
    return frozenset(
        Reading(environment, secret, *where)
        for secret, each in found["externalSecrets"].items()
        for where in _where(each["storeRef"]["name"].removesuffix("-store"), each)
    )


def _where(store: str, each: dict[str, Any]) -> Iterator[tuple[str, str, str, str | None]]:
    """Each key of a secret, its store, and where it lies there: by its own name, or elsewhere."""
    for key in each.get("keys", ()):
        yield key, store, each["remoteKey"], key
    for key, elsewhere in each.get("data", {}).items():
        yield key, store, elsewhere["key"], elsewhere.get("property")
