from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from compiler.change.plan import Note, NoteKind
from compiler.cli.terminal.contents import text_of
from compiler.render.content import as_json
from compiler.render.reports.plan import loss_lines, plan_content
from tests.unit.changes import loss_of, outcome_of, plan_of

REMEDY = "bao kv metadata put -mount=kv -max-versions=20 a"
VERSIONS = "the store will permanently drop earlier versions:"


def told(losses: list[Note]) -> list[str]:
    return text_of(loss_lines(losses)).splitlines()


def loss(name: str, *versions: str, kind: NoteKind = NoteKind.DROPS_VERSIONS, keeps: int | None = 10) -> Note:
    return loss_of("kv", name, *versions, kind=kind, keeps=keeps, remedy=REMEDY)


def report(found: Note) -> dict[str, Any]:
    report: dict[str, Any] = as_json(plan_content(outcome_of(plan=plan_of(losses=(found,)))))
    return report


def noted(found: Note) -> dict[str, Any]:
    """The loss as a report for programs has it."""
    (note,) = as_json(report(found))["notes"]
    return dict(note)


def test_each_kind_is_a_line_with_its_way_out_the_worst_first() -> None:
    losses = [
        loss("team/a", "1"),
        loss("team/c", kind=NoteKind.LOSS_UNKNOWN, keeps=None),
        loss("team/b", "3", "5"),
        loss("team/d", "7", kind=NoteKind.DROPS_WAY_BACK, keeps=1),
    ]
    assert told(losses) == [
        "note: the store will drop the version that is replaced, and it cannot be",
        "      restored: team/d (version 7; the store keeps 1 version)",
        f"      help: to keep them, first: {REMEDY}",
        "note: the store will permanently drop earlier versions: team/a (version 1;",
        "      the store keeps 10 versions), team/b (versions 3, 5; the store keeps 10",
        "      versions)",
        # To be copied, however long it is.
        f"      help: to keep them, first: {REMEDY}, and likewise for the others",
        "note: unknown whether the store will drop earlier versions: team/c",
        f"      help: {REMEDY}",
    ]
    assert told([]) == []


def test_what_deletes_itself_is_named_with_its_end() -> None:
    ends = datetime(2026, 11, 28, 7, 31, tzinfo=UTC)
    found = replace(loss("team/a", kind=NoteKind.DELETES_ITSELF, keeps=None), lives=5400, date=ends)
    assert told([found]) == [
        "note: what is written will delete itself: team/a (1h30m after the write,",
        "      on 2026-11-28 07:31 UTC)",
        f"      help: to have it stay, first: {REMEDY}",
    ]
    note = noted(found)
    assert (note["kind"], note["date"]) == ("deletes-itself", "2026-11-28T07:31:00+00:00")


def test_many_versions_are_counted() -> None:
    shown = " ".join(" ".join(told([loss("a", *map(str, range(3, 9)), keeps=2)])).split())
    assert f"{VERSIONS} a (6 versions from 3 to 8; the store keeps 2 versions) help: " in shown


def test_a_line_names_a_dozen() -> None:
    shown = " ".join(" ".join(told([loss(f"s{number}", "1") for number in range(14)])).split())
    assert "s11 (version 1; the store keeps 10 versions) and 2 more help: " in shown


def test_a_note_has_all_of_it_and_no_credential() -> None:
    token = "ghp_s3ntinels3ntinels3ntinels3ntinel0"
    assert noted(loss("team/a", "1", "2")) == {
        "kind": "drops-versions",
        "secret": None,
        "place": {"store": "kv", "name": "team/a"},
        "property": None,
        "date": None,
        "versions": ["1", "2"],
        "keeps": 10,
        "remedy": REMEDY,
    }
    shown = text_of(report(loss(token, "1"))) + text_of(loss_lines([loss(token, "1")]))
    assert token not in shown
