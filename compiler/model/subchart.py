"""Nests this chart's values under the name that a parent chart gives it, and finds them there.

What is nested is told by its form alone, as a values file must be understood without its environment: the file's only
member, with members of this chart's values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.model.outline import SecretChange
from compiler.model.record import dataclass
from compiler.model.values_data import ALLOW_EMPTY, EXTERNAL_SECRETS, PART_OF_VALUE, STORES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from compiler.model.values_data import ValuesData

# One of these is in every file of this chart's values.
_MARKS = frozenset({EXTERNAL_SECRETS, *STORES})
# Keys that are no chart's name: Helm's own, and those of this chart, which stand where a name would.
_NO_NAMES = frozenset({"global", "tags", "remoteRefDefaults", PART_OF_VALUE, ALLOW_EMPTY, *_MARKS})


@dataclass(frozen=True, slots=True)
class Located:
    """This chart's values, and the name that they are nested under, None where they are not."""

    subchart: str | None
    values: Any


def nested(values: dict[str, ValuesData], subchart: str | None) -> dict[str, ValuesData]:
    """The data of a values file: `values`, or a map of them alone under the name `subchart`."""
    return values if subchart is None else {subchart: values}


def located(data: object, wanted: str | None = None) -> Located | None:
    """This chart's values in a file's data; None where it has none.

    Under the name `wanted` they are found beside values of other charts too.
    """
    if not isinstance(data, dict):
        return None
    if _MARKS & data.keys():
        return Located(None, data)
    below = {name: value if isinstance(value, dict) else {} for name, value in data.items()}
    if wanted is not None and wanted not in _NO_NAMES and _MARKS & below.get(wanted, {}).keys():
        return Located(wanted, data[wanted])
    name = subchart_of(below)
    return Located(name, data[name]) if name is not None else None


def subchart_of(members: Mapping[Any, Collection[Any]]) -> str | None:
    """The name that a file's values are nested under; `members` are the keys below each of the file's own."""
    if len(members) != 1:
        return None
    ((name, below),) = members.items()
    return name if isinstance(name, str) and name not in _NO_NAMES and not _MARKS.isdisjoint(below) else None


def nesting_change(before: str | None, after: str | None) -> tuple[SecretChange, ...]:
    """That the values are nested under another name than before, or no longer, or newly."""
    if before == after:
        return ()
    return (SecretChange("the values file", "changed", fields=(("subchart", before or "", after or ""),)),)
