"""An API server on this machine with as much of Kubernetes as live commands use, for tests and end-to-end runs.

It lists in pages, with field selectors, and Secrets as metadata alone (500 to whoever asks for a whole one); watches;
takes merge patches; refuses with the answers that a real server gave (401, 403, 404, 400, 410; tests/recordings). What
the operator would do, the test does: `put` and `delete` change objects, and every watch sees it.
"""

import copy
import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from tests.faulty_gateway import QuietHandler

ESO = "external-secrets.io/v1"
TOKEN = "cluster-token-4711"
RECORDINGS = Path(__file__).resolve().parent / "recordings/cluster"
_MERGE = "application/merge-patch+json"
# What this server can select by, beside the name and the namespace that every kind has.
_SELECTABLE = {
    "events": {"involvedObject.kind", "involvedObject.name", "type", "reason"},
    "externalsecrets": {"spec.secretStoreRef.name", "spec.secretStoreRef.kind", "spec.target.name"},
}
# What a kind is called where it is more than its plural with a capital.
_KINDS = {
    "externalsecrets": "ExternalSecret",
    "clusterexternalsecrets": "ClusterExternalSecret",
    "secretstores": "SecretStore",
    "clustersecretstores": "ClusterSecretStore",
    "configmaps": "ConfigMap",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "cronjobs": "CronJob",
    "pushsecrets": "PushSecret",
    "clusterpushsecrets": "ClusterPushSecret",
    "vaultdynamicsecrets": "VaultDynamicSecret",
    "clustergenerators": "ClusterGenerator",
    "secretproviderclasses": "SecretProviderClass",
}


class Address(NamedTuple):
    """Where a request leads: the API group's version, the namespace (empty for all), the plural and the name."""

    version: str
    namespace: str
    plural: str
    name: str


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    accepted: str
    agent: str = ""


class Change(NamedTuple):
    """An event of a watch."""

    version: int
    plural: str
    namespace: str
    type: str
    object: dict[str, Any]


