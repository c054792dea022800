import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import EditFile, RunCommand

ROOT = Path(__file__).resolve().parents[4]
_GROUP = "ai-platform-engineering"
_JIRA = "ATLASSIAN_TOKEN, ATLASSIAN_EMAIL, ATLASSIAN_API_URL, ATLASSIAN_VERIFY_SSL"
SENTINEL = "ghp_s3ntinels3ntinels3ntinels3ntinel0"


def test_environments_are_compared_by_meaning(run: RunCommand, project: Path) -> None:
    done = run("diff", "dev", "staging")
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines() == [
        "from dev to staging:",
        "  changed ai-platform-engineering/agent-jira-secrets",
        "    store: ClusterSecretStore/vault-secret-store -> ClusterSecretStore/azure-keyvault-store",
        f"    moved {_JIRA}: {_GROUP}/jira-secret -> {_GROUP}-jira",
    ]
    assert run("diff", "dev", "dev").out == "from dev to dev: no differences\n"


def test_the_order_of_the_names_is_the_direction(run: RunCommand, project: Path) -> None:
    assert "added AZURE_OPENAI_API_KEY" in run("diff", "dev", "prod").out
    assert "removed AZURE_OPENAI_API_KEY" in run("diff", "prod", "dev").out


def test_an_environment_on_another_store(run: RunCommand, project: Path) -> None:
    done = run("diff", "prod", "--store", "vault", "--format", "json")
    data = json.loads(done.out)
    assert done.code == 1
    assert (data["format"], data["before"], data["after"], len(data["changes"])) == (1, "prod", "prod on vault", 7)
    assert (data["command"], data["environment"], data["exitCode"]) == ("diff", "prod", 1)
    assert run("diff", "prod", "--store", "azure").code == 0


def test_a_values_file(run: RunCommand, project: Path, edit: EditFile) -> None:
    run("compile", "prod")
    assert run("diff", "prod", "--against", "chart/values-prod.yaml").code == 0
    edit("chart/values-prod.yaml", 'syncWave: "-50"', 'syncWave: "-40"')
    done = run("diff", "prod", "--against", "chart/values-prod.yaml")
    assert (done.code, done.out.splitlines()[-2]) == (1, "    syncWave: -40 -> -50")


def test_markdown_is_a_table(run: RunCommand, project: Path) -> None:
    out = run("diff", "dev", "staging", "--format", "markdown").out
    assert out.startswith("### `dev` → `staging`\n\n| | what | details |\n|---|---|---|\n| changed | `ai-platform")
    assert "No differences." in run("diff", "dev", "dev", "--format", "markdown").out


def test_what_came_from_outside_is_said_once(run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "agents")
    done = run("diff", "dev", "--store", "azure")
    assert done.err.splitlines() == [
        'note: AZURE_KEYVAULT_NAME gives the vaultUrl of the store "azure"',
        'note: --store chooses the store "azure"',
    ]


def test_standard_input(project: Path) -> None:
    manifest = "kind: ExternalSecret\nmetadata: {name: a, namespace: b}\nspec: {}\n"
    done = subprocess.run(
        [sys.executable, "-m", "compiler", "diff", "prod", "--against", "-"],
        input=manifest,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert done.stdout.startswith("from standard input to prod:\n")
    assert "  removed b/a\n" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("prod",), ("prod", "dev", "--store", "vault"), ("prod", "--store", "vault", "--against", "x")]
)
def test_one_thing_to_compare_with(run: RunCommand, project: Path, arguments: tuple[str, ...]) -> None:
    done = run("diff", *arguments)
    assert (done.code, done.out) == (2, "")


def test_the_variable_does_not_move_two_environments(
    run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    assert run("diff", "dev", "prod").code == 2


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        (None, 2, "cannot be read: no such file or directory"),
        (f"a: {SENTINEL}".encode(), 3, "neither values of this chart nor Kubernetes manifests"),
    ],
)
def test_a_file_that_cannot_be_compared(
    run: RunCommand, project: Path, content: bytes | None, code: int, reason: str
) -> None:
    if content is not None:
        (project / "other.yaml").write_bytes(content)
    done = run("diff", "prod", "--against", "other.yaml")
    assert (done.code, done.out) == (code, "")
    assert reason in done.err
    assert SENTINEL not in done.err


@pytest.mark.parametrize("arguments", [("dev", "prod"), ("dev", "--store", "azure")])
def test_errors_come_before_a_comparison(
    run: RunCommand, project: Path, edit: EditFile, arguments: tuple[str, ...]
) -> None:
    edit("environments/dev.yaml", "secrets:\n", "secrets:\n  gihub: {}\n")
    done = run("diff", *arguments)
    assert (done.code, done.out) == (1, "")
    assert "error[unknown-secret]" in done.err


def test_nothing_foreign_that_looks_like_a_credential_is_shown(run: RunCommand, project: Path) -> None:
    manifest = {
        "kind": "ExternalSecret",
        "metadata": {"name": SENTINEL, "namespace": SENTINEL, "labels": {SENTINEL: SENTINEL}},
        "spec": {"data": [{"secretKey": SENTINEL, "remoteRef": {"key": SENTINEL, "property": SENTINEL}}]},
    }
    (project / "other.yaml").write_text(json.dumps(manifest), "utf-8")
    for form in ("text", "json", "markdown"):
        done = run("diff", "prod", "--against", "other.yaml", "--format", form)
        assert done.code == 1
        assert SENTINEL not in done.out + done.err
