"""Makes and takes away what a run has in the cluster, all by Helm: a namespace, two store objects, the chart, a pod."""

from __future__ import annotations

import copy
import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

from compiler.cluster.view import ClusterError, LiveObject
from compiler.model.values import child
from scripts.end_to_end.setting import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from scripts.end_to_end.setting import Setting

STORES, CHART, READERS, OTHERS = "stores", "platform-secrets", "readers", "others"
_CHART = "apiVersion: v2\nname: objects\nversion: 0.1.0\n"
_TEMPLATE = "{{- range .Values.objects }}\n---\n{{ toYaml . }}\n{{- end }}\n"
# What has it Helm leaves alone.
_POLICY = "helm.sh/resource-policy"
_SECONDS = 300
_LOOK = 0.1
_NO_SUCH = "no-such-role"
_NO_IDENTITY = "00000000-0000-0000-0000-000000000000"
# Nothing listens there, on no machine: the discard port has been out of use for decades.
_NOWHERE = {"vault": ("server", "http://127.0.0.1:9"), "azurekv": ("vaultUrl", "https://127.0.0.1:9")}


class HelmError(Exception):
    """Helm ended with another exit code than 0; its own words stand in the text."""


class Room:
    """A namespace `name`, and in it whatever a run installs."""

    def __init__(self, setting: Setting, name: str, folder: Path) -> None:
        self.name = name
        self._setting = setting
        self._folder = folder / "objects"
        (self._folder / "templates").mkdir(parents=True)
        (self._folder / "Chart.yaml").write_text(_CHART, "utf-8")
        (self._folder / "templates/objects.yaml").write_text(_TEMPLATE, "utf-8")
        self._installed: list[str] = []

    def store_name(self, provider: str) -> str:
        """The name of the run's own store object: a copy, so that it can be broken."""
        return f"{self.name}-{provider}"

    def open(self, specs: Mapping[str, LiveObject]) -> None:
        """Install the namespace and the store objects, or change the latter; `specs` by provider."""
        objects: list[LiveObject] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}}]
        for provider, spec in specs.items():
            closed = {**spec, "conditions": [{"namespaces": [self.name]}]}
            objects.append(
                {
                    "apiVersion": "external-secrets.io/v1",
                    "kind": "ClusterSecretStore",
                    "metadata": {"name": self.store_name(provider)},
                    "spec": closed,
                }
            )
        self._install_objects(STORES, objects)

    def deploy(self, values: Path) -> None:
        """Install this project's chart, or change what it installed; it takes over what another release has."""
        self._install(CHART, ROOT / "chart", values, "--take-ownership")

    def install_others(self, found: LiveObject) -> None:
        """Install an object by a release that is not this project's."""
        self._install_objects(OTHERS, [found])

    def uninstall_others(self) -> None:
        """The other release lets go of its object. Raises HelmError."""
        self._helm("uninstall", self._title(OTHERS))
        self._installed.remove(OTHERS)

    def read_by_pod(self, secrets: Sequence[str]) -> None:
        """Install a pod that has every key of these Secrets in its variables, as agents do."""
        container = {
            "name": "reader",
            "image": self._setting.image,
            "envFrom": [{"secretRef": {"name": name}} for name in secrets],
        }
        metadata = {"name": "reader", "namespace": self.name}
        spec = {"containers": [container], "automountServiceAccountToken": False}
        self._install_objects(READERS, [{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}])

    def close(self) -> tuple[str, ...]:
        """Take everything away, the namespace last; returns what could not be, in words."""
        left: list[str] = []
        for release in sorted(self._installed, key=(CHART, READERS, OTHERS, STORES).index):
            try:
                if release == STORES:
                    # The operator takes the Secrets away, for which it needs the store objects no less than they do.
                    self._await_no_secrets()
                self._helm("uninstall", self._title(release))
            except (ClusterError, HelmError, subprocess.TimeoutExpired):
                left.append(f"run: HELM_DRIVER=configmap helm uninstall {self._title(release)} --namespace default")
        self._installed.clear()
        return tuple(left)

    def _await_no_secrets(self) -> None:
        end = time.monotonic() + _SECONDS
        while self._external_secrets() and time.monotonic() < end:
            time.sleep(_LOOK)

    def _external_secrets(self) -> list[LiveObject]:
        """Those that go with a release; what Helm was told to keep goes with the namespace."""
        found = self._setting.cluster.collection("externalsecrets", self.name)
        return [each for each in found if child(each, "metadata", "annotations").get(_POLICY) != "keep"]

    def _install_objects(self, release: str, objects: Sequence[LiveObject]) -> None:
        values = self._folder.parent / f"{release}.json"
        values.write_text(json.dumps({"objects": objects}), "utf-8")
        self._install(release, self._folder, values)

    def _install(self, release: str, chart: Path, values: Path, *options: str) -> None:
        if release not in self._installed:
            self._installed.append(release)
        self._helm(
            *("upgrade", self._title(release), str(chart), "--install", "--values", str(values)),
            # The API server validates what it is given; its schema need not be loaded for each of thirty changes.
            "--disable-openapi-validation",
            *options,
        )

    def _title(self, release: str) -> str:
        return f"{self.name}-{release}"

    def _helm(self, *arguments: str) -> None:
        # In "default", since the run's own namespace goes with a release; and not in Secrets, which are watched.
        command = [str(self._setting.helm), *arguments, "--namespace", "default"]
        variables = {**self._setting.variables, "HELM_DRIVER": "configmap"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS, env=variables)
        if done.returncode != 0:
            said = " ".join(("helm", *arguments[:2]))
            raise HelmError(f"{said}: {done.stderr.strip()}")


def with_wrong_role(spec: LiveObject) -> LiveObject:
    """A store's spec whose credential is no good, whatever kind of log-in it has."""
    broken: Any = copy.deepcopy(spec)
    vault, azure = broken["provider"].get("vault"), broken["provider"].get("azurekv")
    if vault is not None:
        method, login = next(iter(vault["auth"].items()))
        login[{"tokenSecretRef": "key", "appRole": "roleId"}.get(method, "role")] = _NO_SUCH
    elif azure.get("authType") == "ManagedIdentity":
        azure["identityId"] = _NO_IDENTITY
    elif azure.get("authType") == "WorkloadIdentity":
        azure["serviceAccountRef"] = {**azure.get("serviceAccountRef", {}), "name": _NO_SUCH}
    else:
        azure["authSecretRef"]["clientId"]["key"] = _NO_SUCH
    return dict(broken)


def with_store_down(spec: LiveObject) -> LiveObject:
    """A store's spec whose address nothing listens at."""
    broken: Any = copy.deepcopy(spec)
    for provider, (field, address) in _NOWHERE.items():
        if provider in broken["provider"]:
            broken["provider"][provider][field] = address
    return dict(broken)
