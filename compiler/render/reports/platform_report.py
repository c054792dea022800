"""Reports for programs how a platform's chart reads the Secrets of an environment with the values generated for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.render.reports.consumers_report import content as of_consumers

if TYPE_CHECKING:
    from compiler.operations.consumers.look import Look
    from compiler.operations.generated.platform.text import PlatformText


def content(look: Look, made: PlatformText, chart_version: str, release: str, chart: str) -> dict[str, Any]:
    """The members of the JSON report beside diagnostics."""
    found = of_consumers(look, (), ())
    return {
        **nothing(chart_version, release, chart),
        "newerThanKnown": made.is_newer,
        "notes": [*made.notes, *made.warnings[made.is_newer :]],
        "unread": list(made.unread),
        "workloads": found["workloads"],
        "secrets": found["secrets"],
    }


def nothing(chart_version: str, release: str, chart: str) -> dict[str, Any]:
    """The same members where nothing was looked at."""
    return {
        "target": "platform",
        "chart": chart,
        "chartVersion": chart_version,
        "newerThanKnown": False,
        "release": release,
        "notes": [],
        "unread": [],
        "workloads": 0,
        "secrets": [],
    }
