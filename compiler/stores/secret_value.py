"""Wraps a value so that it cannot be printed, copied, pickled or compared in the clear.

Two values are compared by a keyed hash, and the JSON object of a remote secret is read as values, and changed with
every other byte kept.
"""

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, Never, Self
from urllib.parse import quote

HIDDEN: Final = "…"
_KEY_BYTES: Final = 32
# A shorter value is only hidden where it is a whole word: otherwise each digit of a message might go.
_SHORT: Final = 4
# A line of a longer value counts by itself from this length on: messages quote single lines, such as of a PEM text.
_LONG_LINE: Final = 8
# The API server cuts the message of an event at this length, perhaps in the middle of a value.
_CUT_AT: Final = 1024


class JsonKind(StrEnum):
    """What a property is in its store's JSON document; only strings survive a move between stores unchanged."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"
    OBJECT = "object"
    ARRAY = "array"


def _refusing(message: str) -> Callable[..., Never]:
    """A method that raises TypeError, whatever it is given."""

    def refuse(*_given: object) -> Never:
        raise TypeError(message)

    return refuse


class SecretValue:
    """One secret value: the text of a JSON string, or the raw JSON token of a property of another kind.

    Its repr is `…`, and it refuses all that would copy its content: `str`, formatting, pickling, copying, hashing and
    comparing. `reveal` is for store adapters and encrypters only.
    """

    __slots__ = ("__text", "kind")

    kind: Final[JsonKind]

    def __init__(self, text: str, kind: JsonKind = JsonKind.STRING) -> None:
        if not isinstance(text, str):
            # The default message of a later failure would show the value.
            raise TypeError("a Secret holds text")
        self.__text = text
        self.kind = kind

    def reveal(self) -> str:
        """Return the text, for the wire or an encrypted file and nothing else; the tests hold the list of who may."""
        return self.__text

    @property
    def is_string(self) -> bool:
        return self.kind is JsonKind.STRING

    @property
    def length(self) -> int:
        """How many characters the text has, for limits."""
        return len(self.__text)

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    # Showing "…" for its text would let that be written to a store in place of the value.
    __str__ = _refusing("a Secret cannot be turned into text")
    __format__ = _refusing("a Secret cannot be formatted")
    __bytes__ = _refusing("a Secret cannot be turned into bytes")
    __eq__ = __ne__ = _refusing("Secrets are compared by Comparer.same")
    __hash__ = _refusing("a Secret cannot be hashed")
    __bool__ = _refusing("a Secret has no truth value; ask compiler.stores.secret_value")
    __copy__ = __deepcopy__ = _refusing("a Secret cannot be copied")
    __reduce_ex__ = __getstate__ = _refusing("a Secret cannot be pickled")


class Mark:
    """What a Comparer keeps of a Secret: equal marks of one Comparer mean equal secrets; marks of two tell no more."""

    __slots__ = ("__digest",)

    def __init__(self, digest: bytes) -> None:
        self.__digest = digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mark) and hmac.compare_digest(self.__digest, other._digest())

    def __hash__(self) -> int:
        return hash(self.__digest)

    def __repr__(self) -> str:
        return f"Mark({HIDDEN})"

    __reduce_ex__ = _refusing("a Mark cannot be pickled")

    def _digest(self) -> bytes:
        return self.__digest


class Comparer:
    """Compares secrets by HMAC-SHA256 under a random key that lives as long as this object.

    A mark stands for a value where many are compared. It cannot be looked up in a table of known values, and the time
    of a comparison does not show how alike two values are.
    """

    __slots__ = ("__key",)

    def __init__(self) -> None:
        self.__key = os.urandom(_KEY_BYTES)

    def mark(self, secret: SecretValue) -> Mark:
        return Mark(self._digest(secret))

    def same(self, one: SecretValue, other: SecretValue) -> bool:
        """True when both are of one JSON kind and hold the same text."""
        # Without a Mark of each, which would cost as much again: every key of a migration is compared twice.
        return hmac.compare_digest(self._digest(one), self._digest(other))

    def __repr__(self) -> str:
        return f"Comparer({HIDDEN})"

    __reduce_ex__ = _refusing("a Comparer cannot be pickled")

    def __copy__(self) -> Self:
        return self

    def _digest(self, secret: SecretValue) -> bytes:
        text = secret.reveal().encode("utf-8", "surrogatepass")
        return hmac.digest(self.__key, secret.kind.encode() + b":" + text, "sha256")


def operator_hash(values: Mapping[str, SecretValue]) -> str | None:
    """What External Secrets Operator notes beside a Secret with this data: SHA3-224 of the map as Go prints it.

    None where a value is no string. Who compares it learns nothing that the operator's note does not give away.
    """
    if not values or not all(each.is_string for each in values.values()):
        return None
    data = {key: values[key].reveal().encode("utf-8", "surrogatepass") for key in sorted(values)}
    text = " ".join(f"{key}:[{' '.join(map(str, value))}]" for key, value in data.items())
    return hashlib.sha3_224(f"map[{text}]".encode()).hexdigest()


def hide_values(text: str, secrets: Iterable[SecretValue]) -> str:
    """The text with each of the secrets as `…`, also in Base64, JSON or a URL, and also where the text ends within."""
    forms = sorted({form for each in secrets for form in _forms_of(each.reveal())}, key=len, reverse=True)
    for form in forms:
        word = re.escape(form) if len(form) >= _SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"
        text = re.sub(word, HIDDEN, text)
    ends = (size for form in forms for size in range(_SHORT, min(len(form), _CUT_AT)) if text.endswith(form[:size]))
    cut = max(ends, default=0)
    return f"{text[:-cut]}{HIDDEN}" if cut else text


def _forms_of(value: str) -> Iterator[str]:
    lines = (each for line in value.splitlines() if len(each := line.strip()) >= _LONG_LINE)
    for part in filter(None, (value.strip(), *lines)):
        data = part.encode("utf-8", "surrogatepass")
        yield from (part, quote(data), quote(data, safe=""), base64.b64encode(data).decode())
        yield from (json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1])


class Trait(StrEnum):
    """A fact about a value that a diagnostic may name."""

    EMPTY = "empty"
    PLACEHOLDER = "placeholder"
    MANIFEST = "manifest"  # of a Kubernetes Secret, or a list
    SPACE_AT_END = "space-at-end"
    QUOTED = "quoted"
    LONE_SURROGATE = "lone-surrogate"
    NUL = "nul"
    NOT_A_STRING = "not-a-string"


_PLACEHOLDER: Final = re.compile(
    r"(?:change|replace)[-_ ]?me|<[^<>]*>|\$\{[^{}]*\}|\{\{[^{}]*\}\}|todo|tbd|fixme|xxx|your[-_ ][a-z0-9_ -]+"
    r"|placeholder|dummy|null|undefined"
    # What stands for a value, or for the rest of a token: `sk_test_...`. A password may end with dots.
    r"|(?:[a-z0-9]+[-_])*(?:\.{3,}|…|[*•]{3,}|x{4,})",
    re.IGNORECASE,
)
# At the margin of YAML. What is indented is a part of something else, and a kubeconfig is of another kind.
_MANIFEST: Final = re.compile(r"^kind:[ \t]*([\"']?)(?:Secret|SecretList|List)\1[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_MANIFEST_KINDS: Final = frozenset({"Secret", "SecretList", "List"})
_QUOTES: Final = frozenset("\"'`")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
# Traits that a store would answer with an error or with other bytes, so that no write may carry them.
UNWRITABLE: Final = frozenset({Trait.EMPTY, Trait.LONE_SURROGATE, Trait.NUL})


def traits(secret: SecretValue) -> frozenset[Trait]:
    """Return every trait of the value; an ordinary value has none."""
    text = secret.reveal()
    if not secret.is_string:
        return frozenset({Trait.NOT_A_STRING})
    bare = text.strip()
    found = set()
    if len(bare) > 1 and bare[0] in _QUOTES and bare.count(bare[0]) == 2 and bare[-1] == bare[0]:  # noqa: PLR2004
        found.add(Trait.QUOTED)
    if not bare:
        found.add(Trait.EMPTY)
    elif len(bare) != len(text):
        found.add(Trait.SPACE_AT_END)
    if _PLACEHOLDER.fullmatch(bare):
        found.add(Trait.PLACEHOLDER)
    if "apiVersion" in bare and _is_manifest(bare):
        found.add(Trait.MANIFEST)
    # Only a text that is no ASCII can hold one, and that Python knows without looking.
    if not text.isascii() and _SURROGATE.search(text):
        found.add(Trait.LONE_SURROGATE)
    if "\0" in text:
        found.add(Trait.NUL)
    return frozenset(found)


def is_blank(secret: SecretValue | None) -> bool:
    """Whether it is a string without text, or with white space only."""
    return secret is not None and Trait.EMPTY in traits(secret)


def _is_manifest(text: str) -> bool:
    if not text.startswith("{"):
        return _MANIFEST.search(text) is not None and re.search("^apiVersion:", text, re.MULTILINE) is not None
    try:
        members = read_object(text)
    except NotAnObjectError:
        return False
    return "apiVersion" in members and "kind" in members and members["kind"].reveal() in _MANIFEST_KINDS


RULE = (
    "numbers and booleans are written as JSON (`12`, `true`), objects and arrays too, as the source returns them; "
    "null has no text and is refused"
)


def stringify(value: SecretValue) -> SecretValue | None:
    """Return the value as a string by RULE, itself when it is one, None when it has no text."""
    if value.is_string:
        return value
    return None if value.kind is JsonKind.NULL else SecretValue(value.reveal())


def object_members(secret: SecretValue) -> Mapping[str, SecretValue]:
    """The members of a JSON object in its order; empty for any other value, and where a name occurs twice."""
    if secret.kind is not JsonKind.OBJECT:
        return {}
    try:
        return read_members(secret)
    except NotAnObjectError:
        return {}


def read_members(secret: SecretValue) -> dict[str, SecretValue]:
    """The members of a value that is a JSON object; raises NotAnObjectError for any other, and for a name twice."""
    return read_object(secret.reveal())


_SPACE: Final = re.compile(r"[ \t\n\r]*")
_KINDS: Final = {
    '"': JsonKind.STRING,
    "{": JsonKind.OBJECT,
    "[": JsonKind.ARRAY,
    "t": JsonKind.BOOLEAN,
    "f": JsonKind.BOOLEAN,
    "n": JsonKind.NULL,
}
# Numbers stay text. Python's default would also take NaN and Infinity, which no other reader of the vault does.
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=lambda _token: _refuse())


class NotAnObjectError(ValueError):
    """The text is no JSON object, or one that readers disagree on (a name twice). It carries no part of the text."""


# A member's name and value, and where in the text its name, the value's token and what follows that begin.
_Member = tuple[str, SecretValue, int, int, int]


def read_object(text: str) -> dict[str, SecretValue]:
    """Return the top level of a JSON object in its order; raise NotAnObjectError for anything else."""
    return {name: value for name, value, *_ in _members(text)}


def change_object(text: str, changes: Mapping[str, SecretValue | None]) -> str:
    """`text` with the values of `changes` in place of the old ones, and new properties before the last brace.

    A property whose value is None goes, with its comma. Every other byte stays, white space and order and number forms
    included. Raises NotAnObjectError.
    """
    left = {name: value for name, value in changes.items() if value is not None}
    pieces: list[str] = []
    position, members = 0, list(_members(text))
    kept_end: int | None = None  # of the last member that stays
    for number, (name, _, begin, start, end) in enumerate(members):
        if name in changes and name not in left:
            cut_at = begin if kept_end is None else kept_end
            pieces.append(text[position:cut_at])
            is_last = number + 1 == len(members)
            position = end if kept_end is not None or is_last else members[number + 1][2]
            continue
        if (value := left.pop(name, None)) is not None:
            pieces += (text[position:start], token(value))
            position = end
        kept_end = end
    rest = text[position:]
    if left:
        body = rest[: rest.rindex("}")].rstrip(" \t\n\r")
        added = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {token(value)}" for name, value in left.items())
        rest = f"{body}{'' if kept_end is None else ', '}{added}{rest[len(body) :]}"
    pieces.append(rest)
    return "".join(pieces)


def write_object(properties: Mapping[str, SecretValue]) -> str:
    """Return a new JSON object of the properties, in their order."""
    return change_object("{}", properties)


def token(value: SecretValue) -> str:
    """Return a property as a JSON token: a string with as few escapes as JSON allows, another kind as it was read."""
    return json.dumps(value.reveal(), ensure_ascii=False) if value.is_string else value.reveal()


def _members(text: str) -> Iterator[_Member]:
    try:
        yield from list(_parse(text))
    except (ValueError, IndexError, RecursionError):
        # The decoder's own error holds the document.
        raise NotAnObjectError from None


def _parse(text: str) -> Iterator[_Member]:
    position = _expect(text, 0, "{")
    seen: set[str] = set()
    if text[position] != "}":
        while True:
            if text[position] != '"':
                _refuse()
            begin = position
            name, position = _DECODER.raw_decode(text, begin)
            if name in seen:
                _refuse()
            seen.add(name)
            start = _expect(text, position, ":")
            value, position = _value(text, start)
            yield name, value, begin, start, position
            position = _skip(text, position)
            if text[position] == "}":
                break
            position = _expect(text, position, ",")
    if _skip(text, position + 1) != len(text):
        _refuse()


def _value(text: str, start: int) -> tuple[SecretValue, int]:
    """The value whose token begins at `start`, and where that ends."""
    value, end = _DECODER.raw_decode(text, start)
    kind = _KINDS.get(text[start], JsonKind.NUMBER)
    return SecretValue(value if kind is JsonKind.STRING else text[start:end], kind), end


def _expect(text: str, position: int, mark: str) -> int:
    position = _skip(text, position)
    if text[position] != mark:
        _refuse()
    return _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _refuse() -> Never:
    raise NotAnObjectError
