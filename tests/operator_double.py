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
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from compiler.cluster.operator import allows_namespace
from compiler.cluster.pods import secret_reads
from compiler.cluster.view import ready_of
from tests.api_double import Change
from tests.cluster_double import ClusterDouble
from tests.proofs.eso_reference import NotThereError, as_text, key_vault_name, of_key_vault, of_vault, vault_path
from tests.secret_maker import (
    SecretError,
    convert_keys,
    creation_policy,
    data_of,
    deletion_policy,
    digest,
    secret_of,
    target_of,
)

LiveObject = dict[str, Any]

_FAILED = "could not get secret data from provider"
_INVALID = "InvalidProviderConfig"


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


class _ReadError(SecretError):
    """A store does not give what a reference names; its text is that of the event."""


class _NotFoundError(_ReadError):
    """There is no such remote secret; with deletionPolicy Delete or Merge the reference is skipped."""


class _NothingLeftError(Exception):
    """The stores have given no value: by deletionPolicy the Secret stays as it is, or goes."""


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
        # The version of the last change that it is through with.
        self.handled = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._cluster.end_watches()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            new = self._cluster.changes_after(self.handled, 0.5)
            for change in new:
                try:
                    self._take(change)
                except Exception as error:  # noqa: BLE001 - shown by the test, which else would wait for ever
                    self.defects.append(error)
                self.handled = change.version

    def _take(self, change: Change) -> None:
        name = change.object["metadata"]["name"]
        if change.plural == "externalsecrets":
            if change.type == "DELETED":
                self._done.pop((change.namespace, name), None)
                self._served.pop((change.namespace, name), None)
                self._drop_owned(change.object)
            else:
                self._reconcile(change.namespace, name)
        elif change.plural == "secrets" and change.type == "DELETED":
            self._make_again(change.namespace, name)
        elif change.plural == "clustersecretstores":
            if change.type == "DELETED":
                self._done.pop(("", name), None)
            else:
                self._validate(name)
        elif change.plural == "pods" and change.type == "ADDED":
            self._start(change.namespace, name)

    def _validate(self, name: str) -> None:
        """Valid says that the object is well formed and its credential there: a Key Vault is not asked."""
        found = self._cluster.everything("clustersecretstores").get(("", name))
        if found is None or self._done.get(("", name)) == (mark := _mark(found)):
            return
        self._done["", name] = mark
        is_known = reference_of(found) in self._credentials
        reason, message = ("Valid", "store validated") if is_known else (_INVALID, "unable to create client")
        if not is_known:
            key = found["spec"]["provider"]["azurekv"]["authSecretRef"]["clientId"]["key"]
            said = f'failed to get clientID: cannot find secret data for key: "{key}"'
            self._event(found, "Warning", _INVALID, said)
        self._cluster.set_status("clustersecretstores", "", name, _conditions(found, reason, message))

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
        reason, message = "SecretSynced", "secret synced"
        try:
            is_new = self._write(found, self._data(found), misdeed)
            self._event(found, "Normal", *(("Created", "secret created") if is_new else ("Updated", "secret updated")))
        except SecretError as error:
            self._event(found, "Warning", "UpdateFailed", str(error))
            self._tell(found, _conditions(found, "SecretSyncedError", _FAILED))
            return
        except _NothingLeftError:
            message = "secret retained due to DeletionPolicy=Retain"
            if deletion_policy(found) == "Delete":
                reason, message = "SecretDeleted", "secret deleted due to DeletionPolicy=Delete"
                self._drop_owned(found)
        synced = {
            **_conditions(found, reason, message),
            "binding": {"name": target_of(found)},
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
        fetched = self._fetch(store, found)
        if fetched or (policy := deletion_policy(found)) == "Merge":
            return data_of(found, fetched)
        if policy == "Delete" and creation_policy(found) != "Owner":
            raise SecretError(f"unable to delete secret {target_of(found)}: creationPolicy=Orphan is not Owner")
        raise _NothingLeftError

    def _fetch(self, store: LiveObject, found: LiveObject) -> dict[str, str]:
        """Every value, of whole secrets first; with Delete and Merge without the remote secrets that are not there."""
        passed_over = (_NotFoundError,) if deletion_policy(found) != "Retain" else ()
        fetched: dict[str, str] = {}
        for each in found["spec"].get("dataFrom") or ():
            with suppress(*passed_over):
                whole = json.loads(self._one(store, each["extract"]["key"], None))
                fetched |= convert_keys({name: as_text(value) for name, value in whole.items()})
        for at, each in enumerate(found["spec"].get("data") or ()):
            remote = each["remoteRef"]
            try:
                with suppress(*passed_over):
                    fetched[each["secretKey"]] = self._one(store, remote["key"], remote.get("property"))
            except _ReadError as error:
                raise _ReadError(f"error processing spec.data[{at}] (key: {remote['key']}), err: {error}") from None
        return fetched

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
        raise _NotFoundError("Secret does not exist") if status == 404 else _ReadError(said)

    def _write(self, found: LiveObject, data: dict[str, str], misdeed: Misdeed | None) -> bool:
        namespace, target = found["metadata"]["namespace"], target_of(found)
        old = self._cluster.everything("secrets").get((namespace, target))
        if misdeed is Misdeed.OTHER_VALUE:
            data = {key: f"{value}." for key, value in data.items()}
        new = secret_of(found, data, old)
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
            self._cluster.put("secrets", secret_of(found, {}, old))
        elif misdeed is Misdeed.RESTART:
            self._restart_readers(namespace, target)
        # Equal data and labels make no write, and so no event on the Secret.
        if misdeed in (Misdeed.OTHER_UID, Misdeed.DELETED, Misdeed.EMPTIED) or not _is_alike(old, new):
            self._cluster.put("secrets", new)
        return False

    def _drop_owned(self, gone: LiveObject) -> None:
        at = (gone["metadata"].get("namespace", ""), target_of(gone))
        owners = self._cluster.everything("secrets").get(at, {}).get("metadata", {}).get("ownerReferences") or ()
        if any(each["uid"] == gone["metadata"]["uid"] for each in owners):
            self._cluster.delete("secrets", *at)

    def _make_again(self, namespace: str, target: str) -> None:
        """A Secret that somebody deletes; an orphan's is made again at the next refresh only."""
        if (namespace, target) in self._cluster.everything("secrets"):
            return
        for (space, name), found in self._cluster.everything("externalsecrets").items():
            if (space, target_of(found)) == (namespace, target) and creation_policy(found) != "Orphan":
                self._done.pop((space, name), None)
                self._reconcile(space, name)

    def _event(self, found: LiveObject, kind: str, reason: str, message: str) -> None:
        metadata = found["metadata"]
        namespace = metadata.get("namespace") or "default"
        digest = hashlib.sha256(f"{reason} {message}".encode()).hexdigest()[:16]
        name = f"{metadata['name']}.{digest}"
        old = self._cluster.everything("events").get((namespace, name), {})
        self._cluster.put(
            "events",
            {
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": {
                    "kind": found.get("kind", "ExternalSecret"),
                    **{field: metadata.get(field) for field in ("namespace", "name", "uid", "resourceVersion")},
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


def _written_by(manager: str, secret: LiveObject, key: str) -> LiveObject:
    """The Secret after somebody else has written a key, which is that manager's field from then on."""
    metadata = json.loads(json.dumps(secret["metadata"]))
    for each in metadata["managedFields"]:
        each["fieldsV1"]["f:data"].pop(f"f:{key}", None)
    other = {"manager": manager, "operation": "Update", "time": _now(), "fieldsV1": {"f:data": {f"f:{key}": {}}}}
    return {"metadata": {**metadata, "managedFields": [*metadata["managedFields"], other]}}


def _is_alike(old: LiveObject, new: LiveObject) -> bool:
    compared = ("labels", "annotations", "ownerReferences")
    return all(old["metadata"].get(name) == new["metadata"].get(name) for name in compared)


def _conditions(found: LiveObject, reason: str, message: str) -> LiveObject:
    status = "False" if reason.endswith(("Error", _INVALID)) else "True"
    old = (found.get("status", {}).get("conditions") or [{}])[0]
    since = old["lastTransitionTime"] if old.get("status") == status else _now()
    ready = {"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": since}
    return {"conditions": [ready]}


def _mark(found: LiveObject) -> str:
    """What a reconcile is of: the generation, and a hash of labels and annotations."""
    metadata = found["metadata"]
    told = [metadata.get("labels"), metadata.get("annotations")]
    return f"{metadata['generation']}-{digest(json.dumps(told, sort_keys=True))}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
