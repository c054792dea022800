"""Runs calls on one Vault server: logs in once, checks the mount, renews and retries. Only this module imports hvac.

A Vault returns what it keeps. Made into Python's numbers and back, `1.10` would become `1.1`, `0.00001` `1e-05` and
`1e400` `Infinity`: so a property that is no string is its raw JSON token, on the way in and on the way out.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTP_PORT, HTTPS_PORT, HTTPException
from typing import Any, Final, TypeVar
from urllib.parse import urlencode
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import hvac  # type: ignore[import-untyped]
import hvac.adapters  # type: ignore[import-untyped]

from compiler.model.facts import has_more_values
from compiler.model.store import Address, StoreAddress, is_near, parse_address
from compiler.stores.errors import Action, Code, ForbiddenError, Server, StoreError, StoreLocation, no_answer
from compiler.stores.http import (
    MOST_VALUES,
    TOO_LARGE_REPLY,
    HttpReply,
    Proxy,
    ReplyTooLargeError,
    Transport,
    authorities_of,
    clock_drift,
    parse_proxy,
    trusting,
)
from compiler.stores.interface import Cluster, Identity, StoreOptions
from compiler.stores.pacing import UNLIMITED, acquire_within_deadline, note_answer
from compiler.stores.secret_value import NotAnObjectError, SecretValue, read_object
from compiler.stores.vault.access import Request, VaultQuestions
from compiler.stores.vault.log_in import Token, VaultLogin
from compiler.stores.vault.provider import variable
from compiler.stores.vault.replies import HEALTHY, RefusedError, cluster_of, error_of_reply, is_trouble

# A number in a Vault's own fields, a version or a lease, is shorter; Python refuses to make an int of thousands.
_MOST_DIGITS: Final = 20


def read_reply(content: bytes) -> dict[str, Any] | None:
    """A reply's JSON object; None for other content, for one that readers disagree on, and for too many values.

    Those are counted before they take memory. Of a secret's version, `["data"]["data"]` maps properties to values.
    """
    try:
        text = content.decode()
        body = None if has_more_values(text, MOST_VALUES) else _DECODER.decode(text)
    except (ValueError, RecursionError):
        # Either error may hold the reply.
        return None
    if not isinstance(body, dict):
        return None
    data = body.get("data")
    if isinstance(data, dict) and isinstance(data.get("data"), dict):
        data["data"] = _properties(data["data"], text)
    return body


def write_body(body: Mapping[str, Any]) -> bytes:
    """Return the JSON to send, with each Secret in the clear, a number with the digits that it was read with."""
    return _token(body).encode()


def _properties(parsed: Mapping[str, Any], text: str) -> dict[str, SecretValue]:
    if all(type(value) is str for value in parsed.values()):
        return {name: SecretValue(value) for name, value in parsed.items()}
    # Slower, and only where there is a token to keep.
    return read_object(read_object(read_object(text)["data"].reveal())["data"].reveal())


def _token(value: object) -> str:
    if isinstance(value, SecretValue):
        # A string in ASCII: half of a surrogate pair has no bytes of its own.
        return json.dumps(value.reveal()) if value.is_string else value.reveal()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)}: {_token(member)}" for name, member in value.items()) + "}"
    return json.dumps(value)


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _MOST_DIGITS else float(text)


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise NotAnObjectError
    return found


def _refuse(_token: str) -> None:
    raise NotAnObjectError


_DECODER: Final = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse, object_pairs_hook=_once_each)


T = TypeVar("T")
_RENEW_BELOW: Final = 1 / 3
# How many log-ins follow one another although no request ends in between.
_MOST_IN_VAIN: Final = 2
# Seconds in which a cluster that lost its leader has found another, and its nodes say so.
_ELECTION: Final = 30.0


class VaultConnection:
    """Sends requests by `client`, which is hvac's with our adapter. The first one logs in and checks the mount.

    A `send` also takes its reply apart: a KeyError, TypeError, ValueError, AttributeError or ArithmeticError in it
    means a reply of another shape.
    """

    def __init__(self, address: StoreAddress, environ: Mapping[str, str], options: StoreOptions) -> None:
        transport, path, self._server = open_transport(address, environ, options)
        self.client: Any = hvac.Client(
            url=address.contact.rstrip("/"),
            # Not None, for which hvac would look into the environment by itself.
            token="",
            adapter=lambda **_: JsonAdapter(transport, path, address.vault_namespace),
        )
        self._address = address
        self._place = StoreLocation(address.absolute)
        self._login = VaultLogin(environ, self._place)
        name = variable(environ, "NAMESPACE")
        is_from_variable = environ.get(name) == address.vault_namespace
        self._drop_namespace = f"unset {name}" if is_from_variable else "remove vaultNamespace"
        self._clock = options.clock
        self._policy = options.retry
        self._retrier = options.retrier(address.absolute, UNLIMITED)
        self.questions = VaultQuestions(address, self._login, self.client, self._attempt)
        self._lock = threading.Lock()
        self._ready = False
        self._ready_log_in: Callable[[Any], Token] | None = None
        self._is_met = False
        self._cluster: Cluster | None = None
        self._on_contact = options.on_contact
        self._failure: StoreError | None = None
        self._generation = 0
        self._log_ins_in_vain = 0
        self._token: Token | None = None
        self._token_ends: float | None = None
        self._in_trouble_until = 0.0
        self.deadlines = self._retrier.deadlines
        self.identity = Identity("unknown", self._login.method, source=self._login.token_source)

    @property
    def clock_ahead(self) -> timedelta:
        """How far the server's clock is ahead of this machine's, as its last answer said."""
        ahead: timedelta = self.client.adapter.clock_ahead
        return ahead

    def close(self) -> None:
        self._retrier.close()
        self.client.adapter.close()

    def ask(self, question: Callable[[], T]) -> T:
        """Return what `question` returns, which sends requests that change nothing by the methods of `questions`."""
        return self._with_token(lambda: self._retrier.read(question))

    def read(self, request: Request, send: Callable[[], T]) -> T:
        """Return what `send` returns, called again as the policy says."""
        return self.ask(lambda: self._attempt(request, send))

    def write(self, request: Request, send: Callable[[], T], settle: Callable[[], T | None]) -> T:
        """The same for a write, whose unknown outcomes `settle` settles."""
        return self._with_token(lambda: self._retrier.write(lambda: self._attempt(request, send), settle))

    def prepare(self) -> None:
        """Log in and check the mount, once; a failure is remembered: a thousand secrets must not wait for it again."""
        if not self._ready:
            with self._alone():
                if not self._ready and self._failure is None:
                    try:
                        self._retrier.read(self._open)
                        self._ready = True
                    except StoreError as error:
                        is_sealed = error.code == Code.SEALED
                        self._failure = self.questions.explain_sealed(error) if is_sealed else error
        if self._failure is not None:
            # Kept for all threads: each would add its frames to it.
            raise self._failure.with_traceback(None)
        self._renew_in_time()

    def cluster(self) -> Cluster | None:
        """Return who the server says it is, asked once, without a log-in. Raises StoreErrors."""
        with self._alone():
            if self._failure is not None and not self._is_met:
                raise self._failure.with_traceback(None)
            self._retrier.read(self._meet)
        return self._cluster

    def _meet(self) -> None:
        """Ask who the server is, before anything else goes to it; raise where it is another one than is meant."""
        if self._is_met:
            return
        request = Request(Action.CONNECT, None, "sys/health", "read")
        cluster: Cluster | None = self._attempt(request, self.client.adapter.health)
        meant = self._address.cluster_ids
        if cluster is not None and meant and cluster.id not in meant:
            reason = f"another Vault answers: {cluster}, but the expected id is {' or '.join(meant)}"
            remedy = (
                f"correct {self._server.setting}; if the expected Vault was rebuilt or has failed over, add "
                f"--accept-cluster {cluster.id} once, and write that id as its clusterId"
            )
            raise StoreError(self._place, Action.CONNECT, reason, remedy, Code.OTHER_CLUSTER)
        if cluster is not None and cluster.has_namespaces is False and self._address.identity.namespace:
            reason = "this Vault ignores namespaces: the operator reads the root today"
            raise StoreError(self._place, Action.CONNECT, reason, self._drop_namespace, Code.WRONG_MOUNT)
        self._cluster, self._is_met = cluster, True
        self._on_contact(cluster)

    def _with_token(self, run: Callable[[], T]) -> T:
        self.prepare()
        while True:
            generation = self._generation
            try:
                done = run()
            except StoreError as error:
                if error.code != Code.EXPIRED_TOKEN:
                    # That nothing is there is an answer too.
                    self._log_ins_in_vain = 0
                    raise
                expired = error
            else:
                self._log_ins_in_vain = 0
                return done
            self._log_in_again(generation, expired)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one thread log in, and the others wait for it no longer than for an answer."""
        with self.deadlines.request(), ExitStack() as stack:
            try:
                stack.enter_context(acquire_within_deadline(self._lock))
            except TimeoutError as error:
                raise no_answer(error, self._server, self._place, Action.LOG_IN) from None
            yield

    def _attempt(self, request: Request, send: Callable[[], T]) -> T:
        generation, place = self._generation, StoreLocation(self._address.absolute, request.name)
        reply: RefusedError | None = None
        try:
            with self.deadlines.request():
                return send()
        except RefusedError as refusal:
            # Without its frames, which hold the request.
            reply = refusal.with_traceback(None)
        except (OSError, HTTPException) as problem:
            failure = no_answer(problem, self._server, place, request.action)
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
            failure = form_error(place, request.action, is_too_large=isinstance(problem, ReplyTooLargeError))
        # Raised out here, the error carries no context: what broke off may hold a part of the reply.
        if reply is not None:
            if reply.status == HTTPStatus.FORBIDDEN and reply.is_vaults:
                raise self._explain_denied(request, place, generation)
            failure = error_of_reply(reply, place, request.action, is_about_a_secret=request.is_about_a_secret)
        raise self._after_trouble(failure)

    def _after_trouble(self, failure: StoreError) -> StoreError:
        """The failure; a redirect right after a seal or an outage comes from a standby without a leader, and passes."""
        if failure.retryable and failure.code is not Code.THROTTLED:
            self._in_trouble_until = self._clock.now() + _ELECTION
        elif failure.code == Code.REDIRECT_REFUSED and self._clock.now() < self._in_trouble_until:
            reason = "it redirects to another node, as while a leader is elected"
            return StoreError(failure.place, failure.action, reason, failure.remedy, Code.LEADERLESS)
        return failure

    def _explain_denied(self, request: Request, place: StoreLocation, generation: int) -> StoreError:
        if request.action is not Action.LOG_IN:
            # Questions use up a token of few uses, so ask none about a token that was replaced meanwhile.
            cause = self.questions.explain_denied(request, place) if self._generation == generation else None
            if cause is not None and self._generation == generation:
                return cause
            # Another worker has logged in meanwhile: what was refused was the old token, what was asked the new one.
            return StoreError(place, request.action, "the token expired", "run again", Code.EXPIRED_TOKEN)
        wanted = f"{request.capability} on {request.path}"
        reason = f'"{wanted}" is denied'
        return ForbiddenError(place, request.action, reason, "ask Vault's administrator", permission=wanted)

    def _open(self) -> None:
        if self._token is None and self._ready_log_in is None:
            # What is missing is told before anything is sent; a pipe gives its credential once.
            self._ready_log_in = self._login.ready()
        self._meet()
        if self._token is None:
            ready, self._ready_log_in = self._ready_log_in, None
            self._take(self._log_in(ready))
        self._look_up_self()
        self.questions.check_mount()

    def _log_in(self, ready: Callable[[Any], Token] | None = None) -> Token:
        request = Request(Action.LOG_IN, None, f"auth/{self._login.method}/login", "update")
        is_a_vaults = False

        def send() -> Token:
            nonlocal is_a_vaults
            try:
                return (ready or self._login.ready())(self.client)
            except RefusedError as refusal:
                is_a_vaults = refusal.status in _REFUSING and refusal.is_vaults
                raise

        try:
            return self._attempt(request, send)
        except StoreError as error:
            refused = error
        if not is_a_vaults or refused.code not in _LOG_IN_REFUSALS:
            raise refused
        reason = f"the server rejected the {self._login.method} log-in"
        remedy = "check the role, the credentials and PLATFORM_SECRETS_VAULT_AUTH_MOUNT"
        raise StoreError(self._place, Action.LOG_IN, reason, remedy, Code.UNAUTHENTICATED)

    def _take(self, token: Token) -> None:
        self._token = token
        self.client.token = token.text.reveal()
        self._token_ends = self._clock.now() + token.lease if token.lease else None
        self._generation += 1

    def _log_in_again(self, generation: int, expired: StoreError) -> None:
        with self._alone():
            if self._generation != generation:
                return
            if self._failure is None:
                # Other workers may use up a token of few uses. If that goes on and no request ends, stop.
                is_replaced = self._log_ins_in_vain < _MOST_IN_VAIN
                self._log_ins_in_vain += 1
                self._failure = self._replace_token(expired) if is_replaced else expired
            if self._failure is not None:
                raise self._failure.with_traceback(None)

    def _replace_token(self, expired: StoreError) -> StoreError | None:
        """Log in once more; a failure is kept, as sixteen workers that try each for itself lock the caller out."""
        before = self._token
        try:
            token = self._retrier.read(self._log_in)
        except StoreError as error:
            return error.with_traceback(None)
        if before is not None and token.text.reveal() == before.text.reveal():
            self.client.token = token.text.reveal()
            return expired
        self._take(token)
        self._look_up_self()
        return None

    def _look_up_self(self) -> None:
        facts = self.questions.token_facts(Action.LOG_IN)
        if facts is None or self._token is None:
            return
        self.identity = Identity(facts.subject, self._login.method, facts.expires, self._login.token_source)
        self._token = Token(self._token.text, facts.lease, facts.renewable)
        self._token_ends = self._clock.now() + facts.lease if facts.lease else None

    def _renew_in_time(self) -> None:
        token, ends = self._token, self._token_ends
        if token is None or ends is None or not token.renewable:
            return
        if ends - self._clock.now() > token.lease * _RENEW_BELOW or not self._lock.acquire(blocking=False):
            return
        try:
            request = Request(Action.LOG_IN, None, "auth/token/renew-self", "update")
            # The rest of the operation is kept for what it is about.
            with self.deadlines.request(keep=self._policy.patience - self._policy.first_contact):
                lease, renewable = self._attempt(request, self._renew)
            self._token = Token(token.text, max(lease, 1.0), renewable)
            self._token_ends = self._clock.now() + lease
        except StoreError:
            # Not worth failing for: the token still works, and when it ends there is one new log-in.
            self._token = replace(token, renewable=False)
        finally:
            self._lock.release()

    def _renew(self) -> tuple[float, bool]:
        auth = self.client.auth.token.renew_self()["auth"]
        return float(auth["lease_duration"]), bool(auth["renewable"])


