"""Implements SecretWriter for Vault and OpenBao, KV version 2, over hvac; the only module that imports hvac."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTP_PORT, HTTPS_PORT
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import hvac  # type: ignore[import-untyped]
import hvac.adapters  # type: ignore[import-untyped]

from compiler.model.store import Address, StoreAddress, is_near, parse_address
from compiler.stores.errors import (
    Action,
    Code,
    ConflictError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    StoreLocation,
    UnverifiedError,
)
from compiler.stores.http import HttpReply, Proxy, Transport, parse_proxy
from compiler.stores.interface import (
    FROM_VERSION,
    VALUE_SINCE,
    Attributes,
    Cluster,
    Problem,
    RemoteSecret,
    StoreOptions,
    StoreState,
    Use,
    Written,
    with_tags,
)
from compiler.stores.no_answer import Server, named_authorities, trusting
from compiler.stores.pacing import note_answer, one_operation
from compiler.stores.secret_value import Comparer, SecretValue
from compiler.stores.vault.client import read_reply, write_body
from compiler.stores.vault.log_in import VaultLogin, name_problem
from compiler.stores.vault.provider import variable
from compiler.stores.vault.reading import (
    VaultReading,
    error_of_problem,
    made_of,
    problems_of_tags,
    problems_of_whole,
    problems_of_write,
)
from compiler.stores.vault.replies import HEALTHY, RefusedError, Reply, Request, cluster_of, is_trouble
from compiler.text.wording import shell_line


class VaultStore(VaultReading):
    """One KV version 2 mount. Of `attributes` it keeps the tags, as custom_metadata of all versions of a secret.

    Vault parses what it stores: numbers come back as its server prints them, strings byte for byte.
    """

    def __init__(self, address: StoreAddress, environ: Mapping[str, str], options: StoreOptions) -> None:
        given = address.vault_namespace or environ.get(variable(environ, "NAMESPACE")) or ""
        # "ns/" is how Vault itself writes one; slashes alone name none, and must not pass for "no namespace".
        namespace = given if "//" in given else given.strip("/") or None
        address = address._replace(mount=address.mount.strip("/"), vault_namespace=namespace)
        place = StoreLocation(address.absolute)
        for what, text in (("mount", address.mount), ("Vault namespace", namespace)):
            if text is not None and (problem := name_problem(text)):
                raise StoreError(
                    place,
                    Action.CONNECT,
                    f"the {what} cannot be used: {problem}",
                    f"correct the {what}",
                    Code.INVALID_NAME,
                )
        transport, path = open_transport(address, environ, options)
        client = hvac.Client(
            url=address.contact.rstrip("/"),
            # Not None, for which hvac would look into the environment by itself.
            token="",
            adapter=lambda **_: JsonAdapter(transport, path, namespace),
        )
        super().__init__(address, VaultLogin(environ, place), options, client, server_of(address, environ))

    def expect(self, uses: Mapping[str, Collection[Use]]) -> None:
        self._connection.questions.expect(uses)

    @one_operation
    def check_access(self, uses: Mapping[str, Collection[Use]]) -> tuple[Problem, ...] | None:
        return self._connection.ask(lambda: self._connection.questions.check_access(uses))

    @one_operation
    def excess_access(self, uses: Mapping[str, Collection[Use]]) -> str | None:
        return self._connection.ask(lambda: self._connection.questions.excess_access(uses))

    def check(
        self,
        name: str,
        changes: Mapping[str, SecretValue],
        base: RemoteSecret | None,
        attributes: Attributes | None = None,
    ) -> tuple[Problem, ...]:
        return tuple(problems_of_write(name, changes, base, attributes))

    @one_operation
    def write(
        self,
        name: str,
        changes: Mapping[str, SecretValue],
        base: RemoteSecret | None,
        attributes: Attributes | None = None,
    ) -> Written:
        for problem in problems_of_write(name, changes, base, attributes):
            raise error_of_problem(problem, self._place(name))
        before = base.properties if base is not None else {}
        tags = base.attributes.tags if base is not None else {}
        return self._put_tagged(name, {**before, **changes}, base, attributes.tags if attributes is not None else tags)

    def check_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        del value, base, attributes
        return tuple(problems_of_whole(name))

    def write_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        del value, base, attributes
        raise error_of_problem(next(problems_of_whole(name)), self._place(name))

    @one_operation
    def restore(self, earlier: RemoteSecret, base: RemoteSecret) -> Written:
        return self._put_tagged(earlier.name, earlier.properties, base, earlier.attributes.tags)

    def _put_tagged(
        self, name: str, properties: Mapping[str, SecretValue], base: RemoteSecret | None, tags: Mapping[str, str]
    ) -> Written:
        if tags == (base.attributes.tags if base is not None else {}):
            return self._put(name, properties, base)
        request = self._request(Action.WRITE, name, "metadata", "update")
        # A request of its own, which can only come after: refused then, it would leave a secret without its tags that
        # every later comparison of keys finds complete.
        self._connection.ask(lambda: self._connection.questions.require(request, self._place(name)))
        if base is None:
            # A name may have metadata before its first version, or after its last: what its owners wrote there stays.
            # But the age is that of the new values.
            since_when = {VALUE_SINCE: tags[VALUE_SINCE]} if VALUE_SINCE in tags else {}
            tags = {**tags, **self.describe(name).attributes.tags, **since_when}
            for problem in problems_of_tags(name, tags):
                raise error_of_problem(problem, self._place(name))
        written = self._put(name, properties, base)
        if (since := tags.get(VALUE_SINCE)) is not None and FROM_VERSION not in since:
            # Its tags are those of all versions: this one is about the values that came with this version.
            tags = {**tags, VALUE_SINCE: f"{since}{FROM_VERSION}{written.version}"}
        self._tag(request, tags, written)
        return written

    def _put(self, name: str, properties: Mapping[str, SecretValue], base: RemoteSecret | None) -> Written:
        version = int(base.version) if base is not None else 0
        try:
            return self._put_over(name, properties, version)
        except ConflictError:
            state = self.describe(name)
        if state.state is StoreState.SOFT_DELETED:
            reason = f"its version {state.version} is deleted"
            remedy = f"recover it (`{shell_line('bao', 'kv', 'undelete')}`), or plan again with `--recover`"
            raise SoftDeletedError(self._place(name), Action.WRITE, reason, remedy, version=state.version)
        if state.state is StoreState.DESTROYED and base is None and state.version is not None:
            # No version is left to be lost; only the numbering goes on.
            return self._put_over(name, properties, int(state.version))
        raise self._conflict(name, Action.WRITE, base.version if base is not None else None, state.version)

    def _put_over(self, name: str, properties: Mapping[str, SecretValue], version: int) -> Written:
        request = self._request(Action.WRITE, name, "data", "update" if version else "create")
        attempts = 0

        def send() -> Written:
            nonlocal attempts
            attempts += 1
            body = self._kv.create_or_update_secret(
                name, dict(properties), cas=version, mount_point=self._address.mount
            )
            return Written(str(int(body["data"]["version"])), made=made_of(body))

        def settle() -> Written | None:
            return self._settled(name, properties, version)

        try:
            written = self._connection.write(request, send, settle)
        except ConflictError as error:
            conflict = error
        else:
            return self._require_next(name, written, version)
        # An earlier attempt may have been stored after its reading back.
        if attempts > 1 and (stored := settle()) is not None:
            return stored
        raise conflict

    def _require_next(self, name: str, written: Written, version: int) -> Written:
        # A compare-and-set over one version makes the next, and no other.
        if written.version != str(version + 1):
            reason = f"version {written.version} was stored, and {version + 1} was expected after {version}"
            remedy = "check that version by hand, and do not trust this address"
            raise UnverifiedError(self._place(name), Action.WRITE, reason, remedy, version=written.version)
        return written

    def _settled(self, name: str, properties: Mapping[str, SecretValue], version: int) -> Written | None:
        try:
            newest = self._newest_or_none(name)
            if newest is None and version == 0:
                return None
            if newest is not None and int(newest.version) == version:
                return None
            mine = str(version + 1)
            if newest is not None and newest.version != mine:
                newest = self.read_version(name, mine)
        except StoreError:
            newest = None
        if newest is not None and _is_same(newest.properties, properties):
            return Written(mine, made=newest.attributes.created)
        if newest is not None:
            raise self._conflict(name, Action.WRITE, str(version), newest.version)
        raise StoreError(
            self._place(name),
            Action.WRITE,
            "the reply was lost and the secret cannot be read back",
            "run the same command again: it compares first",
            Code.OUTCOME_UNKNOWN,
        )

    def _newest_or_none(self, name: str) -> RemoteSecret | None:
        try:
            return self.read(name)
        except NotFoundError:
            return None

    @one_operation
    def set_tags(self, name: str, version: str, changes: Mapping[str, str | None]) -> None:
        newest = self.read(name)
        if newest.version != version:
            raise self._conflict(name, Action.TAG, version, newest.version)
        tags = with_tags(newest.attributes.tags, changes)
        if tags == newest.attributes.tags:
            return
        for problem in problems_of_tags(name, tags):
            raise error_of_problem(problem, self._place(name))
        # Sent again after a lost reply: the same tags are the same once more.
        self._send_tags(self._request(Action.TAG, name, "metadata", "update"), tags)
        if (found := self.read(name)).version != version:
            raise self._conflict(name, Action.TAG, version, found.version)

    def _send_tags(self, request: Request, tags: Mapping[str, str]) -> None:
        self._repeatable(
            request,
            # None: hvac's default would take away the time after which its owner lets versions delete themselves.
            lambda: self._kv.update_metadata(
                request.name, delete_version_after=None, custom_metadata=dict(tags), mount_point=self._address.mount
            ),
        )

    def _tag(self, request: Request, tags: Mapping[str, str], written: Written) -> None:
        try:
            self._send_tags(request, tags)
        except StoreError as error:
            failure = error
        else:
            return
        # Not that error: it would deny a version that was stored.
        reason = f"version {written.version} is stored, but its tags are not: {failure.reason}"
        command = shell_line("bao", "kv", "metadata", "patch", "-custom-metadata")
        remedy = f"{failure.remedy}; then write the tags (`{command}`)"
        raise StoreError(
            self._place(request.name), Action.WRITE, reason, remedy, Code.UNFINISHED_WRITE, version=written.version
        )


def _is_same(one: Mapping[str, SecretValue], other: Mapping[str, SecretValue]) -> bool:
    comparer = Comparer()
    return one.keys() == other.keys() and all(comparer.same(one[key], other[key]) for key in one)


_TLS_ONLY: Final = b"Client sent an HTTP request to an HTTPS server."


class JsonAdapter(hvac.adapters.Adapter):  # type: ignore[misc] # hvac has no types
    """hvac's transport: returns JSON objects, None for an empty success, and raises RefusedError for other replies.

    `path` stands before that of every request.
    """

    def __init__(self, transport: Transport, path: str, namespace: str | None) -> None:
        # Not hvac's own, which opens a session of requests.
        self.token, self.namespace = "", namespace
        self._transport = transport
        self._path = path

    def close(self) -> None:
        self._transport.close()

    def get_login_token(self, response: Any) -> str:  # noqa: ANN401 - hvac has no types
        return str(response["auth"]["client_token"])

    def health(self) -> Cluster | None:
        """Return who the server says it is, asked without token and namespace; None where it does not say.

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
            raise RefusedError(_refused(reply, None))
        if not is_trouble(reply.status) and reply.status != HTTPStatus.TOO_MANY_REQUESTS:
            return None
        if is_vaults and body.get("sealed") is True:
            raise RefusedError(Reply(reply.status, ("Vault is sealed",)))
        refused = _refused(reply, body)
        raise RefusedError(replace(refused, is_vaults=is_vaults or refused.is_vaults))

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
        if reply.status == HTTPStatus.NO_CONTENT:
            return None
        body = read_reply(reply.content)
        if reply.status < HTTPStatus.MULTIPLE_CHOICES and body is not None:
            return body
        raise RefusedError(_refused(reply, body))


