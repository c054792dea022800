"""Shows progress and waiting on one line of the terminal."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from compiler.cli.terminal.outlet import outlet_of, standard_error
from compiler.model.facts import short_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compiler.cli.terminal.outlet import Outlet
    from compiler.render.content import Line


_WIDTH = 24
_REDRAW_SECONDS = 0.1
_MINUTE = 60


class Progress:
    """Shows on standard error how far `total` pieces of work are; nothing at all when `quiet`."""

    def __init__(
        self, total: int, *, quiet: bool, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._outlet = outlet_of(stream) if stream is not None else standard_error()
        self._now = now
        self._done = self._failed = 0
        self._started = now()
        self._drawn = 0.0
        self._is_quiet = quiet
        self._is_bar = not quiet and self._outlet.isatty()

    def step(self, line: str, *, is_fine: bool = True) -> None:
        """One more is done; `line` says which. On a terminal the bar counts those that are not fine."""
        self._done += 1
        self._failed += not is_fine
        if self._is_quiet:
            return
        if not self._is_bar:
            self._outlet.lines([f"{self._done}/{self._total} {line}"])
            self._outlet.flush()
            return
        now = self._now()
        if not is_fine or now - self._drawn >= _REDRAW_SECONDS or self._done == self._total:
            self._drawn = now
            self._outlet.progress(self._bar(now))

    def close(self) -> None:
        """Take the bar away."""
        if self._is_bar and self._done:
            self._outlet.progress()

    def _bar(self, now: float) -> str:
        filled = _WIDTH * self._done // max(1, self._total)
        rate = self._done / max(now - self._started, 0.001)
        left = round((self._total - self._done) / rate)
        bar = "#" * filled + "." * (_WIDTH - filled)
        failed = f"  {self._failed} not done" if self._failed else ""
        return f"[{bar}] {self._done}/{self._total}{failed}  {rate:.0f}/s  {left // _MINUTE}:{left % _MINUTE:02} left"


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
