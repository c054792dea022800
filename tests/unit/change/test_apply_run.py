import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from compiler.change import apply, undo
from compiler.change.apply import Change, carry_out
from compiler.change.journal import runs
from compiler.change.plan import End, Kind, Options, Outcome, Plan, State, Step
from compiler.change.run_files import run_lock
from compiler.change.run_log import AuditError
from compiler.change.undo import undo_run
from compiler.live.observation import Observation
from compiler.live.stores import LiveStores
from compiler.operations.migrate import migration
from compiler.refusal import Refusal
from tests.memory_store import MemoryStore
from tests.unit.changes import Listening, plan_of, write_of
from tests.unit.operations.retire_bench import Bench, bench

__all__ = ["bench"]

IDENTITY = {"secret": "jira"}
REFUSED = Step("jira", "TOKEN", Kind.REFUSE, None, None, "why", "how")


@dataclass
class Scene:
    """A command that sets A in the remote secret `a` of a store, for the project in `root`, and who hears of it."""

    root: Path
    listening: Listening
    store: MemoryStore = field(default_factory=MemoryStore)

    def run(
        self,
        plan: Plan | None = None,
        *,
        audit: Path | None = None,
        applies: bool = False,
        asks: bool = False,
        goes_on: bool = False,
    ) -> Outcome:
        def planned() -> Plan:
            found = plan if plan is not None else plan_of(write_of(self.store, "a", A="1"), command="put")
            return replace(found, stores={"azure": self.store}) if found.writes or found.stored else found

        setting = Options(root=self.root, applies=applies, asks=asks, continue_on_error=goes_on, audit=audit)
        return carry_out(Change("put", planned, setting, IDENTITY), self.listening)


@pytest.fixture
def scene(tmp_path: Path, listening: Listening) -> Scene:
    return Scene(tmp_path, listening)


def test_without_apply_the_plan_is_shown_and_nothing_is_left_behind(scene: Scene) -> None:
    ended = scene.run()
    assert (ended.end, ended.run, scene.listening.shown) == (End.SHOWN, "", [ended.plan])
    assert scene.store.writes == []
    assert list(scene.root.iterdir()) == []


def test_with_apply_it_is_written_noted_and_ended(scene: Scene) -> None:
    ended = scene.run(applies=True)
    assert (ended.end, scene.listening.shown) == (End.APPLIED, [ended.plan])
    assert [result.state for result in ended.results] == [State.DONE]
    assert scene.store.shown("a") == {"A": "1"}
    (run,) = runs(scene.root)
    assert (run.command, run.ended, run.identity, run.id) == ("put", "complete", IDENTITY, ended.run)
    assert [result.name for result in scene.listening.results] == ["a"]


def test_a_person_decides_after_seeing_the_plan(scene: Scene) -> None:
    scene.listening.answer = False
    ended = scene.run(asks=True)
    assert (ended.end, scene.listening.asked, scene.store.writes) == (End.DECLINED, [ended.plan], [])
    scene.listening.answer = True
    assert scene.run(asks=True).end is End.APPLIED
    # Shown before the question, and not once more after it.
    assert len(scene.listening.shown) == 2
    assert len(list(runs(scene.root))) == 1


def test_what_changed_while_a_person_was_asked_is_shown_again_and_not_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def agrees(_plan: Plan) -> bool:
        scene.store.seed("a", B="theirs")
        return True

    monkeypatch.setattr(scene.listening, "agrees", agrees)
    ended = scene.run(asks=True)
    assert (ended.end, scene.store.writes, len(scene.listening.shown)) == (End.CHANGED, [], 2)
    assert scene.listening.shown[1] is ended.plan


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("applies", [True, False])
def test_what_stops_a_plan_or_leaves_nothing_to_do_is_not_applied_and_nobody_is_asked(
    scene: Scene, *, applies: bool, asks: bool
) -> None:
    for plan, end in ((plan_of(steps=(REFUSED,)), End.BLOCKED), (plan_of(), End.NOTHING)):
        ended = scene.run(plan, applies=applies and not asks, asks=asks)
        assert (ended.end, ended.plan) == (end, plan)
    assert scene.listening.asked == []
    assert list(runs(scene.root)) == []


def test_what_can_be_written_in_spite_of_errors_is_where_that_was_asked(scene: Scene) -> None:
    plan = plan_of(write_of(scene.store, "a", A="1"), steps=(REFUSED,))
    assert scene.run(plan, applies=True).end is End.BLOCKED
    assert scene.run(plan, applies=True, goes_on=True).end is End.APPLIED
    assert scene.store.writes == ["a"]


def test_others_see_which_command_and_run_is_writing(scene: Scene) -> None:
    holders: list[str] = []
    scene.store.before = lambda _method, _name: holders.append(
        (scene.root / ".platform-secrets/lock").read_text("ascii")
    )
    scene.run(applies=True)
    (run,) = runs(scene.root)
    assert set(holders) == {f"put, run {run.id} (process {os.getpid()})\n"}


