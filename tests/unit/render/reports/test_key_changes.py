from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from compiler.model.place import Place
from compiler.model.store_address import Provider
from compiler.operations.backup.format import Backup
from compiler.operations.backup.restore import Action, RestorePlan, RestoreStep
from compiler.operations.change.version_loss import LossKind, VersionLoss
from compiler.operations.put.set_keys import Change, ChangePlan, KeyChange, RemoteChange
from compiler.operations.put.write_keys import Outcome, State
from compiler.render.reports.key_changes import (
    backup_report,
    put_lines,
    put_report,
    restore_lines,
    restore_report,
    results,
)
from compiler.render.reports.version_loss import loss_lines, loss_note
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.values.secret import Secret

TOKEN = "ghp_s3ntinels3ntinels3ntinels3ntinel0"
TARGET: Any = SimpleNamespace(secret=SimpleNamespace(id="jira"), store=SimpleNamespace(id="vault"))
WRITER: Any = SimpleNamespace(address=SimpleNamespace(absolute="https://vault/secret"))
REMOTE = RemoteChange(
    WRITER,
    "agents/jira",
    (
        KeyChange("jira", "TOKEN", Place("agents/jira", "TOKEN"), Change.NEW),
        KeyChange("jira", "URL", Place("agents/jira", "URL"), Change.CHANGED, "it is refused; do something"),
        KeyChange("jira", "PEM", Place("pem", None), Change.SAME),
    ),
    None,
    {"TOKEN": Secret(TOKEN)},
)
PLAN = ChangePlan((REMOTE,), {"https://vault/secret": "ada"})
BACKUP = Backup("dev", "2026-01-02T03:04:05+00:00", {("jira", "TOKEN"): Secret(TOKEN)}, (("jira", "URL"),))


def test_a_put_is_a_line_for_each_key_with_why_below_it() -> None:
    assert list(put_lines(TARGET, PLAN)) == [
        "jira in vault (https://vault/secret), as ada",
        "  new      TOKEN  agents/jira",
        "  refused  URL    agents/jira",
        "           it is refused; do something",
        "  same     PEM    pem",
    ]


def test_a_put_for_programs() -> None:
    report = put_report("dev", TARGET, PLAN, results(), 1)
    assert [(key["key"], key["change"], key["reason"]) for key in report["keys"]] == [
        ("TOKEN", "new", None),
        ("URL", "refused", "it is refused; do something"),
        ("PEM", "same", None),
    ]
    assert report["keys"][2]["place"] == {"name": "pem", "property": None}
    assert (report["applied"], report["run"], report["results"], report["exitCode"]) == (False, None, [], 1)
    assert put_report("dev", TARGET, None, results(), 0)["keys"] == []


def test_a_date_that_goes_on_is_noted_with_what_changes_it() -> None:
    writer: Any = SimpleNamespace(
        address=SimpleNamespace(absolute="https://v.vault.azure.net", provider=Provider.AZURE_KEY_VAULT)
    )
    dates = Attributes(expires=datetime(2025, 1, 31, tzinfo=UTC), not_before=datetime(9999, 1, 1, tzinfo=UTC))
    key = KeyChange("jira", "TOKEN", Place("agents-jira", "TOKEN"), Change.CHANGED)
    base = RemoteSecret("agents-jira", "1", {}, dates)
    plan = ChangePlan((RemoteChange(writer, "agents-jira", (key,), base, {"TOKEN": Secret(TOKEN)}),), {})
    command = "az keyvault secret set-attributes --id https://v.vault.azure.net/secrets/agents-jira"
    lines = [
        "  note: the new version of agents-jira keeps its expiry date, 2025-01-31, which is past",
        f"        help: once it is written: {command} --expires DATE",
        "  note: the new version of agents-jira keeps its activation date, 9999-01-01, which lies ahead",
        f"        help: once it is written: {command} --not-before DATE",
    ]
    assert list(put_lines(TARGET, plan))[1:] == lines
    assert list(restore_lines("dev.age", BACKUP, RestorePlan((), plan)))[-4:] == lines
    notes = put_report("dev", TARGET, plan, results(), 0)["notes"]
    assert notes == restore_report("dev", BACKUP, RestorePlan((), plan), results(), 0)["notes"]
    assert notes[0] == {
        "kind": "expired",
        "name": "agents-jira",
        "date": "2025-01-31T00:00:00+00:00",
        "remedy": f"{command} --expires DATE",
    }
    assert put_report("dev", TARGET, None, results(), 0)["notes"] == []


