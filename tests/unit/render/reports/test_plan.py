import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compiler.change.operations import Delete, DeleteVersions, Put, RecoverVersions
from compiler.change.plan import (
    End,
    Kind,
    Location,
    Note,
    NoteKind,
    OnConflict,
    Options,
    Outcome,
    State,
    Step,
    WriteResult,
)
from compiler.cli.terminal.contents import text_of
from compiler.live.stores import ServerFacts
from compiler.model.inventory import RefreshTimes
from compiler.render.content import Line, as_json, envelope
from compiler.render.reports.plan import (
    explain_block,
    in_cluster_lines,
    loss_lines,
    outcome_lines,
    plan_content,
    plan_lines,
    result_pieces,
    summary,
    undo_lines,
)
from compiler.stores.interface import Cluster
from tests.unit.changes import loss_of, outcome_of, plan_of

PAST = datetime(2025, 1, 31, tzinfo=UTC)


def step(key: str, kind: Kind = Kind.CREATE, name: str = "jira", why: tuple[str, str] = ("", "")) -> Step:
    return Step("jira", key, kind, None, Location("azure", name, key), *why)


def told(lines: Iterable[Line], *, colour: bool = False) -> list[str]:
    return text_of(lines, colour=colour).splitlines()


def lines(*steps: Step, verbose: bool = False, colour: bool = False) -> list[str]:
    return told(plan_lines(plan_of(steps=steps), verbose=verbose), colour=colour)[1:-1]


def test_what_is_written_stands_under_its_remote_secret() -> None:
    shown = lines(step("A"), step("B"), step("C", name="other"), step("D", Kind.UPDATE))
    assert shown == [
        "  create    azure:jira",
        "            jira: A, B",
        "  create    azure:other",
        "            jira: C",
        "  update    azure:jira",
        "            jira: D",
    ]


def test_what_stays_is_a_count_unless_somebody_wants_to_see_it() -> None:
    kept = step("A", Kind.KEEP)
    assert lines(kept) == []
    assert lines(kept, verbose=True) == ["  keep      azure:jira", "            jira: A"]
    assert summary(plan_of(steps=(kept, step("B")))) == "plan: 1 key to create; 1 key unchanged"


def test_one_reason_is_said_once_for_all_keys_that_it_concerns() -> None:
    why = ("the destination cannot be read: it is soft-deleted", "recover it")
    shown = lines(step("A", Kind.REFUSE, why=why), step("B", Kind.REFUSE, "other", why), step("C", Kind.REFUSE))
    assert shown == [
        "  refuse    jira: A, B",
        "            the destination cannot be read: it is soft-deleted",
        "            help: recover it",
        "  refuse    jira: C",
    ]


def test_one_reason_is_said_once_for_all_remote_secrets_that_it_concerns() -> None:
    why = ("it is deleted now, and will be recovered first", "")
    shown = lines(
        step("A", Kind.RECOVER, "a", why), step("B", Kind.RECOVER, "b"), step("C", Kind.RECOVER, "c", why), step("D")
    )
    assert shown == [
        "  recover   azure:a",
        "            jira: A",
        "  recover   azure:c",
        "            jira: C",
        "            for both: it is deleted now, and will be recovered first",
        "  recover   azure:b",
        "            jira: B",
        "  create    azure:jira",
        "            jira: D",
    ]
    assert lines(*(step(name, Kind.RECOVER, name, why) for name in "abc"))[-1] == (
        "            for all 3: it is deleted now, and will be recovered first"
    )


def test_one_cause_is_said_once_for_all_writes_that_it_ended() -> None:
    sealed = ("unavailable", "the server is sealed or not initialised", "unseal it, and run again")
    results = [WriteResult("vault", f"team/number-{number}", State.FAILED, None, (), *sealed) for number in range(4)]
    other = WriteResult("vault", "team/other", State.FAILED, None, (), "forbidden", "words " * 20, "more words " * 10)
    assert told(outcome_lines(outcome_of(*results, other))) == [
        "vault:team/number-0, vault:team/number-1, vault:team/number-2,",
        "  vault:team/number-3 failed: the server is sealed or not initialised",
        "  help: unseal it, and run again",
        "vault:team/other failed: words words words words words words words words words",
        "  words words words words words words words words words words words",
        "  help: more words more words more words more words more words more words more",
        "  words more words more words more words",
        "run run-1: 0 of 5 done and verified",
    ]


