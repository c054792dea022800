"""Shows what a wait waits for: on a terminal one line with the time left, elsewhere a line for each change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.cli.terminal.outlet import standard_error
from compiler.model.duration import short_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.cli.terminal.outlet import Outlet

_MOST_NAMED = 3


class Waiting:
    """Shows on standard error the `states` of what is waited for, by name; `fine` is the state that is waited for."""

    def __init__(self, fine: str, outlet: Outlet | None = None) -> None:
        self._fine = fine
        self._outlet = outlet if outlet is not None else standard_error()
        self._shown: dict[str, str] = {}
        self._is_line = self._outlet.isatty()

    def tell(self, states: Mapping[str, str], left: float) -> None:
        """What the states are now, and the seconds left."""
        if self._is_line:
            self._outlet.progress(self._line(states, left))
            return
        changed = {name: state for name, state in states.items() if self._shown.get(name) != state}
        self._shown = dict(states)
        self._outlet.lines((f"{name}: ", state) for name, state in changed.items())
        self._outlet.flush()

    def close(self) -> None:
        """Take the line away."""
        if self._is_line:
            self._outlet.progress()

    def _line(self, states: Mapping[str, str], left: float) -> str:
        lacking = {name: state for name, state in states.items() if state != self._fine}
        named = ", ".join(f"{name} {state}" for name, state in list(lacking.items())[:_MOST_NAMED])
        more = f" and {len(lacking) - _MOST_NAMED} more" if len(lacking) > _MOST_NAMED else ""
        done = f"{len(states) - len(lacking)} of {len(states)} {self._fine}"
        waiting = f"; {named}{more}" if lacking else ""
        return f"{done}, {short_duration(max(0, round(left)))} left{waiting}"
