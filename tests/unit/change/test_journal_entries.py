from pathlib import Path
from typing import Any

import pytest

from compiler.change.journal import Run, RunEntry, RunHistory, apply_line, history_of
from compiler.change.plan import Kind, RotationPhase
from compiler.live.observation import PastRun

A = ("azure", "a")
PLAN: dict[str, Any] = {
    "type": "plan",
    "store": "azure",
    "name": "a",
    "kind": "update",
    "before": "v1",
    "recover": False,
}
KEYS = [
    {"secret": "jira", "key": "TOKEN", "property": "token"},
    {"secret": "gitlab", "key": "WHOLE", "property": None},
]


def run_of(*lines: dict[str, Any]) -> Run:
    found = Run("id", Path("run"), "put", "prod", {"azure": "https://a"}, {})
    for line in ({**PLAN, "keys": KEYS}, {"type": "planned", "writes": 1}, *lines):
        apply_line(found, line)
    return found


def step(state: str, **rest: object) -> dict[str, Any]:
    return {"type": "step", "store": "azure", "name": "a", "state": state, **rest}


def test_a_plan_names_keys_and_properties() -> None:
    entry = run_of().entries[A]
    assert entry.keys == (("jira", "TOKEN", "token"), ("gitlab", "WHOLE", None))
    assert (entry.kind, entry.properties, entry.planned_before) == (Kind.UPDATE, ("token",), "v1")


def test_what_was_planned_to_be_created_and_was_deleted_meanwhile_is_recovered() -> None:
    entry = run_of(step("started", deleted="v7")).entries[A]
    assert (entry.kind, entry.recover, entry.deleted, entry.recovered) == (Kind.UPDATE, True, "v7", False)


