"""The API double as `verify --cluster` and `import` ask it: lists and objects by their paths, and 404 for the rest."""

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.api_double import ApiDouble, Asked, _send, kind_of

ESO = "/apis/external-secrets.io/v1"
SERVER = "http://vault.vault.svc.cluster.local:8200"


class FakeCluster(ApiDouble):
    """Serves `objects` by path, 404 for the rest, and the status in `refused` for each path with that part."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.objects: dict[str, Any] = {}

    def store(self, name: str, *, ready: bool | None, message: str = "", namespace: str | None = None) -> None:
        """A store that leads to the Vault of this repository's environments."""
        where = f"namespaces/{namespace}/secretstores" if namespace else "clustersecretstores"
        self.objects[f"{ESO}/{where}/{name}"] = {
            "metadata": {"name": name},
            "spec": {"provider": {"vault": {"server": SERVER, "path": "secret"}}},
            "status": _status(message, ready=ready),
        }

    def external_secret(
        self,
        namespace: str,
        name: str,
        *,
        ready: bool | None = True,
        own: bool = True,
        target: str | None = None,
        reason: str | None = None,
        spec: Mapping[str, Any] | None = None,
    ) -> None:
        labels = {"app.kubernetes.io/part-of": "ai-platform-engineering"} if own else {}
        listed = self.objects.setdefault(f"{ESO}/namespaces/{namespace}/externalsecrets", {"items": []})
        identity = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": 1}
        listed["items"].append(
            {
                "metadata": {**identity, "labels": labels},
                "spec": spec or {"target": {"name": target} if target else {}},
                "status": {
                    "syncedResourceVersion": "1-0",
                    **_status("could not get secret data from provider", ready=ready, reason=reason),
                },
            }
        )

    def secret(self, namespace: str, name: str, data: dict[str, str], owner: tuple[str, str] | None = None) -> None:
        owners = [
            {"apiVersion": "v1", "kind": kind, "name": by, "uid": "1", "controller": True}
            for kind, by in ([owner] if owner else [])
        ]
        fields: dict[str, Any] = {"f:data": {".": {}, **{f"f:{key}": {} for key in data}}, "f:type": {}}
        metadata = {
            "name": name,
            "namespace": namespace,
            "ownerReferences": owners,
            "managedFields": [{"manager": f"externalsecrets.external-secrets.io/{name}", "fieldsV1": fields}],
        }
        listed = self.objects.setdefault(f"/api/v1/namespaces/{namespace}/secrets", {"items": []})
        listed["items"].append({"metadata": metadata, "data": data})

    def event(self, namespace: str, name: str, message: str, moment: str) -> None:
        listed = self.objects.setdefault(f"/api/v1/namespaces/{namespace}/events", {"items": []})
        listed["items"].append(
            {
                "metadata": {"name": f"{name}.{len(listed['items'])}", "namespace": namespace},
                "involvedObject": {"kind": "ExternalSecret", "name": name, "uid": f"uid-{name}"},
                "message": message,
                "type": "Warning",
                "lastTimestamp": moment,
            }
        )

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        self.asked.append(Asked(handler.command, parts.path, {}, handler.headers.get("Accept") or ""))
        status = next((code for part, code in self.refused.items() if part in parts.path), None)
        # A further page stands under its mark.
        page = parse_qs(parts.query).get("continue", [""])[0]
        found = self.objects.get(f"{parts.path}?{page}" if page else parts.path)
        if parts.path.endswith("/events"):
            # What the client must ask for: other events can be many.
            kinds = [f"involvedObject.kind={each},type=Warning" for each in ("ExternalSecret", "ClusterSecretStore")]
            assert parse_qs(parts.query)["fieldSelector"][0] in kinds
            found = found or {"items": []}
        if parts.path.startswith("/api/v1/") and "/secrets" in parts.path:
            # A whole Secret would bring its values here, and a list of them every value.
            status = status or (None if "as=PartialObjectMetadataList" in handler.headers["Accept"] else 500)
            items = [{"metadata": each["metadata"]} for each in (found or {}).get("items", ())]
            found = {"metadata": (found or {}).get("metadata", {}), "items": items}
        if found is not None and "items" in found:
            version = parts.path.partition("/namespaces/")[0].removeprefix("/api/").removeprefix("/apis/")
            found = {**_type(parts.path, version), **found}
        body = json.dumps(found if status is None and found is not None else {"message": "body-4711"}).encode()
        _send(handler, status or (200 if found is not None else 404), body)


def _type(path: str, version: str) -> dict[str, str]:
    """The API and the kind of the list that stands under the path."""
    plural = path.rpartition("/")[2]
    if plural in ("secrets", "configmaps"):
        return {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList"}
    return {"apiVersion": version.removesuffix(f"/{plural}"), "kind": f"{kind_of(plural)}List"}


def _status(message: str, *, ready: bool | None, reason: str | None = None) -> dict[str, Any]:
    if ready is None:
        return {}
    other = {"type": "Deleted", "status": "False"}
    told = {"reason": reason} if reason is not None else {}
    return {"conditions": [other, {"type": "Ready", "status": str(ready), "message": message, **told}]}