@dataclass
class ApiDouble:
    """`refused` maps a verb and plural, such as `list secrets`, to the status that it gets; `hung` get no answer."""

    refused: dict[str, int] = field(default_factory=dict)
    hung: set[str] = field(default_factory=set)
    # Whether nothing changes any more: each list is then encoded once, by its address and whether it is of metadata.
    is_final: bool = False
    replies: dict[tuple[str, bool], bytes] = field(default_factory=dict)
    # What a refusal says in place of its usual words.
    said: dict[str, str] = field(default_factory=dict)
    unserved: set[str] = field(default_factory=set)
    page: int = 500
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._objects: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self._changes: list[Change] = []
        self._version, self._oldest, self._epoch, self._uids = 100, 0, 0, 0
        self._changed = threading.Condition()
        self._closed = threading.Event()
        double = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                double._answer(self)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self.end_watches()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def kubeconfig(self, folder: Path, token: str = TOKEN) -> Path:
        """A kubeconfig with the contexts `here`, the current one, and `there`, where nobody listens."""
        clusters = {"here": self.url, "there": "http://127.0.0.1:1"}
        data = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": name, "cluster": {"server": url}} for name, url in clusters.items()],
            "users": [{"name": "me", "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in clusters],
        }
        path = folder / "kubeconfig.json"
        path.write_text(json.dumps(data), "utf-8")
        return path

    def put(self, plural: str, found: dict[str, Any]) -> dict[str, Any]:
        """Create or replace an object as the server does: uid, generation and version are its own where left out."""
        with self._changed:
            new = copy.deepcopy(found)
            metadata = new.setdefault("metadata", {})
            here = self._objects.setdefault((plural, metadata.get("namespace", "")), {})
            old = here.get(metadata["name"])
            self._version += 1
            self._uids += old is None
            before = old["metadata"] if old is not None else {}
            metadata.setdefault("uid", before.get("uid", f"uid-{self._uids}"))
            is_other = old is None or old.get("spec") != new.get("spec")
            metadata.setdefault("generation", before.get("generation", 0) + is_other)
            metadata["resourceVersion"] = str(self._version)
            here[metadata["name"]] = new
            self._note(plural, "ADDED" if old is None else "MODIFIED", new)
            return copy.deepcopy(new)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is put within is seen as one change: watchers get the last state of each object, nothing between."""
        with self._changed:
            begin = len(self._changes)
            yield
            made: dict[tuple[str, str, str], Change] = {}
            for change in self._changes[begin:]:
                key = (change.plural, change.namespace, change.object["metadata"]["name"])
                before = made.pop(key, None)
                is_new = before is not None and (before.type, change.type) == ("ADDED", "MODIFIED")
                made[key] = change._replace(type="ADDED") if is_new else change
            self._changes[begin:] = made.values()

    def load(self, plural: str, objects: Iterable[dict[str, Any]]) -> None:
        """Put objects as they were recorded."""
        for each in objects:
            self.put(plural, each)

    def get(self, plural: str, namespace: str, name: str) -> dict[str, Any]:
        with self._changed:
            return copy.deepcopy(self._objects[plural, namespace][name])

    def delete(self, plural: str, namespace: str, name: str) -> None:
        with self._changed:
            gone = self._objects[plural, namespace].pop(name)
            self._version += 1
            gone["metadata"]["resourceVersion"] = str(self._version)
            self._note(plural, "DELETED", gone)

    def warn(
        self,
        namespace: str,
        name: str,
        message: str,
        moment: str = "2026-11-26T00:54:25Z",
        count: int = 1,
        kind: str = "ExternalSecret",
    ) -> None:
        """A Warning event of the operator about an ExternalSecret, or a store object."""
        at = (f"{kind.lower()}s", "" if kind.startswith("Cluster") else namespace)
        here = self._objects.get(at, {}).get(name)
        uid = {"uid": here["metadata"]["uid"]} if here is not None else {}
        event = {
            "metadata": {"name": f"{name}.{self._version}", "namespace": namespace},
            "involvedObject": {"kind": kind, "namespace": namespace, "name": name, **uid},
            "reason": "UpdateFailed",
            "message": message,
            "type": "Warning",
            "count": count,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "eventTime": None,
        }
        self.put("events", event)

    def end_watches(self) -> None:
        """Close every watch that is open, as a server does from time to time."""
        with self._changed:
            self._epoch += 1
            self._changed.notify_all()

    def forget(self) -> None:
        """Have every version from before too old to watch from: the answer is then the recorded 410."""
        with self._changed:
            self._version += 1
            self._oldest = self._version

    def _note(self, plural: str, kind: str, found: dict[str, Any]) -> None:
        namespace = found["metadata"].get("namespace", "")
        self._changes.append(Change(self._version, plural, namespace, kind, copy.deepcopy(found)))
        self._changed.notify_all()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        accepted = handler.headers.get("Accept") or ""
        agent = handler.headers.get("User-Agent") or ""
        self.asked.append(Asked(handler.command, parts.path, query, accepted, agent))
        if handler.headers.get("Authorization") != f"Bearer {TOKEN}":
            _send(handler, 401, _recorded("unauthorized-401.json"))
            return
        at = _address(parts.path)
        if at.version.partition("/")[0] in self.unserved:
            _send(handler, 404, (RECORDINGS / "group-missing-404.txt").read_bytes(), "text/plain; charset=utf-8")
            return
        verb = _verb(handler.command, at, query)
        if f"{verb} {at.plural}" in self.hung:
            self._closed.wait()
            return
        if (status := self.refused.get(f"{verb} {at.plural}")) is not None:
            words = self.said.get(f"{verb} {at.plural}")
            body = _status(status, "InternalError", words) if words is not None else _refusal(status, verb, at)
            _send(handler, status, body)
        elif at.plural == "secrets" and "as=PartialObjectMetadata" not in accepted:
            # A whole Secret would bring its values to whoever asks.
            _send(handler, 500, _status(500, "InternalError", "whole Secrets are not given here"))
        elif verb == "watch":
            # Whoever watches may have left.
            with suppress(ConnectionError):
                self._watch(handler, at, query)
        elif verb == "list":
            self._list(handler, at, query)
        elif verb in ("get", "patch"):
            self._one(handler, at, verb, body)
        else:
            _send(handler, 405, _status(405, "MethodNotAllowed", "this double only looks and patches"))

    def _one(self, handler: BaseHTTPRequestHandler, at: Address, verb: str, body: bytes) -> None:
        with self._changed:
            found = copy.deepcopy(self._objects.get((at.plural, at.namespace), {}).get(at.name))
        if found is None:
            _send(handler, 404, _status(404, "NotFound", f'{at.plural} "{at.name}" not found'))
            return
        if verb == "patch":
            if handler.headers.get("Content-Type") != _MERGE:
                _send(handler, 415, _status(415, "UnsupportedMediaType", "merge patches only"))
                return
            found["metadata"].pop("generation", None)
            found = self.put(at.plural, _merged(found, json.loads(body)))
        _send(handler, 200, json.dumps(_shown(at, found, is_partial=at.plural == "secrets")).encode())

    def _list(self, handler: BaseHTTPRequestHandler, at: Address, query: dict[str, str]) -> None:
        asked = handler.path, _is_partial(handler)
        if asked in self.replies:
            _send(handler, 200, self.replies[asked])
            return
        chosen = self._selector(at.plural, query)
        if chosen is None:
            _send(handler, 400, _recorded("field-selector-unknown-400.json"))
            return
        with self._changed:
            spaces = [key for key in self._objects if key[0] == at.plural and at.namespace in ("", key[1])]
            every = [each for key in spaces for each in self._objects[key].values() if _matches(each, chosen)]
            every = [each for each in every if _is_labelled(each, query.get("labelSelector", ""))]
            start, limit = int(query.get("continue", 0)), min(int(query.get("limit", self.page)), self.page)
            end = start + limit if "limit" in query else len(every)
            metadata = {"resourceVersion": str(self._version)}
            if end < len(every):
                metadata["continue"] = str(end)
            is_partial = _is_partial(handler)
            items = [_shown(at, each, is_partial=is_partial) for each in every[start:end]]
            version, kind = _type(at, is_partial=is_partial)
            # As a real server writes an empty list of metadata.
            shown = items or (None if is_partial else [])
            found = {"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": shown}
            body = json.dumps(found).encode()
            if self.is_final:
                self.replies[asked] = body
        _send(handler, 200, body)

    def _selector(self, plural: str, query: dict[str, str]) -> dict[str, str] | None:
        pairs = [each.split("=", 1) for each in query.get("fieldSelector", "").split(",") if each]
        known = {"metadata.name", "metadata.namespace"} | _SELECTABLE.get(plural, set())
        return dict(pairs) if all(name in known for name, _ in pairs) else None

    def _watch(self, handler: BaseHTTPRequestHandler, at: Address, query: dict[str, str]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        seen = int(query.get("resourceVersion") or 0)
        if seen < self._oldest:
            _chunk(handler, (RECORDINGS / "watch-expired-410.jsonl").read_bytes().strip() + b"\n")
            _chunk(handler, b"")
            return
        epoch = self._epoch
        while epoch == self._epoch:
            with self._changed:
                new = [each for each in self._changes if each.version > seen]
                if not new and epoch == self._epoch:
                    self._changed.wait(float(query.get("timeoutSeconds", 60)))
                    new = [each for each in self._changes if each.version > seen]
            for each in new:
                seen = each.version
                if each.plural == at.plural and at.namespace in ("", each.namespace):
                    is_partial = _is_partial(handler)
                    event = {"type": each.type, "object": _shown(at, each.object, is_partial=is_partial)}
                    _chunk(handler, json.dumps(event).encode() + b"\n")
            if not new:
                break
        _chunk(handler, b"")


def _address(path: str) -> Address:
    words = path.strip("/").split("/")
    version, rest = ("v1", words[2:]) if words[0] == "api" else ("/".join(words[1:3]), words[3:])
    if rest[0] == "namespaces" and len(rest) > 2:
        return Address(version, rest[1], rest[2], rest[3] if len(rest) > 3 else "")
    return Address(version, "", rest[0], rest[1] if len(rest) > 1 else "")


def _verb(method: str, at: Address, query: dict[str, str]) -> str:
    if method != "GET":
        return method.lower()
    if at.name:
        return "get"
    return "watch" if query.get("watch") == "true" else "list"


def _is_partial(handler: BaseHTTPRequestHandler) -> bool:
    return "as=PartialObjectMetadata" in (handler.headers.get("Accept") or "")


def _type(at: Address, *, is_partial: bool) -> tuple[str, str]:
    """The API and the kind of what is answered."""
    if is_partial:
        return "meta.k8s.io/v1", "PartialObjectMetadata"
    return at.version, kind_of(at.plural)


def kind_of(plural: str) -> str:
    """What an object of a collection is called."""
    return _KINDS.get(plural, plural[:-1].capitalize())


def _shown(at: Address, found: dict[str, Any], *, is_partial: bool) -> dict[str, Any]:
    version, kind = _type(at, is_partial=is_partial)
    rest = {"metadata": found["metadata"]} if is_partial else found
    return {"kind": kind, "apiVersion": version, **rest}


def _matches(found: dict[str, Any], chosen: dict[str, str]) -> bool:
    for path, value in chosen.items():
        here: Any = found
        for name in path.split("."):
            here = here.get(name, {})
        if here != value:
            return False
    return True


def _is_labelled(found: dict[str, Any], selector: str) -> bool:
    labels = found["metadata"].get("labels") or {}
    # `name in (a,b)`, or `name=a`, joined by commas.
    terms = re.findall(r"([^,=() ]+)(?: in \(([^)]*)\)|=([^,]*))", selector)
    return all(labels.get(name) in ([*some.split(",")] if some else [one]) for name, some, one in terms)


def _merged(old: Any, change: Any) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(change, dict):
        return change
    merged = dict(old) if isinstance(old, dict) else {}
    for name, value in change.items():
        merged[name] = _merged(merged.get(name), value)
    return {name: value for name, value in merged.items() if value is not None}


def _recorded(name: str) -> bytes:
    return (RECORDINGS / name).read_bytes()


def _refusal(status: int, verb: str, at: Address) -> bytes:
    if status == 401:
        return _recorded("unauthorized-401.json")
    if status == 403 and (verb, at.plural) == ("list", "secrets"):
        return _recorded("secrets-forbidden-403.json")
    return _status(status, "Refused", f'{at.plural} is forbidden: User "me" cannot {verb} it')


def _status(code: int, reason: str, message: str) -> bytes:
    found = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    return json.dumps({**found, "reason": reason, "code": code}).encode()


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json") -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _chunk(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    handler.wfile.flush()
