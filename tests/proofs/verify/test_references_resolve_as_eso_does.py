"""What the operator would give a pod, by another implementation of its rules, is the same from both stores.

The references are those of the compiled values files, the answers those of raw HTTP requests; neither goes through the
parts of the compiler that they are compared with.
"""

import json
import secrets
import ssl
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.demo.local_openbao import LocalOpenBao
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment
from compiler.model.provider import Provider, UnprovenReferenceError
from compiler.model.store import StoreAddress
from compiler.operations.references import cells_to_read
from compiler.operations.verify import resolve
from compiler.pipeline import compile_project
from compiler.stores.interface import Attributes, RemoteSecret, open_store
from compiler.stores.secret_value import JsonKind, SecretValue, read_object
from tests import providers
from tests.commands import Done
from tests.faulty_key_vault import FaultyKeyVault
from tests.openbao_servers import await_kv
from tests.proofs.eso_reference import (
    NotThereError,
    UnknownSyntaxError,
    key_vault_name,
    of_key_vault,
    of_vault,
    vault_path,
)
from tests.proofs.verify.conftest import EVERY_SECRET, key_by_key

T = TypeVar("T")
MOUNT = "proof-16"
# Values that tools between a store and a pod like to change.
VALUES = (
    "p@ss w0rd",
    "ünïcode ✓ 😀",
    "-----BEGIN KEY-----\nline\r\n-----END KEY-----\n",
    '{"json": "like", "n": 1.0}',
    "9007199254740993",
    "true",
    "a.b|c\\d*e?#@this",
    "null",
    " space at both ends\t",
    '"quoted"',
    "<&>\u2028",
    "{{ .Values.x }}",
)
# Places that the shipped catalogue has none of: a whole value, another property, another remote secret.
ELSEWHERE = """
  elsewhere:
    description: Keys at places of their own
    target: elsewhere-secrets
    remote: {vault: elsewhere/main, azurekv: elsewhere-main}
    syncWave: -49
    keys:
      PLAIN: {description: In the entry's own remote secret}
      PEM: {description: A value of its own, remote: {azurekv: {name: elsewhere-pem, whole: true}}}
      RENAMED: {description: Another property, remote: {vault: {property: old-name}, azurekv: {property: new_name}}}
      MOVED: {description: Another remote secret, remote: {vault: {name: elsewhere/2}, azurekv: {name: elsewhere-2}}}
"""


def write_environment(project: Path, vault: str, key_vault: str, store: str, fetch: str) -> None:
    text = (
        f"store: {store}\nfetch: {fetch}\n"
        f"stores:\n  vault: {{server: '{vault}', mount: {MOUNT}}}\n"
        f"  azure: {{vaultUrl: '{key_vault}', prefix: team-}}\n"
        f"secrets:\n{key_by_key(EVERY_SECRET)}" + ("  elsewhere: {}\n" if fetch == "perKey" else "")
    )
    (project / "environments/proof.yaml").write_text(text, "utf-8")


class Answers:
    """What both servers say over HTTP, without an adapter; each is asked once for a remote secret."""

    def __init__(self, openbao: LocalOpenBao, key_vault: FaultyKeyVault) -> None:
        self._openbao = openbao
        self._key_vault = key_vault
        self._token = key_vault.issue_token()
        self._trust = ssl.create_default_context(cafile=str(key_vault.ca_file))
        self.of_vault, self.of_key_vault = cache(self._of_vault), cache(self._of_key_vault)

    def _of_vault(self, key: str) -> dict[str, object]:
        return dict(self._openbao.call("GET", vault_path(MOUNT, key))["data"]["data"])

    def _of_key_vault(self, key: str) -> str:
        url = f"{self._key_vault.url}/secrets/{key_vault_name(key)}?api-version=7.6"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310 - ours
        with urllib.request.urlopen(request, context=self._trust) as reply:  # noqa: S310 - our own server
            return str(json.loads(reply.read())["value"])

    def pods(self, values_file: Path) -> dict[tuple[str, str], str]:
        """What every ExternalSecret of a compiled values file brings into the cluster, by secret and key."""
        found: dict[tuple[str, str], str] = {}
        values = yaml.load(values_file.read_text("utf-8"), yaml.CSafeLoader)
        for secret, one in values["externalSecrets"].items():
            is_vault = one["storeRef"]["name"] == "vault-secret-store"
            places: dict[str, Any] = {key: {"key": one["remoteKey"], "property": key} for key in one.get("keys", ())}
            places |= one.get("data", {})
            for key, place in places.items():
                found[secret, key] = self._resolved(place, is_vault=is_vault, by_name=one["fetch"] == "bundle")
        return found

    def _resolved(self, place: dict[str, str], *, is_vault: bool, by_name: bool) -> str:
        wanted = place.get("property")
        if by_name:
            # dataFrom.extract makes a map of the whole remote secret, and the template takes the key out of it.
            extracted = self.of_vault(place["key"]) if is_vault else json.loads(self.of_key_vault(place["key"]))
            return str(extracted[place["property"]])
        if is_vault:
            return of_vault(self.of_vault(place["key"]), wanted)
        return of_key_vault(self.of_key_vault(place["key"]), wanted)


