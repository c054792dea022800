"""Provides the base of local servers' request handlers: HTTP/1.1 with kept connections, no waits, no output."""

from http.server import BaseHTTPRequestHandler


class QuietHandler(BaseHTTPRequestHandler):
    """Has no `do_…` methods: each server's handler adds its own."""

    protocol_version = "HTTP/1.1"
    # Two small writes without this wait 40 ms for each other.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        del format, args
