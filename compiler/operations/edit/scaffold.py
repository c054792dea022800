"""Makes the text of a new environment, and adds an entry to a catalogue's text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.model.sync_wave import NEW_SECRET_WAVE
from compiler.operations.edit.proof import refuse_unproven
from compiler.operations.edit.scalar import scalar
from compiler.operations.edit.splice import Splice, lines_after, spliced
from compiler.operations.edit.text_lines import content_end, is_flow
from compiler.refusal import Refusal
from compiler.stages.emit import quote
from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.model.document import Document

NAME = regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


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