def test_what_is_written_comes_before_what_stops_it() -> None:
    shown = lines(step("A", Kind.MISSING), step("B"))
    assert [line.split()[0] for line in shown if line.startswith("  ") and line[2] != " "] == ["create", "missing"]


def test_no_row_is_wider_than_a_terminal_unless_a_name_is() -> None:
    many = [step(f"KEY_NUMBER_{number}") for number in range(40)]
    long = step("X", Kind.REFUSE, why=("words " * 40, "more words " * 20))
    assert max(map(len, lines(*many, long))) <= 80
    names = [f"secret-number-{number}" for number in range(20)]
    plan = plan_of(
        notes=tuple(Note(kind, name, Location("azure", name, None), PAST) for kind in NoteKind for name in names),
        losses=tuple(
            loss_of(
                "kv",
                name,
                "1",
                keeps=10,
                remedy="short",
            )
            for name in names
        ),
    )
    assert max(map(len, told(plan_lines(plan)))) <= 80
    name = "n" * 100
    assert any(name in line for line in lines(step("A", name=name)))


def test_a_command_that_helps_stands_on_a_line_of_its_own_to_be_copied() -> None:
    command = "platform-secrets put prod jira JIRA_TOKEN --from-file 'a long name of a file' --store azure --recover"
    *_, words, copied = lines(step("X", Kind.REFUSE, why=("why", f"to recover it first: {command}")))
    assert (words.strip(), copied.strip()) == ("help: to recover it first:", command)


def test_a_key_that_lies_under_another_name_says_so() -> None:
    other = Step("jira", "A", Kind.CREATE, None, Location("azure", "jira", "token"))
    whole = Step("jira", "B", Kind.CREATE, None, Location("azure", "pem", None))
    assert lines(other, whole)[1::2] == ["            jira: A as token", "            jira: B"]


def test_only_words_that_ask_for_attention_have_a_colour() -> None:
    assert lines(step("A", Kind.REFUSE), colour=True)[0].startswith("  \x1b[31mrefuse\x1b[0m  ")
    assert lines(step("A", Kind.KEEP), colour=True, verbose=True)[0] == "  keep      azure:jira"


def test_the_ends_say_where_and_as_whom() -> None:
    plan = plan_of(sources={"vault": "https://v"}, who={"azure": "ada"})
    assert told(plan_lines(plan))[:2] == ['from "vault" at https://v', 'to   "azure" at https://memory, as ada']


def test_a_store_that_does_not_say_what_is_allowed_is_noted_once() -> None:
    notes = tuple(Note(NoteKind.ACCESS_UNKNOWN, name, Location("vault", name, None)) for name in ("a", "b"))
    text = " ".join(" ".join(told(plan_lines(plan_of(notes=notes)))).split())
    said = 'note: whether you may make these writes is not known: "vault" does not let you ask (sys/capabilities-self)'
    assert text.count(said) == 1


def test_rules_of_a_policy_stand_on_a_line_of_their_own() -> None:
    rules = 'path "secret/data/agents/jira" { capabilities = ["read", "update"] } path "secret/delete/agents/jira" { }'
    shown = lines(step("A", Kind.REFUSE, why=("it is denied", f"add to a policy: {rules}")))
    assert shown[-2:] == ["            help: add to a policy:", f"            {rules}"]
    result = WriteResult("azure", "jira", State.FAILED, reason="it is denied", remedy=f"add to a policy: {rules}")
    assert told(outcome_lines(outcome_of(result)))[1:3] == ["  help: add to a policy:", f"  {rules}"]


def test_what_looks_like_a_credential_is_not_shown() -> None:
    leaked = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    plan = plan_of(steps=(step(leaked), step("B", Kind.REFUSE, why=(f"{leaked} is it", leaked))))
    assert leaked not in "\n".join(told(plan_lines(plan)))