def _refused(reply: HttpReply, body: Mapping[str, Any] | None) -> Reply:
    errors, data = (body or {}).get("errors"), (body or {}).get("data")
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("version"), int):
        metadata = {}
    return Reply(
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


def open_transport(address: StoreAddress, environ: Mapping[str, str], options: StoreOptions) -> tuple[Transport, str]:
    """Return the way to one server and the path that stands before all others there.

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
    context = None
    if url.scheme == "https":
        certificate = environ.get("VAULT_CLIENT_CERT", ""), environ.get("VAULT_CLIENT_KEY", "")
        context = trusting(_authorities(address, environ), place, certificate=certificate)
    transport = Transport(
        url,
        context,
        _proxy(url, place, environ),
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
    )
    return transport, url.path


def server_of(address: StoreAddress, environ: Mapping[str, str]) -> Server:
    """What `address` names, for messages; of an address that `open_transport` takes."""
    url = parse_address(address.contact)
    scheme, host = ("https", "") if url is None else (url.scheme, url.host)
    port = (url.port if url is not None else None) or (HTTPS_PORT if scheme == "https" else HTTP_PORT)
    advice = ": its port, or http:// in place of https://"
    return Server(scheme, host, port, _setting(address, environ), _authorities(address, environ), port_advice=advice)


def _setting(address: StoreAddress, environ: Mapping[str, str]) -> str:
    # In live commands the variable stands for what the environment writes.
    if address.reachable_at:
        return "the store's reachableAt"
    name = variable(environ, "ADDR")
    return name if environ.get(name) == address.url else "the store's server"


def _authorities(address: StoreAddress, environ: Mapping[str, str]) -> tuple[str, str]:
    return named_authorities(address.ca, environ, dict.fromkeys((variable(environ, "CACERT"), *_OTHER_CA_VARIABLES)))


def _check_trust(url: Address, place: StoreLocation, environ: Mapping[str, str]) -> None:
    if url.scheme == "http" and not is_near(url.host) and environ.get(ALLOW_HTTP) != "1":
        raise StoreError(
            place,
            Action.CONNECT,
            "plain http would send the token in the clear",
            f"use https, or set {ALLOW_HTTP}=1 where the network is trusted",
            Code.TLS_FAILURE,
        )


def _proxy(url: Address, place: StoreLocation, environ: Mapping[str, str]) -> Proxy | None:
    name = f"{url.scheme.upper()}_PROXY"
    wanted = environ.get(name) or environ.get(name.lower())
    exempt = {"no": environ.get("NO_PROXY") or environ.get("no_proxy") or ""}
    if not wanted or is_near(url.host) or proxy_bypass_environment(url.host, exempt):
        return None
    if (proxy := parse_proxy(wanted, "http")) is None:
        # Its text is not shown: it may hold a password.
        raise StoreError(
            place,
            Action.CONNECT,
            f"{name} is not an http:// proxy address",
            f"correct {name}, or set NO_PROXY",
            Code.INVALID_NAME,
        )
    return proxy
