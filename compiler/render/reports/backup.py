"""Reports what a backup contains and what is missing, to people or programs: names and reasons, never a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from compiler.operations.backup import Backup, Gathered, KeyName, Lacking
from compiler.render.content import Line, envelope, members
from compiler.text.wording import counted


def opened_lines(shown: str, backup: Backup) -> Iterator[Line]:
    """What the backup in the file `shown` is."""
    counts = f"{counted(len(backup.secrets), 'secret')}, {counted(len(backup.values), 'key')}"
    yield shown, ": ", backup.environment, f" at {backup.time}, {counts}"
    if backup.missing:
        yield "  not in the backup, unreadable when it was made: ", *_listed(backup.missing)


def backup_report(gathered: Gathered, shown: str, exit_code: int, *, is_written: bool) -> dict[str, Any]:
    """A `backup` to the file `shown`: the names of what is in it, and of what is not and why."""
    content = {
        "file": shown,
        "written": is_written,
        "backup": backup_data(gathered.backup),
        "lacking": [_lacking(lacking) for lacking in gathered.lacking],
        "leftOut": [{"name": name, "property": property_} for name, property_ in gathered.left_out],
    }
    return envelope("backup", gathered.backup.environment, exit_code, content)


def backup_data(backup: Backup) -> dict[str, Any]:
    """What a backup is, in a report of it or of what was restored from it."""
    return {
        **members(backup, "environment", "time"),
        "secrets": _grouped(backup.values),
        "missing": _grouped(backup.missing),
    }


def _listed(names: Iterable[KeyName]) -> Iterator[str]:
    for number, (secret, key) in enumerate(names):
        yield f"{', ' if number else ''}{secret}/{key}"


def _grouped(names: Iterable[KeyName]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for secret, key in names:
        grouped.setdefault(secret, []).append(key)
    return grouped


def _lacking(lacking: Lacking) -> dict[str, Any]:
    secret, key = lacking.name
    place = lacking.place
    return {
        "secret": secret,
        "key": key,
        "place": None if place is None else {"name": place.remote_key, "property": place.property},
        "reason": lacking.reason,
    }
