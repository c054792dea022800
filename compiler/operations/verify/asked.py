"""Collects the references that `verify` checks, from an environment or from a values file by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.model.record import dataclass
from compiler.model.subchart import subchart_of
from compiler.operations.live.names import secret_named, store_named
from compiler.operations.live.stores import LiveStores
from compiler.operations.verify.references import references_of
from compiler.operations.verify.values_references import SECRETS, references_of_values, secrets_of_values
from compiler.refusal import Refusal
from compiler.stages.load import load_text
from compiler.stages.read import read_text
from compiler.stages.validate import validate
from compiler.text.command_line import command_line
from compiler.text.suggestion import suggest
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.document import Document
    from compiler.model.environment import Environment
    from compiler.operations.verify.references import Reference

# The window of Key Vault's limits is 10 s: long enough to outlast it, short enough to wait for.
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """The references to verify, or None where the input cannot be used, and then `diagnostics` say why."""

    subject: str
    references: tuple[Reference, ...] | None
    diagnostics: tuple[Diagnostic, ...] = ()


def asked_of_environment(
    environment: Environment, secrets: Sequence[str] = (), store: str | None = None, others: Container[str] = ()
) -> Asked:
    """The references of `secrets`, or of all, to their own stores or to the store that `store` names.

    Raises Refusal for a secret or a store that the environment does not have; `others` are names of environments, of
    which one may be meant.
    """
    for name in secrets:
        if name in others and name not in {*environment.secrets, *environment.disabled}:
            its = [each for each in secrets if each in environment.secrets or each not in others]
            raise _another_environment(name, its, store)
        secret_named(environment, name)
    chosen = store_named(environment, store) if store is not None else None
    references, diagnostics = references_of(environment, secrets, chosen)
    return Asked(environment.name, references, diagnostics)


def _another_environment(name: str, secrets: Sequence[str], store: str | None) -> Refusal:
    message = f"{quoted(name)} is an environment, and a run verifies one environment and secrets of it"
    line = command_line("verify", name, *secrets, *(["--store", store] if store is not None else ()))
    return Refusal("usage", message, f"for that one, run `{line}`")


def asked_of_values(shown: str, secrets: Sequence[str], environ: Mapping[str, str]) -> Asked:
    """The references of `secrets`, or of all, in the values file `shown`.

    Raises Refusal for a secret that it does not have, for a file of another kind, and where neither the file nor
    `environ` tells a store's provider.
    """
    document, diagnostics = _loaded(shown)
    if document is None:
        return Asked(shown, None, diagnostics)
    known = secrets_of_values(document)
    for name in secrets:
        if name not in known:
            closer = suggest(name, known, "secrets")
            way_out = "with --values, name secrets only, no environment"
            raise Refusal(
                "usage", f"{quoted(shown)} has no secret {quoted(name)}", f"{way_out}; {closer}" if closer else way_out
            )
    return Asked(shown, references_of_values(document, environ, secrets))


def stores_to_ask(environ: Mapping[str, str]) -> LiveStores:
    """Stores with a short patience: one that has not answered for half a minute is given up."""
    return LiveStores(environ, patience=_PATIENCE)


def _loaded(shown: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    path = Path(shown)
    text, unreadable = read_text(path.parent, path.name)
    if text is None:
        return None, tuple(_shown_as(shown, each) for each in unreadable)
    document, diagnostics = load_text(shown, text, is_output=True)
    if document is None:
        return None, diagnostics
    name = subchart_of({key: tuple(child.children) for key, child in document.root.children.items()})
    if name is not None:
        document = replace(document, root=document.root.children[name])
    if document.root.get(SECRETS) is None:
        # Not "nothing to check, so all is OK": most often it is the wrong file.
        message = f'{quoted(shown)} has no "{SECRETS}"'
        raise Refusal("usage", message, "name a compiled values file, chart/values-<env>.yaml")
    document, diagnostics = validate(document, "values")
    return (None, diagnostics) if diagnostics else (document, ())


def _shown_as(path: str, diagnostic: Diagnostic) -> Diagnostic:
    span = diagnostic.span
    return replace(diagnostic, span=replace(span, source=replace(span.source, path=path)))
