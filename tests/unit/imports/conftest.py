import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Done, run_command
from tests.platforms import base_text, write_project

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


BASE = base_text(
    "{}",
    namespace="p",
    vault='name: vault-secret-store, server: "https://vault.example.com"',
    azure="name: azure-keyvault-store",
)
CATALOGUE = "naming: {name: p, target: 'p-{secret}', vault: 'p/{secret}', azurekv: 'p-{secret}'}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path, base=BASE, catalogue=CATALOGUE, dev="# What dev sets.\n")


@pytest.fixture
def bring(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs `import external-secrets` of a text for dev, with more words."""

    def run(text: str, *words: str, environment: str = "dev") -> Done:
        (project / "in.yaml").write_text(text, "utf-8")
        return run_command(capsys, "import", "external-secrets", "in.yaml", "--environment", environment, *words)

    return run
