import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Done, run_command

STORE = """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: backend}
spec: {provider: {vault: {server: "https://vault.example.com", path: secret, version: v2}}}
"""


def external_secret(name: str, spec: str, namespace: str = "shop") -> str:
    return (
        "---\napiVersion: external-secrets.io/v1\nkind: ExternalSecret\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec:\n  secretStoreRef: {{name: backend, kind: ClusterSecretStore}}\n{textwrap.indent(spec, '  ')}\n"
    )


BASE = """\
namespace: p
store: vault
refreshInterval: 1h
externalSecretsOperator: "2.9"
stores:
  vault: {provider: vault, name: vault-secret-store, server: "https://vault.example.com"}
  azure: {provider: azurekv, name: azure-keyvault-store}
secrets: {}
"""
CATALOGUE = "naming: {name: p, target: 'p-{secret}', vault: 'p/{secret}', azurekv: 'p-{secret}'}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "environments"
    folder.mkdir()
    for name, text in (("base", BASE), ("catalogue", CATALOGUE), ("dev", "# What dev sets.\n")):
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bring(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs `import external-secrets` of a text for dev, with more words."""

    def run(text: str, *words: str, environment: str = "dev") -> Done:
        (project / "in.yaml").write_text(text, "utf-8")
        return run_command(capsys, "import", "external-secrets", "in.yaml", "--environment", environment, *words)

    return run
