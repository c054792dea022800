"""Shows progress: on a terminal a bar with rate and time left, elsewhere a line for each piece of work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

from compiler.cli.terminal.outlet import outlet_of, standard_error

if TYPE_CHECKING:
    from collections.abc import Callable

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
