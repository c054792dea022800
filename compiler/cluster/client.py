"""Sends requests to the cluster of a kubeconfig, and reads lists in pages.

The only module that imports the Kubernetes client. Objects are checked where they are read.
"""

import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from gc import get_referents
from itertools import chain
from pathlib import Path
from sys import getsizeof
from typing import Any, TypeVar

import urllib3.exceptions
from kubernetes import client, config
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger
from urllib3.exceptions import NameResolutionError, NewConnectionError

from compiler import __version__
from compiler.cluster.fields import keep_used_fields
from compiler.cluster.lists import CHECK_SERVER, METADATA_ALONE, TYPES, ListError, read_list, require_form
from compiler.cluster.messages import webhook_failure
from compiler.cluster.view import (
    CERTIFICATES,
    CONTROLLER,
    EVENTS,
    EXTERNAL_SECRETS,
    FORCE_SYNC,
    NAME_LABEL,
    NAMESPACES,
    OPERATOR,
    PODS,
    STORES,
    WEBHOOK,
    ClusterError,
    ClusterName,
    LiveObject,
    NotServedError,
    Objects,
    RefusedWriteError,
)
from compiler.model.facts import has_more_values
from compiler.model.files import IN_POD, NamedFileError, as_file, kubeconfigs, show_file
from compiler.model.store import show_url
from compiler.model.values import child
from compiler.stores.http import ReplyTooLargeError, StrictResponse, silence
from compiler.stores.pacing import within
from compiler.text.wording import PROGRAM, kubectl_line, quote, shell_line, suggest

T = TypeVar("T")
_TIMEOUT = (5, 30)  # seconds to connect and to read
# Seconds for all that one command asks, as for an operation on a store. 50,000 ExternalSecrets take six.
_PATIENCE = 120.0
# The limit for an answer: 500 pods take 8 MiB and 200,000 values.
_LARGEST = 32 * 1024 * 1024
_MOST_VALUES = 500_000
# The limits for all answers to one command and for what is kept of them. 10,000 ExternalSecrets with their Secrets and
# 5,000 pods of 16 KiB stay below both, and so do 40,000 ExternalSecrets of which only the specs are kept.
_MOST_BYTES, _MOST_MEMORY = 128 * 1024 * 1024, 256 * 1024 * 1024
_ASK_LESS = "ask about fewer namespaces at a time, or run without the cluster; if that is small, check its API server"
_FORBIDDEN, _UNAUTHORISED, _NOT_FOUND, _GONE = 403, 401, 404, 410
_FINE = 200
# As much of an answer that refuses is looked through for words.
_LARGEST_REFUSAL = 64 * 1024
_NO_TLS = "its certificate is not trusted, or it does not speak TLS"
_NO_KUBERNETES = "what answers there is not Kubernetes, or the log-in program failed"
# Each of the first three is one of the next in urllib3.
_CAUSES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((NameResolutionError,), "its host name does not resolve here"),
    ((NewConnectionError,), "it refuses the connection, or no route leads to it"),
    ((urllib3.exceptions.TimeoutError, TimeoutError), "it does not answer"),
    ((urllib3.exceptions.SSLError,), _NO_TLS),
    ((urllib3.exceptions.HTTPError, OSError), "the connection was closed"),
)
# One with the certificates of a hundred clusters is a megabyte; the client's parser takes seconds for each.
_LARGEST_CONFIG = 4 * 1024 * 1024
_MERGE = "application/merge-patch+json"
_GROUP = "external-secrets.io/v1"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}", re.ASCII)
_JSON = "application/json"
# The only form in which Secrets and ConfigMaps are accepted: no value of one reaches this program.
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class _Reply(StrictResponse):
    """A reply with a limit on its whole size and time: a timeout of single reads would not stop a slow trickle."""

    # With its head and the lengths of its chunks; of what is inside, `_got` takes no more than _LARGEST.
    largest = 2 * _LARGEST
    longest = 300.0


