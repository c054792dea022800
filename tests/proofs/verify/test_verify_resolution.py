"""`verify` tells what the operator would resolve, and what dates and states of secrets do to it."""

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from compiler.live.stores import LiveStores
from compiler.model.catalogue import Catalogue
from compiler.model.environment import Environment
from compiler.operations.references import cells_to_read
from compiler.operations.verify import resolve
from compiler.pipeline import compile_project
from compiler.stores.secret_value import SecretValue
from tests.commands import Done
from tests.faulty_key_vault import FaultyKeyVault
from tests.proofs.verify.conftest import EVERY_SECRET

# Values that tools between a store and a pod like to change.
VALUES = ("p@ss w0rd", "ünïcode ✓", "two\nlines", '{"json": "like"}', "9007199254740993", "true", "a.b|c\\d", "null")


def environment(project: Path, vault: str, key_vault: str) -> Environment:
    text = f"stores:\n  vault: {{server: '{vault}'}}\n  azure: {{vaultUrl: '{key_vault}'}}\nsecrets:\n"
    (project / "environments/proof.yaml").write_text(text + EVERY_SECRET, "utf-8")
    result = compile_project(project, ["proof"])
    assert result.project is not None
    assert not result.failed, [each.message for each in result.diagnostics]
    return result.project.environments[0]


def fill(catalogue: Catalogue, openbao: LocalOpenBao, key_vault: FaultyKeyVault) -> dict[tuple[str, str], str]:
    """The same document in both stores for every entry; the values by entry and key."""
    meant: dict[tuple[str, str], str] = {}
    for entry in catalogue.entries.values():
        own = [key for key in entry.keys.values() if not key.is_taken]
        document = {key.name: f"{VALUES[index % len(VALUES)]}{secrets.token_hex(4)}" for index, key in enumerate(own)}
        meant |= {(entry.id, key): value for key, value in document.items()}
        if document:
            openbao.call("POST", f"secret/data/{entry.remote['vault']}", {"data": document})
            key_vault.seed(entry.remote["azurekv"], json.dumps(document), content_type="application/json")
    for entry in catalogue.entries.values():
        for key in entry.keys.values():
            if key.origin is not None:
                meant[entry.id, key.name] = meant[key.origin.entry.id, key.origin.key.name]
    return meant


def resolved(found: Environment, store: str, variables: dict[str, str]) -> dict[tuple[str, str], str]:
    references, _ = cells_to_read(found, store=found.stores[store])
    values: dict[tuple[str, str], str] = {}
    with LiveStores(variables) as stores:
        for each in references:
            reader = stores.open(each.store)
            name = each.store.provider.operator_name(each.store.mount, each.remote_key)
            value = resolve(each.store.provider, reader.read(name), each.property)
            assert isinstance(value, SecretValue)
            values[each.secret, each.key] = value.reveal()
    return values


def test_every_key_of_the_catalogue_resolves_to_the_same_bytes_from_both_stores(
    project: Path,
    run: Callable[..., Done],
    openbao: LocalOpenBao,
    key_vault: FaultyKeyVault,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = environment(project, openbao.url, key_vault.url)
    meant = fill(found.catalogue, openbao, key_vault)
    variables = {"VAULT_TOKEN": openbao.token, **key_vault.environ()}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    from_vault, from_key_vault = (resolved(found, store, variables) for store in ("vault", "azure"))
    assert from_vault == from_key_vault
    assert from_vault == meant
    key_vault.forget_requests()
    for arguments in ((), ("--store", "azure")):
        done = run("verify", "proof", *arguments)
        assert (done.code, done.err) == (0, "")
        assert f"{len(from_vault)} of {len(from_vault)} keys OK" in done.out
    reads = [each for each in key_vault.requests() if each.method == "GET"]
    assert len(reads) <= len(found.secrets) + 2  # one a remote secret; the challenge, and who is asking


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
