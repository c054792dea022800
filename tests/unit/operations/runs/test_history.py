from __future__ import annotations

from pathlib import Path

from compiler.operations.runs.entries import Entry, Run
from compiler.operations.runs.history import RunHistory, history_of


def run(name: str, address: str = "https://v", **entries: Entry) -> Run:
    return Run(name, Path(name), "prod", "azure", address, {}, dict(entries), is_planned=True)


def wrote(before: str | None, after: str | None, undone_as: str | None = None, planned: str | None = None) -> Entry:
    return Entry("update", planned, recover=False, before=before, after=after, undone_as=undone_as)


def test_each_version_has_its_run_and_that_of_an_undo_the_version_it_is_again() -> None:
    runs = (
        run("newer", a=wrote("v2", "v3", "v4"), b=wrote(None, "v1")),
        run("older", a=wrote("v1", "v2", "v5"), c=wrote("v1", None)),
        run("elsewhere", "https://other", a=wrote("v7", "v8", "v9")),
    )
    assert history_of(runs, "https://v") == RunHistory(
        again={("a", "v4"): "v2", ("a", "v5"): "v1"},
        runs={("a", "v3"): "newer", ("b", "v1"): "newer", ("a", "v2"): "older"},
    )


def test_what_was_there_before_may_be_known_from_the_plan_alone() -> None:
    assert history_of([run("one", a=wrote(None, "v2", "v3", planned="v1"))], "https://v").again == {("a", "v3"): "v1"}


def test_a_version_is_followed_through_every_undo_of_its_own_secret() -> None:
    history = RunHistory(again={("a", "v6"): "v5", ("a", "v5"): "v2", ("b", "v2"): "v1"})
    assert [history.original("a", version) for version in ("v6", "v5", "v2", "v9")] == ["v2", "v2", "v2", "v9"]
    assert RunHistory().original("a", "v1") == "v1"


def test_journals_that_contradict_each_other_end() -> None:
    history = RunHistory(again={("a", "v1"): "v2", ("a", "v2"): "v1"})
    assert history.original("a", "v1") in {"v1", "v2"}
