"""Reads a cluster through a kubeconfig; the only module that imports the Kubernetes client. No value leaves it."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import urllib3.exceptions
from kubernetes import client, config
from urllib3.exceptions import NameResolutionError, NewConnectionError

from compiler.operations.cluster.objects import ClusterError, LiveExternalSecret, LiveSecret, LiveStore, Ready

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    LiveObject = Mapping[str, Any]

T = TypeVar("T")
_IN_POD = "KUBERNETES_SERVICE_HOST"
_GROUP, _VERSION = "external-secrets.io", "v1"
_PLURALS = {"ClusterSecretStore": "clustersecretstores", "SecretStore": "secretstores"}
_TIMEOUT = (5, 30)  # seconds to connect and to read
_FORBIDDEN, _UNAUTHORISED, _NOT_FOUND = 403, 401, 404
_FINE = 200
_MOST_EVENTS = 500
_PAGE = 500
_OPERATORS_OWN = "reconcile.external-secrets.io/"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class KubernetesCluster:
    """The cluster of the kubeconfig's current context, or of `context`; inside a pod, the pod's own."""

    def __init__(self, environ: Mapping[str, str], context: str | None = None) -> None:
        _silence_client()
        is_usable = True
        settings = client.Configuration()
        try:
            _configure(settings, environ, context)
        except Exception:  # noqa: BLE001 - a YAML parser, a certificate, a log-in program: its text may quote any
            is_usable = False
        if not is_usable:
            # Without the error and its text, which may quote credentials.
            is_there = any(Path(name).exists() for name in _files(environ).split(os.pathsep))
            why = "it is damaged, or has no such context or certificate" if is_there else "there is no such file"
            raise ClusterError(f"no usable kubeconfig ({why})", "set KUBECONFIG, or name a context with --context")
        settings.retries = False
        api = client.ApiClient(settings)
        self._core = client.CoreV1Api(api)
        self._custom = client.CustomObjectsApi(api)

    def store(self, kind: str, name: str, namespace: str) -> LiveStore | None:
        plural = _PLURALS[kind]
        found: Any
        if kind == "SecretStore":
            found = _asked(
                f"get {plural} in {namespace}",
                lambda: self._custom.get_namespaced_custom_object(
                    _GROUP, _VERSION, namespace, plural, name, _request_timeout=_TIMEOUT
                ),
            )
        else:
            found = _asked(
                f"get {plural}",
                lambda: self._custom.get_cluster_custom_object(
                    _GROUP, _VERSION, plural, name, _request_timeout=_TIMEOUT
                ),
            )
        return None if found is None else LiveStore(kind, name, _ready(found))

    def external_secrets(self, namespace: str) -> tuple[LiveExternalSecret, ...]:
        found: Any = _asked(
            f"list externalsecrets in {namespace}",
            lambda: self._custom.list_namespaced_custom_object(
                _GROUP, _VERSION, namespace, "externalsecrets", _request_timeout=_TIMEOUT
            ),
        )
        if found is None:
            raise _unserved()
        return tuple(_external_secret(item) for item in found.get("items") or ())

    def secret(self, namespace: str, name: str) -> LiveSecret | None:
        def read() -> LiveSecret:
            found = self._core.read_namespaced_secret(name, namespace, _request_timeout=_TIMEOUT)
            metadata: Any = found.metadata
            owners = [each for each in metadata.owner_references or () if each.controller]
            controller = (owners[0].kind, owners[0].name) if owners else None
            return LiveSecret(name, frozenset(found.data or ()), controller)

        return _asked(f"get secrets in {namespace}", read)

    def store_object(self, kind: str, name: str, namespace: str) -> LiveObject | None:
        plural = _PLURALS[kind]
        scope = f"/namespaces/{namespace}" if kind == "SecretStore" else ""
        return self._got(f"get {plural}", f"/apis/{_GROUP}/{_VERSION}{scope}/{plural}/{name}")

    def external_secret_objects(self, namespace: str) -> tuple[LiveObject, ...]:
        path = f"/apis/{_GROUP}/{_VERSION}/namespaces/{namespace}/externalsecrets"
        found = self._listed(f"list externalsecrets in {namespace}", path, "application/json")
        if found is None:
            raise _unserved()
        return found

    def secret_metadata(self, namespace: str) -> tuple[LiveObject, ...]:
        found = self._listed(f"list secrets in {namespace}", f"/api/v1/namespaces/{namespace}/secrets", _METADATA_ONLY)
        # Should anything on the way not honour what was accepted, the data ends here.
        return tuple({"metadata": _without_values(each.get("metadata") or {})} for each in found or ())

    def namespace_object(self, namespace: str) -> LiveObject | None:
        return self._got("get namespaces", f"/api/v1/namespaces/{namespace}")

    def every_object(self, plural: str) -> tuple[LiveObject, ...] | None:
        """All objects of a kind of the operator, of every namespace; None where the cluster has no such kind."""
        return self._listed(f"list {plural}", f"/apis/{_GROUP}/{_VERSION}/{plural}", "application/json")

    def _listed(self, permission: str, path: str, accepted: str) -> tuple[LiveObject, ...] | None:
        found: list[LiveObject] = []
        query = [("limit", str(_PAGE))]
        while True:
            page = self._got(permission, path, accepted, query)
            if page is None:
                return None
            found += page.get("items") or ()
            mark = (page.get("metadata") or {}).get("continue")
            if not mark:
                return tuple(found)
            query = [("limit", str(_PAGE)), ("continue", mark)]

    def _got(
        self, permission: str, path: str, accepted: str = "application/json", query: Sequence[tuple[str, str]] = ()
    ) -> LiveObject | None:
        """One object of the API as it is, or None where there is none."""
        api: Any = self._core.api_client

        def read() -> LiveObject:
            request = api.param_serialize(
                "GET",
                path,
                query_params=list(query),
                header_params={"Accept": accepted},
                auth_settings=["BearerToken"],
            )
            reply = api.call_api(*request, _request_timeout=_TIMEOUT)
            body = reply.read()
            if reply.status != _FINE:
                raise client.ApiException(status=reply.status)
            found: LiveObject = json.loads(body)
            return found

        return _asked(permission, read)

    def complaints(self, namespace: str) -> Mapping[str, str]:
        found: Any = _asked(
            f"list events in {namespace}",
            lambda: self._core.list_namespaced_event(
                namespace,
                field_selector="involvedObject.kind=ExternalSecret,type=Warning",
                limit=_MOST_EVENTS,
                _request_timeout=_TIMEOUT,
            ),
        )
        items = found.items if found is not None else ()
        events = [(_moment(each), each.involved_object.name, each.message or "") for each in items]
        return {name: message for _, name, message in sorted(events)}


def _without_values(metadata: LiveObject) -> LiveObject:
    """The metadata with the operator's annotations alone: kubectl notes a whole Secret in one of its own."""
    annotations = metadata.get("annotations") or {}
    own = {name: value for name, value in annotations.items() if name.startswith(_OPERATORS_OWN)}
    return {**metadata, "annotations": own}


