"""Sends requests to the cluster of a kubeconfig; the only module that imports the Kubernetes client."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import urllib3.exceptions
from kubernetes import client, config
from urllib3.exceptions import NameResolutionError, NewConnectionError

from compiler.cluster.objects import LiveObject
from compiler.cluster.view import CHECK_SERVER, AnswerTooLargeError, ApiReader, ClusterError, ExpiredError
from compiler.model.facts import has_more_values
from compiler.model.files import IN_POD, NamedFileError, as_file, kubeconfigs
from compiler.stores.http import ReplyTooLargeError, StrictResponse, silence
from compiler.stores.pacing import within

T = TypeVar("T")
_TIMEOUT = (5, 30)  # seconds to connect and to read
# Seconds for all that one command asks, as for an operation on a store. 50,000 ExternalSecrets take six.
_PATIENCE = 120.0
# Of an answer: 500 pods take 8 MiB and 200,000 values.
_LARGEST = 32 * 1024 * 1024
_MOST_VALUES = 500_000
# Of all answers to one command: 200,000 ExternalSecrets.
_MOST_BYTES = 1024 * 1024 * 1024
_FORBIDDEN, _UNAUTHORISED, _NOT_FOUND, _GONE = 403, 401, 404, 410
_FINE = 200
_NO_TLS = "its certificate is not trusted, or it does not speak TLS"
# One with the certificates of a hundred clusters is a megabyte; the client's parser takes seconds for each.
_LARGEST_CONFIG = 4 * 1024 * 1024
_MERGE = "application/merge-patch+json"


class _Reply(StrictResponse):
    """A reply with an end: a gateway that sends a byte at a time keeps no timeout of a single read."""

    # With its head and the lengths of its chunks; of what is inside, `_got` takes no more than _LARGEST.
    largest = 2 * _LARGEST
    longest = 300.0


class KubernetesCluster(ApiReader):
    """The cluster of the kubeconfig's current context, or of `context`; inside a pod, the pod's own."""

    def __init__(self, environ: Mapping[str, str], context: str | None = None) -> None:
        _silence_client()
        why = ""
        settings = client.Configuration()
        try:
            _configure(settings, environ, context)
        except NamedFileError as error:
            why = f"it {error}"
        except Exception:  # noqa: BLE001 - a YAML parser, a certificate, a log-in program: its text may quote any
            # Without the error and its text, which may quote credentials.
            is_there = any(Path(name).exists() for name in kubeconfigs(environ).split(os.pathsep))
            why = "it is damaged, or has no such context or certificate" if is_there else "there is no such file"
        if why:
            raise ClusterError(f"no usable kubeconfig ({why})", "set KUBECONFIG, or name a context with --context")
        settings.retries = False
        self._patience = _PATIENCE
        self.renew()
        self._api: Any = client.ApiClient(settings)
        manager = self._api.rest_client.pool_manager
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: _bounded(pool) for scheme, pool in pools.items()}

    def renew(self) -> None:
        self._spent, self._room = 0.0, _MOST_BYTES

    def _got(
        self, permission: str, path: str, accepted: str = "application/json", query: Sequence[tuple[str, str]] = ()
    ) -> LiveObject | None:
        def read() -> LiveObject:
            content = self._asked("GET", path, accepted, query, _TIMEOUT).read(_LARGEST + 1, decode_content=False)
            self._room -= len(content)
            if self._room < 0:
                raise ClusterError(f"its answers have more than {_MOST_BYTES // 1024**2} MiB in all", CHECK_SERVER)
            return _object(content)

        with self._in_time():
            return _answer(permission, read)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Let what is asked inside end with the time of the whole command. Raises ClusterError where none is left."""
        left, begun = self._patience - self._spent, time.monotonic()
        if left <= 0:
            raise ClusterError(f"it took more than {_PATIENCE:g} s to answer", "check the cluster's API server")
        try:
            with within(left):
                yield
        finally:
            self._spent += time.monotonic() - begun

    def _patched(self, permission: str, path: str, change: LiveObject) -> bool:
        def send() -> bool:
            reply = self._asked("PATCH", path, "application/json", (), _TIMEOUT, change)
            reply.read(_LARGEST, decode_content=False)
            return True

        with self._in_time():
            return _answer(permission, send) or False

    def _asked(
        self,
        method: str,
        path: str,
        accepted: str,
        query: Sequence[tuple[str, str]],
        timeout: tuple[int, int],
        body: LiveObject | None = None,
    ) -> Any:  # noqa: ANN401 - the client has no types
        """The reply, of which nothing is read yet. Raises the client's own errors."""
        headers = {"Accept": accepted, **({"Content-Type": _MERGE} if body is not None else {})}
        request = self._api.param_serialize(
            method, path, query_params=list(query), header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        reply = self._api.call_api(*request, _request_timeout=timeout).response
        if reply.status != _FINE:
            reply.read(_LARGEST, decode_content=False)
            raise client.ApiException(status=reply.status)
        return reply


def _bounded(pool: Any) -> type:  # noqa: ANN401 - one of urllib3's, or of its own for a SOCKS proxy
    """The class of connection pools whose replies have an end."""
    connection = type("BoundedConnection", (pool.ConnectionCls,), {"response_class": _Reply})
    return type("BoundedPool", (pool,), {"ConnectionCls": connection})


def _object(content: bytes) -> LiveObject:
    """Raises ReplyTooLargeError, and ValueError and TypeError where the content is no object."""
    if len(content) > _LARGEST or has_more_values(text := content.decode(), _MOST_VALUES):
        raise ReplyTooLargeError
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError
    return found


def _silence_client() -> None:
    # At debug level the client's logger prints replies, and Secrets are among them.
    logging.getLogger("kubernetes.client.rest").disabled = True
    # A log-in program's complaint goes to the root logger.
    silence()


def _configure(settings: client.Configuration, environ: Mapping[str, str], context: str | None) -> None:
    # Not the client's own search: it prints to standard output, and remembers KUBECONFIG from when it was imported.
    files = kubeconfigs(environ)
    if context is None and "KUBECONFIG" not in environ and IN_POD in environ and not Path(files).exists():
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        return
    with ExitStack() as stack:
        # One that is not there is passed over, as kubectl does.
        named = [
            stack.enter_context(as_file(str(path), _LARGEST_CONFIG))
            for name in files.split(os.pathsep)
            if name and (path := Path(name).expanduser()).exists()
        ]
        # Not to persist: a renewed token is not for this program to write into a person's file.
        config.load_kube_config(  # type: ignore[no-untyped-call]
            os.pathsep.join(named) or files, context=context, client_configuration=settings, persist_config=False
        )


def _answer(permission: str, ask: Callable[[], T]) -> T | None:
    """What `ask` returns, or None where the cluster has no such object. Raises ClusterError."""
    try:
        return ask()
    except client.ApiException as error:
        status = error.status
        if not status:
            # What the client makes of a failed handshake.
            status, failure = None, _unusable(_NO_TLS)
    except ReplyTooLargeError:
        status, failure = None, _too_large()
    except (urllib3.exceptions.HTTPError, OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        status, failure = None, _unusable(_why(error))
    # Raised out here, without the client's error as context: that one holds headers and body of the reply.
    if status == _NOT_FOUND:
        return None
    if status == _GONE:
        raise ExpiredError
    if status == _FORBIDDEN:
        raise ClusterError(f"you are not allowed to {permission}", f'get a role that allows "{permission}"', permission)
    if status == _UNAUTHORISED:
        raise ClusterError("it rejected your credentials", "log in to the cluster again")
    if status is not None:
        raise ClusterError(f"it answered with status {status}", "check the cluster's API server, and run again")
    raise failure


def _too_large() -> ClusterError:
    message = f"its answer has more than {_LARGEST // 1024**2} MiB or {_MOST_VALUES} values"
    return AnswerTooLargeError(message, CHECK_SERVER)


def _unusable(why: str) -> ClusterError:
    message = f"it gave no usable answer ({why})"
    return ClusterError(message, "check the kubeconfig's server, the network and the client's credentials")


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
        return _NO_TLS
    if isinstance(error, urllib3.exceptions.HTTPError | OSError):
        return "the connection was closed"
    return "what answers there is not Kubernetes, or the log-in program failed"
