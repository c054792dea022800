"""Wraps a value so that it cannot be printed, copied, pickled or compared in the clear; compares by a keyed hash."""

import hmac
import os
from enum import StrEnum
from typing import Final, Never, Self

HIDDEN: Final = "…"
_KEY_BYTES: Final = 32


class JsonKind(StrEnum):
    """What a property is in its store's JSON document; only strings survive a move between stores unchanged."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"
    OBJECT = "object"
    ARRAY = "array"


class SecretValue:
    """One secret value: the text of a JSON string, or the raw JSON token of a property of another kind.

    It shows itself as `…` where Python asks for a repr and refuses everything else that would copy its content
    somewhere: `str`, formatting, pickling, copying, hashing and comparing. `reveal` is for store adapters and
    encrypters only.
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

    def __str__(self) -> Never:
        # Showing "…" here would let it be written to a store in place of the value.
        raise TypeError("a Secret cannot be turned into text")

    def __format__(self, _spec: str) -> Never:
        raise TypeError("a Secret cannot be formatted")

    def __bytes__(self) -> Never:
        raise TypeError("a Secret cannot be turned into bytes")

    def __eq__(self, _other: object) -> Never:
        raise TypeError("Secrets are compared by Comparer.same")

    def __ne__(self, _other: object) -> Never:
        raise TypeError("Secrets are compared by Comparer.same")

    def __hash__(self) -> Never:
        raise TypeError("a Secret cannot be hashed")

    def __bool__(self) -> Never:
        raise TypeError("a Secret has no truth value; ask compiler.stores.values.traits")

    def __copy__(self) -> Never:
        raise TypeError("a Secret cannot be copied")

    def __deepcopy__(self, _memo: object) -> Never:
        raise TypeError("a Secret cannot be copied")

    def __reduce_ex__(self, _protocol: object) -> Never:
        raise TypeError("a Secret cannot be pickled")

    def __getstate__(self) -> Never:
        raise TypeError("a Secret cannot be pickled")


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

    def __reduce_ex__(self, _protocol: object) -> Never:
        raise TypeError("a Mark cannot be pickled")

    def _digest(self) -> bytes:
        return self.__digest


class Comparer:
    """Tells whether secrets are equal by HMAC-SHA256 under a random key that lives as long as this object.

    A mark stands for a value where many are compared. Nothing in it can be looked up in a table of known values, and
    the time of a comparison tells nothing of how alike two values are.
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

    def __reduce_ex__(self, _protocol: object) -> Never:
        raise TypeError("a Comparer cannot be pickled")

    def __copy__(self) -> Self:
        return self

    def _digest(self, secret: SecretValue) -> bytes:
        text = secret.reveal().encode("utf-8", "surrogatepass")
        return hmac.digest(self.__key, secret.kind.encode() + b":" + text, "sha256")
