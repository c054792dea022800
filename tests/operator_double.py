"""What External Secrets Operator 2.9 and the kubelet do in the double of a cluster, as measured on real ones.

The operator reads the stores over HTTP as the live store objects name them: a real OpenBao, a local Key Vault. A store
object's reference to a credential stands for it in `credentials`; whatever else it refers to is refused by the store.
"""

import hashlib
import json
import ssl
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from compiler.cluster.pods import secret_reads
from compiler.cluster.store_object import allows_namespace
from compiler.cluster.view import ready_of
from tests.api_double import Change
from tests.cluster_double import ClusterDouble
from tests.proofs.eso_reference import NotThereError, key_vault_name, of_key_vault, of_vault, vault_path

LiveObject = dict[str, Any]

DATA_HASH = "reconcile.external-secrets.io/data-hash"
_FAILED = "could not get secret data from provider"


class Misdeed(StrEnum):
    """What the operator or the cluster does wrong when the store of an ExternalSecret changes."""

    OTHER_UID = "other-uid"
    EMPTIED = "emptied"  # for a moment
    DELETED = "deleted"  # for a moment: the same Secret is there again
    OTHER_VALUE = "other-value"
    OLD_READY = "old-ready"  # the operator does nothing, and Ready stays true of the spec before
    RESTART = "restart"
    STRANGER = "stranger"  # another program writes a value, and the operator's hash stays
    REPAIRED = "repaired"  # the same, and the operator has repaired it before anybody reads the value


class _ReadError(Exception):
    """A store does not give what a reference names; its text is that of the event."""


