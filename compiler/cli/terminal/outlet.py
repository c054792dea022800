"""Prints everything that the program prints; text leaves it, and secrets are concealed, only here.

`main` puts an outlet in place of each stream, so that text of other code is concealed and escaped too.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from compiler.refusal import Refusal

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from compiler.render.content import Content

_CLEAR = "\r\x1b[K"


class Outlet:
    """Stands in for a text stream; not one of io's own, which are flushed again after the stream below is shut."""

    def __init__(self, stream: TextIO, *, is_colourless: bool = False) -> None:
        self._stream = stream
        self._is_colourless = is_colourless
        # A line that is written in parts: a credential could lie across them.
        self._begun = ""
        self._is_progress = False

    def show(self, content: Content) -> None:
        """Print what a renderer made; each line is on a line of its own, whatever it holds."""
        from compiler.cli.terminal.contents import parts_of  # noqa: PLC0415 - only where it is needed

        self._end_begun()
        if self._is_progress:
            # What is said meanwhile takes its place; the next progress stands below.
            self._is_progress = False
            self._stream.write(_CLEAR)
        self._stream.writelines(parts_of(content, colour=self.may_colour, width=self._width))

    def note(self, *texts: str) -> None:
        """What is to know and changes nothing."""
        if texts:
            self.show([f"note: {text}" for text in texts])

    def block(self, lines: Iterable[str]) -> None:
        """Print lines that belong together: a secret that is wrapped over several of them is seen only in all."""
        self.write("".join(f"{line}\n" for line in lines))

    def error(self, message: str, help_text: str | None = None, details: str = "") -> None:
        """What went wrong, other programs' words on it below, and the way out."""
        self.show([f"error: {message}"])
        self.block(f"  {line}" for line in details.splitlines())
        if help_text:
            self.show([f"help: {help_text}"])

    def progress(self, text: str = "") -> None:
        """Put `text` in place of the line that the cursor is in, and send it at once; none takes that line away."""
        from compiler.cli.terminal.contents import line_text  # noqa: PLC0415 - only where it is needed

        self._end_begun()
        self._is_progress = bool(text)
        self._stream.write(_CLEAR + line_text(text))
        self._stream.flush()

    def write_raw(self, text: str) -> None:
        """Prints the program's own help, completion scripts and manifests unchanged, as programs take them.

        They are made of checked input, in which what looks like a credential is an error. On a terminal, control
        characters are escaped. Raises Refusal for what a CI runner would obey.
        """
        self._end_begun()
        if self.isatty():
            from compiler.cli.terminal.contents import terminal_text  # noqa: PLC0415 - only where it is needed

            text = terminal_text(text)
        elif "##" in text or "::" in text:
            from compiler.cli.terminal.contents import command_place  # noqa: PLC0415 - only where it is needed

            if (place := command_place(text)) is not None:
                message = f"a runner of CI would take a line of the output for a command: {place}"
                raise Refusal("cannot run", message, "write it to a file with `--out FILE`, or change it at its source")
        self._stream.write(text)

    @property
    def may_colour(self) -> bool:
        """Whether colour is wanted: NO_COLOR, then FORCE_COLOR, then the stream (no-color.org, force-color.org)."""
        if self._is_colourless or os.environ.get("NO_COLOR"):
            return False
        return bool(os.environ.get("FORCE_COLOR")) or (os.environ.get("TERM") != "dumb" and self.isatty())

    @property
    def _width(self) -> int | None:
        """The columns of the terminal; None where this is none, or one that does not know."""
        if not self.isatty():
            return None
        try:
            # As for the help, a person may say otherwise.
            return int(os.environ.get("COLUMNS") or os.get_terminal_size(self.fileno()).columns) or None
        except (OSError, ValueError):
            return None

    def write(self, text: str, /) -> int:
        whole, newline, self._begun = (self._begun + text).rpartition("\n")
        self._send(whole + newline)
        return len(text)

    def flush(self) -> None:
        self._end_begun()
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writelines(self, lines: Iterable[str], /) -> None:
        for line in lines:
            self.write(line)

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        return self._stream.encoding

    def _end_begun(self) -> None:
        begun, self._begun = self._begun, ""
        self._send(begun)

    def _send(self, text: str) -> None:
        if text:
            from compiler.cli.terminal.contents import block_text  # noqa: PLC0415 - only where it is needed

            self._stream.write(block_text(text))


@contextmanager
def outlets(*, is_colourless: bool = False) -> Iterator[None]:
    """Puts an outlet in place of both streams while the block runs, flushed at its end; nested blocks do nothing."""
    streams = sys.stdout, sys.stderr
    if isinstance(sys.stdout, Outlet):
        yield
        sys.stdout.flush()
        sys.stderr.flush()
        return
    out, err = (Outlet(stream, is_colourless=is_colourless) for stream in streams)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = streams


def standard_output() -> Outlet:
    return outlet_of(sys.stdout)


def standard_error() -> Outlet:
    return outlet_of(sys.stderr)


def outlet_of(stream: TextIO | Outlet) -> Outlet:
    """`stream` where it is an outlet, else one before it."""
    return stream if isinstance(stream, Outlet) else Outlet(stream)
