"""Walks through commands and faults in an order that a seed decides, and makes a walk that fails as short as it can."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from pyrage import x25519  # type: ignore[import-untyped]

from tests.proofs.machine.commands import COMMANDS, Asked, Hand, by_hand, closing, going_on
from tests.proofs.machine.faults import OF_LINES, OF_WRITES, STOPS, Fault
from tests.proofs.machine.history import History, Ran
from tests.proofs.machine.platform import KILLED, BrokenError, Moved, Platform
from tests.proofs.machine.project import KEYS
from tests.proofs.machine.rotations import check_rotated, has_way_back

LENGTH = 25
_LATEST = 6
# After so many steps a rotation ends: until then nobody else writes what it waits for.
_LONGEST = 3
_HAS_VALUE = "is under way, and has its new value"
_GOES_ON = "to continue: "
# With those, or in an undo, what another writer changed stays, and the command says so. What was only recovered has
# another value.
_MAY_LEAVE = {"skip", "--continue-on-error", "--recover"}


class Step(NamedTuple):
    """`dice` decide the rest: what the command is asked for, at which call the fault comes, what is done after it."""

    command: str
    fault: Fault | None
    dice: int


@dataclass
class Counts:
    """How often each command ran, and each fault happened, and both together."""

    steps: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    did: Counter[str] = field(default_factory=Counter)
    faults: Counter[Fault] = field(default_factory=Counter)
    together: Counter[tuple[str, Fault]] = field(default_factory=Counter)
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)

    def table(self) -> str:
        rows = [f"{self.steps} commands"]
        for name, count in sorted(self.commands.items()):
            met = ", ".join(f"{fault} {self.together[name, fault]}" for fault in Fault if self.together[name, fault])
            ended = ", ".join(f"{code}: {n}" for (each, code), n in sorted(self.codes.items()) if each == name)
            rows.append(f"{name}: {count}, changed something {self.did[name]}; exit codes {ended}; {met}")
        rows.append(", ".join(f"{fault} {self.faults[fault]}" for fault in Fault))
        return "\n".join(rows)


def deck(seed: int, rounds: int) -> list[Step]:
    """Each command with each fault that may meet it, those of writes twice, and twice without one; shuffled."""
    dice = Random(seed)  # noqa: S311 - a walk is to be the same each time
    pairs = [
        (name, fault)
        for name, command in COMMANDS.items()
        for fault in (*sorted(command.faults), *sorted(command.faults & (OF_WRITES | OF_LINES)), None, None)
        for _ in range(rounds)
    ]
    dice.shuffle(pairs)
    return [Step(name, fault, dice.getrandbits(32)) for name, fault in pairs]


def walks(seed: int, rounds: int) -> list[list[Step]]:
    steps = deck(seed, rounds)
    return [steps[start : start + LENGTH] for start in range(0, len(steps), LENGTH)]


class Walk:
    """Takes steps on a new platform. Raises BrokenError, with what was run last."""

    def __init__(self, platform: Platform, counts: Counts) -> None:
        identity = x25519.Identity.generate()
        self._platform = platform
        self._counts = counts
        self._history = History(platform)
        self._hand = Hand(platform, self._history, self._first, str(identity), str(identity.to_public()))
        self._told: list[str] = []
        self._owed: list[Fault] = []
        self._waits: Counter[str] = Counter()

    def take(self, steps: Sequence[Step]) -> None:
        try:
            for step in steps:
                self._step(step)
        except BrokenError as error:
            raise BrokenError("\n".join([str(error), "the last commands:", *self._told[-_LATEST:]])) from None

    def _step(self, step: Step) -> None:
        dice = Random(step.dice)  # noqa: S311 - see deck
        if dice.random() < 0.2:
            by_hand(self._hand, dice)
        self._end_rotations()
        asked = COMMANDS[step.command].asked(self._hand, dice)
        if asked is None:
            return
        known, is_free = len(self._history.runs), self._history.is_free(asked)
        fault = self._fault(step)
        at = 1 + int(dice.expovariate(2 if fault in OF_WRITES else 1 if fault in OF_LINES else 0.6))
        moved, ran = self._run(step.command, asked, fault, at)
        if fault is not None and not moved.fired:
            self._owed.append(fault)
        is_again = moved.fired and fault in STOPS and dice.random() < 0.7
        if is_again:
            moved, ran = self._again(step, asked, moved, ran)
        if step.command == "cutover":
            self._complete(asked, moved)
            if moved.done.code == 0 and "--to" in asked.words and moved.files != self._platform.files():
                self._back(asked, moved)
            return
        moved, _ = self._gone_on(asked, moved, ran)
        if not is_again:
            # Otherwise the second run kept what the first one had written.
            self._check_rotation(asked, moved, ran if ran in self._history.runs[known:] else None, is_free=is_free)
        is_whole = asked.run is None and fault is not Fault.STRANGER
        if ran is not None and is_whole and dice.random() < 0.35:
            self._undone(ran)

    def _check_rotation(self, asked: Asked, moved: Moved, new: Ran | None, *, is_free: bool) -> None:
        """A new rotation sets its values wherever the old ones were; one that `is_free` is not refused."""
        if asked.keys and new is not None and new.is_complete:
            check_rotated(self._platform, new, asked)
        elif asked.keys and not moved.fired and is_free:
            raise BrokenError(f"nothing hinders this rotation, and it is refused: {moved.done.out}{moved.done.err}")

    def _fault(self, step: Step) -> Fault | None:
        """That of the step; where it has none, one that did not come about in an earlier step."""
        if step.fault is not None:
            return step.fault
        due = next((each for each in self._owed if each in COMMANDS[step.command].faults), None)
        if due is not None:
            self._owed.remove(due)
        return due

    def _run(self, name: str, asked: Asked, fault: Fault | None, at: int) -> tuple[Moved, Ran | None]:
        self._platform.faults.arm(fault, at)
        self._told.append(f"  {' '.join(asked.words)}" + (f"  # {fault} at {at}" if fault is not None else ""))
        self._history.ages.note()
        moved = self._platform.run(*asked.words)
        self._told[-1] += f" -> {moved.done.code}"
        counts = self._counts
        counts.steps += 1
        counts.commands[name] += 1
        counts.codes[name, moved.done.code] += 1
        counts.did[name] += bool(moved.changed or moved.files != self._platform.files())
        if moved.fired and fault is not None:
            counts.faults[fault] += 1
            counts.together[name, fault] += 1
        return moved, self._history.note(asked, moved)

    def _end_rotations(self) -> None:
        """Close each rotation that waits for long, or undo it where it did not come so far: one of both is possible."""
        for ran in self._history.rotating():
            self._waits[ran.id] += 1
            if self._waits[ran.id] <= _LONGEST or not ran.before:
                continue
            if not ran.is_complete and ran.asked is not None:
                self._run("rotate", ran.asked, None, 0)
            moved, _ = self._run("rotate", closing(ran), None, 0)
            if not ran.is_closed:
                words = ("rotate", ran.environment, "--undo", ran.id, "--apply", "--quiet")
                undone, _ = self._run("undo", Asked(words, run=ran), None, 0)
                if not ran.is_over:
                    said = f"{moved.done.err}{undone.done.out}{undone.done.err}"
                    raise BrokenError(f"the rotation {ran.id} can neither be closed nor undone: {said}")

    def _first(self, asked: Asked) -> None:
        self._run(asked.words[0], asked, None, 0)

    def _again(self, step: Step, asked: Asked, stopped: Moved, ran: Ran | None) -> tuple[Moved, Ran | None]:
        """The same command once more, undisturbed: what began to write must come to its end."""
        if step.command == "cutover" and stopped.done.code == KILLED:
            return stopped, ran
        moved, now = self._run(step.command, asked, None, 0)
        moved, now = self._gone_on(asked, moved, now or ran)
        fine = {0, 1} if asked.run is not None or _MAY_LEAVE & set(asked.words) else {0}
        if stopped.changed and moved.done.code not in fine:
            raise BrokenError(f"what was stopped does not come to its end: {moved.done.out}{moved.done.err}")
        return moved, now or ran

    def _gone_on(self, asked: Asked, moved: Moved, ran: Ran | None) -> tuple[Moved, Ran | None]:
        """A rotation whose value is written, and that stopped after that, goes on without it."""
        said = " ".join(f"{moved.done.out} {moved.done.err}".split())
        if ran is None or asked.goes_on or not (_HAS_VALUE in said or _GOES_ON in said):
            return moved, ran
        return self._run("rotate", going_on(ran), None, 0)

    def _complete(self, asked: Asked, moved: Moved) -> None:
        """A switch that was killed between its files is completed by `compile`."""
        if moved.done.code == KILLED:
            done = self._platform.run("compile", asked.environment).done
            if done.code != 0:
                raise BrokenError(f"compile does not complete the switch: {done.out}{done.err}")

    def _back(self, asked: Asked, moved: Moved) -> None:
        """What was just switched goes back: to the same values file, and the same bytes of the environment."""
        there = asked.words[asked.words.index("--to") + 1]
        secrets = [name for name in KEYS if name in asked.words]
        left = {
            each.store
            for each in moved.resolved
            if (each.environment, each.secret in secrets) == (asked.environment, True)
        }
        if len(left) > 1 or there in left:
            return
        named = [f"{secret}/{key}" for secret in secrets for key in KEYS[secret]]
        words = ("cutover", asked.environment, *secrets, "--back", "--accept-differences", *named, "--apply")
        back, _ = self._run("cutover", Asked(words, accepts=True), None, 0)
        files, values = self._platform.files(), f"chart/values-{asked.environment}.yaml"
        if back.done.code != 0 or files[values] != moved.files[values]:
            raise BrokenError(f"there is no way back: {back.done.out}{back.done.err}")
        name = f"environments/{asked.environment}.yaml"
        if files[name] != moved.files[name]:
            raise BrokenError(f"the way back left other bytes in {name}")

    def _undone(self, ran: Ran) -> None:
        """A run that is whole is undone at once, and all that it changed is as before."""
        if not ran.is_complete or ran.is_undone or not ran.before or not has_way_back(ran):
            return
        current = self._platform.versions()
        if any(current.get(target) != version for target, version in ran.versions.items()):
            return
        asked = Asked((ran.command, ran.environment, "--undo", ran.id, "--apply", "--quiet"), run=ran)
        moved, _ = self._run("undo", asked, None, 0)
        self._history.check_undone(ran, moved)


def shortened(steps: list[Step], fails: Callable[[list[Step]], str | None]) -> tuple[list[Step], str]:
    """The steps without those that the failure does not need, and how it reads then; `fails` runs them anew."""
    said = fails(steps) or "it did not fail again"
    at = 0
    while at < len(steps):
        fewer = steps[:at] + steps[at + 1 :]
        if (found := fails(fewer)) is not None:
            steps, said = fewer, found
        else:
            at += 1
    return steps, said
