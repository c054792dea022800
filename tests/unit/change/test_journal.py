import errno
import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from compiler.change.journal import find_run, new_id, read_run, runs, runs_folder
from compiler.change.operations import Delete, Put, Restore
from compiler.change.plan import Kind, Location, Plan, State, Step, Target, WriteResult
from compiler.change.run_log import RunLog, UndoLog
from compiler.live.stores import ServerFacts
from compiler.refusal import Refusal
from compiler.stores.interface import Attributes, Cluster, RemoteSecret, Written
from compiler.stores.secret_value import SecretValue
from compiler.text.credential import looks_like_credential
from tests.memory_store import MemoryStore
from tests.unit.changes import begin_journal, entries_of, plan_of, write_over

FIRST, SECOND = "20250131-120000-4fa1c2", "20250131-120001-000000"
A, B, C = ("azure", "a"), ("azure", "b"), ("azure", "c")
STEP = Step("github", "TOKEN", Kind.CREATE, Location("vault", "v", "TOKEN"), Location("azure", "a", "TOKEN"))
BARE = Step("github", "TOKEN", Kind.CREATE, None, None)


def plan() -> Plan:
    writes = (
        Put("azure", "a", (STEP,), {"TOKEN": SecretValue("sentinel")}),
        Put("azure", "b", (BARE,), {}, recover=True, deleted="v7"),
    )
    return plan_of(*writes, stores={"azure": MemoryStore("https://a")}, sources={"vault": "https://v"})


def begin(root: Path, run: str = FIRST, identity: dict[str, Any] | None = None) -> RunLog:
    return begin_journal(root, run, plan(), identity or {"environment": "prod"})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[RunLog]:
    with closing(begin(tmp_path)) as log:
        yield log


def open_files() -> list[str]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # of the folder itself, once it is read
            found.append(str(link.readlink()))
    return found


def undone(journal: RunLog, target: Target, version: str) -> None:
    """An undo wrote this version."""
    earlier = RemoteSecret(target[1], "v0", {}, Attributes())
    UndoLog(journal.run).record_version(Restore(*target, base=earlier, earlier=earlier), Written(version))


def test_an_id_tells_when_and_no_two_are_alike() -> None:
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", new_id())
    assert new_id() != new_id()
    assert not any(looks_like_credential(f"run {new_id()}") for _ in range(50))


def test_an_id_tells_the_time_of_all_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    told = datetime.strptime(new_id()[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    monkeypatch.undo()
    time.tzset()
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=5)


def test_what_is_announced_is_on_the_disk_and_what_became_of_it_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, waits = begin(tmp_path), list[int]()
    monkeypatch.setattr(os, "fsync", waits.append)
    journal.start(write_over(A))
    assert len(waits) == 1
    journal.record_version(write_over(A), Written("v1"))
    journal.record_result(WriteResult("azure", "a", State.DONE, "v1"))
    assert len(waits) == 1
    journal.end("complete")
    assert len(waits) == 2
    journal.close()


def test_a_deleted_version_that_nobody_told_is_none_to_write_over(tmp_path: Path) -> None:
    writes = (Put("azure", "a", (BARE,), {}, recover=True),)
    begin_journal(tmp_path, FIRST, replace(plan(), writes=writes), {}).close()
    run = find_run(tmp_path, FIRST)
    assert (run.entries[A].recover, run.entries[A].deleted, run.entries[A].recovered) == (True, None, False)


def test_of_runs_that_began_in_the_same_second_the_later_one_is_newer(tmp_path: Path) -> None:
    ids = [f"20250131-120000-{end}" for end in ("ffffff", "000000", "888888")]
    for run in ids:
        begin(tmp_path, run).close()
        time.sleep(0.002)
    (runs_folder(tmp_path) / "20250131-120000-aaaaaa.jsonl").write_text("[]\n", "utf-8")
    assert [run.id for run in runs(tmp_path)] == ids[::-1]


@pytest.mark.parametrize("name", ["nobody", "../../etc/passwd", SECOND, FIRST + "\n"])
def test_a_run_that_is_none_is_refused_with_those_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refusal) as caught:
        find_run(tmp_path, name)
    assert (caught.value.kind, str(caught.value.help)[:33]) == ("usage", "there are no runs in this folder;")
    begin(tmp_path).close()
    with pytest.raises(Refusal) as caught:
        find_run(tmp_path, name)
    assert FIRST in str(caught.value.help)


