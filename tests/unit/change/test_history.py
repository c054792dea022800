from datetime import datetime, timedelta
from pathlib import Path

from compiler.change.journal import Run, RunEntry, RunHistory, history_of
from compiler.change.plan import Kind
from compiler.live.read_many import PastRun, StoredVersion

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
    assert history_of(runs) == RunHistory(
        again={(V, "a", "v4"): "v2", (V, "a", "v5"): "v1", (OTHER, "a", "v9"): "v7"},
        runs={
            (V, "a", "v3"): newer,
            (V, "b", "v1"): newer,
            (V, "a", "v2"): older,
            (OTHER, "a", "v8"): PastRun("elsewhere", "migrate", "prod"),
        },
    )


def test_a_version_is_of_the_run_that_wrote_it_and_of_no_other_with_its_number() -> None:
    entry = wrote("1", "2")
    entry.made = "2026-11-28T07:12:31.123456+00:00"
    history = history_of([run("one", a=entry, b=wrote("1", "2"))])
    made = datetime.fromisoformat(entry.made)

    def writer(name: str, version: str, created: datetime | None = made, address: str = V) -> PastRun | None:
        return history.writer_of(StoredVersion("azure", address, name, version, created))

    one = PastRun("one", "migrate", "prod")
    assert [writer("a", "2"), writer("a", "2", None), writer("b", "2")] == [one, one, one]
    # Another server, or the same after its metadata was deleted.
    assert writer("a", "2", made + timedelta(seconds=1)) is None
    assert [writer("a", "1"), writer("a", "2", address=OTHER)] == [None, None]


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