def test_notes_and_what_is_left_out_are_told() -> None:
    place, command = Location("azure", "jira", None), "az keyvault secret set-attributes --expires DATE"
    plan = plan_of(
        notes=(
            Note(NoteKind.TAGS, "jira", place),
            Note(NoteKind.AGE, "jira", place, remedy="add to a policy: path x"),
            Note(NoteKind.AGE, "github", place),
            Note(NoteKind.EXPIRED, "jira", place, PAST),
            Note(NoteKind.KEEPS_EXPIRES, "jira", place, PAST, command),
            Note(NoteKind.KEEPS_EXPIRES, "github", place, PAST, command),
        ),
        extras=(Location("vault", "v", "OWNER"),),
        skipped=(("slack", "it reads it already"),),
    )
    text = "\n".join(told(plan_lines(plan)))
    joined = " ".join(text.split())
    for expected in (
        'not copied to "azure": the tags of jira; the age of jira, github help: to carry the age: add to a',
        "copied although expired in the source jira (2025-01-31)",
        "the new version keeps the expiry date, in the past, of jira (2025-01-31), github (2025-01-31)",
    ):
        assert joined.count(expected) == 1
    for expected in (
        f"help: after the write: {command}",
        "  vault:v#OWNER",
        "  skipped   slack: it reads it already",
        "help: name the store to copy from with --from",
    ):
        assert text.count(expected) == 1
    taken = replace(plan, options=Options(all_properties=True))
    assert "OWNER" not in "\n".join(told(plan_lines(taken)))


def test_each_date_is_said_once_with_its_secrets_and_the_keys_that_were_due_before() -> None:
    writes = [Put("azure", f"s{number}", (), {}, expires=PAST) for number in range(14)]
    later = Put("azure", "later", (), {}, expires=PAST + timedelta(days=1))
    due = Note(NoteKind.OVERDUE, "jira", Location("azure", "s1", "TOKEN"), PAST, "platform-secrets put prod jira TOKEN")
    text = " ".join("\n".join(told(plan_lines(plan_of(*writes, later, notes=(due, due))))).split())
    assert text.count("expires on 2025-01-31: s0, s1,") == 1
    assert "s11 and 2 more expires on 2025-02-01: later note: TOKEN of jira was due on 2025-01-31:" in text
    assert text.count("help: platform-secrets put prod jira TOKEN") == 1


@pytest.mark.parametrize(
    ("kinds", "can_continue", "on_conflict", "expected"),
    [
        ((Kind.REFUSE,), True, OnConflict.FAIL, "nothing was written: 1 key blocks this plan"),
        (
            (Kind.REFUSE, Kind.MISSING, Kind.CREATE),
            True,
            OnConflict.FAIL,
            "nothing was written: 2 keys block this plan; add --continue-on-error to write the rest",
        ),
        ((Kind.REFUSE, Kind.CREATE), False, OnConflict.FAIL, "nothing was written: 1 key blocks this plan"),
        ((Kind.REFUSE, Kind.CONFLICT), False, OnConflict.SKIP, "nothing was written: 1 key blocks this plan"),
    ],
)
def test_why_a_plan_is_not_applied(
    kinds: tuple[Kind, ...], on_conflict: OnConflict, expected: str, *, can_continue: bool
) -> None:
    plan = plan_of(steps=tuple(step("A", kind) for kind in kinds), options=Options(on_conflict=on_conflict))
    assert explain_block(plan, can_continue=can_continue) == expected


