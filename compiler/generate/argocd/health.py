"""Gives Argo CD's health scripts, and the patch of its ConfigMap by which an administrator installs them."""

from __future__ import annotations

from pathlib import Path

from compiler.generate.manifest import manifest_text

# By the kind that each judges; the names are those of the files in lua/.
_FILES = {
    "external-secrets.io/ExternalSecret": "external-secret.lua",
    "argoproj.io/Application": "application.lua",
}
_FOLDER = Path(__file__).parent / "lua"
_MEMBER = "resource.customizations.health."


def script(kind: str) -> str:
    """The Lua that judges a `kind`, such as `argoproj.io/Application`."""
    return (_FOLDER / _FILES[kind]).read_text("utf-8")


def health_patch() -> str:
    """A merge patch of argocd-cm, which leaves every other member of it as it is."""
    # Argo CD writes group and kind with `_` between them: a ConfigMap's keys have no slash.
    return manifest_text({"data": {f"{_MEMBER}{kind.replace('/', '_')}": script(kind) for kind in _FILES}})
