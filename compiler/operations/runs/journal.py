"""The journal of a run: names, places, versions and states in, a file that a later run resumes or undoes from out."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from compiler.operations.runs.line_file import LineFile, read_lines
from compiler.operations.runs.lock import FOLDER, RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from compiler.operations.change.plan import Plan, Result, Write

FORMAT = 1
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}", re.ASCII)
_RESUMABLE = frozenset({None, "incomplete", "interrupted"})


class JournalError(Exception):
    """A run that cannot be read or is none; `help` is the way out."""

    def __init__(self, message: str, help_text: str) -> None:
        super().__init__(message)
        self.help = help_text


@dataclass(slots=True)
class Entry:
    """What a journal says of one remote secret: as planned, and as far as it came."""

    kind: str
    planned_before: str | None
    recover: bool
    keys: tuple[str, ...] = ()
    before: str | None = None
    after: str | None = None
    state: str = "planned"
    maybe_stored: bool = False
    undo: str | None = None
    deleted: str | None = None  # with `recover`, the version that was soft-deleted
    undone_as: str | None = None  # the version by which an undo put back what stood there before
    slipped: tuple[str, ...] = ()


@dataclass(slots=True)
class Run:
    """A journal, read. `identity` is what a command must be asked for to be the same run."""

    id: str
    path: Path
    environment: str
    destination: str
    address: str
    identity: Mapping[str, Any]
    entries: dict[str, Entry] = field(default_factory=dict)
    is_planned: bool = False
    ended: str | None = None

    @property
    def is_resumable(self) -> bool:
        """Whether the plan is whole, something may be left of it, and nothing of it was undone."""
        undone = any(entry.undo for entry in self.entries.values())
        return self.is_planned and self.ended in _RESUMABLE and not undone

    @property
    def recovering(self) -> dict[str, str]:
        """What was to be recovered and is not yet written: by name, the version that holds the deleted value."""
        return {
            name: entry.deleted
            for name, entry in self.entries.items()
            if entry.recover and entry.after is None and entry.deleted is not None
        }


def new_id() -> str:
    """When the run begins, in UTC, and three random bytes; in a form that no output takes for a credential."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def identity_of(plan_options: Mapping[str, Any], environment: str, address: str, source: str | None) -> dict[str, Any]:
    """What makes two commands the same run: where, what and how, but for what may be changed on the way."""
    return {"environment": environment, "address": address, "from": source, "options": dict(plan_options)}


class Journal:
    """Appends to one run's file; what it announces is on the disk when the call returns. Raises OSError.

    What became of a write is there with the next line that is waited for: where a crash takes it, the run that goes on
    finds the version by comparing, as it does when the crash comes before the line.
    """

    def __init__(self, path: Path, *, new: bool) -> None:
        self.id = path.stem
        self._file = LineFile(path, new=new)

    @classmethod
    def begin(cls, root: Path, run: str, plan: Plan, identity: Mapping[str, Any]) -> Journal:
        """Start a new journal with the whole plan in it."""
        folder = runs_folder(root)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal = cls(folder / f"{run}.jsonl", new=True)
        journal._append(
            "run",
            format=FORMAT,
            run=run,
            environment=plan.environment,
            destination={"store": plan.destination, "address": plan.destination_address},
            sources=dict(plan.sources),
            identity=dict(identity),
        )
        # A plan that is not there whole is none: its lines go to the disk with the last one.
        for write in plan.writes:
            journal._append(
                "plan",
                wait=False,
                name=write.name,
                kind="create" if write.base is None and not write.recover else "update",
                before=write.before,
                recover=write.recover,
                deleted=write.deleted,
                keys=[_key(write, index) for index in range(len(write.steps))],
            )
        journal._append("planned", writes=len(plan.writes))
        return journal

    def started(self, name: str, before: str | None) -> None:
        self._append("step", name=name, state="started", before=before)

    def written(self, name: str, before: str | None, after: str, slipped: tuple[str, ...]) -> None:
        self._append("step", wait=False, name=name, state="written", before=before, after=after, slipped=list(slipped))

    def settled(self, result: Result, *, maybe_stored: bool = False) -> None:
        """What became of a remote secret in the end."""
        state = str(result.state)
        self._append(
            "step", wait=False, name=result.name, state=state, code=result.code or None, maybe_stored=maybe_stored
        )

    def adopted(self, name: str, version: str) -> None:
        """A write of this run whose version had not been noted."""
        self._append("step", name=name, state="written", after=version, adopted=True)

    def undo(self, name: str, state: str, version: str | None = None) -> None:
        self._append("undo", name=name, state=state, version=version)

    def end(self, state: str) -> None:
        """`complete`, `conflict` (nothing is left to resume), `incomplete` or `interrupted`."""
        self._append("end", state=state)

    def close(self) -> None:
        self._file.close()

    def _append(self, what: str, *, wait: bool = True, **rest: object) -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._file.append({"type": what, "time": time, **rest}, wait=wait)


