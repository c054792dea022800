"""The API double with what Helm asks beside: discovery, and objects that are created, replaced and deleted.

Of Kubernetes' own controllers it has one: with a namespace goes everything in it.
"""

import base64
import json
import ssl
import tempfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from compiler.demo.local_key_vault import CertificateAuthority
from tests.api_double import (
    ESO,
    TOKEN,
    Address,
    ApiDouble,
    Asked,
    Change,
    _address,
    _chunk,
    _recorded,
    _refusal,
    _send,
    _status,
)

_ALL_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
_VERBS = {"POST": "create", "PUT": "update", "DELETE": "delete", "PATCH": "patch"}
_APPLY = "application/apply-patch+yaml"
# How Helm sends the ConfigMap in which it notes a release: an envelope around the object.
_PROTOBUF = b"k8s\0"
_KINDS = {
    "v1": {
        "configmaps": ("ConfigMap", True),
        "events": ("Event", True),
        "namespaces": ("Namespace", False),
        "pods": ("Pod", True),
        "secrets": ("Secret", True),
    },
    ESO: {
        "externalsecrets": ("ExternalSecret", True),
        "secretstores": ("SecretStore", True),
        "clustersecretstores": ("ClusterSecretStore", False),
    },
}


class ClusterDouble(ApiDouble):
    """What Helm needs of an API server, over the double."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Recorded answers, each in place of what there is: the body by verb and plural, such as `watch secrets`.
        self.replayed: dict[str, bytes] = {}
        # What Secrets hold, by namespace and name: given to whoever asks for one of them, and for no list.
        self.data: dict[tuple[str, str], dict[str, str]] = {}
        # Over TLS: Helm sends no token over plain HTTP.
        self._folder = tempfile.TemporaryDirectory(prefix="cluster-double-")
        authority = CertificateAuthority.create(Path(self._folder.name))
        certificate = authority.issue(("127.0.0.1",))
        self.ca_file = authority.ca_file
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        # The handshake belongs to each connection's own thread, not to the one that accepts.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        self.put("namespaces", {"metadata": {"name": "default"}})

    def __exit__(self, *given: object) -> None:
        super().__exit__(*given)
        self._folder.cleanup()

    def kubeconfig(self, folder: Path, token: str = TOKEN) -> Path:
        path = super().kubeconfig(folder, token)
        found = json.loads(path.read_text("utf-8"))
        found["clusters"][0]["cluster"]["certificate-authority"] = str(self.ca_file)
        path.write_text(json.dumps(found), "utf-8")
        return path

    def everything(self, plural: str) -> dict[tuple[str, str], dict[str, Any]]:
        """The objects of a plural by namespace and name."""
        with self._changed:
            spaces = {space: dict(found) for (kind, space), found in self._objects.items() if kind == plural}
        return {(space, name): each for space, found in spaces.items() for name, each in found.items()}

    def set_status(self, plural: str, namespace: str, name: str, status: dict[str, Any]) -> None:
        """Replace the status alone, whatever has become of the rest; of what has gone, none."""
        with self._changed:
            found = self._objects.get((plural, namespace), {}).get(name)
            if found is not None:
                self.put(plural, {**found, "status": status})

    def changes_after(self, version: int, seconds: float) -> list[Change]:
        """The changes since a version, waiting for the first."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._changes) and self._changes[-1].version > version, seconds)
            return [each for each in self._changes if each.version > version]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        is_discovery = handler.command == "GET" and (found := self._discovered(path)) is not None
        is_apply = handler.headers.get("Content-Type") == _APPLY
        if handler.command == "GET" and (whole := self._whole_secret(handler, path)) is not None:
            self.asked.append(Asked(handler.command, path, {}, handler.headers.get("Accept") or ""))
            _send(handler, 200, json.dumps(whole).encode())
            return
        if not (is_discovery or is_apply or handler.command in ("POST", "PUT", "DELETE")):
            super()._answer(handler)
            return
        self.asked.append(Asked(handler.command, path, {}, handler.headers.get("Accept") or ""))
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if handler.headers.get("Authorization") != f"Bearer {TOKEN}":
            _send(handler, 401, _recorded("unauthorized-401.json"))
        elif is_discovery:
            _send(handler, 200, json.dumps(found).encode())
        else:
            self._change(handler, path, body)

    def _whole_secret(self, handler: BaseHTTPRequestHandler, path: str) -> dict[str, Any] | None:
        """The Secret with its data, which only e2e asks for, of its own; None for whatever else is asked."""
        if handler.headers.get("Accept") != "application/json":
            return None
        if handler.headers.get("Authorization") != f"Bearer {TOKEN}" or "get secrets" in self.refused:
            return None
        *_, namespace, plural, name = ("", "", "", *path.split("/"))
        data = self.data.get((namespace, name)) if plural == "secrets" else None
        if data is None:
            return None
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        return {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name}, "data": encoded}

    def _list(self, handler: BaseHTTPRequestHandler, at: Address, query: dict[str, str]) -> None:
        if (body := self.replayed.get(f"list {at.plural}")) is not None:
            _send(handler, 200, body)
        else:
            super()._list(handler, at, query)

    def _watch(self, handler: BaseHTTPRequestHandler, at: Address, query: dict[str, str]) -> None:
        if (body := self.replayed.get(f"watch {at.plural}")) is None:
            super()._watch(handler, at, query)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for line in body.splitlines(keepends=True):
            _chunk(handler, line)
        _chunk(handler, b"")

    def _change(self, handler: BaseHTTPRequestHandler, path: str, body: bytes) -> None:
        at, verb = _address(path), _VERBS[handler.command]
        if (status := self.refused.get(f"{verb} {at.plural}")) is not None:
            _send(handler, status, _refusal(status, verb, at))
        elif at.plural == "secrets":
            # Nobody but the operator makes Secrets here.
            _send(handler, 500, _status(500, "InternalError", "whole Secrets are not taken here"))
        elif verb == "delete":
            self._delete(handler, at)
        elif verb == "patch":
            self._apply(handler, at, json.loads(body))
        else:
            found = _of_protobuf(body) if body.startswith(_PROTOBUF) else json.loads(body)
            self._store(handler, at, found, is_new=verb == "create")

    def _store(self, handler: BaseHTTPRequestHandler, at: Address, found: dict[str, Any], *, is_new: bool) -> None:
        metadata = found.setdefault("metadata", {})
        if at.namespace:
            metadata["namespace"] = at.namespace
        with self._changed:
            is_there = metadata["name"] in self._objects.get((at.plural, at.namespace), {})
            if is_new and is_there:
                _send(handler, 409, _status(409, "AlreadyExists", f'{at.plural} "{metadata["name"]}" already exists'))
                return
            metadata.pop("generation", None)
            made = self.put(at.plural, found)
        _send(handler, 201 if is_new else 200, json.dumps(made).encode())

    def _apply(self, handler: BaseHTTPRequestHandler, at: Address, found: dict[str, Any]) -> None:
        """Server-side apply by the one manager that applies here: what it leaves out of a spec is taken out."""
        if at.namespace:
            found["metadata"]["namespace"] = at.namespace
        with self._changed:
            old = self._objects.get((at.plural, at.namespace), {}).get(at.name)
            if old is not None:
                kept = {name: each for name, each in old["metadata"].items() if name != "generation"}
                found = {**old, **found, "metadata": {**kept, **found["metadata"]}}
            same = {name: each for name, each in (old or {}).items() if name != "metadata"}
            is_change = {name: each for name, each in found.items() if name != "metadata"} != same
            made = self.put(at.plural, found) if is_change or _told(found) != _told(old or {}) else old
        _send(handler, 200 if old is not None else 201, json.dumps(made).encode())

    def _delete(self, handler: BaseHTTPRequestHandler, at: Address) -> None:
        with self._changed:
            if at.name not in self._objects.get((at.plural, at.namespace), {}):
                _send(handler, 404, _status(404, "NotFound", f'{at.plural} "{at.name}" not found'))
                return
            gone = self.get(at.plural, at.namespace, at.name)
            self.delete(at.plural, at.namespace, at.name)
            if at.plural == "namespaces":
                inside = [
                    (plural, name)
                    for (plural, space), each in self._objects.items()
                    for name in each
                    if space == at.name
                ]
                for plural, name in inside:
                    self.delete(plural, at.name, name)
        _send(handler, 200, json.dumps(gone).encode())

    def _discovered(self, path: str) -> dict[str, Any] | None:
        group, version = ESO.split("/")
        if path == "/version":
            return {"major": "1", "minor": "34", "gitVersion": "v1.34.4", "platform": "linux/amd64"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            one = {"groupVersion": ESO, "version": version}
            groups = [] if group in self.unserved else [{"name": group, "versions": [one], "preferredVersion": one}]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        for name, kinds in _KINDS.items():
            if path == ("/api/v1" if name == "v1" else f"/apis/{name}") and name.partition("/")[0] not in self.unserved:
                resources = [
                    {"name": plural, "kind": kind, "namespaced": is_namespaced, "verbs": _ALL_VERBS, "singularName": ""}
                    for plural, (kind, is_namespaced) in kinds.items()
                ]
                return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources}
        return None


def _told(found: dict[str, Any]) -> list[Any]:
    return [found.get("metadata", {}).get(name) for name in ("labels", "annotations")]


def _of_protobuf(body: bytes) -> dict[str, Any]:
    """A ConfigMap from the wire form of Kubernetes: its name, labels and data."""
    raw = dict(_fields(body[len(_PROTOBUF) :]))[2]
    parts = list(_fields(raw))
    metadata = next(_fields(part) for number, part in parts if number == 1)
    found: dict[str, Any] = {"labels": {}}
    for number, value in metadata:
        if number == 1:
            found["name"] = value.decode()
        elif number == 11:
            found["labels"].update([_pair(value)])
    return {"kind": "ConfigMap", "metadata": found, "data": dict(_pair(part) for number, part in parts if number == 2)}


def _pair(entry: bytes) -> tuple[str, str]:
    found = dict(_fields(entry))
    return found.get(1, b"").decode(), found.get(2, b"").decode()


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message; varints are passed over."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        length, at = _varint(data, at)
        if tag & 7 == 2:
            yield tag >> 3, data[at : at + length]
            at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at