def test_an_audit_file_that_cannot_be_opened_ends_it_before_a_journal_is_begun(scene: Scene) -> None:
    with pytest.raises(AuditError):
        scene.run(applies=True, audit=scene.root)
    assert (list(runs(scene.root)), scene.store.writes) == ([], [])
    assert scene.run(applies=True, audit=scene.root / "audit").end is End.APPLIED
    assert '"who": "tester"' in (scene.root / "audit").read_text("utf-8")


def test_a_second_writer_is_told_for_whom_it_waits(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.change.apply.run_lock", partial(run_lock, patience=0.2))
    with run_lock(scene.root, "migrate, run one"), pytest.raises(Refusal, match="migrate, run one"):
        scene.run(applies=True)
    assert len(scene.listening.waited) == 1
    assert "migrate, run one" in scene.listening.waited[0]


def test_a_command_writes_asks_and_goes_on_only_where_that_is_said(tmp_path: Path) -> None:
    setting = Options(root=tmp_path, stores=LiveStores({}))
    assert (setting.applies, setting.asks, setting.continue_on_error, setting.audit) == (False, False, False, None)
    assert list(map(str, End)) == ["shown", "blocked", "nothing", "undone", "stuck", "declined", "changed", "applied"]


def test_no_descriptor_stays_open(scene: Scene) -> None:
    def open_descriptors() -> set[str]:
        return {path.name for path in Path("/proc/self/fd").iterdir()}

    before = open_descriptors()
    assert scene.run(applies=True, audit=scene.root / "audit").end is End.APPLIED
    assert open_descriptors() <= before


READS = {"read", "version_states", "describe", "list_versions", "losses_of_write"}


@dataclass
class Watch:
    """What both stores of `bench` were asked, before the lock of a run and under it until the first write."""

    bench: Bench
    observed: list[Observation] = field(default_factory=list)
    before: set[tuple[str, str]] = field(default_factory=set)
    times: int = 0

    @contextmanager
    def lock(self, *given: Any, **more: Any) -> Iterator[Callable[[str], None]]:  # noqa: ANN401 - as the lock's own
        with run_lock(*given, **more) as rename:
            self.before, self.times = self.asked(), self.times + 1
            # Whoever carried one across the lock finds nothing in it.
            for each in self.observed:
                each.__dict__.clear()
            yield rename

    def asked(self) -> set[tuple[str, str]]:
        """What was asked since the last question, without what follows the first write."""
        found = set[tuple[str, str]]()
        for store in (self.bench.vault, self.bench.azure):
            found.update(takewhile(lambda call: call[0] in READS, store.calls))
            store.calls.clear()
        return {call for call in found if call[0] in {"read", "version_states"}}


@pytest.fixture
def watch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Watch:
    watched, begins = Watch(bench), Observation.__init__

    def made(self: Observation, *given: Any, **more: Any) -> None:  # noqa: ANN401 - as its own
        watched.observed.append(self)
        begins(self, *given, **more)

    monkeypatch.setattr(Observation, "__init__", made)
    for module in (apply, undo):
        monkeypatch.setattr(module, "run_lock", watched.lock)
    return watched


def moved(bench: Bench, *, applies: bool = False, asks: bool = False) -> Change:
    given = Options(only=("jira",), root=bench.root, stores=bench.live(), applies=applies, asks=asks)
    return migration(bench.environment(), "vault", "azure", given)


def retired(bench: Bench, *, applies: bool = False, asks: bool = False) -> Change:
    return bench.change("jira", applies=applies, asks=asks)


@pytest.mark.parametrize("command", [moved, retired])
def test_what_was_read_before_the_lock_is_read_anew_under_it(
    bench: Bench, watch: Watch, listening: Listening, command: Callable[..., Change]
) -> None:
    if command is moved:
        bench.vault.versions.clear()
    watch.asked()
    change = command(bench, asks=True)
    ended = carry_out(change, listening)
    assert (ended.end, [result.state for result in ended.results]) == (End.APPLIED, [State.DONE])
    assert (watch.times, len(watch.before) > 0, watch.before - watch.asked()) == (1, True, set())


@pytest.mark.parametrize("command", [moved, retired])
def test_an_undo_reads_anew_under_the_lock(
    bench: Bench, watch: Watch, listening: Listening, command: Callable[..., Change]
) -> None:
    if command is moved:
        bench.vault.versions.clear()
    done = carry_out(command(bench, applies=True), listening)
    watch.asked()
    options = Options(root=bench.root, stores=bench.live())
    undone = partial(undo_run, done.plan.command, done.run, bench.environment())
    assert undone(options, listening).end is End.SHOWN
    shown = watch.asked()
    ended = undone(replace(options, applies=True), listening)
    assert (ended.end, [result.state for result in ended.results]) == (End.APPLIED, [State.DONE])
    assert (watch.times, watch.before, len(shown) > 0, shown - watch.asked()) == (2, set(), True, set())
