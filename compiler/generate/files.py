"""Writes generated texts into a folder, all or none, or says which are stale or left over."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from compiler.model.document import Diagnostic, Severity, Source, Span
from compiler.model.files import is_inside
from compiler.pipeline import VALUES_FOLDER
from compiler.project_files import FOLDER
from compiler.refusal import Refusal
from compiler.stages.emit import scalar
from compiler.stages.files import Output, output_state, read_old, refuse_outside, write_all
from compiler.text.credential import looks_like_credential
from compiler.text.wording import PROGRAM, first_difference, shell_line

Manifest = str | bool | int | Mapping[str, "Manifest"] | Sequence["Manifest"]


# One that begins with a space or an empty line would be taken for deeper indented than it is; no line ends in a space.
_BLOCK = re.compile(r"(?=[!-~])(?:(?:[ -~]*[!-~])?\n)*[ -~]*[!-~]\n", re.ASCII)


def manifest_text(manifest: Mapping[str, Manifest]) -> str:
    """The manifest in block style, in the order of its members; the same data gives the same bytes."""
    return "".join(f"{line}\n" if line.strip() else "\n" for line in _lines(manifest))


def _lines(value: Mapping[str, Manifest] | Sequence[Manifest]) -> Iterator[str]:
    if not isinstance(value, Mapping):
        for item in value:
            lines = [_flat(item)] if isinstance(item, str | bool | int) or not item else _lines(item)
            yield from (f"{'  ' if index else '- '}{line}" for index, line in enumerate(lines))
        return
    for name, member in value.items():
        key = scalar(name)
        if isinstance(member, str) and "\n" in member and _BLOCK.fullmatch(member):
            yield f"{key}: |"
            yield from (f"  {line}" if line else "" for line in member.removesuffix("\n").split("\n"))
        elif isinstance(member, str | bool | int) or not member:
            yield f"{key}: {_flat(member)}"
        else:
            yield f"{key}:"
            yield from (f"  {line}" for line in _lines(member))


def _flat(value: Manifest) -> str:
    """A scalar, or an empty map or list."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return scalar(value)
    return str(value) if isinstance(value, int) else "{}" if isinstance(value, Mapping) else "[]"


# The former name of the file with the AppProjects.
_FORMER = "project.yaml"


def find_stale(names: Iterable[str], folder: Path, shown: str, header: str, *, is_check: bool) -> Iterator[Diagnostic]:
    """A `stale-output`, an error in a check, for each file in `folder` with `header` that is not among `names`.

    A folder below that has the first of the names itself is another command's. No link is followed, and nothing is
    removed: a file may be all that shows what is deployed.
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
    for entry in _list_folder(folder):
        if entry.is_dir(follow_symlinks=False):
            inside = [each.name for each in _list_folder(folder / entry.name)]
            if first not in inside and _FORMER not in inside:
                found += [f"{entry.name}/{name}" for name in inside if name.endswith(".yaml")]
        elif entry.name.endswith(".yaml"):
            found.append(entry.name)
    return sorted(found)


def _list_folder(folder: Path) -> list[os.DirEntry[str]]:
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


# How every generated file begins: a file that does not is somebody else's.
HEADER = f"# Generated by `{PROGRAM} generate "


def header_for(target: str, words: Sequence[str]) -> str:
    """The first lines of a file of that target, which the arguments `words` generate."""
    return f"{HEADER}{target}`. Do not edit; run:\n#   {shell_line(PROGRAM, *words)}\n"


# What is read as a whole in a project, and what each file there is taken for.
_READ = {
    FOLDER: "each file is read as an environment",
    f"{VALUES_FOLDER}/templates": "Helm deploys each file",
}


def refuse_unfit(shown: str, kind: str) -> None:
    """Raises Refusal for a path with a line break, which would end the comment above a generated file."""
    if not shown.isprintable():
        raise Refusal("usage", "--out has a character that cannot be printed", f"name another {kind}")
    if looks_like_credential(shown):
        raise Refusal("usage", "--out has a credential in it, which would be committed", f"name another {kind}")


def refuse_place(folder: Path, root: Path) -> None:
    """Raises Refusal where `folder` is one of the project of which this compiler, or Helm, reads every file."""
    if (read := _read_place(folder, root)) is not None:
        raise Refusal("usage", f"--out is in {read}", "name a folder of its own, such as argocd or caipe")


def _read_place(folder: Path, root: Path) -> str | None:
    """Which place of the project that is read as a whole `folder` is in, all links followed, and by whom; or None."""
    for place, reader in _READ.items():
        if os.path.realpath(folder) == os.path.realpath(root / place) or is_inside(root / place, folder):
            return f"{place}, where {reader}"
    return None


def generated_files(
    texts: Mapping[str, str], folder: Path, shown: str, root: Path, *, is_check: bool = False
) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    """Writes `texts`, by path in `folder`, shown as `shown`; with `is_check` only compares them.

    Returns what became of each file, by its path as shown, and the diagnostics: `foreign-output` for a file that was
    not generated and stays, `unwritable-output` where a link leads out of `root`, `stale-output` for a check.
    """
    outputs = {f"{shown}/{name}": Output(folder / name, f"{shown}/{name}", text) for name, text in texts.items()}
    found: list[Diagnostic] = []
    states: dict[str, str] = {}
    for name, output in outputs.items():
        outside = _refuse_folder(output.path.parent, name, root)
        old, refused = (None, ()) if outside else read_old(output.path, name, HEADER)
        found += outside or refused
        is_stale = old != output.text
        states[name] = output_state(is_check, is_stale)
        if is_check and is_stale and not (outside or refused):
            found.append(_stale(output, old))
    if not is_check and not found:
        found += write_all([each for name, each in outputs.items() if states[name] == "written"], root)
    return states, tuple(found)


def _refuse_folder(folder: Path, shown: str, root: Path) -> tuple[Diagnostic, ...]:
    if (read := _read_place(folder, root)) is None:
        return refuse_outside(folder, shown, root)
    # `--out` itself is elsewhere, or `refuse_place` had refused it.
    message = f"{shown} leads through a link into {read}"
    way_out = "remove the link, or name another folder with `--out`"
    return (Diagnostic("unwritable-output", Severity.ERROR, message, Span(Source(shown)), help=way_out),)


def _stale(output: Output, old: str | None) -> Diagnostic:
    way_out = "run the same command without `--check` and commit the result"
    if old is None:
        message = f"{output.shown} is missing"
        return Diagnostic("stale-output", Severity.ERROR, message, Span(Source(output.shown)), help=way_out)
    source, start = Source(output.shown, old), first_difference(old, output.text)
    message = f"{output.shown} is out of date"
    # What stands there in place of it may be anything, and is not shown.
    bounds = Span(source, *source.line_bounds(source.place(start)[0]))
    return Diagnostic("stale-output", Severity.ERROR, message, Span(source, start, start), way_out, conceals=(bounds,))
