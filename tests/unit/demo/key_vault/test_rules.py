import json

import pytest

from compiler.demo.key_vault_state import (
    RefusedRequestError,
    checked_name,
    checked_page_size,
    checked_version,
    parsed_body,
)


def parse(**members: object) -> object:
    return parsed_body(json.dumps({"value": "x"} | members).encode(), with_value=True)


@pytest.mark.parametrize("name", ["a", "A-1", "-", "a" * 127])
def test_names_of_letters_digits_and_hyphens_pass(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 128, "a_b", "a.b", "a b", "é", "a\n"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(RefusedRequestError):
        checked_name(name)


@pytest.mark.parametrize("version", ["", "0" * 31, "G" * 32, "A" * 32, "versions"])
def test_versions_are_32_hexadecimal_digits(version: str) -> None:
    assert checked_version("0123456789abcdef" * 2)
    with pytest.raises(RefusedRequestError):
        checked_version(version)


@pytest.mark.parametrize(("text", "size"), [(None, 25), ("1", 1), ("25", 25)])
def test_a_page_holds_up_to_25(text: str | None, size: int) -> None:
    assert checked_page_size(text) == size


@pytest.mark.parametrize("text", ["0", "26", "-1", "x", ""])
def test_other_page_sizes_are_refused(text: str) -> None:
    with pytest.raises(RefusedRequestError):
        checked_page_size(text)


@pytest.mark.parametrize(
    "members",
    [
        {"value": "x" * 25_600},
        {"value": "é" * 12_800},
        {"tags": {f"t{number}": "v" for number in range(15)}},
        {"tags": {"t" * 512: "v" * 256}},
        {"contentType": "c" * 255},
        {"attributes": {"enabled": False, "exp": 2, "nbf": 1}},
        {"attributes": None, "tags": None, "contentType": None},
    ],
)
def test_what_is_within_the_limits_passes(members: dict[str, object]) -> None:
    assert parse(**members)


@pytest.mark.parametrize(
    "members",
    [
        {"value": ""},
        {"value": 1},
        {"value": None},
        {"value": "x" * 25_601},
        {"value": "é" * 12_800 + "x"},
        {"value": "\ud800"},
        {"tags": {f"t{number}": "v" for number in range(16)}},
        {"tags": {"": "v"}},
        {"tags": {"t" * 513: "v"}},
        {"tags": {"t": "v" * 257}},
        {"tags": {"t": 1}},
        {"contentType": "c" * 256},
        {"attributes": {"enabled": "yes"}},
        {"attributes": {"exp": 1.5}},
        {"attributes": {"exp": True}},
        {"attributes": {"exp": 1, "nbf": 2}},
        {"attributes": {"created": 1}},
        {"unknown": 1},
    ],
)
def test_what_is_beyond_the_limits_is_a_bad_parameter(members: dict[str, object]) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        parse(**members)
    assert (caught.value.status, caught.value.code) == (400, "BadParameter")


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(RefusedRequestError):
        parsed_body(raw, with_value=True)


def test_an_update_takes_no_value() -> None:
    with pytest.raises(RefusedRequestError):
        parsed_body(b'{"value": "x"}', with_value=False)
    assert parsed_body(b"{}", with_value=False).value is None
