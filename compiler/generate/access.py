"""Writes what a role may do in a store, as a Vault policy or a script of `az`, and what commands may do in a cluster.

`COMMANDS` is the one table of what each command does with the remote secrets of a store.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from compiler.generate.files import header_for
from compiler.live.stores import store_named
from compiler.model.environment import Environment, Secret, Store
from compiler.model.inventory import Inventory
from compiler.model.provider import InvalidReferenceError, UnprovenReferenceError
from compiler.refusal import Refusal
from compiler.stores.interface import Role, Use
from compiler.stores.registry import PROVIDERS
from compiler.text.wording import PROGRAM, list_names, quote

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
            "rotate": frozenset({Use.UPDATE}),
            "rotate --undo": frozenset({Use.UPDATE, Use.TAG}),
            "migrate": _WRITE | {Use.TAG},
            "migrate --all-properties": _WRITE | {Use.TAG},
            "migrate --recover": _RECOVER | {Use.TAG},
            "migrate --undo": _UNDO,
            "restore": _WRITE | {Use.TAG},
            "restore --recover": _RECOVER | {Use.TAG},
            "restore --undo": _UNDO,
        },
        Role.IMPORTER: {"import store": frozenset({Use.LIST})},
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

    Without `store` it covers what the environment reads in its store of that form's provider; with `store` the places
    of all its secrets there. Raises Refusal where there is no such store or place.
    """
    chosen = _choose_store(environment, form, store)
    secrets = [each for each in environment.secrets.values() if store is not None or each.store is chosen]
    if role is Role.IMPORTER:
        # What no entry has is nowhere but in the store: all of it is listed.
        secrets = []
    try:
        names = names_in(environment, chosen, secrets, role)
    except (InvalidReferenceError, UnprovenReferenceError) as error:
        message = f"the name of a secret in {quote(chosen.id)} is invalid: {error}"
        raise Refusal("usage", message, "correct its `remote` in the catalogue") from None
    if not names and role is not Role.IMPORTER:
        message = f"{quote(environment.name)} has no secret in {quote(chosen.id)}"
        raise Refusal("usage", message, "name another store with --store")
    if not chosen.address:
        message = f"the store {quote(chosen.id)} has no {chosen.provider.address}"
        raise Refusal("usage", message, "write it in the environment")
    purpose = f"# The {role} of {environment.name} in {chosen.id}, for: {', '.join(COMMANDS[role])}\n"
    title = f"{PROGRAM}-{environment.name}-{role}"
    module, uses = chosen.provider.load("access"), uses_of(role)
    namespace = environment.root.text("namespace") or ""
    body: str = module.access_text(chosen, role, title, tuple(names), uses, namespace=namespace, is_wide=is_wide)
    return header_for("access", words) + purpose + body


def names_in(environment: Environment, store: Store, secrets: Iterable[Secret], role: Role) -> dict[str, Secret]:
    """The remote secrets of `secrets` in `store`, each with one that has it, in order.

    For the operator only those of keys in use. Raises InvalidReferenceError and UnprovenReferenceError.
    """
    found: dict[str, Secret] = {}
    inventory = Inventory(environment)
    for secret in secrets:
        for cell in inventory.of(secret, store).values():
            if cell.place is not None and (role is not Role.OPERATOR or cell.in_use):
                found.setdefault(store.provider.operator_name(store.mount, cell.place.remote_key), secret)
    return dict(sorted(found.items()))


def _choose_store(environment: Environment, form: str, name: str | None) -> Store:
    provider = FORMS[form]
    if name is not None:
        store = store_named(environment, name)
        if store.provider is not provider:
            forms = [each for each, its in FORMS.items() if its is store.provider]
            way_out = f"for this one, use --form {forms[0]}" if forms else "name another store"
            raise Refusal("usage", f"--form {form} is for {provider.title}, which {quote(store.id)} is not", way_out)
        return store
    found = [each for each in environment.stores_in_use() if each.provider is provider]
    if len(found) == 1:
        return found[0]
    if found:
        ids = [each.id for each in found]
        message = f"{quote(environment.name)} reads several stores of {provider.title}: {list_names(ids, len(ids))}"
        raise Refusal("usage", message, "name one with --store")
    message = f"{quote(environment.name)} reads no secret from {provider.title}"
    raise Refusal("usage", message, "name the store with --store, before a move and after it too")


_RBAC: Final = Path(__file__).parent / "rbac"
_OWN_STORES: Final = """\
  - apiGroups: ["external-secrets.io"]
    resources: ["secretstores"]
    verbs: ["get"]
"""


def rbac(environment: Environment) -> str:
    """Roles for each namespace of the environment's secrets and the ClusterRoles that commands need, as YAML."""
    spaces = dict.fromkeys(each.namespace for each in environment.secrets.values() if each.namespace is not None)
    kinds = {(each.store.kind, each.namespace) for each in environment.secrets.values() if each.store is not None}
    roles, of_namespace = "", (_RBAC / "namespace.yaml").read_text("utf-8")
    for space in spaces:
        own_stores = _OWN_STORES if ("SecretStore", space) in kinds else ""
        roles += of_namespace.replace("OWN_STORES\n", own_stores).replace("NAMESPACE", space)
    # Without --root: a path of one machine is of no use in a file for a cluster, and a line break ends a comment.
    return (
        f"# What `{PROGRAM} status {environment.name} --cluster` and `--wait` ask for.\n"
        "# `verify` and `cutover` with --cluster need no more.\n"
        "# `rotate` needs the same, platform-secrets-force-sync and platform-secrets-retire.\n"
        '# Bind the roles to the people who run the commands. What lacks its rule is reported as "not asked".\n'
        f"{roles}{(_RBAC / 'cluster.yaml').read_text('utf-8')}"
    )
