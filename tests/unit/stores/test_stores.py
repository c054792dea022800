"""Both stores, asked at a server whose replies leave open where they end: an error that ends the connection."""

import io
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.model.store import Address, StoreAddress
from compiler.stores.azure_key_vault.store import AzureKeyVaultStore
from compiler.stores.errors import Code, StoreError
from compiler.stores.http import Transport
from compiler.stores.interface import SecretWriter, StoreOptions
from compiler.stores.pacing import RetryPolicy
from compiler.stores.vault.store import VaultStore
from tests import providers
from tests.refusals import is_refused
from tests.virtual_clock import VirtualClock


class _Unhurried(RetryPolicy):
    """Makes a few attempts; a socket waits in real time, of which a busy machine needs more than the usual second."""

    @property
    def last_attempt(self) -> float:
        return 30.0


def options() -> StoreOptions:
    return StoreOptions(clock=VirtualClock(), retry=_Unhurried(patience=32.0, first_contact=32.0))


SENTINEL = b"s3ntinel-4711"
VAULTS = b'{"data": {"data": {"A": "%s"}, "metadata": {"version": 3, "created_time": "2026-01-01T00:00:00Z"}}}'
KEY_VAULTS = b'{"value": "%%s", "id": "https://localhost/secrets/github/%s", "attributes": {"enabled": true}}' % (
    b"3" * 32
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def honest(body: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n"
    return head % (status, more, len(body)) + body


def chunked(body: bytes, end: bytes = b"\r\n") -> bytes:
    return b"%x%s%s\r\n0\r\n\r\n" % (len(body), end, body)


def length(body: bytes, less: int = 0) -> bytes:
    return b"Content-Length: %d\r\n" % (len(body) - less)


LIES: dict[str, Callable[[bytes], bytes]] = {
    "two lengths": lambda body: HEAD + length(body) + length(body, 1) + b"\r\n" + body,
    "a length twice": lambda body: HEAD + length(body) * 2 + b"\r\n" + body,
    "a length and chunks": lambda body: HEAD + length(body) + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body),
    "chunks and a length": lambda body: (
        HEAD + b"Transfer-Encoding: chunked\r\n" + length(body) + b"\r\n" + chunked(body)
    ),
    "an encoding below chunks": lambda body: HEAD + b"Transfer-Encoding: x, chunked\r\n\r\n" + chunked(body),
    "a bare line feed in the head": lambda body: (HEAD + length(body)).replace(b"json\r\n", b"json\n") + b"\r\n" + body,
    "a bare line feed behind the head": lambda body: HEAD + length(body) + b"\n" + body,
    "a bare line feed behind a chunk's size": lambda body: (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, b"\n")
    ),
    "a folded header": lambda body: HEAD + b"X-A: b\r\n " + length(body) + length(body) + b"\r\n" + body,
    "a space before the colon": lambda body: HEAD + length(body).replace(b":", b" :") + b"\r\n" + body,
    "a length with a sign": lambda body: HEAD + length(body).replace(b": ", b": +") + b"\r\n" + body,
    "more than its chunk": lambda body: (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body)[:-7] + b"x\r\n0\r\n\r\n"
    ),
}