def test_after_a_write_it_says_when_the_cluster_has_it_and_how_to_take_it_back() -> None:
    results = (WriteResult("azure", "jira", State.DONE, "v2"), WriteResult("azure", "other", State.FAILED))
    ended = outcome_of(*results, run="20250131-120000-4fa1c2", plan=plan_of(command="put"))
    jira, other = ("azure", "jira"), ("azure", "other")
    seconds = {"board": 5400, "jira": 60, "x": 60}
    times = RefreshTimes(seconds, {"board": [jira], "jira": [jira], "x": [other]}, {})
    now = "platform-secrets status prod --only board --only jira --wait --force-sync"
    assert told(in_cluster_lines(ended, times, None)) == [f"the cluster gets it within 1h30m; to have it now: {now}"]
    assert told(in_cluster_lines(ended, times, "a kubeconfig"))[1:] == ["  which needs a kubeconfig"]
    assert told(undo_lines(ended)) == ["to undo it: platform-secrets put prod --undo 20250131-120000-4fa1c2 --apply"]
    many = RefreshTimes(dict.fromkeys("abcdef", 60), {each: [jira] for each in "abcdef"}, {})
    assert told(in_cluster_lines(ended, many, None))[0].endswith("status prod --wait --force-sync")


def test_what_the_environment_does_not_read_from_that_store_changes_nothing_in_the_cluster() -> None:
    ended = outcome_of(WriteResult("azure", "jira", State.DONE, "v2"))
    assert told(in_cluster_lines(ended, RefreshTimes({"jira": 60}, {"jira": [("vault", "jira")]}, {}), None)) == []


def test_what_was_recovered_and_is_as_it_should_be_is_new_to_the_operator() -> None:
    kept = outcome_of(WriteResult("azure", "jira", State.KEPT, "v2"))
    (line,) = told(in_cluster_lines(kept, RefreshTimes({"jira": 60}, {"jira": [("azure", "jira")]}, {}), None))
    assert line.endswith("to have it now: platform-secrets status prod --only jira --wait --force-sync")
    assert told(undo_lines(kept)) == []


def test_what_was_not_begun_is_one_line_however_many() -> None:
    results = (
        *(WriteResult("azure", f"d{number}", State.DONE, "v1") for number in range(13)),
        WriteResult("azure", "b", State.CONFLICT, None, (), "conflict", "why", "how"),
        *(WriteResult("azure", f"p{number}", State.PENDING) for number in range(137)),
    )
    assert told(outcome_lines(outcome_of(*results))) == [
        "azure:b conflict: why",
        "  help: how",
        "137 remote secrets not started",
        "run run-1: 13 of 151 done and verified",
    ]


def test_a_result_is_a_line_with_its_version() -> None:
    assert "".join(result_pieces(WriteResult("azure", "a", State.DONE, "v1"))) == "azure:a done, version v1"
    assert "".join(result_pieces(WriteResult("azure", "a", State.FAILED))) == "azure:a failed"


def test_the_count_of_writes_is_that_of_remote_secrets() -> None:
    write = Delete("azure", "a", (step("A"), step("B")))
    assert summary(plan_of(write)) == "plan: 2 keys to create, in 1 remote secret"
    assert summary(plan_of()) == "plan: no changes"


def test_every_count_of_a_plan_has_its_unit() -> None:
    kinds = (Kind.UPDATE, Kind.UPDATE, Kind.CREATE, Kind.KEEP, Kind.REFUSE, Kind.REFUSE, Kind.CONFLICT, Kind.MISSING)
    write = Delete("azure", "a", ())
    plan = replace(plan_of(write), steps=tuple(step(f"K{number}", kind) for number, kind in enumerate(kinds)))
    writes = "plan: 1 key to create, 2 keys to update, in 1 remote secret"
    assert summary(plan) == f"{writes}; 1 key unchanged, 1 key in conflict, 2 keys refused, 1 key missing"
    assert summary(replace(plan, steps=(step("A", Kind.KEEP),))) == "plan: 1 remote secret to write; 1 key unchanged"


def test_a_run_that_had_nothing_left_says_so_and_counts_nothing() -> None:
    assert told(outcome_lines(outcome_of())) == ["run run-1: nothing was left to write"]


def test_a_retirement_says_where_it_deletes_and_what_serves_the_values_now() -> None:
    deletion = DeleteVersions("azure", "jira", (step("A", Kind.DELETE),), versions=("1",))
    plan = plan_of(deletion, command="retire", sources={"vault": "https://v"}, skipped=(("slack", "why"),))
    shown = told(plan_lines(plan))
    assert shown[:2] == ['served by "vault" at https://v', 'in        "azure" at https://memory']
    assert shown[-1] == "plan: 1 key to delete, in 1 remote secret"
    assert told(plan_lines(replace(plan, steps=(), writes=())))[2:] == [
        "  skipped   slack: why",
        "plan: no changes",
    ]


