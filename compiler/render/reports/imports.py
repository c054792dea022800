"""Shows the plan of an import, what was found, taken and refused, and its proof, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from compiler.imports.plan import ImportPlan, PlannedSecret, PlannedStore
from compiler.imports.proof import Counts, Proof
from compiler.render.content import Line, members
from compiler.text.wording import counted, pieces_of


def import_lines(plan: ImportPlan, proof: Proof) -> Iterator[Line]:
    """The stores, the secrets, the counts, and the proof."""
    for store in plan.stores:
        changes = ", ".join(f"{name} {value}" for name, value in store.changes.items())
        what = "new" if store.is_new else "changed" if changes else "as it is"
        yield f"store {store.id}: ", what, f", {changes}" if changes else "", _unknown_address(store)
    for each in plan.secrets:
        yield "secret ", each.id, ": ", _title(each), " with ", *pieces_of([key.name for key in each.found.keys])
        yield "  ", _entry(each), ", in ", each.store.id
    for owner, names in _owners(plan).items():
        yield "hand over when you deploy: ", *pieces_of(names), f" of the {owner}"
    yield f"found {_said(proof.found)}: {_said(proof.taken)} taken, {_said(proof.refused)} refused"
    if proof.keys:
        keys = f"{counted(proof.keys, 'key')} read as before by the compiled environment"
        yield f"proof: {keys}: same store, name and property"


def _owners(plan: ImportPlan) -> dict[str, list[str]]:
    """The Secrets that belong to another object than the ExternalSecret of their own name, which will make them."""
    found: dict[str, list[str]] = {}
    for each in plan.objects:
        for secret in each.secrets if each.namespace and not each.reasons else ():
            if (each.kind, each.name) != ("ExternalSecret", secret.name):
                found.setdefault(each.title, []).append(secret.name)
    return found


def _unknown_address(store: PlannedStore) -> str:
    source = store.source
    return "" if source.provider.address in dict(source.settings) else "; the manifests do not say its address"


def _title(each: PlannedSecret) -> str:
    return f"{each.found.namespace}/{each.found.name}"


def _entry(each: PlannedSecret) -> str:
    if each.entry is None:
        return "new in the catalogue"
    return "in the catalogue, with one more provider" if each.additions else "in the catalogue already"


def _said(counts: Counts) -> str:
    return f"{counted(counts.objects, 'object')} with {counted(counts.keys, 'key')}"


def import_content(form: str, plan: ImportPlan | None, proof: Proof | None, *, applied: bool) -> dict[str, Any]:
    """The members of the JSON report beside diagnostics; empty where the plan could not be made."""
    return {
        "form": form,
        "applied": applied,
        "stores": [_store(each) for each in plan.stores] if plan is not None else [],
        "secrets": [_secret(each) for each in plan.secrets] if plan is not None else [],
        "files": [output.shown for output in plan.outputs] if plan is not None else [],
        "counts": {name: members(getattr(proof, name), "objects", "keys") for name in ("found", "taken", "refused")}
        if proof is not None
        else None,
        "equalKeys": proof.keys if proof is not None else None,
    }


def _store(each: PlannedStore) -> dict[str, Any]:
    return {"store": each.id, "provider": each.source.provider.id, "new": each.is_new, "changes": each.changes}


def _secret(each: PlannedSecret) -> dict[str, Any]:
    keys: Sequence[dict[str, Any]] = [members(key, "name", "remote_key", "property") for key in each.found.keys]
    return {
        "secret": each.id,
        "namespace": each.found.namespace,
        "target": each.found.name,
        "store": each.store.id,
        "new": each.entry is None,
        "keys": keys,
    }
