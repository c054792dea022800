"""Reads the names of variables from an example of a dotenv file; a value beside a name is refused and never shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from compiler.edit.new_entry import SecretRequest, new_secret
from compiler.imports.found import FoundKey, FoundObject, FoundSecret, Reason, SourceStore
from compiler.imports.plan import ImportPlan, ImportTarget, PlannedSecret, PlannedStore, plan_import, store_kind
from compiler.imports.proof import Counts, Proof
from compiler.model.catalogue import Entry
from compiler.model.document import Source, Span
from compiler.model.environment import Secret, Store
from compiler.model.store import Place, place_of
from compiler.pipeline import Result
from compiler.refusal import Refusal
from compiler.stores.registry import PROVIDERS
from compiler.text.command_line import shell_line
from compiler.text.wording import quoted

_CHARACTERS = re.compile(r"[^\r\n]")
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*(?:=\s*(.*))?")
# Nothing, quotes around nothing, and a comment behind a space.
_NO_VALUE = re.compile(r"(?:\"\"|'')?\s*(?:#.*)?")
_PASSED_OVER = re.compile(r"\s*(?:#.*)?")


def read_names(shown: str, text: str) -> tuple[tuple[str, ...], FoundObject]:
    """The names, in order, and the file as an object with what is refused of it."""
    source = Source(shown, _CHARACTERS.sub(" ", text))
    names, reasons = list[str](), list[Reason]()
    help_text = f"keep the names alone: `{shell_line('sed', 's/=.*/=/', shown)}` prints them; a real value is exposed"
    for number, line in enumerate(text.splitlines(), start=1):
        if _PASSED_OVER.fullmatch(line):
            continue
        at = Span(source, *source.line_bounds(number))
        found = _LINE.fullmatch(line)
        if found is None:
            reasons.append(Reason(at, f"line {number} is not of the form NAME=", help_text))
        elif found[2] is not None and not _NO_VALUE.fullmatch(found[2]):
            reasons.append(Reason(at, f"a value stands beside {quoted(found[1])}", help_text))
        elif found[1] in names:
            reasons.append(Reason(at, f"{quoted(found[1])} is named twice", "name each once"))
        names += [found[1]] if found is not None else []
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