@pytest.mark.parametrize("content", ["", "{}\n", "[]\n", '{"type": "run", "format": 2}\n'])
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(content)
    with pytest.raises(Refusal, match="cannot be read"):
        read_run(path)


def test_another_format_and_a_step_of_nothing_are_refused(tmp_path: Path) -> None:
    begin(tmp_path).close()
    path = runs_folder(tmp_path) / f"{FIRST}.jsonl"
    text = path.read_text("utf-8")
    path.write_text(text + json.dumps({"type": "step", "store": "azure", "name": "nobody", "state": "done"}) + "\n")
    with pytest.raises(Refusal, match="cannot be read"):
        find_run(tmp_path, FIRST)
    path.write_text(text.replace('"format":2', '"format":3'))
    with pytest.raises(Refusal, match="an unknown format"):
        find_run(tmp_path, FIRST)


@pytest.mark.parametrize("odd", [{}, [], ["v1"], 7, True])
@pytest.mark.parametrize(
    ("type_", "field"),
    [("plan", "before"), ("plan", "deleted"), ("step", "before"), ("step", "after"), ("undo", "version")],
)
def test_what_is_no_version_does_not_pass_for_one(
    tmp_path: Path, journal: RunLog, type_: str, field: str, odd: object
) -> None:
    journal.start(write_over(A))
    journal.record_version(write_over(A), Written("v1"))
    undone(journal, A, "v2")
    path = runs_folder(tmp_path) / f"{FIRST}.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    changed = [{**line, field: odd} if line["type"] == type_ else line for line in lines]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in changed), "utf-8")
    with pytest.raises(Refusal, match="cannot be read"):
        read_run(path)


def test_a_line_of_a_later_release_is_passed_over(tmp_path: Path) -> None:
    begin(tmp_path).close()
    path = runs_folder(tmp_path) / f"{FIRST}.jsonl"
    path.write_text(path.read_text("utf-8") + json.dumps({"type": "remark"}) + "\n")
    assert find_run(tmp_path, FIRST).is_planned


def test_a_journal_is_never_begun_over_another(tmp_path: Path) -> None:
    begin(tmp_path).close()
    with pytest.raises(FileExistsError):
        begin(tmp_path)


