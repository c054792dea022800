"""Remembers what each run changed, and holds its resumption, its undo and each switch against that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.refusal import USAGE
from tests.proofs.machine.ages import Ages
from tests.proofs.machine.platform import KILLED, BrokenError
from tests.proofs.machine.project import EXTRACTED, REMOTES
from tests.proofs.machine.rotations import can_rotate

if TYPE_CHECKING:
    from tests.proofs.machine.commands import Asked
    from tests.proofs.machine.platform import Content, Moved, Platform, Target

_STUCK = "what is left of the run cannot be undone"
_UNCONFIRMED = "the run was stopped while it wrote this"


@dataclass
class Ran:
    """A run: what stood in the remote secrets that it changed, and what it left there once it is `complete`.

    `given_back` are those that an undo, of the run or of a part of it, has given back. `asked` is the
    command that began it; `notes` are what it said beside its result.
    """

    id: str
    command: str
    environment: str
    before: dict[Target, Content] = field(default_factory=dict)
    replaced: dict[Target, str | None] = field(default_factory=dict)
    after: dict[Target, Content] = field(default_factory=dict)
    versions: dict[Target, str | None] = field(default_factory=dict)
    given_back: set[Target] = field(default_factory=set)
    is_complete: bool = False
    is_undone: bool = False
    is_disturbed: bool = False
    is_closed: bool = False
    notes: str = ""
    asked: Asked | None = None

    @property
    def secret(self) -> str:
        """Of a rotation."""
        return self.asked.words[2] if self.asked is not None else ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Those that a rotation gives new values."""
        return self.asked.keys if self.asked is not None else ()

    @property
    def is_over(self) -> bool:
        return self.is_closed or self.is_undone


