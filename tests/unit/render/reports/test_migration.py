from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from compiler.operations.change.plan import (
    Kind,
    Location,
    Note,
    NoteKind,
    OnConflict,
    Options,
    Outcome,
    Plan,
    Result,
    State,
    Step,
    Write,
)
from compiler.operations.change.undo import UndoKind, UndoStep
from compiler.operations.change.version_loss import LossKind, VersionLoss
from compiler.render.reports.migration import (
    blocked_reason,
    plan_end,
    plan_lines,
    report,
    result_line,
    summary,
    undo_lines,
    undo_report,
)
from compiler.render.reports.version_loss import loss_lines, loss_note
from compiler.stores.values.secret import Secret


def step(key: str, kind: Kind, reason: str = "", remedy: str = "") -> Step:
    place = Location("azure", "agents-jira", key) if kind is not Kind.REFUSE else None
    return Step("jira", key, kind, Location("vault", "agents/jira", key), place, reason, remedy)


PAST = datetime(2025, 1, 31, tzinfo=UTC)
PLAN = Plan(
    environment="prod",
    destination="azure",
    destination_address="https://agents.vault.azure.net",
    sources={"vault": "https://vault:8200/secret"},
    options=Options(),
    steps=(
        step("TOKEN", Kind.CREATE),
        step("URL", Kind.CONFLICT, "the destination already holds another value", "choose"),
        step("NAME", Kind.REFUSE, "it has no place"),
    ),
    writes=(Write("agents-jira", (), {"TOKEN": Secret("sentinel")}),),
    extras=(Location("vault", "agents/jira", "EXTRA"),),
    skipped=(("github", 'it reads "azure" already'),),
    left_out=("pem",),
)


def test_a_plan_is_a_line_a_key_with_why_and_what_to_do_below() -> None:
    assert list(plan_lines(PLAN)) == [
        'from "vault" at https://vault:8200/secret',
        'to   "azure" at https://agents.vault.azure.net',
        "  create    jira/TOKEN  azure:agents-jira#TOKEN",
        "  conflict  jira/URL    azure:agents-jira#URL",
        "            the destination already holds another value; choose",
        "  refuse    jira/NAME",
        "            it has no place",
        '  skipped   github: it reads "azure" already',
        "properties that no key of the catalogue names, left out without --all-properties:",
        "  vault:agents/jira#EXTRA",
        "not in the run that is resumed, and left for the next one:",
        "  azure:pem",
        "plan: 1 create, 1 conflict, 1 refuse; 1 remote secret to write",
    ]


MISPLACED = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


def test_a_value_that_somebody_made_the_name_of_a_property_is_not_shown() -> None:
    plan = replace(PLAN, extras=(Location("vault", "agents/jira", MISPLACED),), steps=(step(MISPLACED, Kind.CREATE),))
    undo = [UndoStep("agents-jira", UndoKind.RESTORE, (MISPLACED,), "2")]
    shown = [*plan_lines(plan), json.dumps(report(plan, None, 0)), json.dumps(undo_report("r", undo, None, 0))]
    assert not any(MISPLACED in text for text in shown)
    assert "  vault:agents/jira#…" in shown


def noted(*notes: tuple[NoteKind, str]) -> Plan:
    source = Location("azure", "agents-jira", None)
    return replace(PLAN, destination="vault", notes=tuple(Note(kind, name, source, PAST) for kind, name in notes))


def test_what_is_not_taken_along_and_what_is_out_of_date_are_a_line_each() -> None:
    plan = noted(
        (NoteKind.EXPIRES, "jira"),
        (NoteKind.EXPIRED, "jira"),
        (NoteKind.CONTENT_TYPE, "pem"),
        (NoteKind.EXPIRES, "github"),
        (NoteKind.NOT_YET_VALID, "pem"),
        (NoteKind.NOT_BEFORE, "a\nb"),
        (NoteKind.TAGS, "jira"),
        (NoteKind.KEEPS_NOT_BEFORE, "github"),
        (NoteKind.KEEPS_EXPIRES, "github"),
    )
    lines = list(plan_lines(plan))
    at = lines.index(
        'not taken along to "vault": the expiry date of jira, github; the activation date of a\\x0ab; '
        "the content type of pem; the tags of jira"
    )
    assert lines[at + 1] == (
        "copied all the same: expired in the source jira (2025-01-31); not yet valid in the source pem (2025-01-31)"
    )
    assert lines[at + 2] == (
        'kept in "vault" until somebody changes it: the past expiry date of github (2025-01-31); '
        "the activation date, ahead, of github (2025-01-31)"
    )
    assert [line for line in lines if line not in list(plan_lines(replace(plan, notes=())))] == lines[at : at + 3]


def test_a_line_names_a_dozen_and_the_report_all() -> None:
    plan = noted(*((NoteKind.EXPIRES, f"s{number}") for number in range(14)))
    assert any(
        line.endswith("the expiry date of " + ", ".join(f"s{n}" for n in range(12)) + " and 2 more")
        for line in plan_lines(plan)
    )
    found = json.loads(json.dumps(report(plan, None, 0)))["notes"]
    assert len(found) == 14
    assert found[0] == {
        "kind": "expires-left-behind",
        "secret": "s0",
        "place": {"store": "azure", "name": "agents-jira"},
        "date": "2025-01-31T00:00:00+00:00",
    }


