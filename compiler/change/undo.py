"""Plans the undo of a run: undoes a write only if its version is still the run's and nobody reads it.

A journal is a plain file: somebody who writes to its folder could have an undo delete or roll back another's secret,
with the permissions of the person who runs it. And a run may have created a secret that nobody read then; once a switch
has put it to use, its deletion would be an outage.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from compiler.change.apply import Listener, apply_plan, expect_servers, open_log
from compiler.change.attributes import carry_ages, date_writes, stores_with_dates
from compiler.change.compare import refuse_denied
from compiler.change.journal import Run, RunEntry, RunHistory, find_run, history_of, runs
from compiler.change.operations import Delete, Operation, RecoverVersions, Restore, is_same, losses_of, refuse_targets
from compiler.change.plan import (
    WRITING,
    End,
    Kind,
    Location,
    Options,
    Outcome,
    Plan,
    Step,
    Target,
)
from compiler.change.run_files import run_lock
from compiler.change.run_log import UndoLog
from compiler.live.observation import PastRun, Reading, States, is_of_store, read_many, version_states, versions_line
from compiler.live.readers import read_by, readers_of, way_out
from compiler.live.stores import LiveStores, store_named
from compiler.model.environment import Environment, Store
from compiler.model.inventory import Inventory
from compiler.refusal import Refusal
from compiler.stores.errors import Code, DisabledError, NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import RemoteSecret, SecretWriter, StoreState, Use
from compiler.text.wording import name_versions

_REASON = "the catalogue has no key there: the run or its journal is of something else"
_FOREIGN_REMEDY = "if the run did write it, put the catalogue back as it was then; else remove the journal"


def foreign_targets(run: Run, environment: Environment, stores: Mapping[str, Store]) -> frozenset[Target]:
    """The remote secrets of `run` that no key of the catalogue has as its place, in use or not.

    `stores` are the stores of the run by id.
    """
    inventory = Inventory(environment)
    own = {
        store_id: {cell.remote_name for cell in inventory.every(store) if cell.place is not None}
        for store_id, store in stores.items()
    }
    return frozenset(
        (store, name) for store, name in run.entries if stores[store].provider.remote_name(name) not in own[store]
    )


def drop_foreign_writes(plan: Plan, foreign: Collection[Target]) -> Plan:
    """The plan of an undo without the writes to `foreign` remote secrets; their steps are refused."""
    kept = refuse_targets(plan, dict.fromkeys(foreign, (_REASON, _FOREIGN_REMEDY)))
    return replace(kept, stored={target: version for target, version in plan.stored.items() if target not in foreign})


_REMEDY = "let another store serve it first (`cutover`), or set the right value (`put`)"


def drop_writes_in_use(
    plan: Plan,
    own: Mapping[str, Store],
    environments: Callable[[], Sequence[Environment]],
    stores: LiveStores,
    not_the_same: Collection[str] = (),
) -> Plan:
    """The plan of an undo without the writes that would remove a key in use; their steps say who reads it.

    `own` are the stores of the plan by id, `not_the_same` the stores that are known to be others. `environments` is
    called only if a write removes something. Raises what it raises, Refusal and AddressError.
    """
    taking = [(write, removes) for write in plan.writes if (removes := write.removed_properties()) is not None]
    if not taking:
        return plan
    every = tuple({each.name: each for each in environments()}.values())
    # Once a store: looking through all environments for each write would take minutes for thousands.
    wanted = dict.fromkeys(write.store for write, _ in taking)
    reads = {name: readers_of(own[name], every, stores, None, not_the_same) for name in wanted}
    for readers in reads.values():
        readers.check_excluded()
    why: dict[Target, tuple[str, str]] = {}
    for write, removes in taking:
        found = [each for each in reads[write.store].of(write.name) if each.uses_all or removes(each.property)]
        if found:
            remedy = "; ".join(filter(None, (_REMEDY, way_out(found))))
            why[write.target] = read_by(found, "it is in use again, read there by"), remedy
    return refuse_targets(plan, why)


@dataclass(frozen=True, slots=True, eq=False)
class Reversal:
    """How one remote secret is undone."""

    kind: Kind
    reason: str = ""
    remedy: str = ""
    current: RemoteSecret | None = None  # what it holds now
    earlier: RemoteSecret | None = None  # what it is to hold again
    versions: tuple[str, ...] = ()  # those to bring back
    is_done: bool = False  # an earlier undo was stopped before it recorded that
    is_unread: bool = False  # it is refused only because the store could not be read


_BY_HAND = "compare the versions and keep the right one by hand"


def judge_deletion(entry: RunEntry, states: States) -> Reversal | None:
    """How to undo the deletion of `entry`, by the states that the store's versions have now.

    None if the deletion was begun, and the store shows that it did not happen. Otherwise its versions are recovered,
    whoever deleted them: that loses nothing.
    """
    if entry.undo == "done":
        return Reversal(Kind.KEEP, "it is already undone")
    if isinstance(states, StoreError):
        return Reversal(Kind.REFUSE, states.reason, states.remedy)
    if entry.after is None and any(states.get(version) is StoreState.PRESENT for version in entry.versions):
        return None
    if others := entry.find_reused_versions(states.made):
        reason = f"{name_versions(others)} is not what the run deleted: it was made at another time"
        return Reversal(Kind.REFUSE, reason, "check which server answers at that address, then compare by hand")
    # In a Key Vault a version that came in between was deleted with the others, and comes back with them.
    own = (*entry.versions, *entry.slipped)
    foreign = [version for version in states if version not in own and states[version] is StoreState.PRESENT]
    if foreign:
        reason = f"another writer wrote {name_versions(foreign)} since the run deleted {name_versions(entry.versions)}"
        return Reversal(Kind.REFUSE, reason, _BY_HAND)
    lost = [version for version in own if states.get(version, StoreState.DESTROYED) is StoreState.DESTROYED]
    back = tuple(version for version in own if version not in lost)
    if own[-1] in lost:
        reason = f"{name_versions(own[-1:])} was destroyed or purged since, and cannot be brought back"
        return Reversal(Kind.REFUSE, reason, "restore it from a backup")
    if all(states[version] is StoreState.PRESENT for version in back):
        # An earlier undo was stopped before it could record this.
        is_own = entry.undo == "started"
        reason = "it is already undone" if is_own else "another writer recovered it already"
        return Reversal(Kind.KEEP, reason, is_done=is_own)
    missing = f"; {name_versions(lost)} cannot: destroyed since" if lost and not entry.slipped else ""
    return Reversal(Kind.RECOVER, f"{name_versions(back)} can be read again{missing}", versions=back)


def plan_undo(run: Run, stores: Mapping[str, SecretWriter], history: RunHistory | None = None) -> Plan:
    """The plan that undoes `run`. Reads stores; raises the StoreError of a store that cannot be used at all.

    `stores` are open, by their ids in the run. `history` knows the versions that other runs and their undos wrote:
    several runs that wrote one secret are undone newest first. A write that was announced and not confirmed is left
    where another version than the one before it is there; the rest of the run is undone.
    """
    touched = {target: entry for target, entry in run.entries.items() if entry.after is not None or entry.maybe_stored}
    deleted = {target for target, entry in touched.items() if entry.kind is Kind.DELETE}
    for (store_id, name), entry in touched.items():
        stores[store_id].expect({name: {_use(entry)}})
    readings = read_many([(stores[store], name) for store, name in touched.keys() - deleted])
    states = version_states([(stores[store], name) for store, name in deleted])
    past = history or RunHistory()
    verdicts: dict[Target, Reversal] = {}
    for target, entry in touched.items():
        at = stores[target[0]], target[1]
        if target in deleted:
            verdict = judge_deletion(entry, states[at])
        elif entry.after is None:
            verdict = _judge_unrecorded_write(entry, *at, past, readings[at])
        else:
            verdict = _judge(entry, *at, past, readings[at])
        if verdict is not None:
            verdicts[target] = verdict
    return _plan(run, verdicts, stores)


def _use(entry: RunEntry) -> Use:
    """The access that the undo of `entry` needs."""
    if entry.kind is Kind.DELETE:
        return Use.RECOVER_VERSIONS
    return Use.DELETE if entry.undo_deletes else Use.UPDATE


def _plan(run: Run, verdicts: Mapping[Target, Reversal], stores: Mapping[str, SecretWriter]) -> Plan:
    steps: list[Step] = []
    writes: list[Operation] = []
    stored: dict[Target, str | None] = {}
    for target, verdict in verdicts.items():
        entry, why = run.entries[target], (verdict.reason, verdict.remedy)
        own = tuple(
            Step(secret, key, verdict.kind, None, Location(*target, property_), *why)
            for secret, key, property_ in entry.keys
        )
        steps += own
        if verdict.kind in WRITING:
            writes.append(_reverse(target, own, verdict, entry.since))
        elif verdict.is_done:
            # The undo of an older run needs the record.
            stored[target] = verdict.current.version if verdict.current is not None else None
    return Plan(
        command=run.command,
        environment=run.environment,
        stores=stores,
        steps=tuple(steps),
        writes=tuple(writes),
        stored=stored,
        unread=tuple(target for target, verdict in verdicts.items() if verdict.is_unread),
        losses=losses_of(writes, stores),
    )


def _reverse(target: Target, steps: tuple[Step, ...], verdict: Reversal, former_since: str | None) -> Operation:
    if verdict.versions:
        return RecoverVersions(*target, steps, versions=verdict.versions)
    base, earlier = verdict.current, verdict.earlier
    if base is None or earlier is None:
        return Delete(*target, steps, base=base)
    attributes = earlier.attributes
    return Restore(*target, steps, attributes=attributes, base=base, earlier=earlier, former_since=former_since)


def _judge(entry: RunEntry, store: SecretWriter, name: str, history: RunHistory, reading: Reading) -> Reversal:
    if entry.undo == "done":
        return Reversal(Kind.KEEP, "it is already undone")
    if entry.undo_deletes and isinstance(reading, SoftDeletedError | NotFoundError):
        return Reversal(Kind.KEEP, "it is already deleted")
    address = store.address.absolute
    if isinstance(reading, StoreError):
        retired = history.retired.get((address, name)) if isinstance(reading, SoftDeletedError) else None
        refused = _refuse_unread(reading)
        return replace(refused, remedy=_undo_first(retired)) if retired is not None else refused
    original = history.original(address, name, reading.version)
    # A version that an undo wrote counts as the version that it restored.
    has_number = entry.is_own(reading.version, None)
    if not has_number and not entry.is_own(original, None):
        return _judge_foreign_version(entry, store, name, reading, history.runs.get((address, name, original)))
    if has_number and not entry.is_own(reading.version, reading.attributes.created):
        reason = f"its version {reading.version} is not the run's, which was made at another time"
        return Reversal(Kind.REFUSE, reason, "check which server answers at that address, then compare by hand")
    if (unlike := _unlike(entry, store, name, reading)) is not None:
        return unlike
    if entry.slipped:
        # The version right before the run's is the other writer's, not the one that the run had read.
        reason = f"the run's version {entry.after} replaced another writer's version {', '.join(entry.slipped)}"
        return Reversal(Kind.REFUSE, reason, "restore that version by hand")
    if entry.undo_deletes:
        why = "the run recovered it" if entry.recover else "the run created it"
        return Reversal(Kind.DELETE, why, current=reading)
    return _restoration(entry, store, name, reading)


def _judge_unrecorded_write(
    entry: RunEntry, store: SecretWriter, name: str, history: RunHistory, reading: Reading
) -> Reversal | None:
    """Judges a write whose outcome was never recorded; None if the store shows that nothing was stored."""
    if isinstance(reading, SoftDeletedError | NotFoundError):
        return None
    if isinstance(reading, StoreError):
        return _refuse_unread(reading)
    if history.original(store.address.absolute, name, reading.version) in {entry.before, entry.planned_before}:
        return None
    reason = f"the run was stopped while it wrote this: it is not known who wrote version {reading.version}"
    return Reversal(Kind.REFUSE, reason, f"compare its versions: {versions_line(store.address, name)}")


def _judge_foreign_version(
    entry: RunEntry, store: SecretWriter, name: str, current: RemoteSecret, other: PastRun | None
) -> Reversal:
    """Judges a current version that the run did not write: its undo, the run `other` or somebody else did."""
    if entry.undo == "started" and not entry.undo_deletes:
        # That undo was stopped before it could record the new version.
        verdict = _restoration(entry, store, name, current)
        if verdict.earlier is None:
            return verdict
        if is_same(current, verdict.earlier.content):
            return Reversal(Kind.KEEP, "it is already undone", current=current, is_done=True)
    return _refuse_changed(entry, current, other)


def _restoration(entry: RunEntry, store: SecretWriter, name: str, current: RemoteSecret) -> Reversal:
    before = entry.before or entry.planned_before or ""
    try:
        earlier = store.read_version(name, before)
    except (VersionGoneError, DisabledError) as error:
        reason = f"the value before the run, version {before}, cannot be read: {error.reason}"
        return Reversal(Kind.REFUSE, reason, "restore it from a backup")
    except StoreError as error:
        return _refuse_unread(error)
    return Reversal(Kind.UPDATE, f"version {before} is restored", current=current, earlier=earlier)


def _unlike(entry: RunEntry, store: SecretWriter, name: str, current: RemoteSecret) -> Reversal | None:
    """Why a version that an undo wrote, by its record, does not hold the run's value; None if it does."""
    if entry.after is None or entry.is_own(current.version, None):
        return None
    try:
        own = store.read_version(name, entry.after)
    except StoreError as error:
        reason = f"version {current.version} cannot be compared with the run's version {entry.after}: {error.reason}"
        return replace(_refuse_unread(error), reason=reason, remedy=_BY_HAND)
    # Vault counts from 1 again after a secret's metadata was deleted: only the value proves a version.
    return None if is_same(current, own.content) else _refuse_changed(entry, current, None)