def compiled(project: Path) -> Environment:
    result = compile_project(project, ["proof"])
    assert result.project is not None
    assert not result.failed, [each.message for each in result.diagnostics]
    return result.project.environments[0]


def by_the_compiler(found: Environment, store: str, variables: dict[str, str]) -> dict[tuple[str, str], str]:
    references, _ = cells_to_read(found, store=found.stores[store])
    values: dict[tuple[str, str], str] = {}
    read: dict[str, RemoteSecret] = {}
    with LiveStores(variables) as stores:
        for each in references:
            name = each.store.provider.operator_name(each.store.mount, each.remote_key)
            if name not in read:
                read[name] = stores.open(each.store).read(name)
            remote = read[name]
            value = resolve(each.store.provider, remote, each.property, by_name=each.by_name)
            assert isinstance(value, SecretValue)
            values[each.secret, each.key] = value.reveal()
    return values


@pytest.mark.parametrize("fetch", ["perKey", "bundle"])
def test_after_a_migration_either_way_a_pod_gets_the_same_bytes_for_every_key_of_the_catalogue(
    project: Path,
    run: Callable[..., Done],
    openbao: LocalOpenBao,
    key_vault: FaultyKeyVault,
    monkeypatch: pytest.MonkeyPatch,
    fetch: str,
) -> None:
    variables = {"VAULT_TOKEN": openbao.token, **key_vault.environ()}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    empty_vault(openbao)
    catalogue = project / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8").replace("secrets:\n", f"secrets:\n{ELSEWHERE}", 1), "utf-8")
    write_environment(project, openbao.url, key_vault.url, "vault", fetch)
    meant = fill(compiled(project), openbao)

    def prove(store: str) -> None:
        answers = Answers(openbao, key_vault)
        write_environment(project, openbao.url, key_vault.url, store, fetch)
        assert run("compile", "proof").code == 0
        assert answers.pods(project / "chart/values-proof.yaml") == meant
        assert by_the_compiler(compiled(project), store, variables) == meant
        verified = run("verify", "proof")
        assert f"{len(meant)} of {len(meant)} keys OK" in verified.out, verified

    prove("vault")
    moved = run("migrate", "proof", "--to", "azure", "--apply", "--quiet")
    assert moved.code == 0, moved
    prove("azure")
    empty_vault(openbao)
    moved = run("migrate", "proof", "--to", "vault", "--apply", "--quiet")
    assert moved.code == 0, moved
    prove("vault")


def empty_vault(openbao: LocalOpenBao) -> None:
    openbao.call("DELETE", f"sys/mounts/{MOUNT}")
    openbao.call("POST", f"sys/mounts/{MOUNT}", {"type": "kv", "options": {"version": "2"}})
    await_kv(openbao, MOUNT)


def fill(found: Environment, openbao: LocalOpenBao) -> dict[tuple[str, str], str]:
    """A value of its own for every key that has one, in Vault; the values by secret and key."""
    meant: dict[tuple[str, str], str] = {}
    documents: dict[str, dict[str, str]] = {}
    for secret in found.secrets.values():
        for item in secret.keys:
            value = f"{VALUES[len(meant) % len(VALUES)]}{secrets.token_hex(4)}{VALUES[len(meant) % len(VALUES)]}"
            assert item.place is not None
            # A value that several secrets have is in one place.
            document = documents.setdefault(item.place.remote_key, {})
            meant[secret.id, item.key.name] = document.setdefault(item.place.property or "", value)
    assert {secret for secret, _ in meant} >= set(found.catalogue.entries) - {"elsewhere"}
    for name, document in documents.items():
        openbao.call("POST", f"{MOUNT}/data/{name}", {"data": document})
    return meant


# Keys on which the stores differ, with what facts.md says of them: dots as names and as nesting, characters that Key
# Vault alone stumbles over. What needs more of gjson than names and dots is not claimed to be known.
UNPROVEN = "not claimed to be known"
ODD = {
    "PLAIN": "plain",
    "b.c": "literal",
    "b": {"c": "nested", "d.e": "half"},
    "only.dots": "dots",
    "a_TOKEN": "first",
    "a|b": "pipe",
    "back\\slash": "back",
    "a*": "star",
    "list": [{"k": "in a list"}, "one"],
    "@here": "at",
    "#": "hash",
}
CASES: dict[str, tuple[str | None, str | None]] = {
    "PLAIN": ("plain", "plain"),
    "b.c": ("literal", "nested"),
    "b\\.c": ("literal", "literal"),
    "b.d.e": (None, None),
    "b.d\\.e": ("half", "half"),
    "only.dots": ("dots", "dots"),
    "*_TOKEN": (UNPROVEN, UNPROVEN),
    "a|b": ("pipe", UNPROVEN),
    "a\\|b": ("pipe", "pipe"),
    "back\\slash": ("back", None),
    "back\\\\slash": ("back", "back"),
    "a*": ("star", UNPROVEN),
    "a\\*": ("star", "star"),
    "list.0.k": (UNPROVEN, UNPROVEN),
    "@here": ("at", UNPROVEN),
    "#": ("hash", UNPROVEN),
    "\\#": ("hash", "hash"),
    "MISSING": (None, None),
    "no.such": (None, None),
}


