"""External Secrets Operator in a played incident: it works when somebody looks, and fails with its own words.

As the sources of 2.9 have it: a store object is validated by a log-in for a Vault and not at all for a Key Vault, what
it cannot read is an event and a condition that says less, and the last good Secret stays.
"""

import hashlib
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

from tests.cluster_double import ClusterDouble
from tests.operator_double import (
    _FAILED,
    LiveObject,
    OperatorDouble,
    _conditions,
    _mark,
    _NotFoundError,
    _now,
    _ReadError,
)
from tests.proofs.eso_reference import NotThereError, key_vault_name, of_key_vault, of_vault, vault_path
from tests.secret_maker import DATA_HASH, SecretError, secret_of

_VALIDATED = "store validated"
_WRONG_SECRET = (
    "azure.BearerAuthorizer#WithAuthorization: Failed to refresh the Token for request to {url}: StatusCode=401 -- "
    "Original Error: adal: Refresh request failed. Status Code = '401'. Response body: "
    '{{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Ensure the secret '
    "being sent in the request is the client secret value, not the client secret ID, for a secret added to app "
    "'0c0d3b1e-6f5a-4e0e-9c6e-3f8a6a1b2c3d'. Trace ID: 5b1c2d3e-0000-4a4b-8c8d-9e9f0a0b0c00\"}}"
)


class _LogInError(Exception):
    """The operator cannot log in; its text is the error's."""