def test_versions_that_go_are_noted_with_secret_and_place_and_in_an_undo() -> None:
    loss = VersionLoss(LossKind.VERSIONS, "agents-jira", ("1",), 10, "do this")
    write = replace(PLAN.writes[0], steps=(PLAN.steps[0],))
    plan = replace(PLAN, writes=(write,), losses=(loss,))
    lines = list(loss_lines([loss]))
    assert list(plan_lines(plan))[-5:-3] == lines
    place = {"store": "azure", "name": "agents-jira"}
    assert report(plan, None, 0)["notes"] == [{"secret": "jira", "place": place, **loss_note(loss)}]
    undone = [UndoStep("agents-jira", UndoKind.RESTORE, ("TOKEN",), "2")]
    assert list(undo_lines(undone, "azure", [loss]))[1:3] == lines
    assert undo_report("r", undone, None, 0, [loss])["notes"] == [loss_note(loss)]


def test_a_plan_in_colour_says_the_same() -> None:
    coloured = "\n".join(plan_lines(PLAN, colour=True))
    assert "\x1b[32mcreate  \x1b[0m" in coloured
    assert coloured.replace("\x1b[32m", "").replace("\x1b[31m", "").replace(
        "\x1b[0m", ""
    ).rstrip().splitlines() == list(plan_lines(PLAN))


def test_an_empty_plan_says_so_and_names_are_made_printable() -> None:
    empty = Plan("prod", "a\nb", "https://a", {}, Options(), (), ())
    assert summary(empty) == "plan: nothing to move; 0 remote secrets to write"
    assert next(iter(plan_lines(empty))) == 'to   "a\\x0ab" at https://a'


def test_the_last_line_of_a_plan_says_what_apply_would_do() -> None:
    assert plan_end(PLAN, continue_on_error=False) == blocked_reason(PLAN)
    assert plan_end(PLAN, continue_on_error=True) == "nothing was written; --apply writes this plan"
    empty = Plan("prod", "azure", "https://a", {}, Options(), (), ())
    assert plan_end(empty, continue_on_error=False) == "nothing was written: there is nothing to write"


def test_where_every_secret_reads_the_destination_the_way_to_name_a_source_is_told() -> None:
    skipped = Plan("prod", "azure", "https://a", {}, Options(), (), (), skipped=(("github", "it reads it already"),))
    assert list(plan_lines(skipped))[1:] == [
        "  skipped   github: it reads it already",
        "name the store to copy from with --from",
        "plan: nothing to move; 0 remote secrets to write",
    ]


def test_why_a_plan_is_not_applied() -> None:
    assert blocked_reason(PLAN) == "nothing was written: 2 keys stop this plan; --continue-on-error writes the rest"
    skipping = Plan("prod", "azure", "https://a", {}, Options(on_conflict=OnConflict.SKIP), PLAN.steps[1:], ())
    assert blocked_reason(skipping) == "nothing was written: 1 key stops this plan"


def test_a_result_is_one_line() -> None:
    assert result_line("azure", Result("a", State.DONE, "v1")) == "azure:a done, version v1"
    assert result_line("azure", Result("a", State.PENDING)) == "azure:a not begun"
    failed = Result("a", State.FAILED, None, (), "unavailable", "no answer", "wait")
    assert result_line("azure", failed) == "azure:a failed: no answer; wait"


def test_the_report_holds_names_places_and_versions_and_no_value() -> None:
    outcome = Outcome("run", (Result("agents-jira", State.CONFLICT, "v2", ("v1",), "conflict", "why", "how"),))
    found = json.loads(json.dumps(report(PLAN, outcome, 1)))
    assert "sentinel" not in json.dumps(found)
    assert (found["applied"], found["run"], found["exitCode"], found["blocked"]) == (True, "run", 1, True)
    assert found["results"] == [
        {
            "name": "agents-jira",
            "state": "conflict",
            "version": "v2",
            "otherVersions": ["v1"],
            "code": "conflict",
            "reason": "why",
            "remedy": "how",
        }
    ]
    assert found["steps"][0] == {
        "secret": "jira",
        "key": "TOKEN",
        "kind": "create",
        "source": {"store": "vault", "name": "agents/jira", "property": "TOKEN"},
        "destination": {"store": "azure", "name": "agents-jira", "property": "TOKEN"},
        "reason": None,
        "remedy": None,
    }
    assert report(PLAN, None, 1)["applied"] is False


def test_an_undo_is_a_line_a_secret() -> None:
    steps = (
        UndoStep("a", UndoKind.RESTORE, ("KEY",), "v2"),
        UndoStep("b", UndoKind.REFUSE, (), "v9", "somebody wrote since", "decide by hand"),
        UndoStep("c", UndoKind.DONE, (), "v1", "it was undone before"),
    )
    assert list(undo_lines(steps, "azure")) == [
        "  restore   azure:a",
        "  refuse    azure:b",
        "            somebody wrote since; decide by hand",
        "  done      azure:c",
        "            it was undone before",
        "undo: 1 restore, 1 done, 1 refuse",
    ]
    assert list(undo_lines((), "azure")) == ["undo: nothing was written"]
    found = undo_report("run", steps, None, 1)
    assert (found["undo"], found["applied"], found["steps"][0]["keys"]) == ("run", False, ["KEY"])
