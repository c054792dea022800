"""Reads the names of variables from an example of a dotenv file; a value beside a name is refused and never shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from compiler.consumers.look import SHOWN_STDIN
from compiler.edit.new_entry import SecretRequest, new_secret
from compiler.imports.found import FoundKey, FoundObject, FoundSecret, Reason, SourceStore
from compiler.imports.plan import ImportPlan, ImportTarget, PlannedSecret, PlannedStore, plan_import, store_kind
from compiler.imports.proof import Counts, Proof
from compiler.model.catalogue import Entry
from compiler.model.document import Source, Span
from compiler.model.environment import Secret, Store
from compiler.model.facts import MAX_INPUT_BYTES
from compiler.model.store import Place, place_of
from compiler.pipeline import Result
from compiler.refusal import Refusal
from compiler.stores.registry import PROVIDERS
from compiler.text.wording import quoted, shell_line

_CHARACTERS = re.compile(r"[^\r\n]")
# In one case, or without a digit: Base64 with its padding looks like a name with its equals sign. A name alone is in
# capitals, and neither is as long as a key in Base32.
_NAME = r"(?!(?:[A-Z0-9]{16,}|[a-z0-9]{16,})(?![A-Za-z0-9_]))([A-Z_][A-Z0-9_]*|[a-z_][a-z0-9_]*|[A-Za-z_]+)"
_LINE = re.compile(rf"\s*(?:export\s+)?{_NAME}\s*=(.*)", re.ASCII | re.DOTALL)
_NAME_ALONE = re.compile(rf"\s*(?:export\s+)?{_NAME}(?<![a-z])\s*", re.ASCII)
# Nothing, quotes around nothing, and a comment behind a space.
_NO_VALUE = re.compile(r"\s*+(?:\"\"|'')?\s*+(?:(?<=\s)#.*)?", re.DOTALL)
_PASSED_OVER = re.compile(r"\s*(?:#.*)?")
_PRINT_NAMES = ("sed", "-nE", "s/^(export )?([A-Z][A-Z0-9_]*=).*/\\2/p")


def read_names(shown: str, text: str) -> tuple[tuple[str, ...], FoundObject]:
    """The names, in order, and the file as an object with what is refused of it; no refusal shows a name.

    Raises Refusal for a file that is too large.
    """
    if len(text) > MAX_INPUT_BYTES:
        raise Refusal("usage", f"{shown} is larger than {MAX_INPUT_BYTES} bytes", "name a file of names alone")
    source = Source(shown, _CHARACTERS.sub(" ", text))
    names, reasons = dict[str, None](), list[Reason]()
    prints = f": `{shell_line(*_PRINT_NAMES, shown)}` prints them" if shown != SHOWN_STDIN else ""
    help_text = f"keep the names alone{prints}; a real value counts as exposed"
    for number, line in enumerate(text.split("\n"), start=1):
        if _PASSED_OVER.fullmatch(line):
            continue
        at = Span(source, *source.line_bounds(number))
        found = _LINE.fullmatch(line) or _NAME_ALONE.fullmatch(line)
        if found is None:
            reasons.append(Reason(at, f"line {number} is not of the form NAME=", help_text))
        elif found.re is _LINE and not _NO_VALUE.fullmatch(found[2]):
            reasons.append(Reason(at, "a value stands beside its name", help_text))
        elif found[1] in names:
            reasons.append(Reason(at, "its name is in a line above too", "name each once"))
        names |= {found[1]: None} if found is not None else {}
    return tuple(names), FoundObject("file", "", shown, Span(source), reasons=tuple(reasons))


def plan_names(here: ImportTarget, secret: str, shown: str, text: str) -> tuple[ImportPlan, Proof]:
    """The plan of a secret with these names as keys. Raises Refusal.

    A new one is named by the catalogue's patterns; one that the catalogue has is listed, if it has these keys.
    """
    names, file = read_names(shown, text)
    if not names and not file.reasons:
        raise Refusal("cannot run", f"there is no name in {shown}", "write NAME= on a line of its own")
    found, nothing = Counts(1, len(names)), Counts(0, 0)
    if file.reasons:
        return ImportPlan(here.name, (file,), (), (), (), Result(None, ())), Proof(found, nothing, found, 0)
    entry = here.entries.get(secret)
    plan = _plan_entry(here, entry, names, file) if entry is not None else _plan_new(here, secret, names, file)
    if not plan.secrets:
        return plan, Proof(found, nothing, found, 0)
    environments = plan.result.project.environments if plan.result.project is not None else ()
    made = [each.secrets[secret] for each in environments if each.name == here.name and secret in each.secrets]
    if [[key.key.name for key in each.keys] for each in made] != [[*names]]:
        raise Refusal("found", f"the compiled secret {quoted(secret)} would not have these keys", "nothing was written")
    # No name says where a value is.
    return plan, Proof(found, found, nothing, 0)


def _plan_entry(here: ImportTarget, entry: Entry, names: Sequence[str], file: FoundObject) -> ImportPlan:
    chosen = here.stores[here.merged.text("store") or ""]
    store = here.known_stores()[store_kind(chosen), chosen.text("name") or ""]
    prefix, provider = chosen.text("prefix") or "", store.provider.id
    keys = []
    for name in names:
        known = entry.keys.get(name)
        place = place_of(known, provider, entry.remote.get(provider), prefix) if known is not None else None
        place = place or Place(f"{prefix}{name}", name)
        keys.append(FoundKey(name, store, place.remote_key, place.property, file.at))
    secret = FoundSecret(here.namespace, entry.target, tuple(keys), file.at)
    return plan_import(here, [replace(file, secrets=(secret,))])


def _plan_new(here: ImportTarget, secret: str, names: Sequence[str], file: FoundObject) -> ImportPlan:
    request = SecretRequest(secret, None, dict.fromkeys(("target", *PROVIDERS)), tuple(names), (here.name,))
    outputs, _, result = new_secret(here.root, request)
    environments = result.project.environments if result.project is not None else ()
    made = [each.secrets[secret] for each in environments if each.name == here.name and secret in each.secrets]
    planned = tuple(_planned(each, each.store, file.at) for each in made if each.store is not None)
    return ImportPlan(here.name, (file,), planned, (), tuple(outputs), result)


def _planned(secret: Secret, store: Store, at: Span) -> PlannedSecret:
    source = SourceStore(store.kind, store.name, store.provider)
    keys = tuple(FoundKey(each.key.name, source, *each.place, at) for each in secret.keys if each.place is not None)
    found = FoundSecret(secret.namespace or "", secret.entry.target, keys, at)
    return PlannedSecret(secret.id, found, PlannedStore(store.id, source, is_new=False, changes={}), None, {}, ())
