import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compiler.change.attributes import mark, refuse_rotating, rotated_places, unmark
from compiler.change.journal import Run, RunEntry
from compiler.change.plan import Kind, Location, Options, Plan, Step, Write
from compiler.change.run_files import caller, caller_of
from compiler.live.read_many import rotation_of
from compiler.stores.errors import ConflictError
from compiler.stores.interface import ROTATION, ROTATION_BY, RemoteSecret
from compiler.stores.secret_value import SecretValue
from tests.unit.memory_store import MemoryStore

OWN, OTHER = "20250131-120000-4fa1c2", "20250131-120001-4fa1c2"


def a_run(*names: str, after: str | None = "v1") -> Run:
    run = Run(OWN, Path(), "rotate", "prod", {"vault": "https://vault"}, {})
    for name in names:
        run.entries["vault", name] = RunEntry(Kind.UPDATE, None, recover=False, after=after)
    return run


def tagged(store: MemoryStore, name: str, run: str) -> None:
    store.set_tags(name, store.seed(name, A="1"), {ROTATION: run, "team": "x"})


def test_the_mark_is_set_where_it_is_missing_and_taken_away_where_it_is_the_runs() -> None:
    store = MemoryStore()
    store.seed("a", A="1")
    tagged(store, "b", OWN)
    mark(a_run("a", "b"), {"vault": store})
    assert [rotation_of(store.read(name).attributes) for name in "ab"] == [OWN, OWN]
    tagged(store, "c", OTHER)
    store.deleted.add("b")
    unmark(a_run("a", "b", "c", "d"), {"vault": store})
    assert [rotation_of(store.read(name).attributes) for name in "ac"] == [None, OTHER]
    assert store.read("c").attributes.tags["team"] == "x"


def test_a_value_that_another_writer_has_replaced_gets_no_mark() -> None:
    store = MemoryStore()
    store.seed("a", A="1")
    store.seed("a", A="2")
    with pytest.raises(ConflictError):
        mark(a_run("a"), {"vault": store})


MADE = datetime(2025, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("after", "made", "created", "is_own"),
    [
        ("v2", None, MADE, True),
        ("v2", MADE, MADE, True),
        ("v2", MADE, None, True),
        ("v2", MADE, MADE + timedelta(seconds=1), False),
        ("v1", None, MADE, False),
        (None, None, MADE, False),
    ],
)
def test_a_tag_beside_a_version_that_is_not_the_runs_proves_nothing(
    after: str | None, made: datetime | None, created: datetime | None, *, is_own: bool
) -> None:
    store, run = MemoryStore(), a_run("a", after=after)
    run.entries["vault", "a"].made = made.isoformat() if made is not None else None
    store.seed("a", A="1")
    tagged(store, "a", OWN)
    store.versions["a"][-1] = dated(store.read("a"), created)
    ((_, _, why),) = rotated_places(run, {"vault": store})
    assert (why == "") is is_own
    if not is_own:
        with pytest.raises(ConflictError) as raised:
            mark(run, {"vault": store})
        said = "another writer changed it" if after is not None else "the run is not known to have written it"
        assert f"{said}: its version is v2" in raised.value.reason
        assert f"rotate prod --confirm-revoked {OWN}" in raised.value.remedy


def dated(remote: RemoteSecret, created: datetime | None) -> RemoteSecret:
    return replace(remote, attributes=replace(remote.attributes, created=created))


def test_a_deleted_value_is_not_the_runs_any_more() -> None:
    store = MemoryStore()
    tagged(store, "a", OWN)
    store.deleted.add("a")
    with pytest.raises(ConflictError, match="it is soft-deleted"):
        mark(a_run("a"), {"vault": store})


@pytest.mark.parametrize("command", ["put", "rotate", "migrate", "restore"])
def test_no_command_writes_over_what_is_rotated(tmp_path: Path, command: str) -> None:
    store = MemoryStore()
    tagged(store, "a", OTHER)
    step = Step("jira", "A", Kind.UPDATE, None, Location("vault", "a", "A"))
    write = Write("vault", "a", (step,), {"A": SecretValue("2")}, base=store.read("a"))
    plan = refuse_rotating(Plan(command, "prod", {"vault": store}, {}, Options(root=tmp_path), (step,), (write,)))
    assert (plan.writes, plan.steps[0].kind) == ((), Kind.REFUSE)


def test_a_run_that_goes_on_late_leaves_the_mark_of_another_one() -> None:
    store = MemoryStore()
    tagged(store, "a", OTHER)
    with pytest.raises(ConflictError) as raised:
        mark(a_run("a"), {"vault": store})
    assert f"the rotation {OTHER} of it" in raised.value.reason
    assert rotation_of(store.read("a").attributes) == OTHER


@pytest.mark.parametrize("text", ["", "monthly", "20251331-120000-4fa1c2", f"{OWN} by x", f"\n{OWN}"])
def test_another_tag_of_that_name_is_no_run(text: str) -> None:
    store = MemoryStore()
    tagged(store, "a", text)
    assert rotation_of(store.read("a").attributes) is None


@pytest.mark.parametrize(
    ("who", "words"), [("ada@laptop", "with ada@laptop"), ("", "where it began"), ("\x1b[2J@x", "where it began")]
)
def test_a_run_of_another_machine_is_named_with_who_has_its_journal(tmp_path: Path, who: str, words: str) -> None:
    store = MemoryStore()
    store.set_tags("a", store.seed("a", A="1"), {ROTATION: OTHER, ROTATION_BY: who})
    step = Step("jira", "A", Kind.UPDATE, None, Location("vault", "a", "A"))
    write = Write("vault", "a", (step,), {"A": SecretValue("2")}, base=store.read("a"))
    options = Options(root=tmp_path)
    (refused,) = refuse_rotating(Plan("put", "prod", {"vault": store}, {}, options, (step,), (write,))).steps
    assert (refused.kind, words in refused.remedy, OTHER in refused.reason) == (Kind.REFUSE, True, True)
    assert "\x1b" not in refused.reason + refused.remedy


@pytest.mark.parametrize(
    ("found", "who"),
    [("ada@host.example.com", "ada@host.example.com"), ("a b@c", ""), ("\x1b[2J@x", ""), (None, ""), (7, "")],
)
def test_who_began_a_run_is_a_name_at_a_machine_or_nobody(found: object, who: str) -> None:
    assert caller_of(found) == who


def test_whoever_has_no_name_here_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr("socket.gethostname", lambda: "pod-1")
    assert caller() == f"{os.getuid()}@pod-1"
