"""Keeps the partial result of a status look, to report it when the time is up before the look has ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.operations.status.look import with_seen
from compiler.operations.status.wait import End, Waited

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compiler.operations.status.live import LiveState
    from compiler.operations.status.row import Seen, Status
    from compiler.operations.status.wait import Wait

    Tell = Callable[[Mapping[str, Seen], float], None]


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found; `waited` is None where nothing was waited for, `forced` the secrets that were."""

    status: Status
    waited: Waited | None = None
    forced: tuple[str, ...] = ()


@dataclass(slots=True)
class SoFar:
    """What is known of an environment, in steps; whoever looks is in another thread than whoever waits for it.

    `asked` is who is asked now outside of the cluster, empty for nobody, `state` what is known of that, and `seen` the
    last that was told.
    """

    status: Status
    asked: str = ""
    state: LiveState | None = None
    wait: Wait | None = None
    seen: Mapping[str, Seen] = field(default_factory=dict)
    forced: list[str] = field(default_factory=list)
    is_over: bool = False

    def telling(self, tell: Tell) -> Tell:
        """As `tell`, and remembers what was told; once it is over nothing more is."""

        def remember(seen: Mapping[str, Seen], left: float) -> None:
            if not self.is_over:
                self.seen = seen
                tell(seen, left)

        return remember

    def end(self, seconds: float) -> Looked:
        """End the look before it has ended by itself; `seconds` are what it was given."""
        self.is_over = True
        not_compared = self.wait.not_compared if self.wait is not None else {}
        waited = Waited(End.TIME_UP, seconds, self.seen, not_compared, unanswered=self._unanswered())
        return Looked(with_seen(self.status, self.seen), waited, tuple(self.forced))

    def _unanswered(self) -> str:
        if self.asked or self.state is None:
            return self.asked
        return f"the cluster ({self.state.unanswered})" if self.state.unanswered else ""
