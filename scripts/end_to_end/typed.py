"""The Secrets of a run that are more than keys of one place, in the catalogue's words, and one that others deployed."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

REGISTRY, CERTIFICATE, SETTINGS, CACHE = "registry", "certificate", "settings", "cache"
# Beside the key that the catalogue lists: `extract` brings it all the same.
UNLISTED = "UNLISTED"
_ENTRIES = """
  registry:
    description: A registry's pull Secret
    target: registry-pull
    remote: {vault: ROOM/registry, azurekv: ROOM-registry}
    syncWave: -49
    type: kubernetes.io/dockerconfigjson
    template:
      data:
        ".dockerconfigjson": '{"auths": {"ghcr.io": {"username": {{ .username | toJson }}, "password": {{ .password | toJson }}, "auth": {{ printf "%s:%s" .username .password | b64enc | toJson }}}}}'
    keys: {username: {description: User name}, password: {description: Password}}

  certificate:
    description: A certificate
    target: shop-certificate
    remote: {vault: ROOM/certificate, azurekv: ROOM-certificate}
    syncWave: -49
    type: kubernetes.io/tls
    template: {data: {tls.crt: "{{ .certificate }}", tls.key: "{{ .private_key }}"}}
    keys: {certificate: {description: PEM text}, private_key: {description: PEM text}}

  settings:
    description: Whatever lies in one remote secret
    target: shop-settings
    remote: {vault: ROOM/settings, azurekv: ROOM-settings}
    syncWave: -49
    extract: true
    keys: {LISTED: {description: One of them}}

  cache:
    description: A Secret that goes with its remote secret
    target: shop-cache
    remote: {vault: ROOM/cache, azurekv: ROOM-cache}
    syncWave: -49
    deletionPolicy: Delete
    keys: {CACHE_PASSWORD: {description: Password}}
"""  # noqa: E501 - one line, as `new secret --type dockerconfigjson` writes it
TYPED = (REGISTRY, CERTIFICATE, SETTINGS, CACHE)
# What another tool deployed: the ExternalSecret, its Secret, and the Secret's key.
TAKEN, TAKEN_TARGET, TAKEN_KEY = "shop-external", "shop-credentials", "SHOP_PASSWORD"


def typed_entries(room: str) -> str:
    """The entries of the catalogue, with remote names of a run."""
    return _ENTRIES.replace("ROOM", room)


def taken_object(room: str, store: str) -> dict[str, Any]:
    """The ExternalSecret of another tool, which stays when that tool lets go of it."""
    remote = {"key": taken_place(room), "property": TAKEN_KEY}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": TAKEN, "namespace": room, "annotations": {"helm.sh/resource-policy": "keep"}},
        "spec": {
            "refreshInterval": "1h0m0s",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": store},
            "target": {"name": TAKEN_TARGET, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "data": [{"secretKey": TAKEN_KEY, "remoteRef": remote}],
        },
    }


def taken_place(room: str) -> str:
    """The remote secret of the Vault that it reads."""
    return f"{room}/shop"


def made_of(secret: str, values: Mapping[str, str]) -> dict[str, str]:
    """What the Secret holds of fetched values, said a second time: not by the operator's templates."""
    if secret == REGISTRY:
        user, password = values["username"], values["password"]
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        login = {"username": user, "password": password, "auth": encoded}
        return {".dockerconfigjson": json.dumps({"auths": {"ghcr.io": login}})}
    if secret == CERTIFICATE:
        return {"tls.crt": values["certificate"], "tls.key": values["private_key"]}
    return dict(values)