# What a Vault answers to wrong credentials differs by method: 400, 403, and 404 or 405 where another is mounted, or
# none. Whatever comes with another status is no Vault's refusal.
_REFUSING: Final = frozenset({400, 403, 404, 405})
_LOG_IN_REFUSALS: Final = frozenset({ForbiddenError.code, Code.UNEXPECTED_REPLY, Code.WRONG_MOUNT})


def form_error(place: StoreLocation, action: Action, *, is_too_large: bool = False) -> StoreError:
    """Return the error of a JSON object that lacks what the API promises, or of a reply that is no store's by size."""
    remedy = "check the address and the proxy in between"
    if is_too_large:
        reason = TOO_LARGE_REPLY
    elif action is Action.LOG_IN:
        reason = "the server that answered is not Vault: its success lacks Vault's fields"
    else:
        reason, remedy = "the reply lacks fields of KV version 2", "check for a proxy in between, or another engine"
    return StoreError(place, action, reason, remedy, Code.UNEXPECTED_REPLY)


_TLS_ONLY: Final = b"Client sent an HTTP request to an HTTPS server."


class JsonAdapter(hvac.adapters.Adapter):  # type: ignore[misc] # hvac has no types
    """hvac's transport: returns JSON objects, None for an empty success, and raises RefusedError for other replies.

    `path` stands before that of every request.
    """

    def __init__(self, transport: Transport, path: str, namespace: str | None) -> None:
        # Not hvac's own, which opens a session of requests.
        self.token, self.namespace = "", namespace
        self.clock_ahead = timedelta()
        self._transport = transport
        self._path = path

    def close(self) -> None:
        self._transport.close()

    def get_login_token(self, response: Any) -> str:  # noqa: ANN401 - hvac has no types
        return str(response["auth"]["client_token"])

    def health(self) -> Cluster | None:
        """Who the server says it is, asked without token and namespace; None where it does not say.

        Raises RefusedError where it shows no working server, or one that is to be asked again.
        """
        reply = self._transport.request("GET", f"{self._path}/v1/sys/health", {"X-Vault-Request": "true"})
        found = read_reply(reply.content)
        body = found or {}
        is_vaults = "initialized" in body
        if reply.status in HEALTHY and is_vaults:
            return cluster_of(body)
        if reply.status < HTTPStatus.BAD_REQUEST and (found is None or reply.status >= HTTPStatus.MULTIPLE_CHOICES):
            # A page, or the way to another host: nothing else is sent there.
            raise _refusal(reply, None)
        if not is_trouble(reply.status) and reply.status != HTTPStatus.TOO_MANY_REQUESTS:
            return None
        if is_vaults and body.get("sealed") is True:
            raise RefusedError(reply.status, ("Vault is sealed",))
        refused = _refusal(reply, body)
        refused.is_vaults |= is_vaults
        raise refused

    def request(self, method: str, url: str, **given: Any) -> Any:  # noqa: ANN401 - hvac's signature
        """Send what hvac means by `params` and `json`; of all else that it gives nothing is used."""
        sent = {"X-Vault-Request": "true", "X-Vault-Token": self.token, "X-Vault-Namespace": self.namespace}
        headers = {name: value for name, value in sent.items() if value}
        query = f"?{urlencode(params)}" if (params := given.get("params")) else ""
        content = None
        if given.get("json") is not None:
            headers["Content-Type"] = "application/json"
            content = write_body(given["json"])
        reply = self._transport.request(method.upper(), f"{self._path}{url}{query}", headers, content)
        if not is_trouble(reply.status):
            # Now: a log-in and the questions after it are one attempt, at whose end this would come too late.
            note_answer()
            self.clock_ahead = clock_drift(reply.headers.get("Date"))
        if reply.status == HTTPStatus.NO_CONTENT:
            return None
        body = read_reply(reply.content)
        if reply.status < HTTPStatus.MULTIPLE_CHOICES and body is not None:
            return body
        raise _refusal(reply, body)


