"""Transports without sockets: requests of an adapter in, its store's replies, in virtual time and weather, out."""

import errno
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from compiler.demo.local_key_vault import VaultRequest
from compiler.stores.azure_key_vault.client import connection_error, server_of
from compiler.stores.azure_key_vault.replies import Answer, Bundle, error_of
from compiler.stores.errors import Action, StoreLocation
from compiler.stores.http import HttpReply
from compiler.stores.interface import Attributes
from compiler.stores.secret_value import SecretValue
from tests.faulty_key_vault import ClosableThrottle, FaultKind, FaultScript, FaultyKeyVault

LOST = frozenset({FaultKind.RESET, FaultKind.RESET_REPLY})


class KeyVaultWire:
    """Stands for SdkClient, and brings requests straight to a local vault's own handler.

    `travel` lets each way take its time. Replies are read by the adapter's own rules; the SDK, whose pipeline costs
    ten times as much, is in the proofs on real servers.
    """

    def __init__(self, vault: FaultyKeyVault, travel: Callable[[], None]) -> None:
        self._vault = vault
        self._travel = travel
        self._token = vault.issue_token(lifetime=1e9)

    def get(self, name: str, version: str | None, action: Action) -> Bundle:
        return _bundle(self._call(name, action, "GET", "secrets", name, version or ""))

    def set(self, name: str, value: SecretValue, attributes: Attributes) -> Bundle:
        body = {"value": value.reveal(), "contentType": attributes.content_type, "attributes": {"enabled": True}}
        return _bundle(self._call(name, Action.WRITE, "PUT", "secrets", name, body=body))

    def get_deleted(self, name: str, action: Action) -> Bundle:
        return _bundle(self._call(name, action, "GET", "deletedsecrets", name))

    def page_of_versions(self, name: str, token: str | None, action: Action) -> tuple[list[Bundle], str | None]:
        assert token is None
        page = self._call(name, action, "GET", "secrets", name, "versions")
        assert page["nextLink"] is None
        return [_bundle(shown) for shown in page["value"]], None

    def close(self) -> None:
        """Nothing to free."""

    def _call(self, name: str, action: Action, method: str, *path: str, body: object = None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._token}", "host": "vault", "content-type": "application/json"}
        content = b"" if body is None else json.dumps(body).encode()
        arriving = VaultRequest(method, path, {"api-version": "7.6"}, headers, content)
        self._travel()
        reply, _fault = self._vault.handle(arriving)
        self._travel()
        place = StoreLocation(self._vault.url, name)
        if reply is None:
            lost = ConnectionResetError(errno.ECONNRESET, "reset")
            raise connection_error(lost, server_of(self._vault.url), place, action)
        assert isinstance(reply.body, dict)
        if reply.status == HTTPStatus.OK:
            return json.loads(json.dumps(reply.body))  # type: ignore[no-any-return]
        asked = dict(reply.headers).get("Retry-After")
        told = reply.body["error"]
        inner = told.get("innererror", {}).get("code")
        raise error_of(Answer(reply.status, told["code"], inner, asked, is_key_vaults=True), place, action)


_HEALTH = "/v1/sys/health"


@dataclass(frozen=True)
class Seen:
    """One request that reached the Vault, in the words of LoggedRequest."""

    time: float
    method: str
    path: str
    status: int | None
    fault: FaultKind | None


class VaultWire:
    """A KV version 2 mount in memory, standing for the transport; every write makes a version there.

    No more of Vault than a migration asks for: the proofs of what Vault means are on a real server.
    """

    def __init__(self, mount: str, clock: Callable[[], float], travel: Callable[[], None]) -> None:
        self.faults = FaultScript(seed=1)
        self.throttle = ClosableThrottle(None, None)
        self.throttle_retry_after: str | None = None
        self.documents: dict[str, list[dict[str, str]]] = {}
        self.log: list[Seen] = []
        self._mount = mount
        self._clock = clock
        self._travel = travel
        self._lock = threading.Lock()

    def request(self, method: str, path: str, headers: Mapping[str, str], content: bytes | None = None) -> HttpReply:
        assert ("X-Vault-Token" in headers) is (path != _HEALTH)
        self._travel()
        with self._lock:
            now = self._clock()
            fault = self.faults.next_for(method, path)
            kind = fault.kind if fault is not None else None
            if fault is not None and kind is FaultKind.STATUS:
                status, body = fault.status, _refusal("a scripted failure")
            elif kind is FaultKind.RESET:
                status, body = 0, {}
            elif not self.throttle.admits("create" if method == "POST" and "/data/" in path else "other", now):
                status, body = HTTPStatus.TOO_MANY_REQUESTS, _refusal("request path quota exceeded")
            else:
                status, body = self._answer(method, path, None if content is None else json.loads(content))
                if fault is not None and kind is FaultKind.STATUS_AFTER:
                    status, body = fault.status, _refusal("a scripted failure")
            self.log.append(Seen(now, method, path, None if kind in LOST else int(status), kind))
        self._travel()
        if kind in LOST:
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        asked = self.throttle_retry_after if status == HTTPStatus.TOO_MANY_REQUESTS else None
        headers = {} if asked is None else {"Retry-After": asked}
        return HttpReply(int(status), headers, json.dumps(body).encode())

    def close(self) -> None:
        """Nothing to free."""

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401 - JSON
        if path == _HEALTH:
            return 200, {"initialized": True, "sealed": False, "cluster_id": "c1", "cluster_name": "vault-1"}
        if path == "/v1/auth/token/lookup-self":
            return 200, {"data": {"display_name": "root", "expire_time": None, "ttl": 0, "renewable": False}}
        if path == f"/v1/sys/internal/ui/mounts/{self._mount}":
            return 200, {"data": {"path": f"{self._mount}/", "type": "kv", "options": {"version": "2"}}}
        if path == "/v1/sys/capabilities-self":
            return 200, {"data": {each: ["root"] for each in body["paths"]}}
        if path == f"/v1/{self._mount}/config":
            return 200, {"data": {"max_versions": 0, "delete_version_after": "0s"}}
        if path.startswith(f"/v1/{self._mount}/metadata/") and path.rpartition("/metadata/")[2] not in self.documents:
            return 404, {"errors": []}
        found = re.fullmatch(f"/v1/{self._mount}/data/(.+)", path)
        assert found is not None, f"the Vault in memory knows no {path}"
        if method == "POST":
            return self._put(found[1], body)
        versions = self.documents.get(found[1])
        if not versions:
            return 404, {"errors": []}
        return 200, {"data": {"data": versions[-1], "metadata": self._metadata(len(versions))}}

    def _put(self, name: str, body: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401 - JSON
        versions = self.documents.get(name, [])
        if body["options"]["cas"] != len(versions):
            return 400, _refusal("check-and-set parameter did not match the current version")
        self.documents[name] = [*versions, body["data"]]
        return 200, {"data": self._metadata(len(versions) + 1)}

    def _metadata(self, version: int) -> dict[str, Any]:
        made = datetime.fromtimestamp(self._clock(), UTC).isoformat()
        return {"version": version, "created_time": made, "deletion_time": "", "destroyed": False}


def _refusal(text: str) -> dict[str, Any]:
    return {"errors": [text]}


def _bundle(shown: Mapping[str, Any]) -> Bundle:
    made = datetime.fromtimestamp(shown["attributes"]["created"], UTC)
    name, _, version = str(shown["id"]).partition("/secrets/")[2].partition("/")
    attributes = Attributes(content_type=shown.get("contentType"), created=made, updated=made)
    return Bundle(name, version, SecretValue(shown["value"]) if "value" in shown else None, attributes)
