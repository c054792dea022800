"""Knows the chart and the schemas of this release, and plans to replace those of a project."""

import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from compiler import __version__
from compiler.refusal import Refusal
from compiler.stages.files import Output, read_text
from compiler.stages.load import load_text
from compiler.stages.validate import schema_text, with_every_provider
from compiler.text.wording import command_line, list_names

CHART, VALUES = "chart/Chart.yaml", "chart/values.yaml"
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+][0-9A-Za-z.+-]*)?", re.ASCII)
# What a file of the project is, compared with this release.
FileState = Literal["current", "different", "missing", "unreadable"]
SCHEMA = "values.schema.json"
# A checkout's folder also holds its environments' values files, and what an editor leaves there.
FILES = (
    ".helmignore",
    "Chart.yaml",
    "README.md",
    "values.yaml",
    SCHEMA,
    "templates/NOTES.txt",
    "templates/_helpers.tpl",
    "templates/cluster-secret-store.yaml",
    "templates/external-secret.yaml",
    "templates/secret-store.yaml",
)
# The schemas of a project's own files, and the chart's files that do not decide what is printed.
SCHEMAS = ("environment", "catalogue", "values")
_SAY_NOTHING = (".helmignore", "README.md", "NOTES.txt")
_PROGRAM = Path(__file__).parents[1]
_PACKAGED = _PROGRAM / "chart"
_CHECKED_OUT = _PROGRAM.parent / "chart"


def chart_files() -> dict[str, str]:
    """Every file of the chart by its path in a project."""
    texts = {name: (_folder() / name).read_text("utf-8") for name in FILES}
    return {f"chart/{name}": text for name, text in {**texts, SCHEMA: _complete("values", texts[SCHEMA])}.items()}


def schema_files() -> dict[str, str]:
    """The schemas of a project by their paths in it."""
    return {f"schemas/{name}.schema.json": _complete(name, schema_text(name)) for name in SCHEMAS}


def decides(path: str) -> bool:
    """Whether a file of the project can change what the chart prints."""
    return path.startswith("chart/") and not path.endswith(_SAY_NOTHING)


def _complete(name: str, text: str) -> str:
    """The text of a schema, written anew only where the registry has a provider that the shipped one lacks."""
    shipped = json.loads(text)
    complete = with_every_provider(name, shipped)
    return text if complete is shipped else json.dumps(complete, indent=2, ensure_ascii=False) + "\n"


def values_schema() -> dict[str, Any]:
    """The JSON Schema of the chart's values."""
    return with_every_provider("values", json.loads((_folder() / SCHEMA).read_text("utf-8")))


def _folder() -> Path:
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKED_OUT


def new_chart(root: Path) -> list[Output]:
    """The chart's files for the project in `root`. Raises Refusal where one is there."""
    outputs = [Output(root / path, path, text) for path, text in chart_files().items()]
    for output in outputs:
        if output.path.exists() or output.path.is_symlink():
            upgrade = command_line("new", "chart", "--upgrade")
            way_out = f"`{upgrade}` compares it with this release; to add it again, move it away first"
            raise Refusal("usage", f"{output.shown} already exists", way_out)
    return outputs


@dataclass(frozen=True, slots=True)
class ShippedFile:
    """A file of the project that this program ships too, as `new`."""

    path: str
    new: str
    state: FileState
    old: str = ""  # the text that is there, if it can be read
    problem: str = ""  # why it is unreadable


def compare_files(root: Path) -> list[ShippedFile]:
    """Each file of the chart of the project in `root`, and of its schemas where it has any."""
    chart = [_compare_file(root, path, text) for path, text in chart_files().items()]
    schemas = [_compare_file(root, path, text) for path, text in schema_files().items()]
    # `new chart` writes no schemas, and a project of its own that has none wants none.
    return [*chart, *(schemas if any(each.state != "missing" for each in schemas) else ())]


def _compare_file(root: Path, path: str, new: str) -> ShippedFile:
    try:
        mode = (root / path).lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ShippedFile(path, new, "missing")
    except OSError:
        mode = 0
    if stat.S_ISLNK(mode):
        return ShippedFile(path, new, "unreadable", problem="it is a link")
    old, problems = read_text(root, path)
    if old is None:
        return ShippedFile(path, new, "unreadable", problem=problems[0].message)
    # Git may have given it other line breaks.
    return ShippedFile(path, new, "current" if old.replace("\r\n", "\n") == new else "different", old)


def newer_release(files: Sequence[ShippedFile]) -> str | None:
    """The release of the project's chart where that is newer than this program."""
    chart = next(each for each in files if each.path == CHART)
    document, _ = load_text(CHART, chart.old) if chart.state == "different" else (None, ())
    said = document.root.text("appVersion") if document is not None else None
    return said if said is not None and _parts(said) > _parts(__version__) else None


def _parts(version: str) -> tuple[int, ...]:
    """The three numbers of a version; none for what is no version, which is older than each."""
    found = _VERSION.fullmatch(version)
    return tuple(map(int, found.groups())) if found else ()


def plan_upgrade(root: Path) -> list[ShippedFile]:
    """The compared files of a project that can be upgraded. Raises Refusal where it has no chart, or a newer one."""
    files = compare_files(root)
    if all(each.state == "missing" for each in files if each.path.startswith("chart/")):
        raise Refusal("usage", 'there is no chart in "chart/"', f"add it with `{command_line('new', 'chart')}`")
    if newer := newer_release(files):
        message = f"{CHART} is of {newer}, newer than this program, which is {__version__}"
        way_out = f"install release {newer} or newer; if only the file was edited, correct its appVersion"
        raise Refusal("cannot run", message, way_out)
    return files


def replacements(files: Sequence[ShippedFile], root: Path) -> list[Output]:
    """The files to write: those that differ, with the line breaks they have, and those that are missing."""
    different = [each for each in files if each.state == "different"]
    missing = [each for each in files if each.state == "missing"]
    return [
        *(Output(root / each.path, each.path, _with_breaks_of(each.old, each.new), each.old) for each in different),
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
    if missing := [each.path for each in files if each.state == "missing" and decides(each.path)]:
        yield f"missing: {list_names(missing, len(missing))}; run `{upgrade}`"
    if different := [each.path for each in files if each.state == "different" and decides(each.path)]:
        shown = list_names(different, len(different))
        yield f"not as in {__version__} of this program: {shown}; `{upgrade}` shows the differences"