def test_versions_that_go_are_noted_behind_the_dates() -> None:
    loss = VersionLoss(LossKind.VERSIONS, "agents/jira", ("1",), 10, "do this")
    plan = ChangePlan((), {}, (loss,))
    lines = [f"  {line}" for line in loss_lines([loss])]
    assert list(restore_lines("dev.age", BACKUP, RestorePlan((), plan)))[-2:] == lines
    assert list(put_lines(TARGET, replace(PLAN, losses=(loss,))))[-2:] == lines
    assert put_report("dev", TARGET, plan, results(), 0)["notes"] == [loss_note(loss)]
    assert restore_report("dev", BACKUP, RestorePlan((), plan), results(), 0)["notes"] == [loss_note(loss)]


def test_what_became_of_the_writes_names_places_and_versions() -> None:
    done = results("run-1", [Outcome(REMOTE, State.UNVERIFIED, "7", f"it holds {TOKEN}", "look")], is_interrupted=True)
    assert (done["applied"], done["run"], done["interrupted"]) == (True, "run-1", True)
    assert done["results"] == [
        {
            "address": "https://vault/secret",
            "name": "agents/jira",
            "state": "unverified",
            "version": "7",
            "reason": "it holds …",
            "remedy": "look",
        }
    ]


def test_a_version_is_shown_as_the_store_names_it() -> None:
    version = "5e1f0c6ab2df4f51a7e0c8d1a2b3c4d5"
    reason = f"another writer's version {version} is now below this one"
    [done] = results("run-1", [Outcome(REMOTE, State.SLIPPED, version, reason, "look")])["results"]
    assert (done["version"], done["reason"]) == (version, reason)


def test_a_restore_says_what_the_backup_is_and_what_becomes_of_each_key() -> None:
    steps = (
        RestoreStep("jira", "TOKEN", Action.CREATE, Place("agents/jira", "TOKEN")),
        RestoreStep("jira", "GONE", Action.REFUSE, None, "no such key any more"),
    )
    plan = RestorePlan(steps, PLAN)
    assert list(restore_lines("dev.age", BACKUP, plan)) == [
        "dev.age: dev at 2026-01-02T03:04:05+00:00, 1 secret, 1 key",
        "  not in it, as they could not be had then: jira/URL",
        "into https://vault/secret, as ada",
        "  create   jira/TOKEN  agents/jira",
        "  refuse   jira/GONE",
        "           no such key any more",
    ]
    report = restore_report("dev", BACKUP, plan, results(), 1)
    assert report["blocked"]
    assert [(key["action"], key["place"], key["reason"]) for key in report["keys"]] == [
        ("create", {"name": "agents/jira", "property": "TOKEN"}, None),
        ("refuse", None, "no such key any more"),
    ]
    assert TOKEN not in str(report)


def test_a_backup_names_its_keys() -> None:
    gathered: Any = SimpleNamespace(backup=BACKUP, lacking=(), left_out=(("agents/jira", "OTHER"),))
    report = backup_report(gathered, "dev\n.age", 0, is_written=True)
    assert (report["file"], report["backup"]["secrets"]) == ("dev\\x0a.age", {"jira": ["TOKEN"]})
    assert report["leftOut"] == [{"name": "agents/jira", "property": "OTHER"}]
    assert TOKEN not in str(report)
