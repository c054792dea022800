"""Runs a Key Vault on this machine, in memory, over TLS by its own authority."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import re
import secrets
import socket
import socketserver
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.client import responses
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from compiler.demo.key_vault_state import KeyVaultState, RefusedRequestError, parse_body
from compiler.model.files import create_file

_AUTHORITY_LIFE = dt.timedelta(days=7)
_SERVER_LIFE = dt.timedelta(days=2)
# A machine whose clock is a little behind must still accept what was made a second ago.
_CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True)
class CertificateAuthority:
    """An authority that lives as long as its folder: give `ca_file` to clients, `issue` to servers."""

    folder: Path
    ca_file: Path
    _certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, folder: Path) -> CertificateAuthority:
        """A new authority whose certificate is `folder`/ca.pem. Its key stays in memory."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "platform-secrets local authority")])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_authority_usage(), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        ca_file = folder / "ca.pem"
        ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(folder=folder, ca_file=ca_file, _certificate=certificate, _key=key)

    def issue(self, names: tuple[str, ...], *, file_stem: str = "server", expired: bool = False) -> tuple[Path, Path]:
        """The files of a server certificate for these names, and of its key, which only its owner reads."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        end = now - dt.timedelta(days=1) if expired else now + _SERVER_LIFE
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - _SERVER_LIFE - _CLOCK_SKEW)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        certificate_file, key_file = self.folder / f"{file_stem}.pem", self.folder / f"{file_stem}.key"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8
        create_file(key_file, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        return certificate_file, key_file


def _authority_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


SERVER_NAMES = ("localhost", "127.0.0.1", "*.vault.azure.net")
RESOURCE = "https://vault.azure.net"
_TENANT = "22222222-2222-4222-8222-222222222222"


DEFAULT_CALLER = {
    "oid": "11111111-1111-4111-8111-111111111111",
    "tid": _TENANT,
    "upn": "ada@example.com",
}


class TokenIssuer:
    """Issues tokens of the shape of Entra's, and accepts those alone."""

    def __init__(self, audience: str, clock: Callable[[], float]) -> None:
        self.audience = audience
        self._clock = clock
        self._key = secrets.token_bytes(32)

    def issue(self, *, lifetime: float = 3_600.0, caller: dict[str, str] | None = None) -> str:
        claims = {"aud": self.audience, "exp": int(self._clock() + lifetime), **(caller or DEFAULT_CALLER)}
        signed = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def fault_of(self, authorization: str | None) -> str | None:
        """None for an `Authorization` header with a token of this issuer, else what Key Vault says is wrong with it."""
        signed, _, signature = (authorization or "").partition(" ")[2].rpartition(".")
        is_own = hmac.compare_digest(signature.encode(), self._signature(signed).encode())
        return None if is_own else "AKV10022: Invalid signature of the token."

    def _signature(self, signed: str) -> str:
        return _base64(hmac.digest(self._key, signed.encode(), hashlib.sha256))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _encode(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


_MAX_LINE = 65_536
_MAX_BODY = 1_048_576


class BadRequestError(Exception):
    """What came is not an HTTP/1.1 request that this server reads; the connection cannot be used any more."""


@dataclass(frozen=True)
class VaultRequest:
    """One request; header names are in lower case, `path` is split and unquoted."""

    method: str
    path: tuple[str, ...]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class VaultReply:
    """One reply; `body` None sends none, and a str is sent as it is with `content_type`."""

    status: int
    body: dict[str, Any] | str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json; charset=utf-8"

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return "" if self.body is None else self.body if isinstance(self.body, str) else json.dumps(self.body)

    def to_bytes(self) -> bytes:
        content = self.text.encode("utf-8")
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Status')}"]
        if self.body is not None:
            lines.append(f"Content-Type: {self.content_type}")
        lines.append(f"Content-Length: {len(content)}")
        lines.extend(f"{name}: {value}" for name, value in self.headers)
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def read_request(stream: BufferedIOBase) -> VaultRequest | None:
    """The next request of a connection, None when the client has closed it. Raises BadRequestError."""
    line = stream.readline(_MAX_LINE)
    if not line:
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or parts[2] != "HTTP/1.1" or not parts[1].startswith("/"):  # noqa: PLR2004
        raise BadRequestError
    headers: dict[str, str] = {}
    while (line := stream.readline(_MAX_LINE)) not in (b"\r\n", b"\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise BadRequestError
        headers[name.strip().lower()] = value.strip()
    body = _body(stream, headers)
    # Not urlsplit: it takes what follows "//" for a host, and refuses some.
    path, _, query = parts[1].partition("?")
    return VaultRequest(
        method=parts[0],
        path=tuple(unquote(part) for part in path.split("/")[1:]),
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers=headers,
        body=body,
    )


def _body(stream: BufferedIOBase, headers: dict[str, str]) -> bytes:
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not re.fullmatch("[0-9]{1,9}", length) or int(length) > _MAX_BODY:
        raise BadRequestError
    body = stream.read(int(length))
    if len(body) != int(length):
        raise BadRequestError
    return body


def path_of(request: VaultRequest) -> tuple[str, ...]:
    """The path without an empty end: the SDK asks for the newest version as /secrets/NAME/ with an empty version."""
    path = request.path
    return path[:-1] if len(path) > 1 and path[-1] == "" else path


def answer(state: KeyVaultState, request: VaultRequest, base: str) -> VaultReply:
    """What Key Vault answers; raises RefusedRequestError. `base` is the vault's URL as the client wrote it, for ids."""
    match request.method, path_of(request):
        case "PUT", ("secrets", name):
            return VaultReply(200, state.set(base, name, parse_body(request.body)))
        case "PATCH", ("secrets", name, *rest) if len(rest) <= 1:
            return VaultReply(200, state.update(base, name, rest[0] if rest else None, parse_body(request.body)))
        case "DELETE", ("secrets", name):
            return VaultReply(200, state.delete(base, name))
        case "POST", ("deletedsecrets", name, "recover"):
            return VaultReply(200, state.recover(base, name))
        case "GET", path:
            return _read(state, path, request, base)
        case _:
            raise RefusedRequestError(
                405, "MethodNotAllowed", "The requested operation is not allowed on this resource."
            )


def _read(state: KeyVaultState, path: tuple[str, ...], request: VaultRequest, base: str) -> VaultReply:
    match path:
        case ("secrets",):
            return _page_path(state.list_secrets, request, base)
        case ("deletedsecrets", name):
            return VaultReply(200, state.get_deleted(base, name))
        case ("secrets", name, "versions"):
            return _page_path(lambda base, after: state.list_versions(base, name, after), request, base)
        case ("secrets", name, *rest) if len(rest) <= 1:
            return VaultReply(200, state.get(base, name, rest[0] if rest else None))
        case _:
            raise RefusedRequestError(404, "NotFound", "Resource not found.")


def _page_path(
    lister: Callable[[str, str], tuple[list[dict[str, Any]], str | None]],
    request: VaultRequest,
    base: str,
) -> VaultReply:
    items, marker = lister(base, base64.urlsafe_b64decode(request.query.get("$skiptoken", "")).decode())
    link = None
    if marker is not None:
        path = "/".join(quote(part) for part in request.path)
        token = base64.urlsafe_b64encode(marker.encode()).decode()
        link = f"{base}/{path}?api-version={request.query['api-version']}&$skiptoken={token}"
    return VaultReply(200, {"value": items, "nextLink": link})


class LocalKeyVault:
    """A vault for the length of a `with` block, in memory; `lock` guards what requests change."""

    def __init__(self, *, port: int = 0) -> None:
        self._clock = time.time
        self._folder = tempfile.TemporaryDirectory(prefix="local-key-vault-")
        authority = CertificateAuthority.create(Path(self._folder.name))
        self.ca_file = authority.ca_file
        self.state = KeyVaultState(self._clock)
        self.issuer = TokenIssuer(RESOURCE, self._clock)
        self.lock = threading.RLock()
        try:
            self._tcp = _TcpServer(port, tls_context(*authority.issue(SERVER_NAMES)), self)
        except OSError:
            self._folder.cleanup()
            raise
        self.port: int = self._tcp.server_address[1]
        self.url = f"https://localhost:{self.port}"
        self._thread = threading.Thread(target=self._tcp.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            # Where the server never ran, shutdown would wait for ever.
            self._tcp.shutdown()
            self._thread.join()
        self._tcp.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._folder.cleanup()

    def environ(self, *, lifetime: float = 3_600.0, caller: dict[str, str] | None = None) -> dict[str, str]:
        """The variables with which any command of this program reaches this vault, with a token of its own."""
        return {
            "AZURE_KEYVAULT_EMULATOR": "1",
            "AZURE_KEYVAULT_CACERT": str(self.ca_file),
            "AZURE_KEYVAULT_TOKEN": self.issuer.issue(lifetime=lifetime, caller=caller),
        }

    def send(self, request: VaultRequest, connection: ssl.SSLSocket) -> bool:
        """Answer a request on its connection; whether that can take another one."""
        connection.sendall(self.add_date(self.reply(request)))
        return True

    def add_date(self, reply: VaultReply) -> bytes:
        """A reply as it is sent, with the time that it is here."""
        date = "Date", formatdate(self._clock(), usegmt=True)
        return replace(reply, headers=(*reply.headers, date)).to_bytes()

    def reply(self, request: VaultRequest) -> VaultReply:
        refusal = self.issuer.fault_of(request.headers.get("authorization"))
        if refusal is not None:
            return self._unauthorised_reply(refusal, has_token="authorization" in request.headers)
        with self.lock:
            try:
                return self.answer(request)
            except RefusedRequestError as error:
                return VaultReply(error.status, error.body())

    def answer(self, request: VaultRequest) -> VaultReply:
        """What the state says to a request that is let in. Raises RefusedRequestError."""
        return answer(self.state, request, f"https://{request.headers.get('host', '')}")

    def _unauthorised_reply(self, message: str, *, has_token: bool) -> VaultReply:
        authority = f"https://login.microsoftonline.com/{_TENANT}"
        header = f'Bearer authorization="{authority}", resource="{self.issuer.audience}"'
        if has_token:
            header += f', error="invalid_token", error_description="{message}"'
        body = {"error": {"code": "Unauthorized", "message": message}}
        return VaultReply(401, body, (("WWW-Authenticate", header),))


class _TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, context: ssl.SSLContext, vault: LocalKeyVault) -> None:
        self.context = context
        self.vault = vault
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Connection)

    def server_close(self) -> None:
        for connection in tuple(self.open):
            # Wakes the thread that waits for this client's next request.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


class _Connection(socketserver.BaseRequestHandler):
    """Answers the requests of one client, one after another; a thread of its own."""

    server: _TcpServer

    def handle(self) -> None:
        raw: socket.socket = self.request
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(30.0)
        try:
            tls = self.server.context.wrap_socket(raw, server_side=True)
        except OSError:
            # A client that does not trust the certificate, or one that speaks no TLS.
            return
        self.server.open.add(tls)
        try:
            with tls, tls.makefile("rb") as stream:
                while (request := read_request(stream)) is not None and self.server.vault.send(request, tls):
                    pass
        except (OSError, BadRequestError):
            return
        finally:
            self.server.open.discard(tls)


def tls_context(certificate_file: Path, key_file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_file, key_file)
    return context
