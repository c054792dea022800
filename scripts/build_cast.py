"""Records the demo as docs/demo.cast (asciicast v2) and draws it as docs/demo.svg; `--check` writes neither.

The demo runs for real, in a terminal of its own. What differs from run to run is replaced as in the tutorial, and times
follow the length of the text, so that two recordings are equal. The drawing moves by CSS alone and loads nothing.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.build_docs import settle  # noqa: E402 - found only with the path above
from scripts.build_tutorial import replace_changing  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CAST, DRAWING = ROOT / "docs/demo.cast", ROOT / "docs/demo.svg"
COLUMNS, ROWS = 100, 30
TITLE = "platform-secrets demo"
# The bar of a command that writes, which takes itself away.
BAR = re.compile(r"\r\x1b\[K(?:\[[#.]+\] [^\r\n]*)?")
STYLE = re.compile(r"\x1b\[[0-9;]*m")
# Seconds: before a command and what it prints, for each line to read, and before a new chapter.
TYPED, PRINTED, READ, CHAPTER, END = 1.6, 0.6, 0.13, 1.0, 5.0


def record_demo() -> str:
    """What a terminal gets from the demo, without what differs from run to run."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.defpath, "HOME": home, "TERM": "xterm-256color", "KUBECONFIG": os.devnull}
        command = [sys.executable, "-m", "compiler", "demo", "--no-pause"]
        process = subprocess.Popen(
            command, stdin=its, stdout=its, stderr=its, env={**environment, "PYTHONPATH": str(ROOT)}, cwd=home
        )
        os.close(its)
        text = b"".join(_chunks(ours)).decode().replace("\r\n", "\n")
        if process.wait() != 0:
            raise SystemExit(f"the demo failed:\n{text}")
    addresses = [
        re.search(pattern, text) for pattern in (r"https://localhost:[0-9]+", r"http://127[.]0[.]0[.]1:[0-9]+")
    ]
    key_vault, openbao = (found[0] if found else "" for found in addresses)
    return replace_changing(BAR.sub("", text), key_vault, openbao)


def _chunks(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:
            # Linux says so where nobody has the terminal any longer.
            chunk = b""
        if not chunk:
            os.close(descriptor)
            return
        yield chunk


def cast_of(text: str) -> str:
    """The recording as an asciicast: one event a line."""
    header = {"version": 2, "width": COLUMNS, "height": ROWS, "title": TITLE}
    events, now = [], 0.0
    for line in text.splitlines():
        bare = STYLE.sub("", line)
        now += TYPED if bare.startswith("$ ") else CHAPTER if re.match("[0-9]+[.] ", bare) else 0
        events.append([round(now, 2), "o", f"{line}\r\n"])
        now += PRINTED if bare.startswith("$ ") else READ
    return "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in (header, *events))


def drawing_of(cast: str) -> str:
    """The cast as an SVG: its lines from top to bottom in one column, which moves behind a window of ROWS lines."""
    from rich.console import Console  # noqa: PLC0415 - the recording does not need it
    from rich.terminal_theme import TerminalTheme  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    events = [json.loads(line) for line in cast.splitlines()[1:]]
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    # The seconds at which the lines appear, with one for each row.
    moments: list[float] = []
    for moment, _, line in events:
        text = Text.from_ansi(line.removesuffix("\r\n"))
        rows = text.divide(range(COLUMNS, len(text), COLUMNS)) if len(text) else [text]
        for row in rows:
            console.print(row, soft_wrap=True)
            moments.append(moment)
    svg = console.export_svg(title=TITLE, theme=TerminalTheme(*THEME), code_format=_frame(moments), unique_id="t")
    # Nothing is wider than its row.
    return re.sub(r' clip-path="url\(#t-line-[0-9]+\)"', "", svg)


BACKGROUND, FOREGROUND, EDGE, QUIET = "#0d1117", "#e6edf3", "#6e7681", "#9198a1"
_COLOURS = [
    (72, 79, 88),
    (255, 123, 114),
    (86, 211, 100),
    (227, 179, 65),
    (121, 192, 255),
    (210, 168, 255),
    (86, 212, 221),
]
THEME = ((13, 17, 23), (230, 237, 243), [*_COLOURS, (230, 237, 243)])
CELL, LINE, HEAD, GAP = 12.2, 24.4, 40, 12


def _frame(moments: Sequence[float]) -> str:
    width, height = COLUMNS * CELL + 2 * GAP, ROWS * LINE + HEAD + GAP
    total = moments[-1] + END
    shift, cover = [], []
    for row, moment in enumerate(moments):
        if row and moment == moments[row - 1]:
            continue
        shown = sum(each <= moment for each in moments)
        at = f"{100 * moment / total:.2f}%"
        cover.append(f"{at}{{{{transform:translateY({min(shown, ROWS) * LINE:g}px)}}}}")
        shift.append(f"{at}{{{{transform:translateY({-max(0, shown - ROWS) * LINE:g}px)}}}}")
    end = -max(0, len(moments) - ROWS) * LINE
    return f"""\
<svg viewBox="0 0 {width:g} {height:g}" xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t-title">
<title id="t-title">{TITLE}: a typo, empty stores, put, migrate, cutover, status and the way back</title>
<style>
text {{{{font: 20px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre}}}}
{{styles}}
.t-head {{{{fill: {QUIET}}}}}
.t-rows {{{{transform: translateY({end:g}px); animation: t-shift {total:g}s step-end infinite}}}}
.t-cover {{{{transform: translateY({ROWS * LINE:g}px); animation: t-cover {total:g}s step-end infinite}}}}
@keyframes t-shift {{{{{"".join(_changes(shift))}}}}}
@keyframes t-cover {{{{{"".join(_changes(cover))}}}}}
@media (prefers-reduced-motion: reduce) {{{{.t-rows, .t-cover {{{{animation: none}}}}}}}}
</style>
<rect x="1" y="1" width="{width - 2:g}" height="{height - 2:g}" rx="8" fill="{BACKGROUND}" stroke="{EDGE}"/>
<text class="t-head" x="{width / 2:g}" y="27" text-anchor="middle">{TITLE}</text>
<svg x="{GAP}" y="{HEAD}" width="{width - 2 * GAP:g}" height="{ROWS * LINE:g}">
<g class="t-rows">
{{matrix}}
</g>
<rect class="t-cover" width="100%" height="100%" fill="{BACKGROUND}"/>
</svg>
</svg>
"""


def _changes(stops: Sequence[str]) -> Iterator[str]:
    before = ""
    for stop in stops:
        state = stop.partition("%")[2]
        if state != before:
            yield stop
        before = state


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0], allow_abbrev=False)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is stale")
    check = parser.parse_args(argv).check
    cast = cast_of(record_demo())
    return settle({CAST: cast, DRAWING: drawing_of(cast)}, check=check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
