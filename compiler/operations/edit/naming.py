"""Chooses the names of a new secret in the cluster and each provider: those given, else by the catalogue's patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.catalogue import PROVIDERS
from compiler.model.naming import OWN_ID, PATTERNS, TARGET, filled, placeholders
from compiler.operations.edit.draft import given
from compiler.refusal import Refusal
from compiler.rules import invalid_naming_pattern
from compiler.rules.interface import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.document import Document, Node
    from compiler.model.source import Span

_ALL = ", ".join(f'{member}: "{pattern}"' for member, pattern in PATTERNS.items())
_ADD = f"add `naming: {{{_ALL}}}` to the catalogue"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a secret by `target` and provider, and where each is from."""

    texts: Mapping[str, str]
    origins: Mapping[str, Span]


def names_of(
    document: Document,
    namespace: str | None,
    secret: str,
    said: Mapping[str, str | None],
    *,
    has_place: bool = True,
) -> tuple[Names | None, tuple[Diagnostic, ...]]:
    """The names of the new `secret` of the catalogue `document`, or None and what is wrong with its patterns.

    `namespace` is that of `environments/base.yaml`, and `said` the names that were given, by `target` and provider.
    One without a place of its own in a store needs no name there. Raises Refusal where nothing names the Kubernetes
    Secret, or no provider has a name.
    """
    meanings = {"namespace": namespace, "name": document.root.text("naming", "name") or namespace, OWN_ID: secret}
    known = {name: meaning for name, meaning in meanings.items() if meaning is not None}
    texts: dict[str, str] = {}
    origins: dict[str, Span] = {}
    found: list[Finding] = []
    for member in PATTERNS:
        own, pattern = said.get(member), document.root.get("naming", member)
        if own is not None:
            texts[member], origins[member] = own, given(f"--{member}", own)
        elif pattern is not None:
            faults = [*invalid_naming_pattern.findings(pattern)] or [*_without_meaning(pattern, known)]
            found += faults
            if not faults:
                texts[member], origins[member] = filled(str(pattern.value), known), pattern.span
    if found:
        return None, tuple(map(invalid_naming_pattern.RULE.diagnostic, found))
    if TARGET not in texts:
        raise Refusal("usage", "nothing names the Kubernetes Secret", f"give --target, or {_ADD}")
    if has_place and not any(provider in texts for provider in PROVIDERS):
        options = " or ".join(f"--{provider}" for provider in PROVIDERS)
        raise Refusal("usage", "nothing names the secret in a store", f"give {options}, or its pattern in `naming`")
    return Names(texts, origins), ()


def _without_meaning(pattern: Node, known: Mapping[str, str]) -> Iterator[Finding]:
    for name in placeholders(str(pattern.value)):
        if name not in known:
            message = f"{{{name}}} stands for nothing: environments/base.yaml has no namespace"
            yield Finding(message, pattern, help="write `namespace` there, or the name itself in place of it")
