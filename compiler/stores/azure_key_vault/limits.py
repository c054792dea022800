"""Finds what Key Vault would refuse of a name, a value or attributes, before anything is sent."""

from typing import Final

from compiler.stores.errors import InvalidNameError, InvalidValueError, MalformedDocumentError, TooLargeError
from compiler.stores.interface import Attributes, Problem
from compiler.stores.values.secret import SecretValue
from compiler.stores.values.traits import UNWRITABLE, Trait, traits
from compiler.text.regex import regex

# https://learn.microsoft.com/azure/key-vault/secrets/about-secrets; the SDK checks none of these.
MAX_VALUE_BYTES: Final = 25_600
MAX_TAGS: Final = 15
MAX_TAG_NAME: Final = 512
MAX_TAG_VALUE: Final = 256
MAX_CONTENT_TYPE: Final = 255

_NAME: Final = regex(r"[0-9A-Za-z-]{1,127}")
_VERSION: Final = regex(r"[0-9a-f]{32}")
_UNWRITABLE_REASONS: Final = {
    Trait.EMPTY: ("the value is empty", "give it a value, or leave the key out"),
    Trait.LONE_SURROGATE: ("the value is not valid Unicode text", "encode it, for example as Base64"),
    Trait.NUL: ("the value has a NUL character", "encode it, for example as Base64"),
}


def is_name(name: str) -> bool:
    """Whether Key Vault takes this as a secret's name."""
    return _NAME.fullmatch(name) is not None


def is_version(version: str) -> bool:
    """Whether this is the form of a version's id; anything else would be read as another path."""
    return _VERSION.fullmatch(version) is not None


def name_problems(name: str) -> tuple[Problem, ...]:
    if is_name(name):
        return ()
    remedy = "use 1 to 127 letters, digits and hyphens"
    return (Problem(InvalidNameError.code, name, "the name is not valid in Key Vault", remedy),)


def value_problems(name: str, value: SecretValue, prop: str | None = None) -> tuple[Problem, ...]:
    """Problems of one property's value, or of a whole value where `prop` is None."""
    return tuple(
        Problem(InvalidValueError.code, name, *_UNWRITABLE_REASONS[trait], prop)
        for trait in sorted(traits(value) & UNWRITABLE)
    )


def size_problems(name: str, text: str) -> tuple[Problem, ...]:
    """Problems of the text that would be stored: the whole JSON object, for a secret with properties."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size <= MAX_VALUE_BYTES:
        return ()
    reason = f"the value would have {size} bytes, and Key Vault allows {MAX_VALUE_BYTES}"
    return (Problem(TooLargeError.code, name, reason, "split its keys over several secrets"),)


def attribute_problems(name: str, attributes: Attributes) -> tuple[Problem, ...]:
    found: list[tuple[str, str, str]] = []
    if len(attributes.tags) > MAX_TAGS:
        reason = f"it would have {len(attributes.tags)} tags, and Key Vault allows {MAX_TAGS}"
        found.append((TooLargeError.code, reason, "remove tags"))
    for tag, value in attributes.tags.items():
        if not tag or len(tag) > MAX_TAG_NAME or len(value) > MAX_TAG_VALUE:
            reason = f"a tag's name must have 1 to {MAX_TAG_NAME} characters, and its value at most {MAX_TAG_VALUE}"
            found.append((TooLargeError.code, reason, f'shorten the tag "{tag[:40]}"'))
    if len(attributes.content_type or "") > MAX_CONTENT_TYPE:
        reason = f"the content type is longer than {MAX_CONTENT_TYPE} characters"
        found.append((TooLargeError.code, reason, "shorten it"))
    if attributes.expires and attributes.not_before and attributes.expires <= attributes.not_before:
        found.append((InvalidValueError.code, "it would expire before it is valid", "correct one of the two dates"))
    return tuple(Problem(code, name, reason, remedy) for code, reason, remedy in found)


def malformed(name: str) -> Problem:
    reason = "its value is not a JSON object with distinct names, so it has no properties to change"
    return Problem(MalformedDocumentError.code, name, reason, "write the whole value, or repair it by hand")