@dataclass
class History:
    """The runs, oldest first."""

    platform: Platform
    runs: list[Ran] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ages = Ages(self.platform)

    def rotating(self) -> list[Ran]:
        """The rotations that are not over, oldest first."""
        return [ran for ran in self.runs if ran.command == "rotate" and not ran.is_over]

    def is_free(self, asked: Asked) -> bool:
        """Whether nothing hinders a new rotation: there is something to replace, and no other one of it."""
        # One that wrote nothing has nothing to undo, and the next one goes on with it.
        others = (ran for ran in self.runs if ran.command == "rotate" and not (ran.is_over and ran.before))
        if asked.goes_on or not asked.keys or any(asked.keys == ran.keys for ran in others):
            return False
        return can_rotate(self.platform, asked)

    def note(self, asked: Asked, moved: Moved) -> Ran | None:
        """Take in what a command did, and hold it against what it may do. Raises BrokenError."""
        ran = self._note(asked, moved)
        self.ages.check(asked, moved)
        return ran

    def _note(self, asked: Asked, moved: Moved) -> Ran | None:
        name = asked.words[0]
        # Those alone are asked for what there may be none of: the one way back, a journal with a whole line, and a
        # rotation whose undo was not begun.
        if moved.done.code == USAGE and name != "cutover" and asked.run is None and not asked.goes_on:
            raise BrokenError(f"a wrong command line: {asked.words}: {moved.done.err}")
        if name in {"cutover", "compile", "backup"}:
            if moved.changed:
                raise BrokenError(f"{name} changed {moved.changed}")
            if name == "cutover":
                self._check_switch(asked, moved)
            return None
        if moved.changed and (asked.goes_on or asked.closes):
            raise BrokenError(f"{asked.words} wrote {sorted(moved.changed)} once more")
        if moved.changed and moved.run is None:
            raise BrokenError(f"{name} changed {sorted(moved.changed)} and no journal tells of it")
        if asked.run is not None:
            self._end(asked.run, asked, moved)
            return asked.run
        if asked.goes_on is not None:
            asked.goes_on.is_complete = asked.goes_on.is_complete or moved.done.code == 0
            return asked.goes_on
        return self._run(asked, moved) if moved.run is not None else None

    def _end(self, ran: Ran, asked: Asked, moved: Moved) -> None:
        if asked.closes:
            ran.is_closed = '"phase":"closed"' in self.platform.journal(ran.id)
        else:
            self._check_undo(ran, moved)

    def _run(self, asked: Asked, moved: Moved) -> Ran:
        ran = next((each for each in self.runs if each.id == moved.run), None)
        if ran is None:
            ran = Ran(str(moved.run), asked.words[0], asked.environment, asked=asked)
            self.runs.append(ran)
        for target in sorted(moved.changed):
            if target not in ran.before:
                ran.before[target] = moved.before.get(target)
                ran.replaced[target] = moved.versions.get(target)
        contents, versions = self.platform.contents(), self.platform.versions()
        for target in ran.before:
            ran.after[target], ran.versions[target] = contents.get(target), versions.get(target)
        ran.notes += " ".join(moved.done.err.split())
        ran.is_complete = moved.done.code == 0
        ran.is_disturbed = ran.is_disturbed or moved.is_disturbed
        return ran

    def _check_switch(self, asked: Asked, moved: Moved) -> None:
        files = self.platform.files()
        if moved.done.code not in {0, KILLED} and files != moved.files:
            raise BrokenError(f"cutover ended with {moved.done.code} and changed files")
        if moved.done.code != 0 or asked.accepts:
            return
        after = {(each.environment, each.secret, each.key): value for each, value in self.platform.resolved().items()}
        for each, value in moved.resolved.items():
            if after[each.environment, each.secret, each.key] != value:
                raise BrokenError(f"cutover changed the value of {each.secret}/{each.key}, which nobody accepted")

    def _check_undo(self, ran: Ran, moved: Moved) -> None:
        """What somebody else wrote since stays; what is the run's own is as before, or the reason is known."""
        contents = self.platform.contents()
        for target, left in ran.after.items():
            now, before = contents.get(target), ran.before[target]
            if moved.is_disturbed or ran.is_disturbed:
                continue
            if moved.before.get(target) != left and now != moved.before.get(target):
                raise BrokenError(f"the undo of {ran.id} changed {target}, which holds what the run did not write")
            if now not in (moved.before.get(target), before):
                raise BrokenError(f"the undo of {ran.id} left neither the run's values nor those before it in {target}")
            is_own = moved.versions.get(target) == ran.versions[target] and moved.before.get(target) == left
            # What was given back already and is there again has been recovered by another run, which it belongs to now.
            stays = now == left and left != before and target not in ran.given_back
            if moved.done.code == 0 and ran.is_complete and not ran.is_undone and is_own and stays:
                raise BrokenError(f"the undo of {ran.id} says that it is done and left {target} as the run wrote it")
            if now == before:
                ran.given_back.add(target)
        # A rotation whose old value is nowhere any more ends with its new one. One that may have written goes on.
        is_stuck = ran.command == "rotate" and _STUCK in moved.done.out
        is_stuck = is_stuck and _UNCONFIRMED not in " ".join(moved.done.out.split())
        # One that wrote nothing has nothing to undo, and the same command goes on with it.
        ran.is_undone = ran.is_undone or (moved.done.code == 0 and bool(ran.before)) or is_stuck

    def check_undone(self, ran: Ran, moved: Moved) -> None:
        """Right after a run, by nobody disturbed, all of it comes back. Raises BrokenError."""
        contents = self.platform.contents()
        # A recovery without an answer may be another writer's, whose need for the secret goes first.
        doubtful = _UNCONFIRMED in " ".join(moved.done.out.split())
        for target, before in ran.before.items():
            if contents.get(target) == before or self.is_kept(ran, target):
                continue
            if doubtful and moved.done.code == 1 and before is None:
                continue
            raise BrokenError(f"the undo of {ran.id} did not give back {target}: {moved.done.out}{moved.done.err}")

    def is_kept(self, ran: Ran, target: Target) -> bool:
        """Whether the undo of a run may leave `target`: without it, or without its new keys, something would not work.

        Or the store has dropped the version that stood there.
        """
        store, name = target
        platform, before = self.platform, ran.before[target]
        used = {e.property for each in platform.read.values() for e in each if (e.store, e.name) == target}
        if any(prop not in (before or {}) for prop in used):
            return True
        if used and name == REMOTES[store][EXTRACTED] and (platform.contents()[target] or {}).keys() - (before or {}):
            # Its Secret would lose a key.
            return True
        if before is None:
            return False
        shelf = platform.stores[store]
        kept = shelf.versions[name]
        return not any(each.version == ran.replaced[target] and not shelf.is_gone(each) for each in kept)
