"""Waits until every secret is in effect, and compares on the way what a change of stores must leave as it was."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.operations.cluster.objects import ClusterError
from compiler.operations.status.before import Before, before_of, compared
from compiler.operations.status.follow import Failed, Listed
from compiler.operations.status.row import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from compiler.operations.status.follow import Event, Follower
    from compiler.operations.status.judge import Judge
    from compiler.operations.status.pods import Pod
    from compiler.operations.status.row import Row, Seen

# What nothing watches (stores, events) is asked for again after so many seconds, and the time left is shown.
_TICK = 5.0


class End(StrEnum):
    """How a wait ended."""

    IN_EFFECT = "in-effect"
    FAILED = "failed"  # waiting longer would not help
    TIME_UP = "time-up"
    UNPROVEN = "unproven"  # nothing is wrong, and not all that tells it may be asked


@dataclass(frozen=True, slots=True)
class Waited:
    """The end of a wait of at most `seconds`; `not_compared` by secret is what nobody saw before the change.

    `unanswered` says who had not answered when the time was up; what is `seen` is then of before that question, and of
    no secret where it was the first one.
    """

    end: End
    seconds: float
    seen: Mapping[str, Seen]
    not_compared: Mapping[str, tuple[str, ...]]
    error: ClusterError | None = None
    unanswered: str = ""


class Wait:
    """One wait. Make it before anything changes: what is then seen is what is compared with."""

    def __init__(
        self,
        judge: Judge,
        rows: Iterable[Row],
        *,
        is_forced: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._judge = judge
        self._is_forced = is_forced
        self._clock = clock
        self._before: dict[str, Before] = {}
        # Of watches, and of what is asked between them.
        self._error: ClusterError | None = None
        self._silence: ClusterError | None = None
        for row in rows:
            manifest = judge.state.manifests[row.secret.id]
            live, pods = judge.state.live(manifest), self._pods(row.secret.id)
            self._before[row.secret.id] = before_of(manifest, live, pods, row)

    @property
    def not_compared(self) -> Mapping[str, tuple[str, ...]]:
        """By secret, what nobody saw before the change."""
        return {name: each.not_compared for name, each in self._before.items() if each.not_compared}

    def until(
        self,
        seconds: float,
        follower: Follower,
        tell: Callable[[Mapping[str, Seen], float], None],
        since: float | None = None,
    ) -> Waited:
        """Follow for up to `seconds`; `tell` gets the state after each change, and the seconds left.

        They are counted from `since` by the clock, and from now on for None.
        """
        end = (self._clock() if since is None else since) + seconds
        asked_again = self._clock()
        seen: Mapping[str, Seen] | None = None
        while True:
            seen = self._now(seen)
            left = end - self._clock()
            tell(seen, left)
            how = _end_of(seen)
            if how is End.IN_EFFECT and not self._judge.state.is_whole:
                how = End.UNPROVEN
            if how is not None or left <= 0:
                return Waited(how or End.TIME_UP, seconds, seen, self.not_compared, self._silence or self._error)
            for event in follower.events(min(_TICK, left)):
                self._take(event)
            if self._clock() - asked_again >= _TICK:
                asked_again = self._clock()
                self._judge.state.again()

    def _now(self, last: Mapping[str, Seen] | None) -> Mapping[str, Seen]:
        """The state now, or the `last` one where the cluster does not answer for a while.

        An end is confirmed by a list of its own: each watch is as new as it is, and the Secret's may lag behind.
        """
        state = self._judge.state
        try:
            seen = self._every()
            if _end_of(seen) is not None:
                state.read()
                state.again()
                seen = self._every()
        except ClusterError as error:
            if last is None:
                raise
            self._silence = error
            return last
        self._silence = None
        return seen

    def _take(self, event: Event) -> None:
        state = self._judge.state
        if isinstance(event, Failed):
            self._error = event.error
            return
        self._error = None
        if isinstance(event, Listed):
            state.replace(event.plural, event.namespace, event.objects)
        else:
            state.change(event.plural, event.namespace, event.kind, event.object)

    def _every(self) -> dict[str, Seen]:
        found: dict[str, Seen] = {}
        for secret, before in self._before.items():
            manifest = self._judge.state.manifests[secret]
            title = f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"
            live = self._judge.state.live(manifest)
            needs = self._is_forced or before.saw
            changes = compared(before, live, self._pods(secret), title, needs_refresh=needs)
            found[secret] = self._judge.seen(secret, changes, is_forced=self._is_forced)
        return found

    def _pods(self, secret: str) -> tuple[Pod, ...] | None:
        metadata = self._judge.state.manifests[secret]["metadata"]
        return self._judge.state.pods(str(metadata["namespace"]), str(metadata["name"]))


def _end_of(seen: Mapping[str, Seen]) -> End | None:
    """How it ended, None while waiting may help."""
    if any(each.is_final for each in seen.values()):
        return End.FAILED
    lacking = {problem.state for each in seen.values() for problem in each.problems}
    if not lacking:
        return End.IN_EFFECT
    return End.FAILED if lacking == {State.RESTART} else None
