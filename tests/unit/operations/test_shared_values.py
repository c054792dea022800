import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from compiler.live.stores import LiveStores
from compiler.model.document import Diagnostic
from compiler.model.store import StoreAddress
from compiler.operations.references import cells_to_read
from compiler.operations.shared_values import shared_values
from compiler.operations.verify import verify
from compiler.pipeline import compile_project
from compiler.stores.interface import Cluster, SecretWriter
from tests.platforms import BASE, write_project
from tests.unit.operations.test_verify import FakeStore

SECRET, OTHER = "hunter2-sentinel-4711", "another-sentinel-4711"
CATALOGUE = """\
secrets:
  github:
    target: github
    remote: {vault: platform/github, azurekv: platform-github}
    syncWave: -49
    keys: {TOKEN: {rotate: 90d}, HOOK: {maxAge: 30d}, URL: {}}
  ci:
    target: ci
    remote: {vault: platform/ci, azurekv: platform-ci}
    syncWave: -49
    keys: {CI_TOKEN: {rotate: 90d}, TAKEN: {from: github/TOKEN}}
"""
ONE = 'store: azure\nstores: {azure: {vaultUrl: "https://one.vault.azure.net"}}\nsecrets: {ci: {}}\n'
TWO = ONE.replace("one.vault", "two.vault")
GITHUB, CI = "platform-github", "platform-ci"


def shared(
    tmp_path: Path, held: Mapping[str, Mapping[str, Any]], environ: Mapping[str, str] | None = None, **texts: str
) -> tuple[Sequence[Diagnostic], list[str]]:
    """What is found in the environments of `texts`; `held` are the documents by server and name."""
    write_project(tmp_path, base=BASE, catalogue=CATALOGUE, **texts)
    project = compile_project(tmp_path, list(texts)).project
    assert project is not None

    def opener(address: StoreAddress, _environ: Mapping[str, str]) -> SecretWriter:
        documents = {name: json.dumps(data) for name, data in held.get(address.url, {}).items()}
        return cast("SecretWriter", FakeStore(address, documents))

    with LiveStores(environ or {}, opener) as stores:
        first, *others = project.environments
        diagnostics, unproven, _ = shared_values(first, verify(cells_to_read(first)[0], stores), others, stores)
        assert SECRET not in repr(diagnostics)
        found = [each for each in diagnostics if each.rule == "shared-value"]
        return tuple(found), list(unproven)


def of_one(github: object, ci: object = OTHER, **more: object) -> dict[str, dict[str, Any]]:
    return {
        "https://one.vault.azure.net": {
            GITHUB: {"TOKEN": github, "HOOK": "h", "URL": SECRET, **more},
            CI: {"CI_TOKEN": ci},
        }
    }


def test_two_keys_of_one_environment_are_found_at_the_later_and_from_is_proposed(tmp_path: Path) -> None:
    (found,), unproven = shared(tmp_path, of_one(SECRET, SECRET), prod=ONE)
    assert (found.rule, found.message) == (
        "shared-value",
        '"CI_TOKEN" of "ci" has the same value as "TOKEN" of "github"',
    )
    assert "`from: github/TOKEN`" in (found.help or "")
    assert "waive: {shared-value: the reason}" in (found.help or "")
    assert (found.span.path, unproven) == ("environments/prod.yaml", [])


@pytest.mark.parametrize("value", ["", "changeme", "<token>"])
def test_what_is_no_value_yet_is_shared_with_nobody(tmp_path: Path, value: str) -> None:
    assert shared(tmp_path, of_one(value, value), prod=ONE) == ((), [])


def test_keys_without_a_limited_life_and_those_that_take_a_value_do_not_count(tmp_path: Path) -> None:
    # URL holds the same text as TOKEN, and TAKEN is TOKEN's.
    assert shared(tmp_path, of_one(SECRET), prod=ONE) == ((), [])


def test_another_environment_with_the_same_value_is_found(tmp_path: Path) -> None:
    held = {
        **of_one(SECRET, "a"),
        "https://two.vault.azure.net": {GITHUB: {"TOKEN": SECRET, "HOOK": "x"}, CI: {"CI_TOKEN": "b"}},
    }
    (found,), unproven = shared(tmp_path, held, prod=ONE, staging=TWO)
    assert found.message == '"TOKEN" of "github" has the same value in prod and staging'
    assert "revoked alone" in (found.help or "")
    assert unproven == []


def test_a_waiver_with_a_reason_is_heard(tmp_path: Path) -> None:
    waived = ONE.replace("{ci: {}}", "{ci: {waive: {shared-value: one account}}}")
    assert shared(tmp_path, of_one(SECRET, SECRET), prod=waived) == ((), [])


@pytest.mark.parametrize(("mount", "count"), [("team/kv", 0), ("other/kv", 3)])
def test_one_place_by_a_namespace_and_by_a_mount_is_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount: str, count: int
) -> None:
    one = 'stores: {vault: {server: "https://one.example.com", %s}}\nsecrets: {ci: {}}\n'
    texts = {"prod": one % "vaultNamespace: team, mount: kv", "staging": one % f"mount: {mount}"}
    documents = {"platform/github": {"TOKEN": SECRET, "HOOK": "h"}, "platform/ci": {"CI_TOKEN": OTHER}}
    monkeypatch.setattr(FakeStore, "cluster", lambda _self: Cluster("c1", "", has_namespaces=True))
    found, unproven = shared(tmp_path, {"https://one.example.com": documents}, None, **texts)
    assert (len(found), len(unproven)) == (count, 1)


@pytest.mark.parametrize(
    ("environ", "words", "count"),
    [
        ({"VAULT_ADDR": "http://forward:8200"}, "are one store: a place that both read", 0),
        ({}, "may be one store", 3),
    ],
)
def test_stores_that_may_be_one_are_told(tmp_path: Path, environ: dict[str, str], words: str, count: int) -> None:
    servers = ("https://prod.example.com", "https://staging.example.com")
    texts = {
        name: f'stores: {{vault: {{server: "{server}"}}}}\nsecrets: {{ci: {{}}}}\n'
        for name, server in zip(("prod", "staging"), servers, strict=True)
    }
    documents = {"platform/github": {"TOKEN": SECRET, "HOOK": "h"}, "platform/ci": {"CI_TOKEN": OTHER}}
    held = dict.fromkeys((*servers, "http://forward:8200"), documents)
    found, unproven = shared(tmp_path, held, environ, **texts)
    assert [words in each for each in unproven] == [True]
    # At one place there is one value; at places that may be two, each one is found.
    assert len(found) == count
