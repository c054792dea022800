"""A small sound project to put hostile files into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "base": """\
namespace: ai-platform
store: vault
refreshInterval: 1h
externalSecretsOperator: "2.9"
stores:
  vault: {provider: vault, name: vault-store, server: "https://vault.example.com"}
secrets:
  github: {}
""",
    "catalogue": """\
secrets:
  github:
    target: agent-github-secrets
    remote: {vault: platform/github}
    syncWave: -49
    keys: {GITHUB_TOKEN: {}}
""",
    "prod": "extends: [base, eu]\nlabels: {team: platform}\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without a diagnostic, in a folder of its own below the test's."""
    root = tmp_path / "project"
    (root / "environments/layers").mkdir(parents=True)
    (root / "environments/layers/eu.yaml").write_text("labels: {region: eu}\n", "utf-8")
    for name, text in FILES.items():
        (root / f"environments/{name}.yaml").write_text(text, "utf-8")
    return root
