"""A key's settings for the life of its value contradict each other.

If `rotate` is longer than `maxAge`, the issuer ends a value before its rotation is due. `rotateWith` and `previousKey`
name keys of the same entry that have a value of their own. Only a value that is ours to choose (`issuer: self`) can be
generated, and it has 128 bits or more.

    keys:
      TOKEN: {description: Access token, maxAge: 90d, rotate: 180d}

Rotate before the issuer's end:

    keys:
      TOKEN: {description: Access token, maxAge: 90d, rotate: 80d}
"""

from collections.abc import Iterator
from math import log2

from compiler.model.environment import UNLIMITED
from compiler.rules.api import CATALOGUE, ERROR, Catalogue, CatalogueKey, Entry, Finding, Findings, quote, rule
from compiler.text.wording import suggest

_LEAST_BITS = 128


@rule("contradictory-lifetime", ERROR, CATALOGUE)
def check(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        for key in entry.keys.values():
            # Most keys say nothing of it.
            if not key.is_taken and key.lifetime is not UNLIMITED:
                for member, message, way_out in _problems(entry, key):
                    # What the entry says for all of its keys is written there.
                    node = key.node.get(member) or entry.node.nearest(member)
                    yield Finding(message, node, help=way_out, scope=("secrets", entry.id))


def _problems(entry: Entry, key: CatalogueKey) -> Iterator[tuple[str, str, str | None]]:
    """Where each one is written, the message, and the way out."""
    life, name = key.lifetime, quote(key.name)
    if life.rotate_days is not None and life.max_age_days is not None and life.rotate_days > life.max_age_days:
        message = f"{name} would be rotated after {life.rotate_days} days, but its issuer ends it after "
        way_out = f"rotate it before, such as every {max(1, life.max_age_days - 7)}d"
        yield "rotate", f"{message}{life.max_age_days}", way_out
    for member, others in (("rotateWith", life.rotate_with), ("previousKey", (life.previous_key,))):
        for other in others:
            if other is not None and (problem := _problem(entry, key, other)):
                yield member, *problem
    if life.previous_key is not None and life.overlap != "previous":
        way_out = "write `overlap: previous`, or remove `previousKey`"
        yield "previousKey", f"{name} has a key for its old value, and no `overlap: previous`", way_out
    if key.node.get("generate") is not None and life.issuer != "self":
        yield "generate", f"{name} is made by its issuer", "write `issuer: self` if the value is ours to choose"
    bits = int(life.length * log2(len(set(life.alphabet))))
    if bits < _LEAST_BITS:
        message = f"a generated {name} would have {bits} bits, and a secret needs {_LEAST_BITS}"
        yield "generate", message, "make `length` or `alphabet` larger"


def _problem(entry: Entry, key: CatalogueKey, other: str) -> tuple[str, str | None] | None:
    found = entry.keys.get(other)
    if found is None:
        return f"{quote(entry.id)} has no key {quote(other)}", suggest(other, entry.keys, "keys")
    if found is key:
        return f"{quote(other)} names itself", "name another key of the entry"
    if found.is_taken:
        return f"{quote(other)} has its value from another key", "name a key with a value of its own"
    return None
