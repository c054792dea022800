"""Tells programs what a backup holds and what it lacks: names and reasons, never a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.render.envelope import envelope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.operations.backup.format import KeyName
    from compiler.operations.backup.gather import Gathered, Lacking


def backup_report(gathered: Gathered, shown: str, exit_code: int, *, is_written: bool) -> dict[str, Any]:
    """A `backup` to the file `shown`: the names of what is in it, and of what is not and why."""
    backup = gathered.backup
    content = {
        "file": shown,
        "written": is_written,
        "backup": {
            "environment": backup.environment,
            "time": backup.time,
            "secrets": _grouped(backup.values),
            "missing": _grouped(backup.missing),
        },
        "lacking": [_lacking(lacking) for lacking in gathered.lacking],
        "leftOut": [{"name": name, "property": property_} for name, property_ in gathered.left_out],
    }
    return envelope("backup", backup.environment, exit_code, content)


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