def _refuse_unread(error: StoreError) -> Reversal:
    is_unread = error.code is Code.FORBIDDEN or is_of_store(error)
    return Reversal(Kind.REFUSE, error.reason, error.remedy, is_unread=is_unread)


def _refuse_changed(entry: RunEntry, current: RemoteSecret, other: PastRun | None) -> Reversal:
    reason = f"the current version is {current.version}, the run wrote version {entry.after}"
    if other is None:
        return Reversal(Kind.REFUSE, f"{reason}: another writer changed it since", _BY_HAND)
    return Reversal(Kind.REFUSE, f"{reason}: the run {other.id} wrote it since", _undo_first(other))


def _undo_first(run: PastRun) -> str:
    return f"undo that run first: {run.undo}" if run.can_undo else _BY_HAND


def undo_run(command: str, run_id: str, environment: Environment, options: Options, listener: Listener) -> Outcome:
    """Undo what the run of `command` wrote, or only show the plan.

    Undoes all that can be undone, even where the rest cannot. It does not remove what an environment reads now, and
    does not touch a remote secret that is not in the catalogue. Raises Refusal for a run of another command or
    environment or without keys, and where it cannot tell what the environments read. Before the first write it also
    raises what opening, reading and writing stores raises.
    """
    run = own_run(find_run(options.root, run_id), command, environment.name)
    expect_servers(run, options.stores)
    writers = open_run(run, environment, options.stores)
    if not options.applies:
        plan = _plan_own(run, writers, environment, options)
        listener.shows(plan)
        return Outcome(plan, End.SHOWN if plan.writes else _end_without_writes(plan))
    with run_lock(options.root, f"{command}, undo of run {run.id}", listener.waits):
        # Read again under the lock: until here, another command could have resumed it.
        run = own_run(find_run(options.root, run.id), command, environment.name)
        plan = _plan_own(run, writers, environment, options)
        listener.shows(plan)
        if not (plan.writes or plan.stored):
            return Outcome(plan, _end_without_writes(plan))
        begin = partial(UndoLog, run)
        with listener.applying(plan) as (stop, report), open_log(plan, options, begin) as run_log:
            run_log.record_servers(plan)
            if options.not_the_same:
                run_log.record_exclusions(options.not_the_same)
            return apply_plan(plan, run_log, continue_on_error=True, stop=stop, report=report)


