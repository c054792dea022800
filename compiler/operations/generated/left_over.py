"""Finds what an earlier run generated into a folder and this one does not: another form's files are still applied."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.source import Source, Span
from compiler.stages.write import read_old

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


# The former name of the file with the AppProjects.
_FORMER = "project.yaml"


def left_over(names: Iterable[str], folder: Path, shown: str, header: str, *, is_check: bool) -> Iterator[Diagnostic]:
    """A `stale-output` for each file in `folder` that begins with `header` and is none of `names`, paths in it.

    An error of a check; else, where the files of `names` are written all the same, a warning. A folder below that has
    the first of the names itself is another command's. No link is followed, and nothing is removed: a file may be all
    that tells of what is deployed.
    """
    every = list(names)
    severity = Severity.ERROR if is_check else Severity.WARNING
    for name in _below(folder, every[0]):
        if name not in every and _begins(folder / name, header.encode()):
            message = f"{shown}/{name} is left from another form or environment, and would still be applied"
            way_out = "remove it; what it has deployed stays until you remove that too"
            if name == _FORMER:
                message = f"{shown}/{name} is named {every[0]} now, and would be applied after it"
                way_out = "remove it: the new file has the same AppProjects"
            yield Diagnostic("stale-output", severity, message, Span(Source(f"{shown}/{name}")), help=way_out)


def generated_texts(names: Iterable[str], folder: Path, header: str) -> list[str]:
    """The text of each file in `folder` that begins with `header`, of `names` and of what another run has left."""
    every = list(names)
    texts = (read_old(folder / name, name, header)[0] for name in {*every, *_below(folder, every[0])})
    return [text for text in texts if text]


def _below(folder: Path, first: str) -> list[str]:
    """The YAML files in `folder` and in the folders in it, in the order of names; none where it cannot be listed."""
    found = []
    for entry in _listed(folder):
        if entry.is_dir(follow_symlinks=False):
            inside = [each.name for each in _listed(folder / entry.name)]
            if first not in inside and _FORMER not in inside:
                found += [f"{entry.name}/{name}" for name in inside if name.endswith(".yaml")]
        elif entry.name.endswith(".yaml"):
            found.append(entry.name)
    return sorted(found)


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _begins(path: Path, header: bytes) -> bool:
    """Whether a regular file begins so; no link is followed, and no pipe waited for."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.read(file, len(header)) == header
    except OSError:
        return False
    finally:
        os.close(file)
