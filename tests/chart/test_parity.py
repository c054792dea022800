"""Pods see the same Secrets whichever store serves them, through each Helm."""

from pathlib import Path

import pytest

from compiler.helm import helm_at
from tests.conftest import CHART, ROOT, Helm
from tests.parity import prove
from tests.platforms import base_text, project_of, write_project

CATALOGUE = """
secrets:
  llm: {description: LLM, target: llm-secrets, remote: {vault: team/llm, azurekv: team-llm}, syncWave: -50,
    keys: {LLM_KEY: {description: Key, remote: {azurekv: {name: llm-key, whole: true}}}}}
  only: {description: Only, target: only-secrets, remote: {vault: team/only}, syncWave: -49,
    keys: {ONLY: {description: Only}}}
"""
ENVIRONMENT = base_text(
    "{llm: {store: vault, fetch: bundle}, only: {}}",
    namespace="team",
    vault="name: vault-secret-store, server: https://vault.example.com",
    azure="name: azure-keyvault-store, vaultUrl: https://team.vault.azure.net",
)


@pytest.mark.heavy
def test_the_shipped_environments_are_proven(helms: tuple[Helm, ...]) -> None:
    assert prove(project_of(ROOT), CHART, [helm_at(Path(helm.path)) for helm in helms]) == {}


def test_a_subchart_is_proven_through_a_parent(tmp_path: Path, helms: tuple[Helm, ...]) -> None:
    write_project(tmp_path, catalogue=CATALOGUE, one=f"{ENVIRONMENT}subchart: secrets\n")
    project = project_of(tmp_path, may_fail=True)
    assert prove(project, CHART, [helm_at(Path(helm.path)) for helm in helms]) == {}
