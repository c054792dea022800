"""Compares a project's chart and schemas with those of every release, and plans to replace the ones nobody edited.

A file is known by its checksum: of the texts of older releases the package has no copy.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from compiler import __version__
from compiler.packaged import chart_files, checksum, decides, released, schema_files
from compiler.refusal import Refusal
from compiler.stages.files import Output, read_text
from compiler.stages.load import load_text
from compiler.text.wording import command_line, listed

CHART, VALUES = "chart/Chart.yaml", "chart/values.yaml"
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+][0-9A-Za-z.+-]*)?", re.ASCII)


class FileState(Enum):
    """What a file of the project is, compared with the releases."""

    CURRENT = auto()
    OLD = auto()
    EDITED = auto()
    MISSING = auto()
    UNREADABLE = auto()


@dataclass(frozen=True, slots=True)
class ShippedFile:
    """A file of the project that this program has too, as `new`.

    `old` is the text that is there, if it can be read; `release` is that of an old file, and `problem` is why a file
    is unreadable.
    """

    path: str
    new: str
    state: FileState
    old: str = ""
    release: str = ""
    problem: str = ""


def compare_files(root: Path) -> list[ShippedFile]:
    """Each file of the chart of the project in `root`, and of its schemas where it has any."""
    releases = released()
    chart = [_compared(root, path, text, releases) for path, text in chart_files().items()]
    schemas = [_compared(root, path, text, releases) for path, text in schema_files().items()]
    # `new chart` writes no schemas, and a project of its own that has none wants none.
    return [*chart, *(schemas if any(each.state is not FileState.MISSING for each in schemas) else ())]


def _compared(root: Path, path: str, new: str, releases: Mapping[str, Mapping[str, str]]) -> ShippedFile:
    try:
        mode = (root / path).lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ShippedFile(path, new, FileState.MISSING)
    except OSError:
        mode = 0
    if stat.S_ISLNK(mode):
        return ShippedFile(path, new, FileState.UNREADABLE, problem="it is a link")
    old, problems = read_text(root, path)
    if old is None:
        return ShippedFile(path, new, FileState.UNREADABLE, problem=problems[0].message)
    mark = checksum(old)
    if mark == checksum(new):
        return ShippedFile(path, new, FileState.CURRENT, old)
    known = [version for version, marks in releases.items() if marks.get(path) == mark]
    if not known:
        return ShippedFile(path, new, FileState.EDITED, old)
    return ShippedFile(path, new, FileState.OLD, old, known[-1])


def newer_release(files: Sequence[ShippedFile]) -> str | None:
    """The release of the project's chart where that is newer than this program."""
    chart = next(each for each in files if each.path == CHART)
    document, _ = load_text(CHART, chart.old) if chart.state is FileState.EDITED else (None, ())
    said = document.root.text("appVersion") if document is not None else None
    return said if said is not None and _parts(said) > _parts(__version__) else None


def _parts(version: str) -> tuple[int, ...]:
    """The three numbers of a version; none for what is no version, which is older than each."""
    found = _VERSION.fullmatch(version)
    return tuple(map(int, found.groups())) if found else ()


def plan_upgrade(root: Path) -> list[ShippedFile]:
    """The compared files of a project that can be upgraded. Raises Refusal where it has no chart, or a newer one."""
    files = compare_files(root)
    if all(each.state is FileState.MISSING for each in files if each.path.startswith("chart/")):
        raise Refusal("usage", 'there is no chart in "chart/"', f"add it with `{command_line('new', 'chart')}`")
    if newer := newer_release(files):
        message = f"{CHART} is of {newer}, newer than this program, which is {__version__}"
        way_out = f"install release {newer} or newer; if only the file was edited, correct its appVersion"
        raise Refusal("cannot run", message, way_out)
    return files


def replacements(files: Sequence[ShippedFile], root: Path) -> list[Output]:
    """The files to write: those of an older release, with the line breaks they have, and those that are missing."""
    old = [each for each in files if each.state is FileState.OLD]
    missing = [each for each in files if each.state is FileState.MISSING]
    return [
        *(Output(root / each.path, each.path, _with_breaks_of(each.old, each.new), each.old) for each in old),
        *(Output(root / each.path, each.path, each.new) for each in missing),
    ]


def _with_breaks_of(old: str, new: str) -> str:
    return new.replace("\n", "\r\n") if "\r\n" in old else new


def chart_notes(root: Path) -> Iterator[str]:
    """How the project's chart and schemas differ from this release: a sentence for each kind of difference."""
    if not os.path.lexists(root / CHART):
        return
    files = compare_files(root)
    upgrade = command_line("new", "chart", "--upgrade")
    if newer := newer_release(files):
        yield f"the chart is of {newer}, and this program writes for {__version__}: install {newer} or newer"
        return
    old = [each for each in files if each.state is FileState.OLD]
    if old:
        versions = ", ".join(dict.fromkeys(each.release for each in old))
        shown = listed([each.path for each in old], len(old))
        yield f"of {versions}, and this program writes for {__version__}: {shown}; run `{upgrade}`"
    if missing := [each.path for each in files if each.state is FileState.MISSING and decides(each.path)]:
        yield f"missing: {listed(missing, len(missing))}; run `{upgrade}`"
    if edited := [each.path for each in files if each.state is FileState.EDITED and decides(each.path)]:
        shows = f"`{upgrade} --check` shows the differences, and `--parity` proves what the chart renders"
        yield f"edited, or of no release: {listed(edited, len(edited))}; {shows}"
