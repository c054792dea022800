"""The journal of a run: names, places, versions and states in, a file that a later run resumes or undoes from out."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from compiler.operations.runs.entries import Run, take
from compiler.operations.runs.line_file import LineFile, read_lines
from compiler.operations.runs.lock import FOLDER, RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from compiler.operations.change.plan import Plan, Result, Write

FORMAT = 1
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}", re.ASCII)


class JournalError(Exception):
    """A run that cannot be read or is none; `help` is the way out."""

    def __init__(self, message: str, help_text: str) -> None:
        super().__init__(message)
        self.help = help_text


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

    def started(self, name: str, before: str | None, *, owes: bool = False) -> None:
        """A write is about to be sent; with `owes`, the audit file is to be told how it ends."""
        self._append("step", name=name, state="started", before=before, owes=owes)

    def written(
        self, name: str, before: str | None, after: str, slipped: tuple[str, ...], *, owes: bool = False
    ) -> None:
        """A write was stored as `after`; with `owes`, the audit file could not be told."""
        self._append(
            "step",
            wait=False,
            name=name,
            state="written",
            before=before,
            after=after,
            slipped=list(slipped),
            owes=owes,
        )

    def settled(self, result: Result, *, maybe_stored: bool = False) -> None:
        """What became of a remote secret in the end."""
        state = str(result.state)
        self._append(
            "step", wait=False, name=result.name, state=state, code=result.code or None, maybe_stored=maybe_stored
        )

    def adopted(self, name: str, version: str, *, owes: bool = False) -> None:
        """A write of this run whose version had not been noted."""
        self._append("step", name=name, state="written", after=version, adopted=True, owes=owes)

    def audited(self, name: str) -> None:
        """The audit file has the line that it lacked of a version that is noted here."""
        self._append("audit", name=name)

    def undo(
        self, name: str, state: str, version: str | None = None, *, before: str | None = None, owes: bool = False
    ) -> None:
        """An undo is `started`, and to replace or delete `before`, or `done`, and wrote `version` where it wrote one.

        With `owes`, the audit file is still to be told how it ended.
        """
        self._append("undo", name=name, state=state, version=version, before=before, owes=owes)

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
        head = next(lines)
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
        for line in lines:
            take(run, line)
    except (OSError, LookupError, StopIteration, TypeError, ValueError):
        raise JournalError(f'the journal "{path.name}" cannot be read', "run migrate again: it compares") from None
    return run


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
