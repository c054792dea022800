"""Limits in seconds that hold on slow machines too: each grows with how slow the machine is, just then.

The limits were set on a machine that does the work below in `USUAL` seconds. Virtual machines can be several times
slower, and change by the second; what the limits are for, such as quadratic time or a wait that is waited out, costs
more than that. The machine is looked at only where the limit as it was set is passed.
"""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import yaml

# Processor seconds of `_work` where the limits were set: compiling `prod` takes nine times as long as the work, and
# took 0.139 s there (docs/reference/performance.md).
USUAL = 0.015
# What is slower than this is broken, or too slow to tell anything.
MOST = 6.0
# A shared processor is at full speed for tenths of a second and at a third of it for others. A look takes the mean of
# so many turns, of a second in all, as the quickest turn would show full speed always; the slowest look counts.
TURNS, LOOKS = 30, 4
_WORD = re.compile(r"[a-z]+(?:-[a-z0-9]+)*")
_TEXT = "".join(f"team-{n}: {{name: jira-{n}, keys: [a, b], note: 'it is {n}'}}\n" for n in range(40))


def _work() -> None:
    counts: dict[str, int] = {}
    for _ in range(8):
        for line in _TEXT.splitlines():
            for word in _WORD.findall(line):
                counts[word] = counts.get(word, 0) + len(word.title())
        for number in range(4_000):
            counts[f"k{number % 100}"] = number
        yaml.load(_TEXT, yaml.CSafeLoader)


def slowness(clock: Callable[[], float]) -> float:
    """How many times as long as usual this machine takes now by a clock: from 1, of a quick one, to `MOST`."""
    begun = clock()
    for _ in range(TURNS):
        _work()
    return min(max(1.0, (clock() - begun) / TURNS / USUAL), MOST)


@dataclass
class Allowed:
    """A limit to compare a measured time with: `took < allowed(1)`."""

    seconds: float
    below: float
    clock: Callable[[], float]
    slowest: float = field(default=1.0, init=False)

    def __gt__(self, took: float) -> bool:
        looks = LOOKS if took < min(self.seconds * MOST, self.below) else 0
        while not (holds := took < min(self.seconds * self.slowest, self.below)) and looks:
            self.slowest = max(self.slowest, slowness(self.clock))
            looks -= 1
        return holds

    def __repr__(self) -> str:
        below = "" if self.below == math.inf else f" and below {self.below:g} s"
        if self.slowest == MOST:
            return f"{self.seconds:g} s * {MOST:g}{below}, the most that is granted to a machine as slow as this"
        return f"{self.seconds:g} s * {self.slowest:.2f} of this machine{below}"


def allowed(seconds: float) -> Allowed:
    """A limit for processor time: of this thread, this process or a child."""
    return Allowed(seconds, math.inf, time.thread_time)


def allowed_wall(seconds: float, *, below: float) -> Allowed:
    """A limit for time by the wall, which other processes stretch too; always less than the wait that it excludes."""
    return Allowed(seconds, below, time.monotonic)