@pytest.mark.parametrize("line", [{"kind": "conjure"}, {"keys": [{"key": "TOKEN"}]}, {"keys": None}])
def test_a_plan_of_another_shape_is_no_plan(line: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        apply_line(run_of(), {**PLAN, "keys": KEYS, **line})


def undo(state: str, **rest: object) -> dict[str, Any]:
    return {"type": "undo", "store": "azure", "name": "a", "state": state, **rest}


def test_a_run_has_ended_until_it_goes_on() -> None:
    end = {"type": "end", "state": "incomplete"}
    assert run_of().ended is None
    assert run_of(end).ended == "incomplete"
    assert run_of(end, {"type": "remark"}, undo("done")).ended == "incomplete"
    assert run_of(end, step("started")).ended is None


@pytest.mark.parametrize(("writes", "is_planned"), [(0, False), (1, True), (2, False)])
def test_a_plan_is_whole_with_as_many_writes_as_it_says(writes: int, *, is_planned: bool) -> None:
    assert run_of({"type": "planned", "writes": writes}).is_planned is is_planned


@pytest.mark.parametrize(
    ("lines", "state", "before", "after", "maybe_stored"),
    [
        ([], "planned", None, None, False),
        ([step("started", before="v1")], "started", "v1", None, True),
        ([step("started", before="v1"), step("started", before=None)], "started", None, None, True),
        ([step("started", before="v1"), step("started")], "started", None, None, True),
        ([step("started", before="v1"), step("written", before="v9", after="v2")], "written", "v1", "v2", False),
        ([step("written", before="v9", after="v2")], "written", "v9", "v2", False),
        ([step("written", after="v2"), step("done")], "done", None, "v2", False),
        ([step("started", before="v1"), step("failed", maybe_stored=True)], "failed", "v1", None, True),
        ([step("started", before="v1"), step("failed", maybe_stored=False)], "failed", "v1", None, False),
    ],
)
def test_a_step_tells_how_far_a_write_came(
    lines: list[dict[str, Any]], state: str, before: str | None, after: str | None, *, maybe_stored: bool
) -> None:
    entry = run_of(*lines).entries[A]
    assert (entry.state, entry.before, entry.after, entry.maybe_stored) == (state, before, after, maybe_stored)


def test_versions_in_between_are_remembered() -> None:
    assert run_of().entries[A].slipped == ()
    assert run_of(step("written", after="v3", slipped=["v2", 7]), step("done")).entries[A].slipped == ("v2", "7")


def test_an_undo_tells_what_it_wrote_over_what_until_another_line_says_otherwise() -> None:
    begun = undo("started", before="v2")
    done = undo("done", version="v3")
    found = {}
    for name, lines in {"begun": [begun], "done": [begun, done], "again": [begun, done, undo("started")]}.items():
        entry = run_of(*lines).entries[A]
        found[name] = (entry.undo, entry.undone_as, entry.undo_before)
    assert found == {
        "begun": ("started", None, "v2"),
        "done": ("done", "v3", "v2"),
        "again": ("started", "v3", "v2"),
    }


@pytest.mark.parametrize(("recover", "is_recovered"), [(True, True), (False, False), ("true", False), (1, False)])
def test_only_true_recovers(recover: object, *, is_recovered: bool) -> None:
    found = Run("id", Path("run"), "put", "prod", {"azure": "https://a"}, {})
    apply_line(found, {**PLAN, "recover": recover, "deleted": "v1", "keys": KEYS})
    assert (found.entries[A].recover, found.entries[A].deleted) == (is_recovered, "v1")


@pytest.mark.parametrize(
    "line",
    [
        {"type": "undo", "store": "azure", "name": "a", "state": ["done"]},
        undo("done", version=["v1"]),
        undo("done", before=7),
        step("started", before=7),
        step("written", after={}),
        {"type": "end", "state": 7},
    ],
)
def test_what_is_no_text_is_no_version_and_no_state(line: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        run_of(line)


@pytest.mark.parametrize("what", ["step", "undo"])
def test_a_line_of_what_was_not_planned_is_refused(what: str) -> None:
    with pytest.raises(LookupError):
        run_of({"type": what, "store": "azure", "name": "other", "state": "done"})


def test_before_any_line_nothing_is_known() -> None:
    found = Run("id", Path("run"), "put", "prod", {}, {})
    assert (found.entries, found.is_planned, found.ended) == ({}, False, None)
    entry = RunEntry(Kind.CREATE, None, recover=True, recovered=True)
    assert (entry.keys, entry.maybe_stored) == ((), False)


def test_the_servers_of_a_run_are_those_that_it_was_on_last() -> None:
    def servers(what: str, cluster: object) -> dict[str, Any]:
        return {"type": what, "writes": 1, "servers": [{"store": "azure", "cluster": cluster, "accepted": False}]}

    # A journal of an earlier release has none.
    assert run_of().clusters == {}
    assert run_of(servers("planned", "c1")).clusters == {"azure": "c1"}
    assert run_of(servers("planned", "c1"), servers("servers", "c2")).clusters == {"azure": "c2"}
    for forged in (None, 7, "", "two words", "c1\n", "x" * 200):
        with pytest.raises(ValueError):  # noqa: PT011 - the journal is then refused as a whole
            run_of(servers("planned", forged))


V, OTHER = "https://v", "https://other"


def run(name: str, command: str = "migrate", address: str = V, **entries: RunEntry) -> Run:
    named = {("azure", remote): entry for remote, entry in entries.items()}
    return Run(name, Path(name), command, "prod", {"azure": address}, {}, named, is_planned=True)


def wrote(before: str | None, after: str | None, undone_as: str | None = None, planned: str | None = None) -> RunEntry:
    return RunEntry(Kind.UPDATE, planned, recover=False, before=before, after=after, undone_as=undone_as)


def test_each_version_has_its_run_and_that_of_an_undo_the_version_it_is_again() -> None:
    runs = (
        run("newer", "put", a=wrote("v2", "v3", "v4"), b=wrote(None, "v1")),
        run("older", a=wrote("v1", "v2", "v5"), c=wrote("v1", None)),
        run("elsewhere", address=OTHER, a=wrote("v7", "v8", "v9")),
    )
    newer, older = PastRun("newer", "put", "prod"), PastRun("older", "migrate", "prod")
    found = history_of(runs)
    assert found == RunHistory(
        again={(V, "a", "v4"): "v2", (V, "a", "v5"): "v1", (OTHER, "a", "v9"): "v7"},
        runs={
            (V, "a", "v3"): newer,
            (V, "b", "v1"): newer,
            (V, "a", "v2"): older,
            (OTHER, "a", "v8"): PastRun("elsewhere", "migrate", "prod"),
        },
    )


def test_the_newest_run_has_a_number_that_a_vault_gave_out_again() -> None:
    # Which it does after the metadata of a secret was deleted.
    found = history_of((run("newer", a=wrote("v1", "v2", "v3")), run("older", "put", a=wrote("v2", "v2", "v3"))))
    assert found.runs == {(V, "a", "v2"): PastRun("newer", "migrate", "prod")}
    assert found.again == {(V, "a", "v3"): "v1"}


def test_a_run_of_two_stores_tells_their_versions_apart() -> None:
    both = Run("one", Path("one"), "restore", "prod", {"vault": V, "azure": OTHER}, {})
    both.entries["vault", "a"] = wrote(None, "v1")
    both.entries["azure", "a"] = wrote(None, "v2")
    assert set(history_of([both]).runs) == {(V, "a", "v1"), (OTHER, "a", "v2")}


def test_what_was_there_before_may_be_known_from_the_plan_alone() -> None:
    assert history_of([run("one", a=wrote(None, "v2", "v3", planned="v1"))]).again == {(V, "a", "v3"): "v1"}


def test_a_version_is_followed_through_every_undo_of_its_own_secret() -> None:
    history = RunHistory(again={(V, "a", "v6"): "v5", (V, "a", "v5"): "v2", (V, "b", "v2"): "v1"})
    assert [history.original(V, "a", version) for version in ("v6", "v5", "v2", "v9")] == ["v2", "v2", "v2", "v9"]
    assert history.original(OTHER, "a", "v6") == "v6"
    assert RunHistory().original(V, "a", "v1") == "v1"


def test_journals_that_contradict_each_other_end() -> None:
    history = RunHistory(again={(V, "a", "v1"): "v2", (V, "a", "v2"): "v1"})
    assert history.original(V, "a", "v1") in {"v1", "v2"}


def gone(**rest: object) -> RunEntry:
    entry = RunEntry(Kind.DELETE, "v3", recover=False, before="v3", after="v3", versions=("v2", "v3"))
    for name, value in rest.items():
        setattr(entry, name, value)
    return entry


def test_a_deletion_writes_no_version_and_is_known_until_it_is_undone() -> None:
    runs = (
        run("newest", "retire", a=gone(), b=gone(undo="done"), c=gone(after=None)),
        run("older", "retire", a=gone(), b=gone(after=None, maybe_stored=True)),
        run("wrote", a=wrote("v2", "v3")),
    )
    found = history_of(runs)
    assert found.retired == {
        (V, "a"): PastRun("newest", "retire", "prod"),
        (V, "b"): PastRun("older", "retire", "prod"),
    }
    assert found.runs == {(V, "a", "v3"): PastRun("wrote", "migrate", "prod")}


def test_a_run_says_what_it_wrote_and_whether_that_can_be_undone() -> None:
    entry = wrote("v1", "v2")
    entry.keys = (("jira", "JIRA_TOKEN", "JIRA_TOKEN"),)
    made = run("newer", "rotate", a=entry)
    assert (made.past.keys, made.past.can_undo) == (frozenset({("jira", "JIRA_TOKEN")}), True)
    made.no_way_back = ("its earlier version is gone",)
    assert not made.past.can_undo
    made.no_way_back, made.phase = (), RotationPhase.CLOSED
    assert not made.past.can_undo
    made.phase, entry.undo = None, "done"
    assert not made.past.can_undo
