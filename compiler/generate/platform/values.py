"""Builds the Helm values that make one version of a platform's chart mount an environment's Secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from compiler.generate.platform.forms import Derived, Forms, Row
    from compiler.generate.platform.version import Version

# What Helm lets a name have.
_LONGEST = 63


@dataclass(frozen=True, slots=True)
class Available:
    """A Secret that an environment makes: the entry's id, the Secret's name, its keys, and who mounts it."""

    id: str
    name: str
    keys: frozenset[str]
    mounted_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is known of the chart that is at hand: the names that its templates read, and the values that are true."""

    reads: frozenset[str] = frozenset()
    true: frozenset[str] = frozenset()


@dataclass(slots=True)
class Mounted:
    """The Helm values, the ids of the secrets that they mount, and notes about those.

    `misnamed` are secrets whose name is not the one that the chart derives, which stands beside; `lacking` those
    without a key that is read by its name, and `wanting` those without a key that is read where a value is true, which
    stands beside it. `by_chart` says that a row counts only for the chart that is at hand.
    """

    values: dict[str, Any] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    notes: list[tuple[str, str]] = field(default_factory=list)
    misnamed: list[tuple[Available, str]] = field(default_factory=list)
    lacking: list[tuple[Available, str]] = field(default_factory=list)
    wanting: list[tuple[Available, str, str]] = field(default_factory=list)
    by_chart: bool = False


def mounted(
    forms: Forms,
    version: Version,
    release: str,
    secrets: Sequence[Available],
    elsewhere: Container[str],
    chart: Chart | None = None,
) -> Mounted:
    """The values for `version`: the names of `secrets` where its pods take them, and whatever else makes them off.

    `elsewhere` are the names of Secrets that others make, and `chart` is what the values are for, where it is at hand.
    """
    made, by_id = Mounted(), {each.id: each for each in secrets}
    named = {secret for row in forms.rows for secret in row.secrets}
    for row in forms.off:
        if row.holds(version):
            _switch_off(made, row)
    for row in forms.rows:
        if not row.holds(version) or (row.reads is not None and (chart is None or row.reads not in chart.reads)):
            continue
        secret = _chosen(row, by_id, named)
        if secret is not None:
            _mount(made, row, secret, release)
            made.by_chart |= row.reads is not None
        elif row.absent is not None and row.absent.beside in by_id and row.absent.unless not in elsewhere:
            for path, value in row.absent.values.items():
                _put(made.values, path, value)
    return made


def derived_name(derived: Derived, release: str) -> str:
    """The name that Helm's usual template makes: a release that has the chart's name in it is not followed by it."""
    full = release if derived.chart in release else f"{release}-{derived.chart}"
    return full[:_LONGEST].removesuffix("-") + derived.suffix


def _chosen(row: Row, by_id: Mapping[str, Available], named: Container[str]) -> Available | None:
    for wanted in row.secrets:
        if wanted in by_id:
            return by_id[wanted]
    if row.mounted_by is None:
        return None
    # One that a row names has its own place, and stands for no other.
    candidates = [each for each in by_id.values() if row.mounted_by in each.mounted_by and each.id not in named]
    return candidates[0] if len(candidates) == 1 else None


def _mount(made: Mounted, row: Row, secret: Available, release: str) -> None:
    made.used.add(secret.id)
    if row.derived is not None and (name := derived_name(row.derived, release)) != secret.name:
        made.misnamed.append((secret, name))
    if row.note is not None:
        made.notes.append((secret.id, row.note))
    if row.wanted is not None and row.wanted[0] not in secret.keys:
        made.wanting.append((secret, *row.wanted))
    for path in row.names:
        _put(made.values, path, secret.name)
    for path, key in row.keys.items():
        if key not in secret.keys:
            made.lacking.append((secret, key))
        _put(made.values, path, key)
    _switch_off(made, row)


def _switch_off(made: Mounted, row: Row) -> None:
    for path in row.off:
        _put(made.values, path, value=False)


def _put(values: dict[str, Any], path: str, value: str | bool) -> None:  # noqa: FBT001 - a value, no option
    *parents, last = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = value