class PlayedOperator(OperatorDouble):
    """`credentials` are the keys of Kubernetes Secrets by namespace, name and key; `token` is what Entra gives out.

    It takes what was changed whenever `work` is called while it `is_running`; with `retries` also what has failed.
    """

    def __init__(
        self,
        cluster: ClusterDouble,
        credentials: dict[tuple[str, str, str], str],
        token: Callable[[], str],
        ca: str,
    ) -> None:
        super().__init__(cluster, {}, ca)
        self.is_running = True
        self.is_throttled = False
        self._held = credentials
        self._token = token
        self._lock = threading.RLock()

    def work(self, *, retries: bool = False, refreshes: bool = False) -> None:
        """One round: the store objects, then what was changed; with `refreshes` everything, as its interval says."""
        with self._lock:
            if not self.is_running:
                return
            for (_, name), found in self._cluster.everything("clustersecretstores").items():
                if "status" not in found or retries or refreshes:
                    self._validate(name)
            for (space, name), found in self._cluster.everything("externalsecrets").items():
                has_failed = ready_status(found) != "True"
                if refreshes or (retries and has_failed):
                    self._done.pop((space, name), None)
                self._reconcile(space, name)
            alive = self._cluster.everything("externalsecrets")
            for at, secret in self._cluster.everything("secrets").items():
                owners = secret["metadata"].get("ownerReferences") or ()
                if any(each["kind"] == "ExternalSecret" and (at[0], each["name"]) not in alive for each in owners):
                    self._cluster.delete("secrets", *at)

    def _validate(self, name: str) -> None:
        found = self._cluster.everything("clustersecretstores")[("", name)]
        try:
            if "vault" in found["spec"]["provider"]:
                self._log_in(found)
        except _LogInError as error:
            self._warn(found, "ClusterSecretStore", "default", "InvalidProviderConfig", str(error))
            conditions = _not_ready(found, "InvalidProviderConfig", "unable to create client")
        else:
            conditions = _conditions(found, "Valid", _VALIDATED)
        if conditions != found.get("status"):
            self._cluster.set_status("clustersecretstores", "", name, conditions)

    def _reconcile(self, namespace: str, name: str) -> None:
        found = self._cluster.everything("externalsecrets").get((namespace, name))
        if found is None or self._done.get((namespace, name)) == (mark := _mark(found)):
            return
        self._done[namespace, name] = mark
        store = self._cluster.everything("clustersecretstores").get(("", found["spec"]["secretStoreRef"]["name"]))
        if store is not None and store["spec"].get("controller", "default") != "default":
            return
        begun = _now()
        try:
            self._write_secret(found, self._data(found))
        except SecretError as error:
            self._warn(found, "ExternalSecret", namespace, "UpdateFailed", str(error))
            self._tell(found, _conditions(found, "SecretSyncedError", _FAILED))
            return
        synced = {
            **_conditions(found, "SecretSynced", "secret synced"),
            "binding": {"name": found["spec"]["target"]["name"]},
            "refreshTime": begun,
            "syncedResourceVersion": f"{found['metadata']['generation']}-{mark.partition('-')[2]}",
        }
        self._tell(found, synced)

    def _data(self, found: LiveObject) -> dict[str, str]:
        name = found["spec"]["secretStoreRef"]["name"]
        store = self._cluster.everything("clustersecretstores").get(("", name))
        if store is None:
            missing = f'ClusterSecretStore.external-secrets.io "{name}" not found'
            raise _ReadError(f'could not get ClusterSecretStore "{name}", {missing}')
        if ready_status(store) != "True":
            raise _ReadError(f'ClusterSecretStore "{name}" is not ready')
        return super()._data(found)

    def _one(self, store: LiveObject, key: str, wanted: str | None) -> str:
        provider = store["spec"]["provider"]
        try:
            if (vault := provider.get("vault")) is not None:
                return self._of_vault(store, vault, key, wanted)
            url = f"{provider['azurekv']['vaultUrl']}/secrets/{key_vault_name(key)}?api-version=7.4"
            return of_key_vault(self._of_key_vault(provider["azurekv"], url)["value"], wanted)
        except NotThereError:
            raise _ReadError(f"property {wanted} does not exist in key {key}") from None
        except _LogInError as error:
            raise _ReadError(str(error)) from None

    def _of_vault(self, store: LiveObject, vault: LiveObject, key: str, wanted: str | None) -> str:
        headers = {"X-Vault-Token": self._log_in(store)}
        is_second = vault.get("version", "v2") == "v2"
        path = vault_path(vault["path"], key) if is_second else f"{vault['path']}/{key}"
        status, found = self._ask("GET", f"{vault['server']}/v1/{path}", headers)
        if status == 0:
            raise _ReadError(
                f'cannot read secret data from Vault: Get "{vault["server"]}/v1/{path}": {_refused(vault)}'
            )
        if status == 404:
            if found.get("warnings"):
                # The client takes an answer with warnings for one with data, and finds none in it.
                raise _ReadError(f'cannot find secret data for key: "{wanted}"')
            raise _NotFoundError("Secret does not exist")
        if status != 200:
            raise _ReadError(f"cannot read secret data from Vault: {_vault_error('GET', vault, path, status, found)}")
        return of_vault(found["data"]["data"] if is_second else found["data"], wanted)

    def _log_in(self, store: LiveObject) -> str:
        """A token of the Vault, by AppRole. Raises _LogInError with what the operator says."""
        vault = store["spec"]["provider"]["vault"]
        role = vault["auth"]["appRole"]
        secret = self._held.get(_place(role["secretRef"]), "")
        path = f"auth/{role['path']}/login"
        status, found = self._ask(
            "PUT", f"{vault['server']}/v1/{path}", {}, {"role_id": role["roleId"], "secret_id": secret}
        )
        if status == 200:
            return str(found["auth"]["client_token"])
        begin = "unable to log in to auth method: unable to log in with app role auth: "
        if status == 0:
            raise _LogInError(f'{begin}Put "{vault["server"]}/v1/{path}": {_refused(vault)}')
        raise _LogInError(begin + _vault_error("PUT", vault, path, status, found))

    def _of_key_vault(self, azure: LiveObject, url: str) -> LiveObject:
        shown = url.partition("?")[0]
        if self._held.get(_place(azure["authSecretRef"]["clientSecret"])) != "right":
            raise _LogInError(_WRONG_SECRET.format(url=shown))
        status, found = self._ask("GET", url, {"Authorization": f"Bearer {self._token()}"})
        if status == 200 and not self.is_throttled:
            return found
        if self.is_throttled:
            status, found = 429, {"error": {"code": "Throttled", "message": "Too many requests"}}
        if status == 404:
            raise _NotFoundError("Secret does not exist")
        begin = "keyvault.BaseClient#GetSecret: Failure "
        if status == 0:
            where = urllib.parse.urlsplit(url).netloc
            raise _ReadError(
                f"{begin}sending request: StatusCode=0 -- Original Error: dial tcp {where}: connect: connection refused"
            )
        error = found.get("error", {})
        inner = f" InnerError={json.dumps(error['innererror'])}" if "innererror" in error else ""
        raise _ReadError(
            f"{begin}responding to request: StatusCode={status} -- Original Error: autorest/azure: Service returned an "
            f'error. Status={status} Code="{error.get("code")}" Message="{error.get("message")}"{inner}'
        )

    def _ask(self, method: str, url: str, headers: dict[str, str], body: object = None) -> tuple[int, LiveObject]:
        """The status of an answer, 0 for none, and its object."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - a local store
        try:
            context = self._trust if url.startswith("https") else None
            with urllib.request.urlopen(request, timeout=5, context=context) as reply:  # noqa: S310
                return 200, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
            return error.code, json.loads(text) if text.startswith(b"{") else {}
        except OSError:
            return 0, {}

    def _warn(self, found: LiveObject, kind: str, namespace: str, reason: str, message: str) -> None:
        metadata = found["metadata"]
        name = f"{metadata['name']}.{hashlib.sha256(f'{reason} {message}'.encode()).hexdigest()[:16]}"
        old = self._cluster.everything("events").get((namespace, name), {})
        about = {field: metadata[field] for field in ("namespace", "name", "uid") if field in metadata}
        event = {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {"kind": kind, **about},
            "reason": reason,
            "message": message,
            "source": {"component": "external-secrets"},
            "firstTimestamp": old.get("firstTimestamp", _now()),
            "lastTimestamp": _now(),
            "count": old.get("count", 0) + 1,
            "type": "Warning",
            "eventTime": None,
        }
        self._cluster.put("events", event)

    def _write_secret(self, found: LiveObject, data: dict[str, str]) -> None:
        """The Secret, by its owner alone, with the time of its last change and the operator's own hash."""
        namespace, target = found["metadata"]["namespace"], found["spec"]["target"]["name"]
        old = self._cluster.everything("secrets").get((namespace, target))
        new = secret_of(found, data, old)
        new["metadata"]["annotations"][DATA_HASH] = hash_of(data)
        (manager,) = new["metadata"]["managedFields"]
        manager["time"] = _now()
        is_edited = old is not None and len(old["metadata"]["managedFields"]) > 1
        if old is not None and not is_edited and old["metadata"]["annotations"].get(DATA_HASH) == hash_of(data):
            return
        self._cluster.data[namespace, target] = data
        self._cluster.put("secrets", new)


