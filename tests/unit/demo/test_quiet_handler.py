import http.client
import threading
from http.server import ThreadingHTTPServer

import pytest

from compiler.demo.quiet_handler import QuietHandler


class Handler(QuietHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_connection_is_kept_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        ports = set()
        for path in ("/", "/?token=s3ntinel"):
            connection.request("GET", path)
            reply = connection.getresponse()
            assert (reply.status, reply.version, reply.read()) == (204, 11, b"")
            ports.add(connection.sock.getsockname()[1] if connection.sock is not None else None)
        # One socket from beginning to end.
        assert len(ports - {None}) == len(ports) == 1
        connection.close()
        server.shutdown()
    assert capfd.readouterr() == ("", "")
