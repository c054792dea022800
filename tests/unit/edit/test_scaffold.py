from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.edit.scaffold import NewSecret, address_scalar, environment_text, with_secret
from compiler.edit.yaml_edit import spliced
from compiler.refusal import Refusal
from compiler.stages.load import load_text

if TYPE_CHECKING:
    from compiler.model.document import Document

ENTRY = "description: d\n    target: t-{0}\n    remote: {{vault: v/{0}}}\n    syncWave: -49\n    keys: {{K: {{}}}}"


def _document(text: str) -> Document:
    document, diagnostics = load_text("environments/catalogue.yaml", text)
    assert document is not None, diagnostics
    return document


def _secret(
    name: str = "b", *keys: str, target: str = "t-b", description: str | None = None, vault: str = "v/b"
) -> NewSecret:
    return NewSecret(name, target, description, {"vault": vault}, keys or ("K",))


def _with(text: str, secret: NewSecret) -> str:
    return spliced(text, with_secret(_document(text), secret))


def _entry(name: str) -> str:
    return f"  {name}:\n    {ENTRY.format(name)}"


SHAPES = {
    "last": f"secrets:\n{_entry('a')}\n",
    "no line break at the end": f"secrets:\n{_entry('a')}",
    "a comment at the end": f"secrets:\n{_entry('a')}\n# the end\n",
    "blank lines": f"# first\n\nsecrets:\n\n{_entry('a')}\n\n\n",
    "another section below": f"secrets:\n{_entry('a')}\nwaive: {{shared-place: on purpose}}\n",
    "a comment behind": f"secrets:\n{_entry('a')} # behind\n  # below\n",
    "carriage returns": f"secrets:\n{_entry('a')}\n".replace("\n", "\r\n"),
    "a literal block": f"secrets:\n{_entry('a')}\n    description2: |\n      text\n".replace(
        "description: d\n    ", ""
    ).replace("description2", "description")
    + "waive: {shared-place: on purpose}\n",
    "a block list": f"secrets:\n{_entry('a')}\n    mountedBy:\n      - x\n      - y\nwaive: {{shared-place: why}}\n",
    "a flow map over lines": f"secrets:\n{_entry('a')}\n".replace("{K: {}}", "{\n      K: {}\n    }"),
    "four spaces": "secrets:\n    a:\n        target: t\n        keys: {K: {}}\n",
    "nothing yet": "# yaml-language-server: $schema=x\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_byte_is_kept_and_one_secret_is_more(shape: str) -> None:
    old = SHAPES[shape]
    text = _with(old, _secret())
    at = next(index for index, (left, right) in enumerate(zip(old + "\0", text, strict=False)) if left != right)
    # What follows the insertion is the old text's end, to the byte.
    assert text.startswith(old[:at])
    assert text.endswith(old[at:])
    before, after = _document(old).root.plain_data(), _document(text).root.plain_data()
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    secrets = after["secrets"]
    assert isinstance(secrets, dict)
    assert list(secrets)[-1] == "b"
    assert {**after, "secrets": {name: entry for name, entry in secrets.items() if name != "b"}} == {
        "secrets": {},
        **before,
    }
    assert ("\r\n" in text) == ("\r\n" in old)
    assert "\n" not in text.replace("\r\n", "") or "\r\n" not in old


@pytest.mark.parametrize("text", ["secrets: {}\n", "secrets: {a: {target: t, keys: {K: {}}}}\n"])
def test_a_form_without_lines_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        with_secret(_document(text), _secret())
    assert caught.value.help


@given(
    st.text(min_size=1, max_size=30),
    st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=3, unique=True),
    st.sampled_from(["no", "y", "null", "1", "08", "1e3", "a: b", "a #b", "'", '"', "{", "x"]),
)
def test_whatever_is_said_means_what_was_said(description: str, keys: list[str], target: str) -> None:
    try:
        text = _with(SHAPES["last"], _secret("b", *keys, target=target, description=description, vault=target))
    except Refusal:
        # What the loader itself refuses, such as a control character, has no place in a file.
        return
    entry = _document(text).root.nearest("secrets", "b")
    assert entry.text("description") == description
    assert entry.text("target") == target
    assert list(entry.nearest("keys").children) == list(keys)


@pytest.mark.parametrize("word", ["y", "no", "TRUE", "1e3"])
def test_a_key_that_some_reader_takes_for_something_else_is_quoted(word: str) -> None:
    assert f'      "{word}": {{}}\n' in _with(SHAPES["last"], _secret("b", word))


def test_an_entry_says_what_is_known_and_no_more() -> None:
    assert _with("", _secret()).splitlines() == [
        "secrets:",
        "  b:",
        "    target: t-b",
        "    remote:",
        "      vault: v/b",
        "    syncWave: -49",
        "    keys:",
        "      K: {}",
    ]
    assert '    description: "Its use"\n' in _with("", _secret(description="Its use"))


def test_an_environment_names_what_it_extends() -> None:
    assert environment_text("qa", ()).splitlines() == [
        "# yaml-language-server: $schema=../schemas/environment.schema.json",
        "# What qa sets differently from base.",
    ]
    assert environment_text("qa", ("europe", "no")).splitlines()[1:] == [
        "# What qa sets differently from europe and no.",
        'extends: [europe, "no"]',
    ]


def test_an_environment_has_the_store_and_the_addresses_that_are_given() -> None:
    addresses = {"azure": ("vaultUrl", "https://shop.vault.azure.net"), "no": ("server", 'x"')}
    assert environment_text("prod", (), "azure", addresses).splitlines()[2:] == [
        "store: azure",
        "stores:",
        "  azure:",
        "    vaultUrl: https://shop.vault.azure.net",
        '  "no":',
        '    server: "x\\""',
    ]


@pytest.mark.parametrize("text", ["https://a.b: c", "https://x #y", "{a}", "https://", "https://a:"])
def test_what_is_no_url_is_quoted(text: str) -> None:
    assert address_scalar(text) == f'"{text}"'
