"""Keeps the journal of each run, from which it is resumed and undone, and says which run wrote a version."""

import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from compiler.change.plan import Kind, Plan, RotationPhase, Target
from compiler.change.run_files import FOLDER, RUNS, caller, caller_of, read_lines
from compiler.live.observation import SECOND, PastRun, start_time_if_valid
from compiler.model.facts import short_age
from compiler.refusal import Refusal
from compiler.text.wording import list_names, shell_line

# A run's id: the moment at which it was begun, in UTC, and a part by chance.
RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}", re.ASCII)
_CLUSTER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


# What an undo does that writes an earlier version once more, in the words of the audit file.
RESTORE = "restore"


# A key that a write sets: its secret, its name in the catalogue, and the property, None for the whole value.
RecordedKey = tuple[str, str, str | None]


class Stage(StrEnum):
    """How far a write is, in the audit file."""

    WRITING = "writing"  # about to be sent
    WRITTEN = "written"  # stored as `version`
    FAILED = "failed"  # not stored
    UNKNOWN = "unknown"  # sent, and its outcome cannot be told: the reply was lost, or nobody waited for it


@dataclass(slots=True)
class RunEntry:
    """The state of one remote secret in a run: as planned, and how far it came."""

    kind: Kind
    planned_before: str | None
    recover: bool
    keys: tuple[RecordedKey, ...] = ()
    before: str | None = None
    after: str | None = None
    state: str = "planned"  # how far the run came
    maybe_stored: bool = False
    undo: str | None = None
    deleted: str | None = None  # with `recover`, the version that was soft-deleted
    recovered: bool = False  # the run sent its recovery and the store answered
    recovered_made: str | None = None  # when the store made that version
    undone_as: str | None = None  # the version that an undo wrote, with the value before
    made: str | None = None  # when the store made the version `after`, if its number may be reused
    slipped: tuple[str, ...] = ()
    undo_before: str | None = None  # the version that the undo replaced or deleted
    versions: tuple[str, ...] = ()  # those that a retirement deletes, oldest first
    versions_made: Mapping[str, str] = field(default_factory=dict)  # when the store made them
    since: str | None = None  # the tag `value-since` that a write to a Vault replaces

    @property
    def action(self) -> str:
        """What the run's next request to the store does, in the words of the audit file."""
        if self.recover:
            return str(Kind.UPDATE if self.recovered else Kind.RECOVER)
        return str(self.kind)

    @property
    def undo_deletes(self) -> bool:
        """Whether an undo deletes the remote secret: the run created or recovered it."""
        return self.recover or self.kind is Kind.CREATE

    @property
    def undo_action(self) -> str:
        if self.kind is Kind.DELETE:
            return str(Kind.RECOVER)
        return str(Kind.DELETE) if self.undo_deletes else RESTORE

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that the write is about; empty where the remote secret is one value."""
        return tuple(property_ for _, _, property_ in self.keys if property_ is not None)

    def find_reused_versions(self, made: Mapping[str, datetime]) -> tuple[str, ...]:
        """The versions to delete whose number is another version's by now: the store made that at another time."""
        return tuple(each for each in self.versions if not _was_made(self.versions_made.get(each), made.get(each)))

    def is_own(self, version: str, created: datetime | None) -> bool:
        """Whether the run wrote this version, which the store made at `created`.

        Only this method decides that: a tag or the number of a version alone proves nothing. Without `created`, the
        number has to do.
        """
        # A recovered version that needed no write has only the time of its recovery.
        made = self.made or (self.recovered_made if self.recover and self.after == self.deleted else None)
        return version == self.after and _was_made(made, created)


def _was_made(made: str | None, created: datetime | None) -> bool:
    """Whether the store made the version at the time in the journal; True if one of the times is not known.

    Equal numbers prove nothing: a Vault counts from 1 again once a secret's metadata was deleted, and a tunnel may lead
    to another server than at the time of the run.
    """
    return made is None or created is None or created.isoformat() == made


