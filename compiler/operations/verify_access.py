"""Compares what the caller may do in each store with what a role takes, before anything is read there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from compiler.generate.access import names_in, uses_of
from compiler.live.stores import AddressError, LiveStores
from compiler.model.diagnostic import Diagnostic
from compiler.model.environment import Environment, Secret, Store
from compiler.model.provider import InvalidReferenceError, UnprovenReferenceError
from compiler.operations.references import Reference
from compiler.rules.api import Finding
from compiler.rules.live_rules import BY_ID
from compiler.stores.errors import StoreError
from compiler.stores.interface import Role
from compiler.text.command_line import command_line
from compiler.text.wording import quoted


def verify_access(
    environment: Environment, references: Sequence[Reference], role: Role, stores: LiveStores
) -> tuple[Diagnostic, ...]:
    """What the caller lacks for `role` in the stores of `references`, and what is beyond it.

    A store that cannot be asked is left to what reads it. What is refused afterwards is told with all that the role
    takes there.
    """
    by_store: dict[Store, list[Reference]] = {}
    for each in references:
        by_store.setdefault(each.store, []).append(each)
    found: list[Diagnostic] = []
    for store, asking in by_store.items():
        try:
            found += _of_store(environment, store, asking, role, stores)
        except (AddressError, StoreError):
            continue
    return tuple(found)


def _of_store(
    environment: Environment, store: Store, asking: Sequence[Reference], role: Role, stores: LiveStores
) -> Iterator[Diagnostic]:
    names: dict[str, Secret] = {}
    for secret in dict.fromkeys(each.secret for each in asking):
        # What is no secret of the store is a finding of reading it.
        with suppress(InvalidReferenceError, UnprovenReferenceError):
            for name, its in names_in(environment, store, [environment.secrets[secret]], role).items():
                names.setdefault(name, its)
    writer, uses = stores.open(store), dict.fromkeys(names, uses_of(role))
    problems, excess = writer.check_access(uses), writer.excess_access(uses)
    for each in problems or ():
        message = f"{quoted(each.name)} in {quoted(store.id)} is not open to a {role}: {each.reason}"
        at = names[each.name].node.key_span
        yield BY_ID["missing-access"].diagnostic(Finding(message, at, help=each.remedy, brief=True))
    if problems is None or excess is None:
        message = f"{quoted(store.id)} does not say what your credentials may do; only reading was tried"
        yield BY_ID["unknown-access"].diagnostic(Finding(message, store.node.key_span))
    elif excess:
        elsewhere = ["--store", store.id] if asking[0].is_elsewhere else []
        words = ["--for", role, "--form", store.provider.access_form, *elsewhere]
        help_text = f"`{command_line('generate', 'access', environment.name, *words)}` writes what is enough"
        message = f"your credentials may do more in {quoted(store.id)} than a {role}: {excess}"
        yield BY_ID["excess-access"].diagnostic(Finding(message, store.node.key_span, help=help_text))