@pytest.mark.parametrize("line", range(4))
def test_a_journal_that_cannot_be_begun_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: int) -> None:
    left, write = [line], os.write

    def full(descriptor: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        begin(tmp_path)
    assert not [path for path in open_files() if path.startswith(str(tmp_path))]


def test_all_runs_are_read_newest_first_but_for_those_that_cannot_be(tmp_path: Path) -> None:
    assert list(runs(tmp_path)) == []
    for name in (FIRST, SECOND):
        begin(tmp_path, name).close()
    (runs_folder(tmp_path) / "20250131-120002-000000.jsonl").write_text("{}", "utf-8")
    (runs_folder(tmp_path) / "notes.jsonl").write_text("{}", "utf-8")
    assert [run.id for run in runs(tmp_path)] == [SECOND, FIRST]


def rewritten(root: Path, change: Callable[[list[str]], list[str]]) -> Path:
    """The journal of the first run with its lines changed."""
    path = runs_folder(root) / f"{FIRST}.jsonl"
    path.write_text("\n".join([*change(path.read_text("utf-8").splitlines()), ""]), "utf-8")
    return path


@pytest.mark.parametrize("damaged", [1, 2])
@pytest.mark.parametrize(
    "damage", ['{"type":"plan","store":"azure","name":"a","ki', "", "\x00\x00\x00", '{"type":"remark"}']
)
def test_a_plan_with_a_damaged_line_in_its_middle_is_nothing_to_resume(
    tmp_path: Path, damaged: int, damage: str
) -> None:
    begin(tmp_path).close()
    rewritten(tmp_path, lambda lines: [*lines[:damaged], damage, *lines[damaged + 1 :]])
    # What is left of it is known, so that it can be undone; going on would leave the lost secret out.
    run = find_run(tmp_path, FIRST)
    assert (list(run.entries), run.is_planned) == ([B if damaged == 1 else A], False)


def test_a_plan_in_which_a_line_stands_twice_in_the_place_of_another_is_not_whole(tmp_path: Path) -> None:
    begin(tmp_path).close()
    rewritten(tmp_path, lambda lines: [lines[0], lines[1], lines[1], lines[3]])
    assert not find_run(tmp_path, FIRST).is_planned


BASE = RemoteSecret("c", "v3", {}, Attributes())
WHOLE = Step("gitlab", "PEM", Kind.UPDATE, Location("vault", "v", "PEM"), Location("azure", "c", None))
PLACES = {"source": "vault:v#TOKEN", "property": "TOKEN"}
OPTIONS = {"allProperties": False, "onConflict": "fail", "recover": False, "stringify": False}
IDENTITY: dict[str, Any] = {
    "command": "migrate",
    "environment": "prod",
    "addresses": {"azure": "https://a"},
    "from": None,
    "only": [],
}
# A migration as it is recorded: a release that writes other lines must count the format up. Later fields may join them.
LINES: tuple[dict[str, Any], ...] = (
    {
        "type": "run",
        "format": 2,
        "run": FIRST,
        "command": "migrate",
        "environment": "prod",
        "destinations": [{"store": "azure", "address": "https://a"}],
        "sources": {"vault": "https://v"},
        "identity": {**IDENTITY, **OPTIONS},
    },
    {
        "type": "plan",
        "store": "azure",
        "name": "a",
        "kind": "create",
        "before": None,
        "recover": False,
        "deleted": None,
        "keys": [{"secret": "github", "key": "TOKEN", "kind": "create", **PLACES}],
    },
    {
        "type": "plan",
        "store": "azure",
        "name": "b",
        "kind": "recover",
        "before": None,
        "recover": True,
        "deleted": "v7",
        "keys": [{"secret": "github", "key": "TOKEN", "kind": "create", "source": None, "property": None}],
    },
    {
        "type": "plan",
        "store": "azure",
        "name": "c",
        "kind": "update",
        "before": "v3",
        "recover": False,
        "deleted": None,
        "keys": [{"secret": "gitlab", "key": "PEM", "kind": "update", "source": "vault:v#PEM", "property": None}],
    },
    {"type": "planned", "writes": 3},
    {"type": "step", "store": "azure", "name": "a", "state": "started", "before": None},
    {
        "type": "step",
        "store": "azure",
        "name": "a",
        "state": "written",
        "before": None,
        "after": "v1",
        "slipped": ["v0"],
    },
    {"type": "step", "store": "azure", "name": "a", "state": "done", "code": None, "maybe_stored": False},
    {"type": "step", "store": "azure", "name": "c", "state": "failed", "code": "unavailable", "maybe_stored": True},
    {"type": "step", "store": "azure", "name": "c", "state": "written", "after": "v4", "adopted": True},
    {"type": "undo", "store": "azure", "name": "a", "state": "started", "version": None},
    {"type": "undo", "store": "azure", "name": "c", "state": "done", "version": "v5"},
    {"type": "end", "state": "incomplete"},
)


def test_a_journal_is_written_in_the_lines_of_its_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Times are UTC wherever the command runs.
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    writes = (*plan().writes, Put("azure", "c", (WHOLE,), SecretValue("sentinel"), base=BASE))
    journal = begin_journal(tmp_path, FIRST, replace(plan(), writes=writes), {**IDENTITY, **OPTIONS})
    journal.start(write_over(A))
    journal.record_version(write_over(A), Written("v1", ("v0",)))
    journal.record_result(WriteResult("azure", "a", State.DONE, "v1"))
    journal.record_result(WriteResult("azure", "c", State.FAILED, code="unavailable"), maybe_stored=True)
    journal.record_found(C, "v4")
    UndoLog(journal.run).start(write_over(A))
    undone(journal, C, "v5")
    journal.end("incomplete")
    journal.close()
    monkeypatch.undo()
    time.tzset()
    lines = [json.loads(line) for line in (runs_folder(tmp_path) / f"{FIRST}.jsonl").read_text("utf-8").splitlines()]
    assert [{**line, **expected} for line, expected in zip(lines, LINES, strict=True)] == lines
    assert all(re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}\+00:00", line["time"]) for line in lines)
    ages = [datetime.now(UTC) - datetime.fromisoformat(line["time"]) for line in lines]
    assert all(abs(age) < timedelta(minutes=5) for age in ages)


def test_the_lines_of_a_journal_are_read(tmp_path: Path) -> None:
    path = tmp_path / f"{FIRST}.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in LINES), "utf-8")
    run = read_run(path)
    assert (run.id, run.path, run.command, run.environment) == (FIRST, path, "migrate", "prod")
    assert run.destinations == {"azure": "https://a"}
    assert (run.identity, run.is_planned, run.ended) == ({**IDENTITY, **OPTIONS}, True, "incomplete")
    assert list(run.entries) == [A, B, C]
    entries = entries_of(run)
    planned = {name: (e.planned_before, e.recover, e.deleted, e.keys) for name, e in entries.items()}
    assert planned == {
        "a": (None, False, None, (("github", "TOKEN", "TOKEN"),)),
        "b": (None, True, "v7", (("github", "TOKEN", None),)),
        "c": ("v3", False, None, (("gitlab", "PEM", None),)),
    }
    assert [entry.kind for entry in entries.values()] == [Kind.CREATE, Kind.RECOVER, Kind.UPDATE]
    came = {name: (e.state, e.before, e.after, e.maybe_stored, e.slipped) for name, e in entries.items()}
    assert came == {
        "a": ("done", None, "v1", False, ("v0",)),
        "b": ("planned", None, None, False, ()),
        "c": ("written", None, "v4", False, ()),
    }
    undone = {name: (e.undo, e.undone_as) for name, e in entries.items()}
    assert undone == {"a": ("started", None), "b": (None, None), "c": ("done", "v5")}


def test_a_longer_plan_waits_for_the_disk_no_more_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    monkeypatch.setattr(os, "fsync", waits.append)
    counts = []
    for run, length in ((FIRST, 1), (SECOND, 50)):
        waits.clear()
        writes = tuple(Delete("azure", f"a{number}", (BARE,)) for number in range(length))
        begin_journal(tmp_path, run, replace(plan(), writes=writes), {}).close()
        counts.append(len(waits))
    assert counts[0] == counts[1]


def test_a_refusal_names_the_five_newest_runs_and_cuts_a_name_short(tmp_path: Path) -> None:
    for second in range(7):
        begin(tmp_path, f"20250131-12000{second}-000000").close()
    with pytest.raises(Refusal) as caught:
        find_run(tmp_path, "x" * 100)
    assert str(caught.value) == f'there is no run "{"x" * 60}"'
    shown = str(caught.value.help)
    named = re.findall(r"(\d{8}-\d{6}-0{6}), migrate prod of \"github\", \d+d ago", shown)
    assert named == [f"20250131-12000{second}-000000" for second in (6, 5, 4, 3, 2)]
    assert "another machine has its own in .platform-secrets/runs" in shown
    (tmp_path / ".platform-secrets/runs/20250131-120006-000000.jsonl").write_text("{}\n", "utf-8")
    with pytest.raises(Refusal) as caught:
        find_run(tmp_path, "x")
    assert "20250131-120006-000000, " in str(caught.value.help)
    assert "d ago, cannot be read; 20250131-120005" in str(caught.value.help)


@pytest.mark.parametrize("field", ["environment", "command", "destinations", "identity", "format"])
@pytest.mark.parametrize("odd", [None, ["abc"], 7])
def test_a_head_of_another_shape_is_refused_with_the_way_out(tmp_path: Path, field: str, odd: object) -> None:
    head = {key: value for key, value in LINES[0].items() if (key, odd) != (field, None)}
    path = tmp_path / f"{FIRST}.jsonl"
    path.write_text(json.dumps(head if odd is None else {**head, field: odd}) + "\n", "utf-8")
    with pytest.raises(Refusal) as caught:
        read_run(path)
    message = "has an unknown format" if field == "format" and odd is not None else "cannot be read"
    help_text = (
        "use the release that wrote it"
        if message != "cannot be read"
        else "run the command that wrote it again: it compares the stores first"
    )
    assert (str(caught.value), caught.value.help) == (f'the journal "{FIRST}.jsonl" {message}', help_text)


@pytest.mark.parametrize("field", ["environment", "command"])
@pytest.mark.parametrize("odd", ["--root=/elsewhere", "$(id)", "", "prod\n"])
def test_what_is_no_name_of_an_environment_or_a_command_stands_in_no_line_to_paste(
    tmp_path: Path, field: str, odd: str
) -> None:
    path = tmp_path / f"{FIRST}.jsonl"
    path.write_text(json.dumps({**LINES[0], field: odd}) + "\n", "utf-8")
    with pytest.raises(Refusal, match="cannot be read"):
        read_run(path)


def test_a_journal_that_may_not_be_read_is_refused_and_passed_over(tmp_path: Path) -> None:
    begin(tmp_path).close()
    (runs_folder(tmp_path) / f"{SECOND}.jsonl").mkdir()
    (runs_folder(tmp_path) / "20250131-120002-000000.jsonl").symlink_to(runs_folder(tmp_path) / f"{FIRST}.jsonl")
    assert [run.id for run in runs(tmp_path)] == [FIRST]
    with pytest.raises(Refusal, match="cannot be read"):
        find_run(tmp_path, "20250131-120002-000000")


def test_the_folder_of_the_runs_is_its_owners_alone(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        begin(tmp_path / "project").close()
    finally:
        os.umask(previous)
    folder = runs_folder(tmp_path / "project")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / f"{FIRST}.jsonl").stat().st_mode) == 0o600


def test_who_the_servers_are_is_noted_with_the_plan_and_again_where_another_was_accepted(tmp_path: Path) -> None:
    on = {
        "vault": ServerFacts(Cluster("c1", "vault-1")),
        "azure": ServerFacts(None),
        "unused": ServerFacts(Cluster("c9", "")),
    }
    journal = begin_journal(tmp_path, FIRST, replace(plan(), served=on), {"environment": "prod"})
    journal.record_servers(replace(plan(), served=on))
    assert find_run(tmp_path, FIRST).clusters == {"vault": "c1"}
    journal.record_servers(replace(plan(), served={"vault": ServerFacts(Cluster("c2", ""), is_accepted=True)}))
    journal.close()
    assert find_run(tmp_path, FIRST).clusters == {"vault": "c2"}
    lines = [json.loads(line) for line in (runs_folder(tmp_path) / f"{FIRST}.jsonl").read_text("utf-8").splitlines()]
    assert [line["servers"] for line in lines if "servers" in line] == [
        [{"store": "vault", "cluster": "c1", "accepted": False}],
        [{"store": "vault", "cluster": "c2", "accepted": True}],
    ]