@dataclass(slots=True)
class Run:
    """The state of a run, read from its journal."""

    id: str
    path: Path
    command: str
    environment: str
    destinations: Mapping[str, str]  # the absolute addresses by the stores' ids
    identity: Mapping[str, Any]  # what a command must ask for to resume it
    entries: dict[Target, RunEntry] = field(default_factory=dict)
    # Who the servers of its stores, sources too, said that they are; a run of an older release has none.
    clusters: dict[str, str] = field(default_factory=dict)
    is_planned: bool = False
    ended: str | None = None
    who: str = ""  # who began it, as user@host; a run of an older release does not say
    no_way_back: tuple[str, ...] = ()  # why a rotation cannot be undone, in words
    phase: RotationPhase | None = None  # how far a rotation came
    followed: RotationPhase | None = None  # how far it had come when it was closed

    @property
    def past(self) -> PastRun:
        """The run as the writer of versions, and how to undo it."""
        keys = frozenset((secret, key) for entry in self.entries.values() for secret, key, _ in entry.keys)
        can_undo = not (self.is_undone or self.no_way_back or self.phase is RotationPhase.CLOSED)
        return PastRun(self.id, self.command, self.environment, keys, can_undo)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets of the catalogue whose keys it writes."""
        return tuple(dict.fromkeys(secret for entry in self.entries.values() for secret, _, _ in entry.keys))

    @property
    def is_undo_begun(self) -> bool:
        return any(entry.undo for entry in self.entries.values())

    @property
    def is_undone(self) -> bool:
        """Whether everything that it wrote was put back."""
        written = [entry for entry in self.entries.values() if entry.after is not None or entry.maybe_stored]
        return bool(written) and all(entry.undo == "done" for entry in written)


def apply_line(run: Run, line: Mapping[str, Any]) -> None:
    """Apply one line of a journal to the state of its run. Raises LookupError, TypeError and ValueError."""
    what = line["type"]
    for server in line.get("servers", ()):
        # The last one counts: it was accepted. Journals of earlier releases have none.
        run.clusters[str(server["store"])] = _word(server["cluster"], _CLUSTER_ID)
    if what == "planned":
        run.is_planned = len(run.entries) == line["writes"]
    elif what == "end":
        run.ended = _text(line["state"])
    elif what == "phase":
        run.phase = RotationPhase(line["phase"])
        run.followed = run.phase if run.phase is not RotationPhase.CLOSED else run.followed
    elif what == "plan":
        run.entries[_target(line)] = _parse_plan(line)
    elif what == "step":
        # A resumed run goes on after its end.
        run.ended = None
        _take_step(run.entries[_target(line)], line)
    elif what == "undo":
        _take_undo(run.entries[_target(line)], line)


def _target(line: Mapping[str, Any]) -> Target:
    return str(line["store"]), str(line["name"])


def _parse_plan(line: Mapping[str, Any]) -> RunEntry:
    keys = tuple((str(key["secret"]), str(key["key"]), _text(key.get("property"))) for key in line["keys"])
    before, recover = _text(line["before"]), line["recover"] is True
    versions = tuple(map(str, line.get("versions", ())))
    made = {str(version): str(time) for version, time in dict(line.get("made") or {}).items()}
    kind, deleted = Kind(line["kind"]), _text(line.get("deleted"))
    since = _text(line.get("since"))
    return RunEntry(kind, before, recover, keys, deleted=deleted, versions=versions, versions_made=made, since=since)


def _take_undo(entry: RunEntry, line: Mapping[str, Any]) -> None:
    state = _text(line["state"])
    if state == "failed":
        # It stays begun: the next undo compares.
        return
    entry.undo = state
    entry.undone_as = _text(line.get("version")) or entry.undone_as
    entry.undo_before = _text(line.get("before")) or entry.undo_before


def _take_step(entry: RunEntry, line: Mapping[str, Any]) -> None:
    state = str(line["state"])
    if state == "recovered":
        # The write that was announced with it is still to come.
        entry.recovered, entry.recovered_made = True, _text(line.get("made"))
        return
    entry.state = state
    if state == "started" and (deleted := _text(line.get("deleted"))) is not None:
        entry.recover, entry.recovered, entry.deleted = True, False, deleted
    entry.maybe_stored = state == "started" or bool(line.get("maybe_stored"))
    if state == "started" or ("before" in line and entry.before is None):
        entry.before = _text(line.get("before"))
    entry.after = _text(line.get("after", entry.after))
    entry.made = _text(line.get("made", entry.made))
    entry.slipped = tuple(map(str, line.get("slipped", entry.slipped)))


def _word(found: object, form: re.Pattern[str]) -> str:
    """A text that has the form of a name, and so is safe to print in a command line that is pasted."""
    if isinstance(found, str) and form.fullmatch(found):
        return found
    raise ValueError


def _text(found: object) -> str | None:
    # The folder may have come with somebody else's project: what is no version must not pass for one.
    if found is None or isinstance(found, str):
        return found
    raise TypeError


FORMAT = 2
_UNREADABLE = (OSError, LookupError, StopIteration, TypeError, ValueError)
_MOST_NAMED = 5
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


def new_id() -> str:
    """A new run's id: the UTC time and three random bytes, in a form that is never concealed as a credential."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def new_run(root: Path, run_id: str, plan: Plan, identity: Mapping[str, Any], no_way_back: tuple[str, ...] = ()) -> Run:
    """The run that writes `plan`, before its journal."""
    folder = runs_folder(root)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{run_id}.jsonl"
    made = Run(run_id, path, plan.command, plan.environment, plan.destinations, dict(identity), who=caller())
    made.no_way_back = no_way_back
    return made


def runs_folder(root: Path) -> Path:
    return root / FOLDER / RUNS