def hash_of(data: dict[str, str]) -> str:
    """The operator's hash of a Secret's data: Go's print of the map of bytes (ObjectHash of its package esutils)."""
    shown = " ".join(f"{key}:[{' '.join(map(str, value.encode()))}]" for key, value in sorted(data.items()))
    return hashlib.sha3_224(f"map[{shown}]".encode()).hexdigest()


def ready_status(found: LiveObject) -> str:
    """What the operator says of an object: True, False, or nothing yet."""
    conditions = found.get("status", {}).get("conditions") or [{}]
    return str(conditions[0].get("status", ""))


def _not_ready(found: LiveObject, reason: str, message: str) -> LiveObject:
    old = (found.get("status", {}).get("conditions") or [{}])[0]
    since = old["lastTransitionTime"] if old.get("status") == "False" else _now()
    ready = {"type": "Ready", "status": "False", "reason": reason, "message": message, "lastTransitionTime": since}
    return {"conditions": [ready]}


def _place(reference: LiveObject) -> tuple[str, str, str]:
    return reference["namespace"], reference["name"], reference["key"]


def _refused(vault: LiveObject) -> str:
    return f"dial tcp {urllib.parse.urlsplit(vault['server']).netloc}: connect: connection refused"


def _vault_error(method: str, vault: LiveObject, path: str, status: int, found: LiveObject) -> str:
    """As the client library of Vault prints an answer."""
    errors = "\n".join(f"* {each}" for each in found.get("errors", ()))
    return (
        f"Error making API request.\n\nURL: {method} {vault['server']}/v1/{path}\nCode: {status}. Errors:\n\n{errors}"
    )
