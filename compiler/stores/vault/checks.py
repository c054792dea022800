"""Finds what Vault would refuse or change of a write, before anything is sent: names, values, sizes and tags."""

from collections.abc import Iterator, Mapping
from typing import Final

from compiler.stores.errors import Action, InvalidNameError, InvalidValueError, StoreError, StoreLocation, TooLargeError
from compiler.stores.interface import Attributes, Problem, RemoteSecret
from compiler.stores.values.document import write_object
from compiler.stores.values.secret import SecretValue
from compiler.stores.values.traits import UNWRITABLE, traits
from compiler.stores.vault.names import name_problem, property_problem

# Raft's max_entry_size is 1 MiB by default, less what KV keeps beside the document.
# https://developer.hashicorp.com/vault/docs/internals/limits
_LARGEST_DOCUMENT: Final = 1024 * 1024 - 4096
# JSON makes of one character at most six bytes, and puts eight around a name and its value.
_LARGEST_CHARACTER, _LARGEST_FRAME = 6, 8
# https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#custom_metadata
_MOST_TAGS, _LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 64, 128, 512
_ERRORS: Final = {error.code: error for error in (InvalidNameError, InvalidValueError, TooLargeError)}


def problems_of_write(
    name: str, changes: Mapping[str, SecretValue], base: RemoteSecret | None, attributes: Attributes | None
) -> Iterator[Problem]:
    """Go through the problems of setting `changes` over `base`."""
    if problem := name_problem(name):
        yield Problem(InvalidNameError.code, name, f"the name cannot be used in Vault: {problem}", "correct it")
    if not changes:
        yield Problem(InvalidValueError.code, name, "no keys are given", "name a key")
    sound = True
    for key, value in changes.items():
        if problem := property_problem(key):
            yield Problem(InvalidNameError.code, name, problem, "rename it", key)
            sound = False
        if bad := traits(value) & (UNWRITABLE | {"not-a-string"}):
            what = ", ".join(sorted(bad))
            yield Problem(
                InvalidValueError.code, name, f'the value of "{key}" cannot be stored: {what}', "correct it", key
            )
            sound = False
    document = {**(base.properties if base is not None else {}), **changes}
    if sound and _is_too_large(document):
        yield Problem(
            TooLargeError.code, name, f"the document is larger than {_LARGEST_DOCUMENT} bytes", "split the secret"
        )
    yield from problems_of_tags(name, attributes.tags if attributes is not None else {})


def problems_of_whole(name: str) -> Iterator[Problem]:
    """Vault holds documents of properties; a whole value exists in Key Vault only."""
    yield Problem(
        InvalidValueError.code,
        name,
        "a Vault secret has properties, not one whole value",
        "give the key a property in Vault",
    )


def error_of_problem(problem: Problem, place: StoreLocation) -> StoreError:
    """Return the error that a write with this problem raises."""
    return _ERRORS[problem.code](place, Action.WRITE, problem.reason, problem.remedy)


def _is_too_large(document: Mapping[str, SecretValue]) -> bool:
    # Nearly every document is far below, which needs no second copy of it to know.
    characters = sum(len(key) + value.length for key, value in document.items())
    if characters * _LARGEST_CHARACTER + len(document) * _LARGEST_FRAME < _LARGEST_DOCUMENT:
        return False
    return len(write_object(document).encode("utf-8", "surrogatepass")) > _LARGEST_DOCUMENT


def problems_of_tags(name: str, tags: Mapping[str, str]) -> Iterator[Problem]:
    """Go through the problems of `tags` as all of a secret's custom_metadata."""
    if len(tags) > _MOST_TAGS:
        yield Problem(
            TooLargeError.code, name, f"it would have {len(tags)} tags, and Vault allows {_MOST_TAGS}", "remove tags"
        )
    for key, value in tags.items():
        if not key or len(key.encode()) > _LONGEST_TAG_KEY or len(value.encode()) > _LONGEST_TAG_VALUE:
            limits = f"{_LONGEST_TAG_KEY} and {_LONGEST_TAG_VALUE} bytes"
            yield Problem(
                TooLargeError.code, name, f'the tag "{key}" or its value is longer than {limits}', "shorten it"
            )