def find_run(root: Path, run: str) -> Run:
    """The run of this id. Raises Refusal."""
    path = runs_folder(root) / f"{run}.jsonl"
    if not RUN_ID.fullmatch(run) or not path.is_file():
        known = [_describe_run(found) for found in journals(root)[:_MOST_NAMED]]
        newest = f"the newest runs here: {'; '.join(known)}" if known else "there are no runs in this folder"
        vault, azure = shell_line("bao", "kv", "rollback"), shell_line("az", "keyvault", "secret", "list-versions")
        by_hand = f"an earlier version with `{vault}`, or `{azure}` and `put`"
        elsewhere = f"another machine has its own in {FOLDER}/{RUNS}; without the run, restore a backup, or {by_hand}"
        raise Refusal("usage", f'there is no run "{run[:60]}"', f"{newest}; {elsewhere}")
    return read_run(path)


def _describe_run(path: Path) -> str:
    """A run in words: its id, command, environment and age, as far as its journal says."""
    begun = start_time_if_valid(path.stem)
    age = f"{short_age(datetime.now(UTC) - begun)} ago" if begun is not None else "at an unknown time"
    try:
        run = read_run(path)
    except Refusal:
        return f"{path.stem}, {age}, cannot be read"
    return f"{path.stem}, {run.command} {run.environment} of {list_names(run.secrets, 3)}, {age}"


def runs(root: Path) -> Iterator[Run]:
    """All runs of this folder, newest first, without those that cannot be read."""
    for path in journals(root):
        try:
            run = read_run(path)
        except Refusal:
            continue
        yield run


def read_run(path: Path) -> Run:
    """Read one journal. Raises Refusal."""
    try:
        lines = read_lines(path)
        head = next(lines)
        if head["format"] != FORMAT:
            raise Refusal("usage", f'the journal "{path.name}" has an unknown format', "use the release that wrote it")
        run = Run(
            id=path.stem,
            path=path,
            command=_word(head["command"], _ID),
            environment=_word(head["environment"], _ID),
            destinations={str(each["store"]): str(each["address"]) for each in head["destinations"]},
            identity=dict(head["identity"]),
            who=caller_of(head.get("who")),
            no_way_back=tuple(map(str, head.get("noWayBack", ()))),
        )
        for line in lines:
            apply_line(run, line)
    except _UNREADABLE:
        help_text = "run the command that wrote it again: it compares the stores first"
        raise Refusal("usage", f'the journal "{path.name}" cannot be read', help_text) from None
    return run


def journals(root: Path) -> list[Path]:
    """The journals of this folder, newest run first."""
    folder = runs_folder(root)
    if not folder.is_dir():
        return []
    found = [path for path in folder.glob("*.jsonl") if RUN_ID.fullmatch(path.stem)]
    of_second = Counter(path.stem[:SECOND] for path in found)
    # Where runs began in the same second, their first lines tell which is newer.
    begun = {path: _begin_time(path) for path in found if of_second[path.stem[:SECOND]] > 1}
    return sorted(found, key=lambda path: (path.stem[:SECOND], begun.get(path, ""), path.stem), reverse=True)


def _begin_time(path: Path) -> str:
    """When the journal's first line was written, to the millisecond; empty if it cannot be read."""
    try:
        return str(next(read_lines(path)).get("time", ""))
    except _UNREADABLE:
        return ""


# A version of a remote secret: the store's absolute address, the name and the version.
Version = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class RunHistory:
    """Which run wrote each version and which run deleted a remote secret, by the journals."""

    again: dict[Version, str] = field(default_factory=dict)  # the earlier version whose value an undo wrote again
    runs: dict[Version, PastRun] = field(default_factory=dict)
    # The newest run that deleted a remote secret, by address and name, as far as it was not undone.
    retired: dict[tuple[str, str], PastRun] = field(default_factory=dict)

    def original(self, address: str, name: str, version: str) -> str:
        """The version whose value `version` restored, or itself where no undo wrote it."""
        # An undo of an older run may have put back what the undo of a newer one did.
        for _ in range(len(self.again)):
            earlier = self.again.get((address, name, version))
            if earlier is None:
                break
            version = earlier
        return version


def history_of(past: Iterable[Run]) -> RunHistory:
    """The history in the journals of `past` runs, newest first."""
    found = RunHistory()
    for run in past:
        own = run.past
        for (store, name), entry in run.entries.items():
            address = run.destinations.get(store, "")
            before = entry.before or entry.planned_before
            if entry.kind is Kind.DELETE:
                # It wrote no version.
                if entry.undo != "done" and (entry.after is not None or entry.maybe_stored):
                    found.retired.setdefault((address, name), own)
            elif entry.after is not None:
                # A Vault counts from 1 again after a secret's metadata was deleted: the newest of a number counts.
                found.runs.setdefault((address, name, entry.after), own)
            if entry.undone_as is not None and before is not None:
                found.again.setdefault((address, name, entry.undone_as), before)
    return found
