import io
import json

import pytest

from compiler.demo.local_key_vault import BadRequestError, VaultReply, read_request


def test_a_request_is_read_with_its_parts_and_the_next_one_follows() -> None:
    raw = b"PUT /secrets/a%2Db/?api-version=7.6&x= HTTP/1.1\r\nHost: h:1\r\nContent-Length: 2\r\n\r\n{}"
    stream = io.BytesIO(raw + b"GET / HTTP/1.1\r\n\r\n")
    first = read_request(stream)
    assert first is not None
    assert (first.method, first.path, first.query) == ("PUT", ("secrets", "a-b", ""), {"api-version": "7.6", "x": ""})
    assert (first.headers["host"], first.body) == ("h:1", b"{}")
    second = read_request(stream)
    assert second is not None
    assert second.path == ("",)
    assert read_request(stream) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"GET\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET https://other/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nbroken\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: " + b"1" * 5_000 + b"\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\n{}",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequestError):
        read_request(io.BytesIO(raw))


@pytest.mark.parametrize(
    ("target", "path"),
    [("//secrets/a?x=1", ("", "secrets", "a")), ("//[", ("", "[")), ("/a%2Fb/c", ("a/b", "c")), ("/?x=/y?z", ("",))],
)
def test_a_target_is_a_path_whatever_it_looks_like(target: str, path: tuple[str, ...]) -> None:
    request = read_request(io.BytesIO(f"GET {target} HTTP/1.1\r\n\r\n".encode()))
    assert request is not None
    assert request.path == path


def test_a_reply_is_one_piece_with_its_length() -> None:
    head, _, content = VaultReply(200, {"value": "é"}, (("X", "y"),)).to_bytes().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert f"Content-Length: {len(content)}" in lines
    assert "X: y" in lines
    assert json.loads(content) == {"value": "é"}
    assert VaultReply(204).to_bytes() == b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
    assert "s3ntinel" not in repr(VaultReply(200, {"value": "s3ntinel"}))
