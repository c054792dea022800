import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scripts.end_to_end.room import HelmError, Room, with_store_down, with_wrong_role
from scripts.end_to_end.setting import Setting
from tests.platform_double import key_vault_object, vault_object


def of_vault(auth: dict[str, Any]) -> dict[str, Any]:
    return {"provider": {"vault": {"server": "https://vault.example.com", "auth": auth}}}


def of_azure(azure: dict[str, Any]) -> dict[str, Any]:
    return {"provider": {"azurekv": {"vaultUrl": "https://kv.vault.azure.net", **azure}}}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (of_vault({"kubernetes": {"mountPath": "kubernetes", "role": "eso"}}), "vault auth kubernetes role"),
        (of_vault({"jwt": {"path": "jwt", "role": "eso"}}), "vault auth jwt role"),
        (
            of_vault({"appRole": {"path": "approle", "roleId": "a", "secretRef": {"key": "k"}}}),
            "vault auth appRole roleId",
        ),
        (of_vault({"tokenSecretRef": {"name": "n", "key": "token"}}), "vault auth tokenSecretRef key"),
        (of_azure({"authType": "ManagedIdentity"}), "azurekv identityId"),
        (of_azure({"authType": "ManagedIdentity", "identityId": "1"}), "azurekv identityId"),
        (
            of_azure({"authType": "WorkloadIdentity", "serviceAccountRef": {"name": "eso"}}),
            "azurekv serviceAccountRef name",
        ),
        (key_vault_object("https://kv.vault.azure.net")["spec"], "azurekv authSecretRef clientId key"),
    ],
)
def test_every_kind_of_log_in_can_be_broken_and_nothing_else_is(spec: dict[str, Any], path: str) -> None:
    before = json.loads(json.dumps(spec))
    broken = cast("Any", with_wrong_role(spec))
    assert spec == before
    old, new = spec["provider"], broken["provider"]
    *way, last = path.split()
    for name in way:
        old, new = old.get(name, {}), new[name]
    assert new[last] != old.get(last)
    # Only that: put back, it is what it was.
    new.pop(last)
    if last in old:
        new[last] = old[last]
    assert json.loads(json.dumps(broken)) == before


@pytest.mark.parametrize("store", [vault_object("https://a.example"), key_vault_object("https://b.example")])
def test_a_store_that_is_down_is_the_same_elsewhere(store: dict[str, Any]) -> None:
    broken = json.dumps(with_store_down(store["spec"]))
    assert "127.0.0.1:9" in broken
    assert ".example" not in broken


def test_what_helm_says_is_told_and_what_stays_behind_too(tmp_path: Path) -> None:
    helm = tmp_path / "helm"
    helm.write_text("#!/bin/sh\necho 'no such cluster' >&2\nexit 1\n")
    helm.chmod(0o755)
    nothing = SimpleNamespace(collection=lambda *_: [])
    setting = cast("Setting", SimpleNamespace(helm=helm, variables={}, image="pause", cluster=nothing))
    room = Room(setting, "e2e-1", tmp_path)
    assert room.close() == ()
    with pytest.raises(HelmError, match="helm upgrade e2e-1-stores: no such cluster"):
        room.open({"vault": vault_object("https://vault.example.com")["spec"]})
    assert room.close() == ("run: HELM_DRIVER=configmap helm uninstall e2e-1-stores --namespace default",)