def test_the_cases_of_the_facts_resolve_on_each_store_as_they_do_in_the_operator(
    openbao: LocalOpenBao, key_vault: FaultyKeyVault
) -> None:
    openbao.call("POST", "secret/data/odd", {"data": ODD})
    key_vault.seed("odd", json.dumps(ODD))
    remotes: dict[Provider, RemoteSecret] = {}
    for provider, url in ((providers.VAULT, openbao.url), (providers.KEY_VAULT, key_vault.url)):
        environ = {"VAULT_TOKEN": openbao.token, **key_vault.environ()}
        store = open_store(StoreAddress(provider, url), environ)
        remotes[provider] = store.read("odd")
        store.close()
    raw = dict(openbao.call("GET", "secret/data/odd")["data"]["data"])
    for wanted, expected in CASES.items():
        reference = by_reference(of_vault, raw, wanted), by_reference(of_key_vault, key_vault.value("odd"), wanted)
        assert reference == expected, wanted
        assert tuple(by_resolve(provider, remotes[provider], wanted) for provider in remotes) == expected, wanted


def by_reference(reference: Callable[[T, str], str], answer: T, wanted: str) -> str | None:
    try:
        return reference(answer, wanted)
    except NotThereError:
        return None
    except UnknownSyntaxError:
        return UNPROVEN


def by_resolve(provider: Provider, remote: RemoteSecret, wanted: str) -> str | None:
    try:
        found = resolve(provider, remote, wanted)
    except UnprovenReferenceError:
        return UNPROVEN
    return canonical(found) if isinstance(found, SecretValue) else None


def canonical(found: SecretValue) -> str:
    """As the reference writes it: other kinds than strings are compared as JSON values, a null is nothing."""
    if found.kind is JsonKind.STRING:
        return found.reveal()
    return "" if found.kind is JsonKind.NULL else json.dumps(json.loads(found.reveal()))


def test_remote_names_are_cut_as_the_operator_cuts_them() -> None:
    for key in ("team/x", "kv/team/x", "kv/data/team/x", "data/x", "team/data/x", "kvx/y", "kv", "kv/kv/x"):
        assert f"kv/data/{providers.VAULT.operator_name('kv', key)}" == vault_path("kv", key)
    for key in ("x", "secret/x", "secret/x/y/z", "secret/"):
        assert providers.KEY_VAULT.operator_name("", key) == key_vault_name(key)


names = st.one_of(
    st.text('ab.*?|\\#@01 _-é"{[!:', max_size=4), st.sampled_from(["@this", "@pretty", "a.b", "TOKEN", "", "0", "1"])
)
leaves = st.one_of(st.text(max_size=4), st.none(), st.booleans(), st.integers(-9, 99))
members = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
    max_leaves=8,
)
documents = st.dictionaries(names, members, min_size=1, max_size=5)


@st.composite
def asked(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """A document and a path that follows it, more or less."""
    document = draw(documents)
    value: Any = document
    parts: list[str] = []
    while isinstance(value, dict | list) and value and draw(st.integers(0, 5)):
        choice: Any = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        value = value[choice]
        part = str(choice)
        match draw(st.integers(0, 4)):
            case 0 | 1 | 2:
                part = "".join(each if each.isalnum() else f"\\{each}" for each in part)
            case 3:
                part = draw(names)
        parts += [part, draw(st.sampled_from(".....|"))]
    return document, "".join(parts[:-1])


@settings(max_examples=200)
@given(asked())
def test_both_implementations_agree_on_odd_keys_on_both_stores(case: tuple[dict[str, Any], str]) -> None:
    document, wanted = case
    # A Go program prints Vault's data with sorted names, at every depth.
    texts = {
        providers.VAULT: json.dumps(document, sort_keys=True),
        providers.KEY_VAULT: json.dumps(document, ensure_ascii=False),
    }
    for provider, text in texts.items():
        whole = SecretValue(text) if provider is providers.KEY_VAULT else None
        found = by_resolve(provider, RemoteSecret("x", "1", read_object(text), Attributes(), whole), wanted)
        if provider is providers.VAULT:
            meant = by_reference(of_vault, json.loads(text), wanted)
        else:
            meant = by_reference(of_key_vault, text, wanted)
        assert found == meant, provider
