"""Defines which Helm values of a platform's chart name its Secrets, by chart version; parsed from plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from compiler.generate.platform.version import Version, version_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Absent:
    """What is written without the secret, with `beside`, and where an environment does not say others make `unless`."""

    values: Mapping[str, str]
    beside: str
    unless: str


@dataclass(frozen=True, slots=True)
class Derived:
    """A name that the chart makes of the release's, as `<release>-<chart><suffix>`."""

    chart: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Row:
    """One reader's form: where the names of its Secret and keys go, and what must be off, in a range of versions.

    Paths are keys from the top of the values, joined by dots. Of the entries `secrets` the first that there is counts;
    `mounted_by` is the component whose only Secret stands for them. A row that `reads` a name is that of a chart whose
    templates do, and `wanted` a key that is read of the Secret where a value is true, which stands beside.
    """

    secrets: tuple[str, ...] = ()
    mounted_by: str | None = None
    since: Version | None = None
    before: Version | None = None
    names: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    absent: Absent | None = None
    derived: Derived | None = None
    note: str | None = None
    reads: str | None = None
    wanted: tuple[str, str] | None = None

    def holds(self, version: Version) -> bool:
        """Whether the form is that of `version`."""
        return (self.since is None or version >= self.since) and (self.before is None or version < self.before)


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of one platform's chart; `newest` is the last minor version that was read, as major and minor."""

    oldest: Version
    newest: tuple[int, int]
    release: str
    off: tuple[Row, ...]
    rows: tuple[Row, ...]
    hints: Mapping[str, str]

    def is_newer(self, version: Version) -> bool:
        """Whether `version` is newer than the newest chart whose values are known."""
        return version.release[:2] > self.newest


def forms_of(data: Mapping[str, Any]) -> Forms:
    """The forms of data that fits `schemas/platform.schema.json`."""
    major, minor = data["newest"].split(".")
    return Forms(
        _version(data["oldest"]) or Version((0, 0, 0)),
        (int(major), int(minor)),
        data["release"],
        tuple(_row(each, "") for each in data["disable"]),
        tuple(_row(each, word) for row in data["rows"] for each, word in product([row], row.get("of", [""]))),
        data["hints"],
    )


def _row(data: Mapping[str, Any], word: str) -> Row:
    absent, derived = data.get("absent"), data.get("derived")
    mounted_by = data.get("mountedBy")
    return Row(
        _filled(data.get("secrets", ()), word),
        mounted_by.replace("{}", word) if mounted_by is not None else None,
        _version(data.get("since")),
        _version(data.get("before")),
        _filled(data.get("name", ()), word),
        {path.replace("{}", word): key for path, key in data.get("keys", {}).items()},
        _filled(data.get("disable", ()), word),
        Absent(absent["values"], absent["with"], absent["unless"]) if absent is not None else None,
        Derived(derived["chart"], derived["suffix"]) if derived is not None else None,
        data.get("note"),
        data.get("reads"),
        (data["wants"]["key"], data["wants"]["with"]) if "wants" in data else None,
    )


def _filled(texts: Sequence[str], word: str) -> tuple[str, ...]:
    return tuple(text.replace("{}", word) for text in texts)


def _version(text: str | None) -> Version | None:
    return version_of(text) if text is not None else None
