"""`verify` tells what dates and states of secrets do to what the operator would resolve."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.pipeline import compile_project
from tests.commands import Done
from tests.faulty_key_vault import FaultyKeyVault


def test_states_and_dates_in_one_vault_are_each_told_and_add_up(
    project: Path, run: Callable[..., Done], key_vault: FaultyKeyVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in key_vault.environ().items():
        monkeypatch.setenv(name, value)
    text = f"store: azure\nstores: {{azure: {{vaultUrl: '{key_vault.url}'}}}}\nsecrets: {{global: {{use: [openai]}}}}\n"
    (project / "environments/proof.yaml").write_text(text, "utf-8")
    result = compile_project(project, ["proof"])
    assert result.project is not None
    now = int(time.time())
    documents: dict[str, dict[str, str]] = {}
    for secret in result.project.environments[0].secrets.values():
        documents[secret.id] = {item.key.name: "sound" for item in secret.keys}

    def seed(secret: str, **attributes: int | bool) -> None:
        key_vault.seed(f"ai-platform-engineering-{secret}", json.dumps(documents[secret]), **attributes)  # type: ignore[arg-type]

    seed("global")
    seed("argocd", enabled=False)
    seed("github", expires=now - 60)
    seed("jira", not_before=now + 86_400)
    seed("pagerduty", expires=now + 86_400)
    key_vault.seed_certificate("ai-platform-engineering-slack")
    key_vault.seed_deleted("ai-platform-engineering-backstage", json.dumps(documents["backstage"]))
    done = run("verify", "proof")
    assert done.code == 1
    assert sorted(done.rules) == sorted(
        ["disabled-secret", "expired-secret", "not-yet-valid", "expires-soon", "not-json", "soft-deleted-secret"]
    )
    sound = sum(len(documents[name]) for name in ("global", "pagerduty"))
    total = sum(map(len, documents.values()))
    assert f"proof: {sound} of {total} keys OK, 5 remote secrets read" in done.out