class KubernetesCluster:
    """The cluster of the kubeconfig's current context, or of `context`; inside a pod, the pod's own.

    Reads objects in checked shapes. Its methods raise ClusterError.
    """

    def __init__(self, environ: Mapping[str, str], context: str | None = None) -> None:
        # At debug level the client's logger prints replies, and Secrets are among them.
        logging.getLogger("kubernetes.client.rest").disabled = True
        # A log-in program's complaint goes to the root logger.
        silence()
        why, name = "", None
        settings = client.Configuration()
        try:
            name = _configure(settings, environ, context)
        except ClusterError:
            raise
        except NamedFileError as error:
            why = f"it {error}"
        except Exception:  # noqa: BLE001 - a YAML parser, a certificate, a log-in program: its text may quote any
            # Without the error and its text, which may quote credentials.
            why = "it is damaged, or its cluster, user or certificate is missing"
        if why:
            raise _unusable_config(why, "correct it, or name another with KUBECONFIG")
        self.name = ClusterName(name, show_url(settings.host), () if context is None else ("--context", context))
        settings.retries = False
        # Setting it keeps its choice: otherwise the client chooses a proxy anew before each request.
        settings.proxy = settings.proxy
        self._patience = _PATIENCE
        self.renew()
        self._api: Any = client.ApiClient(settings)
        self._api.user_agent = f"{PROGRAM}/{__version__}"
        manager = self._api.rest_client.pool_manager
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: _limit_replies(pool) for scheme, pool in pools.items()}

    def renew(self) -> None:
        """Reset the limits on time and size, which are for one command."""
        self._spent, self._received, self._memory = 0.0, 0, 0

    def collection(self, plural: str, namespace: str) -> Objects:
        """The objects of a kind in a namespace; of Secrets and ConfigMaps only the metadata."""
        return self._read_collection(plural, namespace, ())

    def store_object(self, kind: str, name: str, namespace: str) -> LiveObject | None:
        if not _NAME.fullmatch(name):
            # The name may come from a live object: with a slash it could lead to another object, such as a Secret.
            return None
        plural, is_namespaced = STORES[kind], kind == "SecretStore"
        scope = f"/namespaces/{namespace}" if is_namespaced else ""
        permission = f"get {plural} in {namespace}" if is_namespaced else f"get {plural}"
        return self._read_one(permission, f"/apis/{_GROUP}{scope}/{plural}/{name}", plural)

    def namespace_object(self, namespace: str) -> LiveObject | None:
        return self._read_one("get namespaces", f"/api/v1/namespaces/{namespace}", NAMESPACES)

    def _read_one(self, permission: str, path: str, plural: str) -> LiveObject | None:
        found = self._get(permission, path)
        return None if found is None else require_form(lambda: self._keep(keep_used_fields(plural, found)))

    def warnings(self, namespace: str, kind: str = "ExternalSecret") -> Mapping[str, LiveObject]:
        """The newest warning event about each object of a kind, by the object's UID: names may be reused."""
        wanted = [("fieldSelector", f"involvedObject.kind={kind},type=Warning")]
        found = sorted(
            map(_warning, self._read_collection(EVENTS, namespace, wanted)), key=lambda each: str(each["moment"])
        )
        return {str(each["uid"]): each for each in found}

    def operator_deployments(self) -> Objects:
        """The Deployments of the operator in every namespace, by the labels of its chart."""
        names = f"{CONTROLLER},{WEBHOOK},{CERTIFICATES}"
        return self._list_by_label("list deployments", OPERATOR, "", f"{NAME_LABEL} in ({names})")

    def pods_by_label(self, namespace: str, labels: str) -> Objects:
        return self._list_by_label(f"list pods in {namespace}", PODS, namespace, labels)

    def _list_by_label(self, permission: str, kind: str, namespace: str, labels: str) -> Objects:
        plural = "deployments" if kind == OPERATOR else kind
        wanted, take = [("labelSelector", labels)], partial(keep_used_fields, kind)
        found = self._read_whole_list(permission, plural, namespace, wanted, take)
        return found[0] if found is not None else ()

    def every_object(self, plural: str) -> Objects | None:
        """Names and specs of all objects of a kind in all namespaces; None if the cluster does not serve it."""
        found = self._read_whole_list(f"list {plural}", plural, "", (), partial(_metadata_and_spec, plural))
        return found[0] if found is not None else None

    def force_sync(self, namespace: str, name: str, mark: str) -> bool:
        """Set the annotation that makes the operator synchronise at once; False if there is no such object."""
        change = {"metadata": {"annotations": {FORCE_SYNC: mark}}}
        path = f"{_path(EXTERNAL_SECRETS, namespace)}/{name}"

        def send() -> bool:
            self._request("PATCH", path, body=change).read(_LARGEST, decode_content=False)
            return True

        with self._in_time():
            return _answer(f"patch externalsecrets in {namespace}", send) or False

    def _read_collection(self, plural: str, namespace: str, selected: Sequence[tuple[str, str]]) -> Objects:
        found = self._read_whole_list(
            f"list {plural} in {namespace}", plural, namespace, selected, partial(keep_used_fields, plural)
        )
        if found is not None:
            return found[0]
        if plural == EXTERNAL_SECRETS:
            raise NotServedError(f"it does not serve {_GROUP}", "install External Secrets Operator 0.16 or newer")
        return ()

    def _read_whole_list(
        self,
        permission: str,
        plural: str,
        namespace: str,
        selected: Sequence[tuple[str, str]],
        take: Callable[[object], LiveObject],
    ) -> tuple[Objects, str] | None:
        """All objects of a kind and the list's version; None if the cluster does not serve the kind."""
        path, accepted = _path(plural, namespace), _media_type(plural)
        return read_list(
            plural,
            lambda query: self._get(permission, path, accepted, [*selected, *query]),
            lambda found: self._keep(take(found)),
        )

    def _keep(self, found: LiveObject) -> LiveObject:
        self._count(kept=memory_of(found))
        return found

    def _count(self, received: int = 0, kept: int = 0) -> None:
        """Count what was received and what is kept. Raises ClusterError above the limits for one command."""
        self._received += received
        self._memory += kept
        if self._received > _MOST_BYTES or self._memory > _MOST_MEMORY:
            limits = f"{_MOST_BYTES // 1024**2} MiB, or take more than {_MOST_MEMORY // 1024**2} MiB of memory"
            raise ClusterError(f"its answers to this command have more than {limits}", _ASK_LESS)

    def _get(
        self, permission: str, path: str, accepted: str = _JSON, query: Sequence[tuple[str, str]] = ()
    ) -> LiveObject | None:
        def read() -> LiveObject:
            content = self._request("GET", path, accepted, query).read(_LARGEST + 1, decode_content=False)
            self._count(received=len(content))
            return _parse_object(content)

        with self._in_time():
            return _answer(permission, read)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Limit the requests in this block to the time left for the command. Raises ClusterError if none is left."""
        left, begun = self._patience - self._spent, time.monotonic()
        if left <= 0:
            raise ClusterError(f"it took more than {_PATIENCE:g} s to answer", "check the cluster's API server")
        try:
            with within(left):
                yield
        finally:
            self._spent += time.monotonic() - begun

    def _request(
        self,
        method: str,
        path: str,
        accepted: str = _JSON,
        query: Sequence[tuple[str, str]] = (),
        timeout: tuple[int, int] = _TIMEOUT,
        body: LiveObject | None = None,
    ) -> Any:  # noqa: ANN401 - the client has no types
        """The reply, whose body is not read yet. Raises the client's own errors."""
        headers = {"Accept": accepted, **({"Content-Type": _MERGE} if body is not None else {})}
        request = self._api.param_serialize(
            method, path, query_params=list(query), header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        reply = self._api.call_api(*request, _request_timeout=timeout).response
        if reply.status != _FINE:
            content = reply.read(_LARGEST, decode_content=False)
            if failure := webhook_failure(content[:_LARGEST_REFUSAL].decode(errors="replace")):
                is_write = method != "GET"
                what = "the API server refused the write" if is_write else "it cannot convert its objects"
                line = kubectl_line("get", "pods", "-A", "-l", f"{NAME_LABEL}={WEBHOOK}")
                raise (RefusedWriteError if is_write else ClusterError)(f"{what}: {failure}", line)
            raise client.ApiException(status=reply.status)
        return reply


def _limit_replies(pool: Any) -> type:  # noqa: ANN401 - one of urllib3's, or of its own for a SOCKS proxy
    connection = type("BoundedConnection", (pool.ConnectionCls,), {"response_class": _Reply})
    return type("BoundedPool", (pool,), {"ConnectionCls": connection})


def memory_of(found: object) -> int:
    """How many bytes a JSON value takes in memory, with everything in it; each use of a key counts."""
    size, level = 0, [found]
    while level:
        size += sum(map(getsizeof, level))
        maps = [each for each in level if isinstance(each, dict)]
        # Items of lists, and values of maps without their keys. A loop over each took twice as long.
        level = get_referents(*level)
        level += chain.from_iterable(maps)
    return size


def _parse_object(content: bytes) -> LiveObject:
    """The JSON object in a reply. Raises ReplyTooLargeError, and ValueError or TypeError if it is no object."""
    if len(content) > _LARGEST or has_more_values(text := content.decode(), _MOST_VALUES):
        raise ReplyTooLargeError
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError
    return found


def _configure(settings: client.Configuration, environ: Mapping[str, str], context: str | None) -> str | None:
    """Apply the settings of `context`, or of the current one; returns its name, None for a pod's own account."""
    # Not the client's own search: it prints to standard output, and remembers KUBECONFIG from when it was imported.
    files = kubeconfigs(environ)
    if context is None and "KUBECONFIG" not in environ and IN_POD in environ and not Path(files).exists():
        try:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            why = f"there is no file {files}, and this pod has no account of its own"
        else:
            return None
        raise _unusable_config(why, _SAVE_CONFIG)
    with ExitStack() as stack:
        # A file that does not exist is skipped, as kubectl does.
        named = [
            stack.enter_context(as_file(str(path), _LARGEST_CONFIG))
            for name in files.split(os.pathsep)
            if name and (path := Path(name).expanduser()).exists()
        ]
        if not named:
            if environ.get("KUBECONFIG"):
                names = "".join(show_file(name) for name in files.split(os.pathsep))
                raise _unusable_config(f"KUBECONFIG names no file that is there{names}", "correct KUBECONFIG")
            raise _unusable_config(f"there is no file {files}", _SAVE_CONFIG)
        merged = KubeConfigMerger(os.pathsep.join(named))  # type: ignore[no-untyped-call]
        _require_context(merged.config.value, context)
        # Nothing is saved: this program does not write a renewed token into a person's file.
        loader = KubeConfigLoader(merged.config, context, config_base_path=None)  # type: ignore[no-untyped-call]
        program = _log_in_program(loader)
        loader.load_and_set(settings)  # type: ignore[no-untyped-call]
        if program is not None and not (hasattr(loader, "token") or getattr(loader, "cert_file", None)):
            line = shell_line("kubectl", "get", "namespaces", *(("--context", context) if context is not None else ()))
            message = f"the log-in program {quote(program)} of the kubeconfig gave no credential"
            raise ClusterError(message, f"`{line}` runs it and shows why; then log in again")
        return str(loader.current_context["name"])


_SAVE_CONFIG = "save the cluster's there, or name its file with KUBECONFIG"


def _unusable_config(why: str, way_out: str) -> ClusterError:
    return ClusterError(f"no usable kubeconfig ({why})", way_out)


def _require_context(found: Mapping[str, Any], context: str | None) -> None:
    """Raises ClusterError if the kubeconfig lacks `context` or, for None, a current context that it has."""
    names = [str(each.value["name"]) for each in found["contexts"]]
    chosen = context if context is not None else found.get("current-context")
    if chosen in names:
        return
    others = suggest(str(chosen or ""), names, "contexts") or "`kubectl config get-contexts` lists them"
    way_out = f"add --context NAME: {others}"
    if not chosen:
        raise _unusable_config("it names no current context", way_out)
    if context is not None:
        raise _unusable_config(f"it has no context {quote(context)}", others)
    raise _unusable_config(f"its current context is {quote(str(chosen))}, which it does not have", way_out)


def _log_in_program(loader: Any) -> str | None:  # noqa: ANN401 - the client has no types
    """The program that logs in the context's user, or None. Raises ClusterError if it is not installed."""
    user = loader._user  # noqa: SLF001 - it is nowhere else
    program = user["exec"]["command"] if user is not None and "exec" in user else None
    # A path is relative to the kubeconfig's folder.
    folder = loader._get_base_path(loader._cluster.path)  # noqa: SLF001 - likewise
    if program is None or shutil.which(program if os.sep not in program else Path(folder, program)):
        return program
    install = f"install it: `{shell_line('az', 'aks', 'install-cli')}`" if program == "kubelogin" else "install it"
    message = f"the log-in program {quote(program)}, which the kubeconfig names, is not on PATH"
    raise ClusterError(message, f"{install}, or put it on PATH")


def _answer(permission: str, ask: Callable[[], T]) -> T | None:
    """What `ask` returns, or None if the cluster has no such object. Raises ClusterError."""
    try:
        return ask()
    except client.ApiException as error:
        status = error.status
        if not status:
            # The client's form of a failed handshake.
            status, failure = None, _unusable(_NO_TLS)
    except ReplyTooLargeError:
        message = f"its answer has more than {_LARGEST // 1024**2} MiB or {_MOST_VALUES} values"
        status, failure = None, ListError(message, CHECK_SERVER, is_too_large=True)
    except (urllib3.exceptions.HTTPError, OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        status, failure = None, _unusable(_cause_of(error))
    # Raised out here, without the client's error as context: that one holds headers and body of the reply.
    if status == _NOT_FOUND:
        return None
    if status == _GONE:
        raise ListError("its lists expire while they are read", "run the same command again", is_too_large=False)
    if status == _FORBIDDEN:
        raise ClusterError(f"you are not allowed to {permission}", f'get a role that allows "{permission}"', permission)
    if status == _UNAUTHORISED:
        raise ClusterError("it rejected your credentials", "log in to the cluster again")
    if status is not None:
        raise ClusterError(f"it answered with status {status}", "check the cluster's API server, and run again")
    raise failure


def _unusable(why: str) -> ClusterError:
    message = f"it gave no usable answer ({why})"
    return ClusterError(message, "check the kubeconfig's server, the network and the client's credentials")


def _cause_of(error: Exception) -> str:
    """The cause of a failure in our own words: the text of the error is never shown."""
    return next((why for kinds, why in _CAUSES if isinstance(error, kinds)), _NO_KUBERNETES)


def _media_type(plural: str) -> str:
    return _METADATA_LIST if plural in METADATA_ALONE else _JSON


def _path(plural: str, namespace: str) -> str:
    """The API path of the list of a kind, in one namespace or, if that is empty, in all."""
    version = TYPES[plural][0]
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"/{'apis' if '/' in version else 'api'}/{version}{within}/{plural}"


_NAMED = ("name", "namespace", "labels", "annotations", "ownerReferences")


def _metadata_and_spec(plural: str, found: object) -> LiveObject:
    """Only the parts of an object that are used when a whole cluster is searched."""
    used = keep_used_fields(plural, found)
    metadata = child(used, "metadata")
    return {
        "metadata": {name: metadata[name] for name in _NAMED if name in metadata},
        "spec": used["spec"],
    }


def _warning(event: LiveObject) -> LiveObject:
    """The object, message, count and time of an event."""
    series = child(event, "series")
    moments = (series.get("lastObservedTime"), *(event.get(name) for name in ("lastTimestamp", "eventTime")))
    return {
        "uid": str(child(event, "involvedObject").get("uid") or ""),
        "message": str(event.get("message") or ""),
        "moment": next((str(each) for each in (*moments, event.get("firstTimestamp")) if each), ""),
        "count": series.get("count") or event.get("count") or 1,
    }