def _plan_own(run: Run, writers: Mapping[str, SecretWriter], environment: Environment, options: Options) -> Plan:
    """The plan of the part of the run that is about the catalogue's secrets."""
    stores = {store_id: store_named(environment, store_id) for store_id in run.destinations}
    foreign = foreign_targets(run, environment, stores)
    inventory = Inventory(environment)
    limits = {store_id: inventory.limits(store) for store_id, store in stores.items()}
    every = lambda: (environment, *options.environments())  # noqa: E731 - read only where something would go
    in_order: tuple[Callable[[Plan], Plan], ...] = (
        partial(drop_foreign_writes, foreign=foreign),
        lambda plan: replace(plan, served=options.stores.servers(environment.name)),
        lambda plan: drop_writes_in_use(plan, stores, every, options.stores, options.not_the_same),
        partial(carry_ages, limits=limits, since_of=None, used=stores),
        partial(date_writes, stores=stores_with_dates(stores)),
        refuse_denied,
    )
    plan = plan_undo(run, writers, history_of(runs(options.root)))
    for step in in_order:
        plan = step(plan)
    return plan


def _end_without_writes(plan: Plan) -> End:
    """How an undo ends if it has nothing to write."""
    return End.UNDONE if plan.is_clean else End.STUCK


def own_run(run: Run, command: str, environment: str) -> Run:
    """`run`, if it is a run of `command` on `environment` whose journal has what it wrote. Raises Refusal."""
    if run.command != command or run.environment != environment:
        what = f"`{run.command} {run.environment}`"
        raise Refusal("usage", f"the run {run.id} belongs to {what}", f"run {run.past.undo}")
    if not all(_is_complete(run, store, entry) for (store, _), entry in run.entries.items()):
        raise Refusal(
            "usage", f"the journal of the run {run.id} does not record what it wrote", "remove it: it is forged"
        )
    return run


def _is_complete(run: Run, store: str, entry: RunEntry) -> bool:
    """Whether the entry has all that an undo needs to be judged and shown; each run records it."""
    return store in run.destinations and bool(entry.keys) and (entry.kind is not Kind.DELETE or bool(entry.versions))


def open_run(run: Run, environment: Environment, stores: LiveStores) -> dict[str, SecretWriter]:
    """The open stores of `run`, by id. Raises Refusal if a store has another address now."""
    writers: dict[str, SecretWriter] = {}
    for store_id, address in run.destinations.items():
        store = store_named(environment, store_id)
        writers[store_id] = stores.open(store)
        if writers[store_id].address.absolute != address:
            raise Refusal(
                "usage",
                f'the store "{store.id}" has another address than in the run',
                # Not "set it back": the journal may be forged, and whatever listens there would be sent a token.
                f"the run names {address}: if you know that it was there, set it back",
            )
    return writers