def _unserved() -> ClusterError:
    return ClusterError(f"it does not serve {_GROUP}/{_VERSION}", "install External Secrets Operator 0.16 or newer")


def _silence_client() -> None:
    # At debug level the client's logger prints replies, and Secrets are among them.
    logging.getLogger("kubernetes.client.rest").disabled = True
    # A log-in program's complaint goes to the root logger, which prints where it has no handler.
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.NullHandler())


def _configure(settings: client.Configuration, environ: Mapping[str, str], context: str | None) -> None:
    # Not the client's own search: it prints to standard output, and remembers KUBECONFIG from when it was imported.
    files = _files(environ)
    if context is None and "KUBECONFIG" not in environ and _IN_POD in environ and not Path(files).exists():
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        return
    # Not to persist: a renewed token is not for this program to write into a person's file.
    config.load_kube_config(  # type: ignore[no-untyped-call]
        files, context=context, client_configuration=settings, persist_config=False
    )


def _files(environ: Mapping[str, str]) -> str:
    return environ.get("KUBECONFIG") or str(Path(environ.get("HOME", "~")).expanduser() / ".kube/config")


def _asked(permission: str, ask: Callable[[], T]) -> T | None:
    """What `ask` returns, or None where the cluster has no such object. Raises ClusterError."""
    try:
        return ask()
    except client.ApiException as error:
        status = error.status
    except (urllib3.exceptions.HTTPError, OSError, ValueError, TypeError, AttributeError) as error:
        reason = f"it gave no usable answer ({_why(error)})"
        failure = ClusterError(reason, "check the kubeconfig's server, the network and the client's credentials")
        status = None
    # Raised out here, without the client's error as context: that one holds headers and body of the reply.
    if status == _NOT_FOUND:
        return None
    if status == _FORBIDDEN:
        raise ClusterError(f"you are not allowed to {permission}", f'get a role that allows "{permission}"', permission)
    if status == _UNAUTHORISED:
        raise ClusterError("it rejected your credentials", "log in to the cluster again")
    if status is not None:
        raise ClusterError(f"it answered with status {status}", "check the cluster's API server, and run again")
    raise failure


def _external_secret(item: Mapping[str, Any]) -> LiveExternalSecret:
    metadata = item.get("metadata") or {}
    name = str(metadata.get("name", ""))
    target = ((item.get("spec") or {}).get("target") or {}).get("name") or name
    return LiveExternalSecret(name, str(target), metadata.get("labels") or {}, _ready(item))


def _ready(item: Mapping[str, Any]) -> Ready | None:
    for condition in (item.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            message, reason = (str(condition.get(name) or "") for name in ("message", "reason"))
            return Ready(condition.get("status") == "True", message, reason)
    return None


def _moment(event: Any) -> str:  # noqa: ANN401 - the client has no types
    moment = event.last_timestamp or event.event_time or event.first_timestamp
    return moment.isoformat() if moment is not None else ""


def _why(error: Exception) -> str:
    """What kept it from answering; of the error's own text nothing is shown."""
    # Each of the first three is one of the next in urllib3.
    if isinstance(error, NameResolutionError):
        return "its host name does not resolve here"
    if isinstance(error, NewConnectionError):
        return "it refuses the connection, or no route leads to it"
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return "it does not answer"
    if isinstance(error, urllib3.exceptions.SSLError):
        return "its certificate is not trusted, or it does not speak TLS"
    if isinstance(error, urllib3.exceptions.HTTPError | OSError):
        return "the connection was closed"
    return "what answers there is not Kubernetes, or the log-in program failed"
