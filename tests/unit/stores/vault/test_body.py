import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.stores.secret_value import JsonKind, SecretValue
from compiler.stores.vault import client
from compiler.stores.vault.client import read_reply, write_body

# JSON's own grammar of numbers, https://www.rfc-editor.org/rfc/rfc8259#section-6
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
OTHERS = ("true", "false", "null", "[]", '{ "a" : [1.0, {"b":\t-0}] }', '{"a":"\\u003c"}', "9" * 5_000)


def reply(token: str) -> bytes:
    metadata = '{"version": 3, "created_time": "2026-01-01T00:00:00Z"}'
    document = f'{{"N": {token}, "S": "é\\ud800"}}'
    return f'{{"lease_duration": 0, "data": {{"data": {document}, "metadata": {metadata}}}}}'.encode()


def sent(token: str) -> str:
    """What is sent of a property that was read, as the text of its token."""
    body = read_reply(reply(token))
    assert body is not None
    written = write_body({"options": {"cas": 3}, "data": body["data"]["data"]}).decode()
    return written.removeprefix('{"options": {"cas": 3}, "data": {"N": ').removesuffix(', "S": "\\u00e9\\ud800"}}')


@given(NUMBERS)
def test_any_number_is_sent_as_the_text_that_was_read(token: str) -> None:
    assert sent(token) == token


@pytest.mark.parametrize("token", OTHERS)
def test_so_is_every_other_kind(token: str) -> None:
    assert sent(token) == token


def test_only_a_versions_properties_are_secrets() -> None:
    body = read_reply(reply("1.10"))
    assert body is not None
    assert (body["lease_duration"], body["data"]["metadata"]["version"]) == (0, 3)
    found = body["data"]["data"]
    assert {name: (value.kind, value.reveal()) for name, value in found.items()} == {
        "N": (JsonKind.NUMBER, "1.10"),
        "S": (JsonKind.STRING, "é\ud800"),
    }
    assert read_reply(b'{"data": {"data": null, "keys": ["a"]}}') == {"data": {"data": None, "keys": ["a"]}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[1]",
        b'"text"',
        b"\xff{}",
        b"[" * 100_000,
        b'{"ttl": NaN}',
        b'{"data": {"data": {"A": "1", "A": "2"}}}',
        b'{"data": {"data": {"A": 1, "A": 2}}}',
        b'{"data": 1, "data": {"data": {"A": "1"}}}',
        b'{"data": {"data": {"N": Infinity}}}',
    ],
)
def test_what_is_no_json_object_that_all_readers_agree_on_is_none(content: bytes) -> None:
    assert read_reply(content) is None


def test_a_number_of_the_servers_own_may_be_of_any_length() -> None:
    assert read_reply(b'{"ttl": ' + b"9" * 5_000 + b"}") == {"ttl": float("inf")}
    assert read_reply(b'{"ttl": 12345678901234567890}') == {"ttl": 12345678901234567890}


def test_what_holds_no_secret_is_sent_as_json_has_it() -> None:
    body = {"role": 'a"é', "options": {}, "versions": [1, 2], "left": None, "data": {"\ud800": SecretValue("\ud800")}}
    assert json.loads(write_body(body)) == {**body, "data": {"\ud800": "\ud800"}}


@pytest.mark.parametrize("many", [b"[],", b"{},", b"0,", b'"",', b'{"a":0},'], ids=repr)
def test_a_reply_of_many_tiny_values_is_none_and_is_not_parsed(monkeypatch: pytest.MonkeyPatch, many: bytes) -> None:
    content = b'{"data": {"data": {"A": [' + many * 100_000 + b"0]}}}"
    # Not by its path: another test has the package imported anew.
    monkeypatch.setattr(client, "_DECODER", None)
    assert read_reply(content) is None


def test_a_value_may_hold_as_many_commas_as_it_likes() -> None:
    table = "1,[2],{}" * 20_000
    body = read_reply(json.dumps({"data": {"data": {"TABLE": table}}}).encode())
    assert body is not None
    assert body["data"]["data"]["TABLE"].reveal() == table
