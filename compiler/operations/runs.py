"""Lists the runs that wrote to stores, from a project's journals and an audit file, and counts broken lines."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from compiler.change.journal import RUN_ID, Run, Stage, journals, read_run
from compiler.change.plan import RotationPhase
from compiler.change.run_files import FOLDER, RUNS, read_each_line
from compiler.live.observation import start_time_if_valid
from compiler.refusal import Refusal, system_reason
from compiler.text.wording import pluralize

# How many broken lines of a file are named.
_MOST_LINES = 5
_STAGES = tuple(map(str, Stage))


@dataclass(frozen=True, slots=True)
class PastWrites:
    """A run that wrote to stores, or planned to."""

    run: str
    began: datetime | None  # None for an impossible date
    who: str  # "" if it is unknown
    command: str | None  # None without a journal
    environment: str
    secrets: tuple[str, ...]  # of the catalogue; without a journal the names in the stores
    planned: int  # remote secrets
    written: int
    state: str
    undo: str | None  # the command; None without a journal, or if there is nothing to undo


def list_runs(root: Path, audit: str | None = None) -> tuple[tuple[PastWrites, ...], dict[str, str]]:
    """The runs of the folder and of `audit`, newest first, and why a file is unreadable. Raises Refusal for `audit`."""
    found: dict[str, PastWrites] = {}
    unread: dict[str, str] = {}
    for path in journals(root):
        try:
            found[path.stem] = _journal_row(read_run(path))
        except Refusal as error:
            unread[f"{FOLDER}/{RUNS}/{path.name}"] = error.message
    if audit is not None:
        audited, broken = _read_audit(audit)
        for name, each in audited.items():
            own = found.get(name)
            # Older journals do not record who began the run; the audit file has the caller's name in the store.
            found[name] = each if own is None else replace(own, who=own.who or each.who)
        if broken:
            unread[audit] = _broken_lines(broken)
    return tuple(sorted(found.values(), key=lambda each: each.run, reverse=True)), unread


def _journal_row(run: Run) -> PastWrites:
    entries = run.entries.values()
    written = sum(entry.after is not None or entry.recovered for entry in entries)
    can_undo = bool(written or _count_unknown(run)) and run.past.can_undo
    return PastWrites(
        run.id,
        start_time_if_valid(run.id),
        run.who,
        run.command,
        run.environment,
        run.secrets,
        len(entries),
        written,
        _state(run),
        run.past.undo if can_undo else None,
    )


def _count_unknown(run: Run) -> int:
    return sum(each.maybe_stored and each.after is None and not each.recovered for each in run.entries.values())


def _state(run: Run) -> str:
    if not run.is_planned:
        return "stopped before the first write"
    if run.is_undone:
        return "undone"
    if any(entry.undo for entry in run.entries.values()):
        return "partly undone"
    ended = "stopped, or still running" if run.ended is None else run.ended
    ended += f", {unknown} not known" if (unknown := _count_unknown(run)) else ""
    if run.phase is None:
        return ended
    return f"{ended}, {run.phase}{'' if run.phase is RotationPhase.CLOSED else ', not closed'}"


# A run in an audit file: who asked, the environment, and the stage of the newest write by store and name.
_Audited = tuple[str, str, dict[tuple[str, str], Stage]]


def _read_audit(shown: str) -> tuple[dict[str, PastWrites], list[int]]:
    found: dict[str, _Audited] = {}
    broken: list[int] = []
    try:
        for number, line in enumerate(read_each_line(Path(shown)), 1):
            if line is None or not _add_line(line, found):
                broken.append(number)
    except (OSError, ValueError) as error:
        why = system_reason(error) if isinstance(error, OSError) else "its path is not usable"
        message = f"the audit file {shown} cannot be read: {why}"
        raise Refusal("usage", message, "name a regular file of at most 64 MiB, and no link") from None
    return {run: _audit_row(run, each) for run, each in found.items()}, broken


def _add_line(line: Mapping[str, Any], found: dict[str, _Audited]) -> bool:
    texts = [line.get(name) for name in ("run", "who", "environment", "store", "name")]
    if not all(isinstance(text, str) for text in texts) or line.get("state") not in _STAGES:
        return False
    run, who, environment, store, name = map(str, texts)
    if not RUN_ID.fullmatch(run):
        return False
    _, _, stages = found.setdefault(run, (who, environment, {}))
    stages[store, name] = Stage(line["state"])
    return True


def _audit_row(run: str, each: _Audited) -> PastWrites:
    who, environment, by_place = each
    stages = [*by_place.values()]
    # A write was announced, and its outcome was not recorded.
    unknown = sum(stage in (Stage.UNKNOWN, Stage.WRITING) for stage in stages)
    counts = {"failed": stages.count(Stage.FAILED), "not known": unknown}
    state = ", ".join(("by the audit file", *(f"{count} {what}" for what, count in counts.items() if count)))
    names, written = tuple(dict.fromkeys(name for _, name in by_place)), stages.count(Stage.WRITTEN)
    return PastWrites(run, start_time_if_valid(run), who, None, environment, names, len(stages), written, state, None)


def _broken_lines(numbers: list[int]) -> str:
    more = ", …" if len(numbers) > _MOST_LINES else ""
    what = "is not a line" if len(numbers) == 1 else "are not lines"
    named = ", ".join(map(str, numbers[:_MOST_LINES]))
    return f"{pluralize(len(numbers), 'line')} {what} of an audit file: {named}{more}"