class OperatorDouble:
    """Works in a thread for the length of a `with` block.

    `credentials` are tokens by the reference that a store object holds, see `reference_of`; `ca` is what its stores'
    certificates are checked with. `refused` are the messages of tokens that are not known.
    """

    def __init__(self, cluster: ClusterDouble, credentials: dict[str, str], ca: str | None = None) -> None:
        self._cluster = cluster
        self._credentials = credentials
        self._trust = ssl.create_default_context(cafile=ca)
        self.misdeed: Misdeed | None = None
        # Why no container starts, such as ImagePullBackOff.
        self.unstartable: str | None = None
        self._done: dict[tuple[str, str], str] = {}
        self._served: dict[tuple[str, str], str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.defects: list[BaseException] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._cluster.end_watches()
        self._thread.join()

    def _work(self) -> None:
        seen = 0
        while not self._stop.is_set():
            new = self._cluster.changes_after(seen, 0.5)
            for change in new:
                seen = change.version
                try:
                    self._take(change)
                except Exception as error:  # noqa: BLE001 - shown by the test, which else would wait for ever
                    self.defects.append(error)

    def _take(self, change: Change) -> None:
        name = change.object["metadata"]["name"]
        if change.plural == "externalsecrets":
            if change.type == "DELETED":
                self._done.pop((change.namespace, name), None)
                self._served.pop((change.namespace, name), None)
                self._drop_owned(change.object)
            else:
                self._reconcile(change.namespace, name)
        elif change.plural == "clustersecretstores" and change.type != "DELETED":
            self._validate(name)
        elif change.plural == "pods" and change.type == "ADDED":
            self._start(change.namespace, name)

    def _validate(self, name: str) -> None:
        found = self._cluster.everything("clustersecretstores").get(("", name))
        if found is not None and "status" not in found:
            # Valid says that the object is well formed: no store is asked (its Validate calls no Key Vault).
            self._cluster.set_status("clustersecretstores", "", name, _conditions(found, "Valid", "store validated"))

    def _reconcile(self, namespace: str, name: str) -> None:
        found = self._cluster.everything("externalsecrets").get((namespace, name))
        if found is None or self._done.get((namespace, name)) == (mark := _mark(found)):
            return
        self._done[namespace, name] = mark
        store = found["spec"]["secretStoreRef"]["name"]
        before = self._served.setdefault((namespace, name), store)
        misdeed = self.misdeed if before != store else None
        self._served[namespace, name] = store
        if misdeed is Misdeed.OLD_READY:
            return
        begun = _now()
        try:
            data = self._data(found)
        except _ReadError as error:
            self._event(found, "Warning", "UpdateFailed", str(error))
            self._tell(found, _conditions(found, "SecretSyncedError", _FAILED))
            return
        is_new = self._write(found, data, misdeed)
        self._event(found, "Normal", *(("Created", "secret created") if is_new else ("Updated", "secret updated")))
        synced = {
            **_conditions(found, "SecretSynced", "secret synced"),
            "binding": {"name": found["spec"]["target"]["name"]},
            "refreshTime": begun,
            "syncedResourceVersion": f"{found['metadata']['generation']}-{mark.partition('-')[2]}",
        }
        self._tell(found, synced)

    def _tell(self, found: LiveObject, status: LiveObject) -> None:
        """A failure keeps what the last success noted."""
        metadata = found["metadata"]
        whole = {**found.get("status", {}), **status}
        self._cluster.set_status("externalsecrets", metadata["namespace"], metadata["name"], whole)

    def _data(self, found: LiveObject) -> dict[str, str]:
        spec, namespace = found["spec"], found["metadata"]["namespace"]
        reference = spec["secretStoreRef"]
        store = self._cluster.everything("clustersecretstores").get(("", reference["name"]))
        if store is None or ready_of(store).get("status") != "True":
            raise _ReadError(f"could not get ClusterSecretStore {reference['name']}, err: not found or not ready")
        if allows_namespace(store, namespace) is not True:
            raise _ReadError(f"using ClusterSecretStore {reference['name']} is not allowed from namespace {namespace}")
        data: dict[str, str] = {}
        for at, each in enumerate(spec.get("data") or ()):
            remote = each["remoteRef"]
            try:
                data[each["secretKey"]] = self._one(store, remote["key"], remote.get("property"))
            except _ReadError as error:
                raise _ReadError(f"error processing spec.data[{at}] (key: {remote['key']}), err: {error}") from None
        for each in spec.get("dataFrom") or ():
            data.update(json.loads(self._one(store, each["extract"]["key"], None)))
        if template := spec["target"].get("template", {}).get("data"):
            if missing := [key for key in template if key not in data]:
                raise _ReadError(f'could not apply template: map has no entry for key "{missing[0]}"')
            data = {key: data[key] for key in template}
        return data

    def _one(self, store: LiveObject, key: str, wanted: str | None) -> str:
        provider = store["spec"]["provider"]
        token = self._credentials.get(reference_of(store), "not-a-credential")
        try:
            if (vault := provider.get("vault")) is not None:
                url = f"{vault['server']}/v1/{vault_path(vault['path'], key)}"
                return of_vault(self._got(url, {"X-Vault-Token": token})["data"]["data"], wanted)
            url = f"{provider['azurekv']['vaultUrl']}/secrets/{key_vault_name(key)}?api-version=7.4"
            return of_key_vault(self._got(url, {"Authorization": f"Bearer {token}"})["value"], wanted)
        except NotThereError:
            raise _ReadError(f"property {wanted} does not exist in key {key}") from None

    def _got(self, url: str, headers: dict[str, str]) -> LiveObject:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - a local store
        try:
            context = self._trust if url.startswith("https") else None
            with urllib.request.urlopen(request, timeout=5, context=context) as reply:  # noqa: S310
                found: LiveObject = json.loads(reply.read())
                return found
        except urllib.error.HTTPError as error:
            status, reason = error.code, error.reason
            error.close()
        except OSError:
            raise _ReadError("dial tcp: connect: connection refused") from None
        said = f"GET {url.partition('?')[0]}\nRESPONSE {status}: {status} {reason}"  # as the SDK of Azure says it
        raise _ReadError("Secret does not exist" if status == 404 else said)

    def _write(self, found: LiveObject, data: dict[str, str], misdeed: Misdeed | None) -> bool:
        namespace, target = found["metadata"]["namespace"], found["spec"]["target"]["name"]
        old = self._cluster.everything("secrets").get((namespace, target))
        if misdeed is Misdeed.OTHER_VALUE:
            data = {key: f"{value}." for key, value in data.items()}
        new = _secret(found, data)
        self._cluster.data[namespace, target] = data
        if old is None:
            self._cluster.put("secrets", new)
            return True
        if misdeed is Misdeed.STRANGER:
            self._cluster.data[namespace, target] = {**data, min(data): "a stranger's"}
            self._cluster.put("secrets", old)
            return False
        if misdeed is Misdeed.REPAIRED:
            self._cluster.put("secrets", _written_by("kubectl-edit", old, min(data)))
            self._cluster.put("secrets", old)
            return False
        if misdeed in (Misdeed.OTHER_UID, Misdeed.DELETED):
            self._cluster.delete("secrets", namespace, target)
            if misdeed is Misdeed.DELETED:
                new["metadata"]["uid"] = old["metadata"]["uid"]
        elif misdeed is Misdeed.EMPTIED:
            self._cluster.put("secrets", _secret(found, {}))
        elif misdeed is Misdeed.RESTART:
            self._restart_readers(namespace, target)
        # Equal data and labels make no write, and so no event on the Secret.
        if misdeed in (Misdeed.OTHER_UID, Misdeed.DELETED, Misdeed.EMPTIED) or not _is_alike(old, new):
            self._cluster.put("secrets", new)
        return False

    def _drop_owned(self, gone: LiveObject) -> None:
        at = (gone["metadata"].get("namespace", ""), gone["spec"]["target"]["name"])
        secret = self._cluster.everything("secrets").get(at)
        if secret is not None and secret["metadata"]["ownerReferences"][0]["uid"] == gone["metadata"]["uid"]:
            self._cluster.delete("secrets", *at)

    def _event(self, found: LiveObject, kind: str, reason: str, message: str) -> None:
        metadata = found["metadata"]
        digest = hashlib.sha256(f"{reason} {message}".encode()).hexdigest()[:16]
        name = f"{metadata['name']}.{digest}"
        old = self._cluster.everything("events").get((metadata["namespace"], name), {})
        self._cluster.put(
            "events",
            {
                "metadata": {"name": name, "namespace": metadata["namespace"]},
                "involvedObject": {
                    "kind": "ExternalSecret",
                    **{field: metadata[field] for field in ("namespace", "name", "uid", "resourceVersion")},
                },
                "reason": reason,
                "message": message,
                "source": {"component": "external-secrets"},
                "firstTimestamp": old.get("firstTimestamp", _now()),
                "lastTimestamp": _now(),
                "count": old.get("count", 0) + 1,
                "type": kind,
                "eventTime": None,
            },
        )

    def _start(self, namespace: str, name: str) -> None:
        """The kubelet: a pod runs as soon as the Secrets that it reads are there."""
        found = self._cluster.everything("pods").get((namespace, name))
        if found is None or "status" in found:
            return
        there = self._cluster.everything("secrets")
        lacks = [each for each in secret_reads(found["spec"]) if (namespace, each.secret) not in there]
        reason = "CreateContainerConfigError" if lacks else self.unstartable
        state = {"waiting": {"reason": reason}} if reason is not None else {"running": {}}
        containers = [{"name": each["name"], "restartCount": 0, "state": state} for each in found["spec"]["containers"]]
        status = {
            "phase": "Pending" if reason is not None else "Running",
            "conditions": [{"type": "Ready", "status": "False" if reason is not None else "True"}],
            "containerStatuses": containers,
        }
        self._cluster.set_status("pods", namespace, name, status)

    def _restart_readers(self, namespace: str, target: str) -> None:
        for (space, _), pod in self._cluster.everything("pods").items():
            if space == namespace and any(each.secret == target for each in secret_reads(pod["spec"])):
                status = json.loads(json.dumps(pod["status"]))
                status["containerStatuses"][0]["restartCount"] += 1
                self._cluster.set_status("pods", space, pod["metadata"]["name"], status)


def reference_of(store: LiveObject) -> str:
    """What a store object says of its credential, as one text: a Secret's key, a role, an identity."""
    provider = store["spec"]["provider"]
    vault, azure = provider.get("vault"), provider.get("azurekv", {})
    if vault is not None:
        return json.dumps(vault["auth"], sort_keys=True)
    named = {name: told for name, told in azure.items() if name.startswith(("auth", "identity", "service"))}
    return json.dumps(named, sort_keys=True)


def _secret(found: LiveObject, data: dict[str, str]) -> LiveObject:
    metadata, target = found["metadata"], found["spec"]["target"]
    template = target.get("template", {}).get("metadata", {})
    ours = {
        "reconcile.external-secrets.io/created-by": _digest(f"{metadata['namespace']}/{metadata['name']}"),
        "reconcile.external-secrets.io/managed": "true",
    }
    keys: LiveObject = {".": {}, **{f"f:{key}": {} for key in sorted(data)}} if data else {}
    return {
        "type": target.get("template", {}).get("type", "Opaque"),
        "metadata": {
            "name": target["name"],
            "namespace": metadata["namespace"],
            "labels": {**template.get("labels", {}), **ours},
            "annotations": {**template.get("annotations", {}), DATA_HASH: _digest(json.dumps(data, sort_keys=True))},
            "ownerReferences": [
                {"kind": "ExternalSecret", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
            ],
            "managedFields": [
                {
                    "manager": f"externalsecrets.external-secrets.io/{metadata['name']}",
                    "operation": "Update",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:data": keys, "f:type": {}},
                }
            ],
        },
    }


def _written_by(manager: str, secret: LiveObject, key: str) -> LiveObject:
    """The Secret after somebody else has written a key, which is that manager's field from then on."""
    metadata = json.loads(json.dumps(secret["metadata"]))
    for each in metadata["managedFields"]:
        each["fieldsV1"]["f:data"].pop(f"f:{key}", None)
    other = {"manager": manager, "operation": "Update", "time": _now(), "fieldsV1": {"f:data": {f"f:{key}": {}}}}
    return {"metadata": {**metadata, "managedFields": [*metadata["managedFields"], other]}}


def _is_alike(old: LiveObject, new: LiveObject) -> bool:
    return all(old["metadata"].get(name) == new["metadata"].get(name) for name in ("labels", "annotations"))


def _conditions(found: LiveObject, reason: str, message: str) -> LiveObject:
    status = "False" if reason.endswith("Error") else "True"
    old = (found.get("status", {}).get("conditions") or [{}])[0]
    since = old["lastTransitionTime"] if old.get("status") == status else _now()
    ready = {"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": since}
    return {"conditions": [ready]}


def _mark(found: LiveObject) -> str:
    """What a reconcile is of: the generation, and a hash of labels and annotations."""
    metadata = found["metadata"]
    told = [metadata.get("labels"), metadata.get("annotations")]
    return f"{metadata['generation']}-{_digest(json.dumps(told, sort_keys=True))}"


def _digest(text: str) -> str:
    return hashlib.sha3_224(text.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
