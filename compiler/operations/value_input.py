"""Reads values by key from a file or pipe: a JSON object, dotenv lines or one bare value. Errors quote no value."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from enum import StrEnum

from compiler.model.facts import MAX_INPUT_BYTES
from compiler.refusal import Refusal
from compiler.stores.secret_value.document import NotAnObjectError, read_object
from compiler.stores.secret_value.secret import SecretValue
from compiler.text.wording import closest, counted, suggest


class InputForm(StrEnum):
    """The format of the input."""

    JSON = "json"
    DOTENV = "dotenv"
    VALUE = "value"


class ValueInputError(Refusal):
    """The input does not have its format."""

    def __init__(self, message: str, help_text: str | None) -> None:
        super().__init__("usage", message, help_text)


# Base64 with its padding looks like the name of a variable with its equals sign.
_PADDED = re.compile(r"[A-Za-z0-9+/_-]+={1,2}\s*", re.ASCII)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", re.ASCII)
_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=")
_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
# Possessive: a long text without a closing quote must not be tried from every place.
_QUOTED = {"'": re.compile(r"'([^']*+)'"), '"': re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\n": ""}
# The look-behind: a long run of blanks must not be tried from every place either.
_COMMENT = re.compile(r"(?<![ \t])[ \t]++#[^\n]*")


def read_values(
    data: bytes, keys: Sequence[str], known: Collection[str], form: InputForm | None
) -> dict[str, SecretValue]:
    """The values in `data`: those of `keys` where any are named, else all that the text names, which must be `known`.

    Where `form` is None, one key means that the text is its value, also where only one is known and the text names
    none; otherwise a text that begins with a brace is JSON, any other dotenv. One final line break of a value is not
    part of it. Raises ValueInputError.
    """
    text = _text(data)
    if form is None:
        keys = keys or _only_key(text, known)
        form = _guessed(text, keys)
    if form is InputForm.VALUE:
        if len(keys) != 1:
            raise ValueInputError("a bare value is for one key only", "name exactly one key")
        return {keys[0]: SecretValue(re.sub(r"\r?\n\Z", "", text))}
    found = _json(text) if form is InputForm.JSON else _dotenv(text)
    for key in keys:
        if key not in found:
            raise ValueInputError(f'the input has no "{key}"', "add it to the input, or leave the key out")
    if keys:
        return {key: found[key] for key in keys}
    if not found:
        raise ValueInputError("the input is empty", "provide KEY=value lines, or a JSON object")
    for name in found:
        if name not in known:
            raise _unknown(name, known, len(found))
    return found


def _unknown(name: str, known: Collection[str], count: int) -> ValueInputError:
    message = "the input has a key that the secret does not have"
    # Any other name is not shown: half of a Base64 value with its padding looks like one with its equals sign.
    if closest(name, known) is not None and _VARIABLE.fullmatch(name):
        message = f'the input has the key "{name}", which the secret does not have'
    return ValueInputError(f"{message} (the input has {counted(count, 'key')})", suggest(name, known, "keys"))


def _text(data: bytes) -> str:
    if len(data) > MAX_INPUT_BYTES:
        raise ValueInputError(
            f"the input is larger than {MAX_INPUT_BYTES} bytes", "shorten it; no store accepts that size"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise ValueInputError("the input is not UTF-8 text", "encode it, for example as Base64")


def _guessed(text: str, keys: Sequence[str]) -> InputForm:
    is_object = text.lstrip().startswith("{")
    if len(keys) != 1:
        return InputForm.JSON if is_object else InputForm.DOTENV
    try:
        names_itself = keys[0] in (_json(text) if is_object else _dotenv(text))
    except ValueInputError:
        names_itself = False
    if names_itself:
        # Taken for the value, the name and its quotes would go into the store.
        raise ValueInputError(
            f'the input names "{keys[0]}" itself, so it does not look like a bare value',
            "add --input json, --input dotenv or --input value",
        )
    return InputForm.VALUE


def _only_key(text: str, known: Collection[str]) -> tuple[str, ...]:
    """The one known key, where the text is no JSON object and no lines of dotenv, and does not have its name."""
    if len(known) != 1 or any(key in text for key in known) or text.lstrip().startswith("{"):
        return ()
    if _PADDED.fullmatch(text):
        return tuple(known)
    try:
        _dotenv(text)
    except ValueInputError:
        return tuple(known)
    return ()


def _json(text: str) -> dict[str, SecretValue]:
    try:
        found = read_object(text)
    except NotAnObjectError:
        raise ValueInputError(
            "the input is not a JSON object with unique names", 'write {"KEY": "value", ...}'
        ) from None
    for number, value in enumerate(found.values(), 1):
        if not value.is_string:
            message = f"value {number} of the input is a JSON {value.kind}, and only strings can be stored"
            raise ValueInputError(message, "put the value in quotes")
    return found


def _dotenv(text: str) -> dict[str, SecretValue]:
    text = text.replace("\r\n", "\n")
    found: dict[str, SecretValue] = {}
    position = counted = 0
    number = 1
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position = blank.end()
            continue
        number += text.count("\n", counted, position)
        counted = position
        name = _LINE.match(text, position)
        if name is None:
            raise ValueInputError(
                f"line {number} of the input is not KEY=value", "correct it, or set the format by --input"
            )
        if name[1] in found:
            raise ValueInputError(f"line {number} of the input repeats a key", "keep one of the two")
        value, position = _dotenv_value(text, name.end(), number)
        found[name[1]] = SecretValue(value)
    return found


def _dotenv_value(text: str, start: int, number: int) -> tuple[str, int]:
    space = _SPACE.match(text, start)
    begin = space.end() if space is not None else start
    quote = text[begin : begin + 1]
    if quote in _QUOTED:
        match = _QUOTED[quote].match(text, begin)
        rest = _BLANK.match(text, match.end()) if match else None
        if match is None or rest is None:
            raise ValueInputError(
                f"line {number} of the input has unbalanced quotes", "close them at the end of the value"
            )
        value = match[1]
        if quote == '"':
            value = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), value)
        return value, rest.end()
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    line = text[start:end]
    comment = _COMMENT.search(line)
    value = (line[: comment.start()] if comment else line).strip()
    if "\r" in value:
        # A line break of old: the next key and its value would become a part of this one.
        message = f"line {number} of the input has a carriage return in its value"
        raise ValueInputError(message, "end lines by a line feed, or put the value in quotes")
    return value, end + 1