def _refusal(reply: HttpReply, body: Mapping[str, Any] | None) -> RefusedError:
    errors, data = (body or {}).get("errors"), (body or {}).get("data")
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("version"), int):
        metadata = {}
    return RefusedError(
        reply.status,
        tuple(str(error) for error in errors) if isinstance(errors, list) else _plain(reply.content),
        metadata,
        reply.headers.get("Retry-After"),
        is_vaults=isinstance(errors, list) or bool(metadata),
    )


def _plain(content: bytes) -> tuple[str, ...]:
    # Go says this itself, as plain text. No other text without JSON is a Vault's, whatever words are in it.
    return (_TLS_ONLY.decode(),) if content.strip() == _TLS_ONLY else ()


# The first that is set names the authorities to trust: variables of Vault's own client, then of Python's programs.
_OTHER_CA_VARIABLES: Final = ("VAULT_CACERT", "VAULT_CAPATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# Says that the network to a plain HTTP server is trusted; without it a token is sent to loopback and the cluster only.
ALLOW_HTTP: Final = "PLATFORM_SECRETS_ALLOW_HTTP"


def open_transport(
    address: StoreAddress, environ: Mapping[str, str], options: StoreOptions
) -> tuple[Transport, str, Server]:
    """The way to one server, the path that stands before all others there, and the server for messages.

    Raises a StoreError, tls-failure or invalid-name, for an address that must not be used.
    """
    place = StoreLocation(address.absolute)
    url, setting = parse_address(address.contact), _setting(address, environ)
    if url is None or url.extra:
        is_quoted = address.contact.startswith(("'", '"'))
        reason = "the address is not an http:// or https:// URL of a server"
        reason = f"{reason}: it has quotes around it" if is_quoted else reason
        raise StoreError(place, Action.CONNECT, reason, f"correct {setting}", Code.INVALID_NAME)
    if url.is_api:
        reason, remedy = "the address ends in an API path", f"set {setting} to {url.scheme}://{url.authority}"
        raise StoreError(place, Action.CONNECT, reason, remedy, Code.INVALID_NAME)
    _check_trust(url, place, environ)
    authorities = authorities_of(address.ca, environ, (variable(environ, "CACERT"), *_OTHER_CA_VARIABLES))
    context, bundle = None, address.ca_bundle if not authorities[1] else None
    authorities = ("the store's caBundle", "") if bundle else authorities
    if url.scheme == "https":
        certificate = environ.get("VAULT_CLIENT_CERT", ""), environ.get("VAULT_CLIENT_KEY", "")
        context = trusting(authorities, place, certificate=certificate, bundle=bundle)
    timeouts = {"connect_timeout": options.connect_timeout, "read_timeout": options.read_timeout}
    transport = Transport(url, context, _proxy(url, place, environ), **timeouts)
    port = url.port or (HTTPS_PORT if url.scheme == "https" else HTTP_PORT)
    advice = ": its port, or http:// in place of https://"
    return transport, url.path, Server(url.scheme, url.host, port, setting, authorities, port_advice=advice)


def _setting(address: StoreAddress, environ: Mapping[str, str]) -> str:
    # In live commands the variable stands for what the environment writes.
    if address.reachable_at:
        return "the store's reachableAt"
    name = variable(environ, "ADDR")
    return name if environ.get(name) == address.url else "the store's server"


def _check_trust(url: Address, place: StoreLocation, environ: Mapping[str, str]) -> None:
    if url.scheme == "http" and not is_near(url.host) and environ.get(ALLOW_HTTP) != "1":
        reason = "plain http would send the token in the clear"
        remedy = f"use https, or set {ALLOW_HTTP}=1 where the network is trusted"
        raise StoreError(place, Action.CONNECT, reason, remedy, Code.TLS_FAILURE)


def _proxy(url: Address, place: StoreLocation, environ: Mapping[str, str]) -> Proxy | None:
    name = f"{url.scheme.upper()}_PROXY"
    wanted = environ.get(name) or environ.get(name.lower())
    exempt = {"no": environ.get("NO_PROXY") or environ.get("no_proxy") or ""}
    if not wanted or is_near(url.host) or proxy_bypass_environment(url.host, exempt):
        return None
    if (proxy := parse_proxy(wanted, "http")) is None:
        # Its text is not shown: it may hold a password.
        reason = f"{name} is not an http:// proxy address"
        raise StoreError(place, Action.CONNECT, reason, f"correct {name}, or set NO_PROXY", Code.INVALID_NAME)
    return proxy
