"""A gateway before a local store that lets its answers through byte by byte, from a moment that a test chooses."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Self

_LOOPBACK = "127.0.0.1"


class Tls(NamedTuple):
    """How the gateway speaks TLS itself, as a server to clients and as a client to the store."""

    server: ssl.SSLContext
    client: ssl.SSLContext


class TricklingGateway:
    """Passes on what clients send, and each answer after asking `is_slow`: then byte by byte, `pace` seconds apart.

    `sent` is what clients have sent, `made` how many connections they made, `most` how many of them at a time. Without
    `tls` all is passed on as it comes, handshakes too; with it, each byte of an answer is a piece of TLS of its own.
    """

    def __init__(
        self,
        port: int,
        is_slow: Callable[[TricklingGateway], bool] = lambda _gateway: False,
        *,
        pace: float = 1.0,
        tls: Tls | None = None,
    ) -> None:
        self.is_slow = is_slow
        self.sent = bytearray()
        self.made = 0
        self.most = 0
        self._upstream = port
        self._pace = pace
        self._tls = tls
        self._open = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._listener = socket.create_server((_LOOPBACK, 0), backlog=128)
        self._listener.settimeout(0.05)
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        # The first one starts the others.
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            with suppress(TimeoutError):
                client = self._listener.accept()[0]
                thread = threading.Thread(target=self._serve, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self.made += 1
            self._open += 1
            self.most = max(self.most, self._open)
        server = socket.create_connection((_LOOPBACK, self._upstream), timeout=5)
        try:
            if self._tls is not None:
                client.settimeout(5)
                client = self._tls.server.wrap_socket(client, server_side=True)
                server = self._tls.client.wrap_socket(server, server_hostname="localhost")
            self._pass_on(client, server)
        except OSError:
            # Either end went away, which is what a client at its deadline does.
            pass
        finally:
            with self._lock:
                self._open -= 1
            client.close()
            server.close()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        while not self._closed.is_set():
            waiting = [each for each in (client, server) if isinstance(each, ssl.SSLSocket) and each.pending()]
            for source in waiting or select.select([client, server], [], [], 0.05)[0]:
                piece = source.recv(65_536)
                if not piece:
                    return
                if source is client:
                    self.sent += piece
                    server.sendall(piece)
                else:
                    self._answer(client, piece)

    def _answer(self, client: socket.socket, piece: bytes) -> None:
        for at in range(len(piece)):
            if not self.is_slow(self):
                client.sendall(piece[at:])
                return
            if self._closed.wait(self._pace):
                return
            client.sendall(piece[at : at + 1])
