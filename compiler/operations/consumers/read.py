"""Reads manifests from files, folders and standard input into what they hold of Secrets, within the usual limits."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Diagnostic
from compiler.model.limits import MAX_MANIFEST_BYTES
from compiler.operations.consumers.manifests import take
from compiler.operations.consumers.objects import Gathered
from compiler.refusal import Refusal
from compiler.stages.load_manifests import load_manifests
from compiler.text.command_line import command_line, shell_line
from compiler.text.system_reason import system_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STDIN = "-"
SHOWN_STDIN = "<stdin>"
_ENDINGS = (".yaml", ".yml", ".json")
_MARK = "\ufeff"


def read_manifests(paths: Sequence[str], namespace: str) -> tuple[Gathered | None, tuple[Diagnostic, ...]]:
    """What the manifests in `paths` hold, and what was found while they were read; None where one is refused.

    A folder is all files below it that end in .yaml, .yml or .json; `-` is standard input. An object without a
    namespace is in `namespace`. Raises Refusal for what cannot be read, is empty, or is too large together.
    """
    gathered, found, is_whole, left = Gathered(), list[Diagnostic](), True, MAX_MANIFEST_BYTES
    for path in _files(paths):
        content = _content(path, left)
        left -= len(content)
        if left < 0:
            raise Refusal("cannot run", f"the manifests have more than {MAX_MANIFEST_BYTES} bytes")
        is_kept, diagnostics = _take_all(_shown(path), _decoded(_shown(path), content), gathered, namespace)
        found += diagnostics
        is_whole &= is_kept
    if is_whole:
        _refuse_none(gathered, ", ".join(map(_shown, paths)))
    return gathered if is_whole else None, tuple(found)


def read_rendered(shown: str, text: str, namespace: str) -> tuple[Gathered | None, tuple[Diagnostic, ...]]:
    """The same of a text that is at hand, which people know as `shown`."""
    gathered = Gathered()
    is_whole, found = _take_all(shown, text, gathered, namespace)
    if is_whole:
        _refuse_none(gathered, shown)
    return gathered if is_whole else None, found


def _take_all(shown: str, text: str, gathered: Gathered, namespace: str) -> tuple[bool, tuple[Diagnostic, ...]]:
    kept, diagnostics = load_manifests(shown, text, partial(take, gathered=gathered, namespace=namespace))
    if kept is None:
        return False, tuple(_of_template(each, text) for each in diagnostics)
    return True, diagnostics


def _refuse_none(gathered: Gathered, shown: str) -> None:
    if not gathered.objects:
        # Most often the command before the pipe failed.
        raise Refusal("cannot run", f"there is no manifest in {shown}", "check the command that writes them")


def _of_template(diagnostic: Diagnostic, text: str) -> Diagnostic:
    """With the way out for a chart's template, which a chart's folder holds in place of manifests."""
    start, end = diagnostic.span.source.line_bounds(diagnostic.span.line)
    helm = shell_line("helm", "template", "NAME", "CHART")
    render = f"{helm} | {command_line('consumers', 'ENV', '--manifests', STDIN)}"
    is_template = "{{" in text[start:end]
    return replace(diagnostic, help=f"this is a chart's template: render it, `{render}`") if is_template else diagnostic


def _files(paths: Iterable[str]) -> list[str]:
    """Each file that `paths` stand for, once: what one manifest makes would be made twice."""
    found: dict[str, str] = {}
    for path in paths:
        try:
            for file in _below(path) if path != STDIN and Path(path).is_dir() else (path,):
                found.setdefault(STDIN if file == STDIN else os.path.realpath(file), file)
        except OSError as error:
            raise _refused(path, error) from None
    return list(found.values())


def _content(path: str, most: int) -> bytes:
    """What a file holds, no longer than one byte past `most`; a pipe, as of `<(helm template …)`, counts as one."""
    try:
        with open(0, "rb", closefd=False) if path == STDIN else Path(path).open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise _refused(_shown(path), error) from None


def _shown(path: str) -> str:
    return SHOWN_STDIN if path == STDIN else path


def _refused(shown: str, error: OSError) -> Refusal:
    message = f"{shown} cannot be read: {system_reason(error)}"
    return Refusal("usage", message, "name a file or a folder of manifests, or - for standard input")


def _refuse_folder(error: OSError) -> None:
    raise _refused(str(error.filename), error)


def _below(folder: str) -> list[str]:
    """The files below a folder that may be manifests, in the order of names; links to folders are not followed.

    A link to a file that is not there is one of them, so that it is refused.
    """
    found = []
    for where, folders, names in os.walk(folder, onerror=_refuse_folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        paths = [Path(where, name) for name in sorted(names) if name.endswith(_ENDINGS) and not name.startswith(".")]
        found += [str(path) for path in paths if path.is_file() or not path.exists()]
    return found


def _decoded(shown: str, content: bytes) -> str:
    try:
        return content.decode().removeprefix(_MARK)
    except UnicodeDecodeError:
        pass
    raise Refusal("cannot run", f"{shown} is not UTF-8", "check the command that writes it")
