"""Writes what a role may do in a store: a Vault policy or a script of `az`, for the places that an environment reads.

`COMMANDS` is the one table of what each command does with the remote secrets of a store; what that asks of a store is
in the `access` module of its provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from compiler.generate.files import HEADER
from compiler.live.stores import key_places, store_named
from compiler.model.environment import Environment, Secret, Store
from compiler.model.provider import InvalidReferenceError, UnprovenReferenceError
from compiler.refusal import Refusal
from compiler.stores.interface import Role, Use
from compiler.stores.registry import PROVIDERS
from compiler.text.command_line import PROGRAM, shell_line
from compiler.text.wording import listed, quoted

_READ: Final = frozenset({Use.READ})
_READ_AGES: Final = _READ | {Use.AGE}
_WRITE: Final = frozenset({Use.CREATE, Use.UPDATE})
_RECOVER: Final = frozenset({Use.RECOVER, Use.UPDATE})
_UNDO: Final = frozenset({Use.DELETE, Use.UPDATE, Use.TAG})
# What each command does in a store, by role: of a migration the source is read, and the destination written.
COMMANDS: Final[Mapping[Role, Mapping[str, frozenset[Use]]]] = MappingProxyType(
    {
        Role.OPERATOR: {"External Secrets Operator": _READ},
        Role.READER: {
            "verify": _READ,
            "cutover": _READ,
            "status": _READ_AGES,
            "backup": _READ_AGES,
            "migrate --from": _READ_AGES,
        },
        Role.WRITER: {
            "put": _WRITE,
            "put --recover": _RECOVER,
            "put --undo": _UNDO,
            "rotate": frozenset({Use.UPDATE, Use.TAG}),
            "rotate --undo": frozenset({Use.UPDATE, Use.TAG}),
            "rotate --confirm-revoked": frozenset({Use.RETAG}),
            "migrate": _WRITE | {Use.TAG},
            "migrate --all-properties": _WRITE | {Use.TAG},
            "migrate --recover": _RECOVER | {Use.TAG},
            "migrate --undo": _UNDO,
            "restore": _WRITE | {Use.TAG},
            "restore --recover": _RECOVER | {Use.TAG},
            "restore --undo": _UNDO,
        },
        Role.RETIRER: {"retire": frozenset({Use.DELETE_VERSIONS}), "retire --undo": frozenset({Use.RECOVER_VERSIONS})},
    }
)
FORMS: Final = MappingProxyType({each.access_form: each for each in PROVIDERS.values() if each.access_form})


def uses_of(role: Role) -> frozenset[Use]:
    """All that the commands of `role` do with a remote secret."""
    return frozenset().union(*COMMANDS[role].values())


def access_text(
    environment: Environment, role: Role, form: str, words: Sequence[str], store: str | None = None, *, is_wide: bool
) -> str:
    """What grants `role` its commands, with a comment that `words` generate it.

    Without `store` it is for the one that the environment reads, of the provider with that form, and for what it reads
    there; with `store` for the places of all its secrets there. Raises Refusal where there is no such store or place.
    """
    chosen = _chosen(environment, form, store)
    secrets = [each for each in environment.secrets.values() if store is not None or each.store is chosen]
    try:
        names = names_in(environment, chosen, secrets, role)
    except (InvalidReferenceError, UnprovenReferenceError) as error:
        message = f"a place in {quoted(chosen.id)} is not a secret: {error}"
        raise Refusal("usage", message, "correct its `remote` in the catalogue") from None
    if not names:
        message = f"{quoted(environment.name)} has no secret in {quoted(chosen.id)}"
        raise Refusal("usage", message, "name another store with --store")
    if not chosen.address:
        message = f"the store {quoted(chosen.id)} has no {chosen.provider.address}"
        raise Refusal("usage", message, "write it in the environment")
    comment = [
        "access`. Do not edit; run:",
        f"#   {shell_line(PROGRAM, *words)}",
        f"# The {role} of {environment.name} in {chosen.id}, for: {', '.join(COMMANDS[role])}",
    ]
    title = f"{PROGRAM}-{environment.name}-{role}"
    module, uses = chosen.provider.load("access"), uses_of(role)
    namespace = environment.root.text("namespace") or ""
    body: str = module.access_text(chosen, role, title, tuple(names), uses, namespace=namespace, is_wide=is_wide)
    return HEADER + "\n".join(comment) + "\n" + body


def names_in(environment: Environment, store: Store, secrets: Iterable[Secret], role: Role) -> dict[str, Secret]:
    """The names of the remote secrets of `secrets` in `store`, each with one that has it, in the order of names.

    They are those of all keys, for the operator of the keys in use. Raises InvalidReferenceError and
    UnprovenReferenceError for a place that is no secret of the store.
    """
    found: dict[str, Secret] = {}
    for secret in secrets:
        used = {item.key.name for item in secret.keys}
        for key, place in key_places(environment, secret, store).items():
            if place is not None and (role is not Role.OPERATOR or key in used):
                found.setdefault(store.provider.asked_name(store.mount, place.remote_key), secret)
    return dict(sorted(found.items()))


def _chosen(environment: Environment, form: str, name: str | None) -> Store:
    provider = FORMS[form]
    if name is not None:
        store = store_named(environment, name)
        if store.provider is not provider:
            forms = [each for each, its in FORMS.items() if its is store.provider]
            way_out = f"for this one, use --form {forms[0]}" if forms else "name another store"
            raise Refusal("usage", f"--form {form} is for {provider.title}, which {quoted(store.id)} is not", way_out)
        return store
    found = [each for each in environment.stores_in_use() if each.provider is provider]
    if len(found) == 1:
        return found[0]
    if found:
        ids = [each.id for each in found]
        message = f"{quoted(environment.name)} reads several stores of {provider.title}: {listed(ids, len(ids))}"
        raise Refusal("usage", message, "name one with --store")
    message = f"{quoted(environment.name)} reads no secret from {provider.title}"
    raise Refusal("usage", message, "name the store with --store, before a move and after it too")