def test_a_variable_that_stands_for_an_address_is_said_once_for_all_that_it_stands_for() -> None:
    said = "VAULT_ADDR replaces http://v of prod; this Vault is c1"
    served = {
        "vault": ServerFacts(said=said),
        "kv": ServerFacts(said=said),
        "azure": ServerFacts(),
        "unused": ServerFacts(said="other"),
    }
    plan = plan_of(sources={"vault": "https://v", "kv": "https://v"}, served=served)
    assert [str(line) for line in plan_lines(plan)].count(said) == 1
    assert plan.store_notes == (said,)


STEP = Step("jira", "TOKEN", Kind.REFUSE, Location("vault", "v", "T"), Location("azure", "jira", None), "why", "how")
BARE = Step("jira", "OTHER", Kind.MISSING, None, None)
WHEN = datetime(2025, 1, 31, tzinfo=UTC)


def test_a_plan_is_one_object_with_everything_in_it() -> None:
    plan = plan_of(
        steps=(STEP, BARE),
        sources={"vault": "https://v"},
        who={"azure": "ada"},
        served={
            "vault": ServerFacts(Cluster("c1", "vault-1"), "http://vault.vault.svc:8200", "VAULT_ADDR replaces it")
        },
        extras=(Location("vault", "v", "OWNER"),),
        skipped=(("slack", "it reads it"),),
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
            "remove": 0,
            "delete": 0,
            "keep": 0,
            "conflict": 0,
            "refuse": 1,
            "missing": 1,
        },
        "extras": [{"store": "vault", "name": "v", "property": "OWNER"}],
        "skipped": [{"secret": "slack", "reason": "it reads it"}],
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
    }


def test_what_became_of_a_run_stands_beside_its_plan() -> None:
    results = (
        WriteResult("azure", "a", State.DONE, "v1"),
        WriteResult("azure", "b", State.CONFLICT, "v2", ("v1",), "conflict", "why", "how"),
    )
    outcome = outcome_of(*results, interrupted=True)
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
    deletion = DeleteVersions("azure", "a", (), versions=("1", "2"))
    recovery = RecoverVersions("azure", "a", versions=("1", "2"))
    for write, told in ((deletion, [{**place, "versions": ["1", "2"]}]), (recovery, [])):
        assert as_json(plan_content(Outcome(plan_of(write), End.SHOWN))["deletions"]) == told
    assert plan_content(Outcome(plan_of(Delete("azure", "a", ())), End.SHOWN))["deletions"] == []


REMEDY = "bao kv metadata put -mount=kv -max-versions=20 a"
VERSIONS = "the store will permanently drop earlier versions:"


def told_of_losses(losses: list[Note]) -> list[str]:
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
    assert told_of_losses(losses) == [
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
    assert told_of_losses([]) == []


def test_what_deletes_itself_is_named_with_its_end() -> None:
    ends = datetime(2026, 11, 28, 7, 31, tzinfo=UTC)
    found = replace(loss("team/a", kind=NoteKind.DELETES_ITSELF, keeps=None), lives=5400, date=ends)
    assert told_of_losses([found]) == [
        "note: what is written will delete itself: team/a (1h30m after the write,",
        "      on 2026-11-28 07:31 UTC)",
        f"      help: to have it stay, first: {REMEDY}",
    ]
    note = noted(found)
    assert (note["kind"], note["date"]) == ("deletes-itself", "2026-11-28T07:31:00+00:00")


def test_many_versions_are_counted() -> None:
    shown = " ".join(" ".join(told_of_losses([loss("a", *map(str, range(3, 9)), keeps=2)])).split())
    assert f"{VERSIONS} a (6 versions from 3 to 8; the store keeps 2 versions) help: " in shown


def test_a_line_names_a_dozen() -> None:
    shown = " ".join(" ".join(told_of_losses([loss(f"s{number}", "1") for number in range(14)])).split())
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
