"""Makes the text of a new environment, and adds a secret to a catalogue's text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.catalogue import PROVIDERS
from compiler.model.sync_wave import NEW_SECRET_WAVE
from compiler.operations.edit.scalar import scalar
from compiler.operations.edit.second_reading import second_reading
from compiler.refusal import Refusal
from compiler.stages.catalogue import catalogue_of
from compiler.stages.check import Checker
from compiler.stages.emit import quote
from compiler.stages.load import load_text
from compiler.stages.validate import validate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.document import Document, Node

NAMESPACE = "ai-platform-engineering"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


_UNSAFE = ("an entry cannot be added to the catalogue in the form that it has", "add it by hand")


@dataclass(frozen=True, slots=True)
class NewSecret:
    """What a new entry says."""

    id: str
    target: str
    description: str
    remote: Mapping[str, str]
    keys: tuple[str, ...]


def new_secret(
    name: str, target: str | None, description: str | None, remote: Mapping[str, str | None], keys: Sequence[str]
) -> NewSecret:
    """The entry `name`; defaults follow the naming convention of the catalogue."""
    names = {"vault": f"{NAMESPACE}/{name}-secret", "azurekv": f"{NAMESPACE}-{name}"}
    return NewSecret(
        id=name,
        target=target or f"agent-{name}-secrets",
        description=description or f"{name} agent",
        remote={provider: remote.get(provider) or names[provider] for provider in PROVIDERS},
        keys=tuple(keys) or (f"{name.replace('-', '_').upper()}_TOKEN",),
    )


def environment_text(name: str, extends: Sequence[str]) -> str:
    """The text of an environment that adds nothing yet to what it extends."""
    below = " and ".join(extends) or "base"
    lines = [schema_line("environment"), f"# What {name} sets differently from {below}."]
    if extends:
        lines.append(f"extends: [{', '.join(map(scalar, extends))}]")
    return "\n".join(lines) + "\n"


def schema_line(name: str) -> str:
    """The first line of an input file: what an editor checks it with."""
    return f"# yaml-language-server: $schema=../schemas/{name}.schema.json"


def with_secret(document: Document, secret: NewSecret) -> tuple[str, tuple[Diagnostic, ...]]:
    """The catalogue's text with `secret` at the end of `secrets:`, every other byte unchanged, and its new diagnostics.

    Diagnostics of the old text are not in it. Raises Refusal for a text that an entry cannot be added to.
    """
    text = document.source.text
    secrets = document.root.get("secrets")
    if secrets is None or not secrets.children:
        at, indent, lead = _end_of_empty(document, secrets)
    else:
        first = next(iter(secrets.children.values()))
        if text[secrets.start] == "{":
            raise Refusal(
                "usage", "the catalogue's `secrets` is written in braces", "write it as a block, a line for each"
            )
        at, indent, lead = _line_end(text, max(map(_end, secrets.walk()))), first.key_span.column - 1, ""
    newline = "\r\n" if "\r\n" in text else "\n"
    block = newline.join(f"{' ' * indent}{line}" if line else "" for line in ["", *_entry_lines(secret, indent)])
    before = text[:at] + ("" if at == 0 or text[at - 1] == "\n" else newline)
    new_text = f"{before}{lead}{block}{newline}{text[at:]}"
    return new_text, _new_diagnostics(document, new_text)


def _entry_lines(secret: NewSecret, indent: int) -> list[str]:
    step = " " * (indent or 2)
    return [
        f"{scalar(secret.id)}:",
        f"{step}description: {quote(secret.description)}",
        f"{step}target: {scalar(secret.target)}",
        f"{step}remote:",
        *(f"{step}{step}{provider}: {scalar(name)}" for provider, name in secret.remote.items()),
        f"{step}syncWave: {NEW_SECRET_WAVE}",
        f"{step}keys:",
        *(f"{step}{step}{scalar(key)}: {{}}" for key in secret.keys),
    ]


def _end_of_empty(document: Document, secrets: Node | None) -> tuple[int, int, str]:
    if secrets is not None:
        raise Refusal("usage", "the catalogue's `secrets` is empty", "remove the line; it is written again")
    return len(document.source.text), 2, "secrets:"


def _end(node: Node) -> int:
    """Where a node's own text ends; where a block of several nodes ends is only known from what is in it."""
    is_flow = node.source.text[node.start : node.start + 1] in ("{", "[")
    return node.end if is_flow or not isinstance(node.value, dict | tuple) else -1


def _line_end(text: str, offset: int) -> int:
    """The beginning of the next line; a literal block ends there already."""
    if text[offset - 1 : offset] == "\n":
        return offset
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


def _new_diagnostics(old: Document, new_text: str) -> tuple[Diagnostic, ...]:
    document, found = load_text(old.source.path, new_text)
    if document is None:
        return found
    # The proof of the text: to either reader all that was there means what it meant, and one secret more is there.
    added = _added(old.root.plain_data(), document.root.plain_data())
    if added is None or added != _added(second_reading(old.source.text), second_reading(new_text)):
        raise Refusal("usage", *_UNSAFE)
    document, found = validate(document, "catalogue")
    known = {(each.rule, each.message) for each in Checker().catalogue(catalogue_of(old))}
    judged = Checker().catalogue(catalogue_of(document))
    return (*found, *(each for each in judged if (each.rule, each.message) not in known))


def _added(before: object, after: object) -> tuple[str, object] | None:
    """The last secret of `after` with its id, where all else is as `before` has it."""
    secrets = after.get("secrets") if isinstance(after, dict) else None
    if not isinstance(secrets, dict) or not isinstance(after, dict) or not secrets:
        return None
    # A catalogue of comments alone is an empty mapping to one parser and None to the other.
    old = before if isinstance(before, dict) else {}
    kept = dict(secrets)
    last = kept.popitem()
    return last if {**after, "secrets": kept} == {**old, "secrets": old.get("secrets") or {}} else None
