"""Does in the API double what Argo CD, External Secrets Operator and a kubelet do: deploys, syncs, fails, runs."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from compiler.cluster.view import wanted_keys
from compiler.model.environment import Environment, Store
from compiler.model.facts import LABEL
from compiler.model.values import manifests_of
from tests.api_double import ApiDouble
from tests.secret_maker import target_of

# In the data of every Secret: whoever prints it has asked for a whole one.
PLANTED = "c2VudGluZWwtcGxhbnRlZA=="
_HASH = "reconcile.external-secrets.io/data-hash"


def provider_of(store: Store) -> dict[str, Any]:
    """The `provider` of a store object that leads to `store`."""
    if store.provider.id != "vault":
        return {store.provider.id: {"vaultUrl": store.address}}
    namespace = {"namespace": store.vault_namespace} if store.vault_namespace else {}
    return {"vault": {"server": store.address, "path": store.mount, "version": "v2", **namespace}}


def compiled_objects(environment: Environment) -> dict[str, dict[str, Any]]:
    """The ExternalSecrets that an environment compiles to, by name."""
    return {each.name: dict(each.object) for each in manifests_of(environment).values()}


def _is_ours(found: dict[str, Any]) -> bool:
    return LABEL in found["metadata"].get("labels", {})


def _merge(old: Any, new: Any) -> Any:  # noqa: ANN401 - any JSON
    """What a merge patch makes of `old`: lists are replaced, and keys that `new` does not have stay."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{key: _merge(old.get(key), value) for key, value in new.items()}}


