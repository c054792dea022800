"""A Vault of scripted answers on the loopback: what each path answers in, what was asked out; no rule of its own."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from compiler.model.store import StoreAddress
from compiler.stores.interface import StoreOptions
from compiler.stores.secret_value import read_object
from compiler.stores.vault.store import VaultStore
from tests import providers
from tests.faulty_gateway import QuietHandler
from tests.virtual_clock import VirtualClock

TOKEN = "t0ken-4711"
MOUNT = "sys/internal/ui/mounts/secret"
LOOKUP = "auth/token/lookup-self"
HEALTH = "sys/health"
CAPABILITIES = "sys/capabilities-self"
RENEWAL = "auth/token/renew-self"
LOGIN = "auth/approle/login"
TIME = "2026-01-01T00:00:00Z"
ROLE = {"PLATFORM_SECRETS_VAULT_AUTH": "approle", "VAULT_ROLE_ID": "role", "VAULT_SECRET_ID": "s3cret-id"}


@dataclass(frozen=True)
class Asked:
    """One request: `path` is below /v1/ and unquoted.

    `sent` is the body's text, `body` what JSON makes of it.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    token: str | None
    sent: str = ""
    namespace: str | None = None


@dataclass(frozen=True)
class Answer:
    """A reply of JSON, or of bytes as they are; None in place of a status cuts the connection."""

    status: int | None = 200
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


CUT = Answer(None)
NOTHING = Answer(204)


def data(**members: object) -> Answer:
    return Answer(200, {"data": members})


def health(cluster: object = "c1", status: int = 200, **more: object) -> Answer:
    """Return what the server says of itself, of the cluster with this id."""
    about = {"initialized": True, "sealed": False, "cluster_name": "vault-cluster-1", "cluster_id": cluster}
    return Answer(status, {**about, **more})


def refused(status: int, *errors: str, **members: object) -> Answer:
    return Answer(status, {"errors": list(errors), **({"data": members} if members else {})})


def denied(policy: bool = True) -> Answer:  # noqa: FBT001, FBT002 - a test's own words
    """Return the 403 of a policy, which comes as a list of one, or that of a dead token."""
    return refused(403, "1 error occurred:\n\t* permission denied\n\n" if policy else "permission denied")


def version(number: int, **properties: object) -> Answer:
    """Return what a read of one version answers."""
    return data(data=properties, metadata={"version": number, "created_time": TIME, "deletion_time": ""})


def gone(number: int, *, destroyed: bool = False) -> Answer:
    """Return the 404 with a body that a deleted or destroyed version answers."""
    metadata = {"version": number, "created_time": TIME, "deletion_time": TIME, "destroyed": destroyed}
    return refused(404, data=None, metadata=metadata)


def metadata(newest: int, *, deleted: bool = False, destroyed: bool = False, **more: object) -> Answer:
    """Return what is kept beside a name's versions, of which only the newest is listed."""
    state = {"created_time": TIME, "deletion_time": TIME if deleted else "", "destroyed": destroyed}
    times = {"created_time": TIME, "updated_time": TIME}
    return data(current_version=newest, versions={str(newest): state}, **times, **more)


def token_facts(ttl: int = 0, *, renewable: bool = False, **more: object) -> Answer:
    return data(**{"display_name": "ada", "expire_time": None, "policies": [], **more}, ttl=ttl, renewable=renewable)


def logged_in(token: str, lease: int = 0, *, renewable: bool = False) -> Answer:
    return Answer(200, {"auth": {"client_token": token, "lease_duration": lease, "renewable": renewable}})


class ScriptedVault:
    """Answers each method and path in the order given to `on`, the last answer again and again.

    A path without a script answers 418, which is no one's success. A root token and a sound mount are given.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripts: dict[tuple[str, str], list[Answer | Callable[[Asked], Answer]]] = {}
        self._opened: list[VaultStore] = []
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.reset()

    def on(self, method: str, path: str, *answers: Answer | Callable[[Asked], Answer]) -> None:
        with self._lock:
            self._scripts[method, path] = list(answers)

    def keep(self, path: str, document: str) -> list[str]:
        """Serve a secret of KV version 2 whose documents stay the text that was sent; return them, oldest first."""
        kept, (mount, name) = [document], path.split("/data/")

        def read(asked: Asked) -> Answer:
            number = int(asked.query.get("version", len(kept)))
            about = json.dumps({"version": number, "created_time": TIME, "deletion_time": ""})
            return Answer(200, f'{{"data": {{"data": {kept[number - 1]}, "metadata": {about}}}}}'.encode())

        def write(asked: Asked) -> Answer:
            assert asked.body["options"] == {"cas": len(kept)}
            kept.append(read_object(asked.sent)["data"].reveal())
            return data(version=len(kept))

        def beside(_: Asked) -> Answer:
            state = {"created_time": TIME, "deletion_time": "", "destroyed": False}
            versions = {str(number): state for number, _ in enumerate(kept, 1)}
            more = {"oldest_version": 1, "max_versions": 0, "created_time": TIME, "updated_time": TIME}
            return data(current_version=len(kept), versions=versions, **more)

        self.on("GET", path, read)
        self.on("POST", path, write)
        self.on("GET", f"{mount}/metadata/{name}", beside)
        self.on("GET", f"{mount}/config", data(max_versions=0))
        return kept

    def open(
        self,
        environ: Mapping[str, str] | None = None,
        options: StoreOptions | None = None,
        *,
        mount: str = "secret",
        prefix: str = "",
        cluster_ids: tuple[str, ...] = (),
    ) -> VaultStore:
        """Return an adapter, closed when the test ends; waits pass on a virtual clock."""
        address = StoreAddress(providers.VAULT, self.url, mount=mount, prefix=prefix, cluster_ids=cluster_ids)
        chosen = options or StoreOptions(clock=VirtualClock(), read_timeout=5)
        self._opened.append(VaultStore(address, {"VAULT_TOKEN": TOKEN} if environ is None else environ, chosen))
        return self._opened[-1]

    def paths(self, method: str, part: str = "") -> list[str]:
        """Return the paths that were asked with a method, those with `part` in them."""
        return [asked.path for asked in self.asked if asked.method == method and part in asked.path]

    def bodies(self, path: str) -> list[Any]:
        """Return what was posted to a path."""
        return [asked.body for asked in self.asked if asked.method == "POST" and asked.path == path]

    def reset(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._scripts.clear()
        self.asked.clear()
        self.on("GET", LOOKUP, token_facts())
        self.on("GET", MOUNT, data(path="secret/", type="kv", options={"version": "2"}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            script = self._scripts.get((asked.method, asked.path)) or [Answer(418, {})]
            found = script.pop(0) if len(script) > 1 else script[0]
        return found if isinstance(found, Answer) else found(asked)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        vault = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urlsplit(self.path)
                query = dict(parse_qsl(url.query))
                path = unquote(url.path).removeprefix("/v1/")
                # Cut: Python refuses to make an int of thousands of digits, and `sent` has them all.
                body = json.loads(sent, parse_int=lambda text: int(text[:20])) if sent else None
                asked = Asked(self.command, path, query, body, self.headers["X-Vault-Token"], sent.decode())
                asked = replace(asked, namespace=self.headers["X-Vault-Namespace"])
                self.reply(vault._answer(asked))

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

            def reply(self, answer: Answer) -> None:
                if answer.status is None:
                    self.close_connection = True
                    return
                shown = answer.body
                body = shown if isinstance(shown, bytes) else b"" if shown is None else json.dumps(shown).encode()
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler
