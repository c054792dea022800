"""Makes the texts of new environments and catalogue entries, and judges files before they are written.

A finding at a line that no file has yet helps nobody: it points at the option that was given, at the naming pattern
that made the name, or at the line as it stands now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from compiler.edit.yaml_edit import (
    Splice,
    content_end,
    is_flow,
    lines_after,
    offset_before,
    refuse_unproven,
    scalar,
    spliced,
)
from compiler.model.diagnostic import Diagnostic
from compiler.model.document import Document, Source, Span
from compiler.model.facts import NEW_SECRET_WAVE
from compiler.pipeline import Result, compile_project
from compiler.refusal import Refusal
from compiler.stages.emit import quote
from compiler.stages.load import load_text


@dataclass(frozen=True)
class Draft:
    """A file as it is to be written: `splices` of the text that is there, which is empty for a new file.

    `origins` tells where the new text came from, by the path of its value in the file; `()` for all else in it.
    """

    source: Source
    splices: tuple[Splice, ...]
    origins: Mapping[tuple[str, ...], Span]

    @cached_property
    def text(self) -> str:
        return spliced(self.source.text, self.splices)

    def place(self, span: Span) -> Span:
        """What people know of `span` of the new text."""
        start = offset_before(self.splices, span.start)
        if start is not None:
            end = offset_before(self.splices, span.end)
            return Span(self.source, start, start if end is None else max(start, end))
        path = self._path(span.start)
        return next(self.origins[path[:length]] for length in range(len(path), -1, -1) if path[:length] in self.origins)

    def _path(self, offset: int) -> tuple[str, ...]:
        """The keys that lead to what is written at `offset` of the new text."""
        document, _ = load_text(self.source.path, self.text)
        node = document.root if document is not None else None
        path: tuple[str, ...] = ()
        while node is not None:
            before = {name: child for name, child in node.children.items() if child.key_start <= offset}
            name = max(before, key=lambda name: before[name].key_start, default=None)
            node, path = (before[name], (*path, name)) if name is not None else (None, path)
        return path


def given(option: str, value: str) -> Span:
    """The place of what the command line says, as that of a value in a file."""
    return Span(Source(option, value), 0, len(value))


def judged(root: Path, drafts: Sequence[Draft]) -> Result:
    """What compiling the project in `root` would make of `drafts` written; of the findings, those that are new."""
    known = {(each.rule, each.span.path, each.message) for each in compile_project(root).diagnostics}
    drafted = {draft.source.path: draft for draft in drafts}
    after = compile_project(root, unwritten={path: draft.text for path, draft in drafted.items()})
    new = (each for each in after.diagnostics if (each.rule, each.span.path, each.message) not in known)
    return Result(after.project, tuple(_placed_draft(each, drafted) for each in new))


def _placed_draft(diagnostic: Diagnostic, drafts: Mapping[str, Draft]) -> Diagnostic:
    def place(span: Span) -> Span:
        return drafts[span.path].place(span) if span.path in drafts else span

    return replace(
        diagnostic,
        span=place(diagnostic.span),
        related=tuple(replace(each, span=place(each.span)) for each in diagnostic.related),
        conceals=tuple(map(place, diagnostic.conceals)),
    )


NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class NewSecret:
    """What a new entry says; `remote` is its name by provider, and a provider that it has no place in is left out.

    `taken` are its keys with another's value, and that key as ENTRY/KEY.
    """

    id: str
    target: str
    description: str | None
    remote: Mapping[str, str]
    keys: tuple[str, ...]
    taken: Mapping[str, str] = field(default_factory=dict)


def environment_text(
    name: str, extends: Sequence[str], store: str | None = None, addresses: Mapping[str, tuple[str, str]] | None = None
) -> str:
    """The text of an environment that sets only its store and the addresses of stores, and extends the rest.

    `addresses` has for a store's id the key, such as `vaultUrl`, and its value.
    """
    below = " and ".join(extends) or "base"
    lines = [schema_line("environment"), f"# What {name} sets differently from {below}."]
    if extends:
        lines.append(f"extends: [{', '.join(map(scalar, extends))}]")
    if store is not None:
        lines.append(f"store: {scalar(store)}")
    if addresses:
        lines.append("stores:")
        for store_id, (key, address) in addresses.items():
            lines += [f"  {scalar(store_id)}:", f"    {key}: {address_scalar(address)}"]
    return "\n".join(lines) + "\n"


def address_scalar(url: str) -> str:
    """A URL without quotes, any other text in quotes."""
    return url if re.fullmatch(r"https?://[A-Za-z0-9.:/-]*[A-Za-z0-9/]", url) else quote(url)


def schema_line(name: str) -> str:
    """The first line of an input file: what an editor checks it with."""
    return f"# yaml-language-server: $schema=../schemas/{name}.schema.json"


def with_secret(document: Document, secret: NewSecret) -> tuple[Splice, ...]:
    """The edit that adds `secret` at the end of the catalogue's `secrets:`, every other byte kept.

    Raises Refusal for a text that an entry cannot be added to.
    """
    text = document.source.text
    secrets = document.root.get("secrets")
    if secrets is None:
        at, indent, above = len(text), 2, "secrets:"
    elif not secrets.children:
        raise Refusal("usage", "the catalogue's `secrets` is empty", "remove the line; it is written again")
    elif is_flow(secrets):
        raise Refusal("usage", "the catalogue's `secrets` is written in braces", "write it as a block, a line for each")
    else:
        at, indent, above = content_end(secrets), next(iter(secrets.children.values())).key_span.column - 1, ""
    splice = lines_after(text, at, [above, *(" " * indent + line for line in _entry_lines(secret, indent))])
    refuse_unproven(document, spliced(text, (splice,)), secret.id)
    return (splice,)


def _entry_lines(secret: NewSecret, indent: int) -> list[str]:
    step = " " * (indent or 2)
    return [
        f"{scalar(secret.id)}:",
        *([f"{step}description: {quote(secret.description)}"] if secret.description is not None else ()),
        f"{step}target: {scalar(secret.target)}",
        *([f"{step}remote:"] if secret.remote else ()),
        *(f"{step}{step}{provider}: {scalar(name)}" for provider, name in secret.remote.items()),
        f"{step}syncWave: {NEW_SECRET_WAVE}",
        f"{step}keys:",
        *(f"{step}{step}{scalar(key)}: {{}}" for key in secret.keys),
        *(f"{step}{step}{scalar(key)}: {{from: {scalar(other)}}}" for key, other in secret.taken.items()),
    ]