class LivePlatform:
    """The cluster that an environment runs in; `tick` marks each of the operator's successes."""

    def __init__(self, double: ApiDouble) -> None:
        self.double = double
        self.tick = 0

    def store(
        self,
        name: str,
        provider: Mapping[str, Any] | None = None,
        *,
        ready: bool = True,
        conditions: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """A store object; without `provider` it leads to where it led."""
        reason = "Valid" if ready else "InvalidProviderConfig"
        status = {"conditions": [{"type": "Ready", "status": str(ready), "reason": reason}]}
        if provider is None:
            with suppress(KeyError):
                provider = self.double.get("clustersecretstores", "", name)["spec"]["provider"]
        spec = {"provider": provider or {}, "conditions": list(conditions)}
        found = {"kind": "ClusterSecretStore", "metadata": {"name": name}, "spec": spec, "status": status}
        self.double.put("clustersecretstores", found)

    def run_operator(self, part: str = "", count: int = 1, *, crash: str = "", ready: int | None = None) -> None:
        """The Deployments of the operator, that of a `part` with so many pods; with `crash` none of them is ready."""
        for each in ("", "-webhook", "-cert-controller"):
            name, namespace = f"external-secrets{each}", "external-secrets"
            labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "external-secrets"}
            wanted, why = (count, crash) if each == part else (1, "")
            well = 0 if why or not wanted else wanted if ready is None or each != part else ready
            spec = {"replicas": wanted, "selector": {"matchLabels": labels}}
            metadata = {"name": name, "namespace": namespace, "labels": labels}
            self.double.put("deployments", {"metadata": metadata, "spec": spec, "status": {"readyReplicas": well}})
            if why:
                states = [{"name": "main", "restartCount": 9, "state": {"waiting": {"reason": why}}}]
                metadata = {"name": f"{name}-7c9d-x", "namespace": namespace, "labels": labels}
                self.double.put("pods", {"metadata": metadata, "spec": {}, "status": {"containerStatuses": states}})

    def run(self, environment: Environment) -> None:
        """Everything of an environment deployed, its stores ready and all synchronised."""
        self.run_operator()
        for store in environment.stores.values():
            self.store(store.name, provider_of(store))
        for name in self.deploy(environment):
            self.sync(environment.secrets[self.secret_of(environment, name)].namespace or "", name)

    def deploy(self, environment: Environment) -> list[str]:
        """What Argo CD does: the compiled specs; the status stays that of the operator.

        Of an object that somebody else made, the fields stay that the new one does not have, as Helm leaves them too.
        """
        found = compiled_objects(environment)
        for name, manifest in found.items():
            space = manifest["metadata"]["namespace"]
            try:
                old = self.double.get("externalsecrets", space, name)
            except KeyError:
                old = {}
            status = {"status": old["status"]} if "status" in old else {}
            spec = manifest["spec"] if not old or _is_ours(old) else _merge(old["spec"], manifest["spec"])
            self.double.put("externalsecrets", {**manifest, "spec": spec, **status})
        return list(found)

    @staticmethod
    def secret_of(environment: Environment, target: str) -> str:
        return next(each.id for each in environment.secrets.values() if each.entry.external_secret == target)

    def sync(
        self,
        namespace: str,
        name: str,
        data: str = "hash-1",
        *,
        without: Iterable[str] = (),
        extracted: Iterable[str] = (),
    ) -> None:
        """What the operator does when it succeeds: first the Secret, then the status."""
        found = self.double.get("externalsecrets", namespace, name)
        self._status(found, "True", "SecretSynced", "secret synced")
        self.tick += 1
        found["status"]["refreshTime"] = _now()
        found["status"]["syncedResourceVersion"] = f"{found['metadata']['generation']}-{self.tick:02}"
        keys = [key for key in (*wanted_keys(found), *extracted) if key not in set(without)]
        self.secret(namespace, target_of(found), keys, data, owner=name)
        if kind := found["spec"]["target"].get("template", {}).get("type"):
            self.double.put("secrets", {**self.double.get("secrets", namespace, target_of(found)), "type": kind})
        self.double.put("externalsecrets", found)

    def secret(
        self,
        namespace: str,
        name: str,
        keys: Iterable[str],
        data: str,
        uid: str | None = None,
        owner: str | None = None,
    ) -> None:
        """A Secret of the ExternalSecret `owner`, which has its name for None."""
        owner = owner or name
        fields: dict[str, Any] = {"f:data": {".": {}, **{f"f:{key}": {} for key in keys}}}
        metadata: dict[str, Any] = {
            "name": name,
            "namespace": namespace,
            "annotations": {_HASH: data, "kubectl.kubernetes.io/last-applied-configuration": PLANTED},
            "ownerReferences": [{"kind": "ExternalSecret", "name": owner, "controller": True}],
            "managedFields": [{"manager": f"externalsecrets.external-secrets.io/{owner}", "fieldsV1": fields}],
        }
        if uid is not None:
            metadata["uid"] = uid
        self.double.put("secrets", {"metadata": metadata, "data": dict.fromkeys(keys, PLANTED)})

    def fail(
        self, namespace: str, name: str, message: str, count: int = 1, moment: str = "2026-11-26T00:54:25Z"
    ) -> None:
        """What the operator does when it does not: the mark of its last success stays."""
        found = self.double.get("externalsecrets", namespace, name)
        self._status(found, "False", "SecretSyncedError", "could not get secret data from provider")
        self.double.put("externalsecrets", found)
        self.double.warn(namespace, name, message, moment, count)

    def pod(  # noqa: PLR0913 - the ways in which pods differ
        self,
        namespace: str,
        name: str,
        secret: str,
        *,
        ready: bool = True,
        restarts: int = 0,
        waiting: str | None = None,
        phase: str = "Running",
        volume: bool = False,
        key: str | None = None,
        started: datetime | None = None,
    ) -> None:
        """A pod of a Deployment that reads a Secret, by its variables or by a volume; `started` now for None."""
        source: dict[str, Any] = {"envFrom": [{"secretRef": {"name": secret}}]}
        if key is not None:
            source = {"env": [{"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}]}
        spec: dict[str, Any] = {"containers": [{"name": "main", **({} if volume else source)}]}
        if volume:
            spec["volumes"] = [{"name": "v", "secret": {"secretName": secret}}]
        state = (
            {"waiting": {"reason": waiting, "message": PLANTED}}
            if waiting
            else {"running": {"startedAt": _text(started or datetime.now(UTC))}}
        )
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-5d8f", "controller": True}
        self.double.put(
            "pods",
            {
                "metadata": {"name": name, "namespace": namespace, "ownerReferences": [owner]},
                "spec": spec,
                "status": {
                    "phase": phase,
                    "conditions": [{"type": "Ready", "status": str(ready)}],
                    "containerStatuses": [{"name": "main", "restartCount": restarts, "state": state}],
                },
            },
        )

    def _status(self, found: dict[str, Any], status: str, reason: str, message: str) -> None:
        condition = {"type": "Ready", "status": status, "reason": reason, "message": message}
        (old,) = found.get("status", {}).get("conditions") or [{}]
        condition["lastTransitionTime"] = old["lastTransitionTime"] if old.get("status") == status else _now()
        found.setdefault("status", {})["conditions"] = [condition]


def _now() -> str:
    return _text(datetime.now(UTC))


def _text(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"