def runs_folder(root: Path) -> Path:
    return root / FOLDER / RUNS


def find_run(root: Path, run: str) -> Run:
    """The run of this id. Raises JournalError."""
    path = runs_folder(root) / f"{run}.jsonl"
    if not _ID.fullmatch(run) or not path.is_file():
        known = [found.stem for found in _journals(root)][:5]
        newest = ", ".join(known) if known else "there are none in this folder"
        raise JournalError(f'there is no run "{run[:60]}"', f"the newest runs: {newest}")
    return read_run(path)


def find_unfinished(root: Path, identity: Mapping[str, Any]) -> Run | None:
    """The newest run of this identity, where something is left of it."""
    for run in runs(root):
        if run.identity == identity:
            return run if run.is_resumable else None
    return None


def runs(root: Path) -> Iterator[Run]:
    """All runs of this folder, newest first, without those that cannot be read."""
    for path in _journals(root):
        try:
            run = read_run(path)
        except JournalError:
            continue
        yield run


def read_run(path: Path) -> Run:
    """Read one journal. Raises JournalError."""
    try:
        lines = read_lines(path)
        head = lines[0]
        if head["format"] != FORMAT:
            raise JournalError(f'the journal "{path.name}" has another format', "use the release that wrote it")
        run = Run(
            id=path.stem,
            path=path,
            environment=str(head["environment"]),
            destination=str(head["destination"]["store"]),
            address=str(head["destination"]["address"]),
            identity=dict(head["identity"]),
        )
        for line in lines[1:]:
            _take(run, line)
    except (OSError, LookupError, TypeError, ValueError):
        raise JournalError(f'the journal "{path.name}" cannot be read', "run migrate again: it compares") from None
    return run


def _take(run: Run, line: Mapping[str, Any]) -> None:
    what = line["type"]
    if what == "plan":
        keys = tuple(str(key["key"]) for key in line["keys"])
        deleted = _text(line.get("deleted"))
        entry = Entry(str(line["kind"]), _text(line["before"]), line["recover"] is True, keys, deleted=deleted)
        run.entries[str(line["name"])] = entry
    elif what == "planned":
        run.is_planned = len(run.entries) == line["writes"]
    elif what == "end":
        run.ended = _text(line["state"])
    elif what == "undo":
        entry = run.entries[line["name"]]
        entry.undo = _text(line["state"])
        entry.undone_as = _text(line.get("version")) or entry.undone_as
    elif what == "step":
        # A resumed run goes on after its end.
        run.ended = None
        entry = run.entries[line["name"]]
        entry.state = str(line["state"])
        entry.maybe_stored = entry.state == "started" or bool(line.get("maybe_stored"))
        if entry.state == "started" or ("before" in line and entry.before is None):
            entry.before = _text(line.get("before"))
        entry.after = _text(line.get("after", entry.after))
        entry.slipped = tuple(map(str, line.get("slipped", entry.slipped)))


def _text(noted: object) -> str | None:
    # The folder may have come with somebody else's project: what is no version must not pass for one.
    if noted is None or isinstance(noted, str):
        return noted
    raise TypeError


def _key(write: Write, index: int) -> dict[str, str | None]:
    step = write.steps[index]
    destination = step.destination
    return {
        "secret": step.secret,
        "key": step.key,
        "kind": str(step.kind),
        "source": str(step.source) if step.source is not None else None,
        "property": destination.property if destination is not None else None,
    }


def _journals(root: Path) -> list[Path]:
    folder = runs_folder(root)
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.glob("*.jsonl") if _ID.fullmatch(path.stem)), reverse=True)
