"""Shows the progress of a wait: on a terminal one line with the time left, elsewhere a line for each change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.cli.terminal.outlet import standard_error
from compiler.model.duration import short_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.cli.terminal.outlet import Outlet
    from compiler.render.content import Line

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Item:
    """What one of those waited for is doing, in a word; `lines` say why, and are shown when a cause is new."""

    word: str
    causes: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()


class Waiting:
    """Shows on standard error the items that are waited for, by name; `fine` is the word that is waited for."""

    def __init__(self, fine: str, outlet: Outlet | None = None) -> None:
        self._fine = fine
        self._outlet = outlet if outlet is not None else standard_error()
        self._shown: dict[str, Item] = {}
        self._told: set[str] = set()
        self._is_line = self._outlet.isatty()

    def tell(self, items: Mapping[str, Item], left: float) -> None:
        """What the items are now, and the seconds left."""
        before, self._shown = self._shown, dict(items)
        for name, item in items.items():
            old = before.get(name, Item(self._fine))
            # At the start only what is waited for: of thousands nobody reads that all is well.
            if not self._is_line and old.word != item.word:
                self._outlet.lines([(f"{name}: ", item.word)])
            if item.lines and not self._told.issuperset(item.causes):
                # Once a wait, also where many have the same one.
                self._told.update(item.causes)
                self._clear()
                self._outlet.lines(item.lines)
        if self._is_line:
            self._outlet.progress(self._line(items, left))
        self._outlet.flush()

    def close(self) -> None:
        """Take the line away."""
        self._clear()

    def _clear(self) -> None:
        if self._is_line:
            self._outlet.progress()

    def _line(self, items: Mapping[str, Item], left: float) -> str:
        lacking = {name: item.word for name, item in items.items() if item.word != self._fine}
        named = ", ".join(f"{name} {word}" for name, word in list(lacking.items())[:_MOST_NAMED])
        more = f" and {len(lacking) - _MOST_NAMED} more" if len(lacking) > _MOST_NAMED else ""
        done = f"{len(items) - len(lacking)} of {len(items)} {self._fine}"
        waiting = f"; {named}{more}" if lacking else ""
        return f"{done}, {short_duration(max(0, round(left)))} left{waiting}"
