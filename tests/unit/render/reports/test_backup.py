from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from compiler.model.place import Place
from compiler.operations.backup.gather import Lacking
from compiler.render.reports.backup import backup_report


def test_a_backup_names_its_keys_and_what_it_lacks() -> None:
    backup: Any = SimpleNamespace(
        environment="dev",
        time="2026-01-02T03:04:05+00:00",
        values={("jira", "TOKEN"): None, ("jira", "URL"): None, ("slack", "KEY"): None},
        missing=(("aws", "KEY"),),
    )
    lacking = (Lacking(("aws", "KEY"), None, "why"), Lacking(("aws", "ID"), Place("agents/aws", "ID"), "why"))
    gathered: Any = SimpleNamespace(backup=backup, lacking=lacking, left_out=(("agents/jira", "OTHER"),))
    report = backup_report(gathered, "dev.age", 0, is_written=True)
    assert report == {
        "format": 1,
        "command": "backup",
        "environment": "dev",
        "file": "dev.age",
        "written": True,
        "backup": {
            "environment": "dev",
            "time": "2026-01-02T03:04:05+00:00",
            "secrets": {"jira": ["TOKEN", "URL"], "slack": ["KEY"]},
            "missing": {"aws": ["KEY"]},
        },
        "lacking": [
            {"secret": "aws", "key": "KEY", "place": None, "reason": "why"},
            {"secret": "aws", "key": "ID", "place": {"name": "agents/aws", "property": "ID"}, "reason": "why"},
        ],
        "leftOut": [{"name": "agents/jira", "property": "OTHER"}],
        "exitCode": 0,
    }
