"""Reads from variables what an end-to-end run works on, and says everything that is missing at once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.cluster.view import ClusterError, connect_cluster, ready_of
from compiler.model.facts import parse_duration
from compiler.model.store import StoreAddress
from compiler.refusal import Refusal
from compiler.stores.interface import StoreOptions, open_store
from compiler.stores.pacing import RetryPolicy
from tests import providers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scripts.end_to_end.run_cluster import RunCluster

    LiveObject = Mapping[str, Any]

ROOT = Path(__file__).resolve().parents[2]
KUBECONFIG, VAULT_STORE, KEY_VAULT_STORE = "KUBECONFIG", "E2E_VAULT_STORE", "E2E_KEY_VAULT_STORE"
HELM, IMAGE, TIMEOUT, OPERATOR = "E2E_HELM", "E2E_IMAGE", "E2E_TIMEOUT", "E2E_OPERATOR"
# Does nothing for ever, and takes no memory for it.
_IMAGE = "registry.k8s.io/pause:3.10"
_TIMEOUT = "5m"
# Named on purpose, each of them: a run writes into what they name.
_NEEDED = {
    KUBECONFIG: "a kubeconfig whose current context is a cluster with External Secrets Operator",
    VAULT_STORE: "the name of a ready ClusterSecretStore of a Vault",
    KEY_VAULT_STORE: "the name of a ready ClusterSecretStore of a Key Vault",
}
_PATIENCE = 30.0


@dataclass(frozen=True)
class Setting:
    """What a run works on: the cluster, its two store objects, and where this machine reaches their stores.

    `variables` are those of the run, `timeout` is what one `status --wait` may take, as it is written for it.
    `operator` is the version of External Secrets Operator, None for that of environments/base.yaml.
    """

    variables: Mapping[str, str]
    helm: Path
    cluster: RunCluster
    stores: Mapping[str, LiveObject]
    addresses: Mapping[str, StoreAddress]
    image: str
    timeout: str
    operator: str | None


class MissingError(Exception):
    """Something that a run needs is not there; `lines` name each in words."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def setting_of(environ: Mapping[str, str]) -> Setting:
    """The setting that `environ` names, tried as far as reading goes. Raises MissingError."""
    lines = [f"set {name} to {what}" for name, what in _NEEDED.items() if not environ.get(name)]
    timeout = environ.get(TIMEOUT) or _TIMEOUT
    if parse_duration(timeout) is None:
        lines.append(f"set {TIMEOUT} to a duration such as {_TIMEOUT}")
    helm = helm_of(environ)
    if helm is None:
        lines.append(f"install Helm 3 or 4, or name its program in {HELM}")
    if lines or helm is None:
        raise MissingError(tuple(lines))
    try:
        cluster = _connected(environ)
        stores = dict(_stores(cluster, environ))
    except (Refusal, ClusterError) as error:
        lines.append(_told(error))
    if not lines:
        addresses = {each: address_of(store, environ) for each, store in stores.items()}
        lines += [line for each, address in addresses.items() for line in _unusable(each, address, environ)]
    if lines:
        raise MissingError(tuple(lines))
    image, operator = environ.get(IMAGE) or _IMAGE, environ.get(OPERATOR) or None
    return Setting(environ, helm, cluster, stores, addresses, image, timeout, operator)


def helm_of(environ: Mapping[str, str]) -> Path | None:
    """The Helm to use: the named one; else one that this project's other tasks use, the newest first."""
    named = [environ.get(HELM)]
    if not named[0]:
        installed = [str(ROOT / f".tools/helm{major}/helm") for major in (4, 3)]
        on_path = shutil.which("helm", path=environ.get("PATH", os.defpath))
        named = [environ.get("HELM4"), environ.get("HELM3"), *installed, on_path]
    return next((Path(path) for path in named if path and _is_helm(Path(path))), None)


def address_of(store: LiveObject, environ: Mapping[str, str]) -> StoreAddress:
    """Where this machine reaches the store of a live object; VAULT_ADDR stands for the cluster's own address."""
    provider = store["spec"]["provider"]
    if (vault := provider.get("vault")) is None:
        return StoreAddress(providers.KEY_VAULT, str(provider["azurekv"]["vaultUrl"]))
    url = environ.get("VAULT_ADDR") or str(vault["server"])
    namespace = vault.get("namespace") or environ.get("VAULT_NAMESPACE")
    return StoreAddress(providers.VAULT, url, str(vault.get("path") or "secret"), namespace or None)


def _connected(environ: Mapping[str, str]) -> RunCluster:
    """Raises Refusal where the client is not installed or no kubeconfig can be used."""
    connect_cluster(environ, None, None)
    # Only now is it known that it can be imported.
    from scripts.end_to_end.run_cluster import RunCluster  # noqa: PLC0415

    return RunCluster(environ)


def _stores(cluster: RunCluster, environ: Mapping[str, str]) -> Iterator[tuple[str, LiveObject]]:
    """The two store objects by provider. Raises MissingError and ClusterError."""
    lines: list[str] = []
    for provider, variable in (("vault", VAULT_STORE), ("azurekv", KEY_VAULT_STORE)):
        name = environ[variable]
        found = cluster.store_object("ClusterSecretStore", name, "")
        if found is None:
            lines.append(f'{variable}: the cluster has no ClusterSecretStore "{name}" of external-secrets.io/v1')
        elif provider not in (found["spec"].get("provider") or {}):
            lines.append(f'{variable}: the ClusterSecretStore "{name}" is of another provider than {provider}')
        elif ready_of(found).get("status") != "True":
            lines.append(f'{variable}: the ClusterSecretStore "{name}" is not ready')
        else:
            yield provider, found
    if lines:
        raise MissingError(tuple(lines))


def _unusable(provider: str, address: StoreAddress, environ: Mapping[str, str]) -> Iterator[str]:
    try:
        store = open_store(address, environ, StoreOptions(retry=RetryPolicy(patience=_PATIENCE)))
        try:
            store.whoami()
        finally:
            store.close()
    except Refusal as error:
        yield f"{provider}: {_told(error)}"


def _told(error: Refusal | ClusterError) -> str:
    if isinstance(error, Refusal):
        return f"{error.message}; {error.help}" if error.help else str(error.message)
    return f"the cluster cannot be asked: {error}; {error.remedy}"


def _is_helm(path: Path) -> bool:
    try:
        done = subprocess.run([path, "version", "--short"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return re.match(r"v[34]\.", done.stdout) is not None
