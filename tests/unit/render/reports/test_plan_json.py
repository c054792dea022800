import json
from dataclasses import replace
from datetime import UTC, datetime

from compiler.change.plan import (
    End,
    Kind,
    Location,
    MissingLine,
    Note,
    NoteKind,
    Outcome,
    State,
    Step,
    Write,
    WriteResult,
)
from compiler.cli.terminal.contents import text_of
from compiler.live.stores import Served
from compiler.render.content import as_json, envelope
from compiler.render.reports.plan import plan_content
from compiler.stores.interface import Cluster
from tests.unit.changes import loss_of, outcome_of, plan_of

STEP = Step("jira", "TOKEN", Kind.REFUSE, Location("vault", "v", "T"), Location("azure", "jira", None), "why", "how")
BARE = Step("jira", "OTHER", Kind.MISSING, None, None)
WHEN = datetime(2025, 1, 31, tzinfo=UTC)


def test_a_plan_is_one_object_with_everything_in_it() -> None:
    plan = plan_of(
        steps=(STEP, BARE),
        sources={"vault": "https://v"},
        who={"azure": "ada"},
        served={"vault": Served(Cluster("c1", "vault-1"), "http://vault.vault.svc:8200", "VAULT_ADDR replaces it")},
        extras=(Location("vault", "v", "OWNER"),),
        skipped=(("slack", "it reads it"),),
        left_out=(("azure", "slack"),),
        notes=(Note(NoteKind.EXPIRED, "jira", Location("vault", "v", None), WHEN),),
        losses=(
            loss_of(
                "azure",
                "jira",
                "1",
                "2",
                keeps=10,
                remedy="keep more",
            ),
        ),
    )
    report = envelope("migrate", "prod", 1, plan_content(Outcome(plan, End.BLOCKED), {"undo": "run-0"}))
    assert json.loads(json.dumps(report)) == {
        "format": 1,
        "command": "migrate",
        "environment": "prod",
        "exitCode": 1,
        "undo": "run-0",
        "sources": [
            {"store": "vault", "address": "https://v", "clusterId": "c1", "replaces": "http://vault.vault.svc:8200"}
        ],
        "destinations": [
            {"store": "azure", "address": "https://memory", "caller": "ada", "clusterId": None, "replaces": None}
        ],
        "onConflict": "fail",
        "steps": [
            {
                "secret": "jira",
                "key": "TOKEN",
                "kind": "refuse",
                "source": {"store": "vault", "name": "v", "property": "T"},
                "destination": {"store": "azure", "name": "jira", "property": None},
                "reason": "why",
                "remedy": "how",
            },
            {
                "secret": "jira",
                "key": "OTHER",
                "kind": "missing",
                "source": None,
                "destination": None,
                "reason": None,
                "remedy": None,
            },
        ],
        "deletions": [],
        "expiries": [],
        "counts": {
            "create": 0,
            "update": 0,
            "recover": 0,
            "delete": 0,
            "keep": 0,
            "conflict": 0,
            "refuse": 1,
            "missing": 1,
        },
        "extras": [{"store": "vault", "name": "v", "property": "OWNER"}],
        "skipped": [{"secret": "slack", "reason": "it reads it"}],
        "leftOut": [{"store": "azure", "name": "slack"}],
        "notes": [
            {
                "kind": "expired",
                "secret": "jira",
                "place": {"store": "vault", "name": "v"},
                "property": None,
                "date": "2025-01-31T00:00:00+00:00",
                "versions": [],
                "keeps": None,
                "remedy": None,
            },
            {
                "kind": "drops-versions",
                "secret": None,
                "place": {"store": "azure", "name": "jira"},
                "property": None,
                "date": None,
                "versions": ["1", "2"],
                "keeps": 10,
                "remedy": "keep more",
            },
        ],
        "blocked": True,
        "applied": False,
        "run": None,
        "interrupted": False,
        "results": [],
        "unaudited": [],
    }


def test_what_became_of_a_run_stands_beside_its_plan() -> None:
    results = (
        WriteResult("azure", "a", State.DONE, "v1"),
        WriteResult("azure", "b", State.CONFLICT, "v2", ("v1",), "conflict", "why", "how"),
    )
    unaudited = (MissingLine("azure", "a", "v1"),)
    outcome = outcome_of(*results, interrupted=True, unaudited=unaudited)
    report = envelope("put", "prod", 130, plan_content(outcome))
    assert (report["applied"], report["run"], report["interrupted"], report["exitCode"]) == (True, "run-1", True, 130)
    assert report["results"] == [
        {
            "store": "azure",
            "name": "a",
            "state": "done",
            "version": "v1",
            "otherVersions": [],
            "code": None,
            "reason": None,
            "remedy": None,
        },
        {
            "store": "azure",
            "name": "b",
            "state": "conflict",
            "version": "v2",
            "otherVersions": ["v1"],
            "code": "conflict",
            "reason": "why",
            "remedy": "how",
        },
    ]
    assert report["unaudited"] == [{"store": "azure", "name": "a", "version": "v1"}]


def test_a_note_has_the_command_that_changes_what_is_kept_and_no_credential() -> None:
    token = "ghp_s3ntinels3ntinels3ntinels3ntinel0"
    place = Location("azure", token, None)
    plan = plan_of(notes=(Note(NoteKind.KEEPS_EXPIRES, "jira", place, WHEN, f"az --id {token} --expires DATE"),))
    report = as_json(plan_content(Outcome(plan, End.SHOWN)))
    (note,) = report["notes"]
    assert note["remedy"].endswith("--expires DATE")
    assert token not in text_of(report)


def test_the_versions_that_a_retirement_deletes_are_told_and_those_of_its_undo_are_not() -> None:
    place = {"store": "azure", "name": "a"}
    deletion = Write("azure", "a", (), {}, versions=("1", "2"))
    for write, told in ((deletion, [{**place, "versions": ["1", "2"]}]), (replace(deletion, recover=True), [])):
        assert as_json(plan_content(Outcome(plan_of(write), End.SHOWN))["deletions"]) == told
    assert plan_content(Outcome(plan_of(Write("azure", "a", (), {})), End.SHOWN))["deletions"] == []