class Server:
    """Answers each request by `answer`; `connections` has what was asked on each, and None where we closed it."""

    def __init__(self, answer: Callable[[str, bool], bytes], context: ssl.SSLContext | None = None) -> None:
        self.connections: list[list[str | None]] = []
        self._answer = answer
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client = self._socket.accept()[0]
            except OSError:
                return
            self.connections.append([])
            self._threads.append(threading.Thread(target=self._serve, args=(client, self.connections[-1])))
            self._threads[-1].start()

    def _serve(self, client: socket.socket, asked: list[str | None]) -> None:
        client.settimeout(10)
        with (
            suppress(OSError),
            client if self._context is None else self._context.wrap_socket(client, server_side=True) as one,
        ):
            while head := self._head(one):
                path = head.split(" ", 2)[1].partition("?")[0]
                asked.append(path)
                one.sendall(self._answer(path, "\r\nAuthorization:" in head))
        asked.append(None)

    def _head(self, client: socket.socket) -> str:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (piece := client.recv(65_536)):
                return ""
            data += piece
        return data.decode("latin-1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)


def tls_of(folder: Path) -> tuple[CertificateAuthority, ssl.SSLContext]:
    authority = CertificateAuthority.create(folder)
    issued = authority.issue(("localhost",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*issued)
    return authority, context


@contextmanager
def vault(_folder: Path, lie: Callable[[bytes], bytes]) -> Iterator[tuple[Server, SecretWriter]]:
    def answer(path: str, _authorised: bool) -> bytes:  # noqa: FBT001 - as both have it
        if path.startswith("/v1/secret/data/"):
            return lie(VAULTS % SENTINEL)
        if path == "/v1/sys/health":
            return honest(b'{"initialized": true, "sealed": false}')
        if path == "/v1/auth/token/lookup-self":
            return honest(b'{"data": {"display_name": "ada", "ttl": 0}}')
        return honest(b'{"data": {"path": "secret/", "type": "kv", "options": {"version": "2"}}}')

    with Server(answer) as server:
        address = StoreAddress(providers.VAULT, f"http://127.0.0.1:{server.port}")
        with closing(VaultStore(address, {"VAULT_TOKEN": "t"}, options())) as store:
            yield server, store


@contextmanager
def key_vault(folder: Path, lie: Callable[[bytes], bytes]) -> Iterator[tuple[Server, SecretWriter]]:
    authority, context = tls_of(folder)

    def answer(_path: str, authorised: bool) -> bytes:  # noqa: FBT001 - as both have it
        if authorised:
            return lie(KEY_VAULTS % SENTINEL)
        challenge = (
            b'WWW-Authenticate: Bearer authorization="https://login.example/t", resource="https://localhost"\r\n'
        )
        return honest(b"{}", b"401 Unauthorized", challenge)

    with Server(answer, context) as server:
        address = StoreAddress(providers.KEY_VAULT, f"https://localhost:{server.port}", ca=authority.ca_file)
        environ = {"AZURE_KEYVAULT_TOKEN": "t", "AZURE_KEYVAULT_EMULATOR": "1"}
        with closing(AzureKeyVaultStore(address, environ, options())) as store:
            yield server, store


STORES = pytest.mark.parametrize("opened", [vault, key_vault])


def is_target(path: str | None) -> bool:
    return path is not None and re.search("/(secret/data|secrets)/github", path) is not None


@STORES
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_reply_that_leaves_open_where_it_ends_is_an_error_that_ends_the_connection(
    tmp_path: Path, opened: Callable[..., object], lie: Callable[[bytes], bytes]
) -> None:
    with opened(tmp_path, lie) as (server, store):  # type: ignore[attr-defined] # a context of both
        with pytest.raises(StoreError, match="does not speak HTTP", check=is_refused(Code.UNAVAILABLE)) as caught:
            store.read("github")
        assert SENTINEL.decode() not in "".join(map(str, (caught.value, caught.value.__context__)))
    lied = [asked for asked in server.connections if any(map(is_target, asked))]
    assert len(lied) > 1
    # After the lie nothing else was asked there.
    assert all(is_target(asked[-2]) and asked[-1] is None for asked in lied)


@STORES
@pytest.mark.parametrize("after", [b"x", honest(KEY_VAULTS % b"forged"), honest(VAULTS % b"forged")])
def test_what_comes_behind_a_reply_is_no_answer_to_the_next_request(
    tmp_path: Path, opened: Callable[..., object], after: bytes
) -> None:
    with opened(tmp_path, lambda body: honest(body) + after) as (server, store):  # type: ignore[attr-defined] # as above
        for _ in range(3):
            read = store.read("github")
            value = read.properties["A"] if read.whole is None else read.whole
            assert value.reveal() == SENTINEL.decode()
    lied = [asked for asked in server.connections if any(map(is_target, asked))]
    assert len(lied) == 3
    assert all(asked[-1] is None for asked in lied)


def test_what_tls_has_decrypted_behind_a_reply_is_no_answer_to_the_next_request(tmp_path: Path) -> None:
    # As long as what is read at once: what follows in the same record of TLS waits where no poll sees it.
    empty = len(honest(b"")) + 3
    whole, forged = honest(b"a" * (io.DEFAULT_BUFFER_SIZE - empty)), honest(b"forged")
    assert len(whole) == io.DEFAULT_BUFFER_SIZE
    authority, context = tls_of(tmp_path)
    trusted = ssl.create_default_context(cafile=authority.ca_file)
    with Server(lambda path, _: whole + forged if path == "/1" else honest(b"true"), context) as server:
        url = Address("https", "localhost", server.port, "")
        with closing(Transport(url, trusted, connect_timeout=5, read_timeout=5)) as transport:
            transport.request("GET", "/1", {})
            assert transport.request("GET", "/2", {}).content == b"true"
