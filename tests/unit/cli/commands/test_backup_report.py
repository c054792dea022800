from types import SimpleNamespace
from typing import Any

from compiler.change.plan import Kind, Location, Step
from compiler.cli.commands.backup import backup_content, backup_data, opened_lines
from compiler.cli.terminal.contents import text_of
from compiler.operations.backup import Backup, Gathered
from compiler.render.content import envelope
from compiler.stores.secret_value import SecretValue


def test_a_backup_names_its_keys_and_what_it_lacks() -> None:
    backup: Any = SimpleNamespace(
        environment="dev",
        time="2026-01-02T03:04:05+00:00",
        values={("jira", "TOKEN"): None, ("jira", "URL"): None, ("slack", "KEY"): None},
        missing=(("aws", "KEY"),),
    )
    lacking = (
        Step("aws", "KEY", Kind.MISSING, None, None, "why"),
        Step("aws", "ID", Kind.MISSING, Location("vault", "agents/aws", "ID"), None, "why"),
    )
    gathered: Any = SimpleNamespace(backup=backup, lacking=lacking, left_out=(("agents/jira", "OTHER"),))
    report = envelope("backup", "dev", 0, backup_content(gathered, "dev.age", is_written=True))
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


BACKUP = Backup(
    "dev",
    "2026-01-02T03:04:05+00:00",
    {("jira", "TOKEN"): SecretValue("s3ntinel"), ("jira", "URL"): SecretValue("u")},
    (("jira", "EMAIL"),),
)


def test_a_backup_is_told_by_names_and_never_by_a_value() -> None:
    assert text_of(opened_lines("dev.age", BACKUP)).splitlines() == [
        "dev.age: dev at 2026-01-02T03:04:05+00:00, 1 secret, 2 keys",
        "  not in the backup, unreadable when it was made: jira/EMAIL",
    ]
    assert backup_data(BACKUP) == {
        "environment": "dev",
        "time": "2026-01-02T03:04:05+00:00",
        "secrets": {"jira": ["TOKEN", "URL"]},
        "missing": {"jira": ["EMAIL"]},
    }


def test_what_is_not_in_it_is_told_with_its_place_and_why() -> None:
    lacking = (
        Step("jira", "EMAIL", Kind.MISSING, Location("vault", "remote", "E"), None, "it is not there"),
        Step("jira", "WHOLE", Kind.MISSING, Location("vault", "remote", None), None, "it is not there"),
        Step("jira", "NOWHERE", Kind.MISSING, None, None, "no place"),
    )
    report = backup_content(Gathered(BACKUP, lacking, (("remote", "OWNER"),)), "dev.age", is_written=False)
    assert report["written"] is False
    assert [each["place"] for each in report["lacking"]] == [
        {"name": "remote", "property": "E"},
        {"name": "remote", "property": None},
        None,
    ]
    assert report["leftOut"] == [{"name": "remote", "property": "OWNER"}]
    assert "s3ntinel" not in repr(report)
