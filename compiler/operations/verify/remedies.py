"""Says what mends what `verify` found, as a command with its names filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.catalogue import VAULT
from compiler.stores.errors import NotFoundError, SoftDeletedError
from compiler.text.command_line import command_line, shell_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.operations.verify.references import Reference
    from compiler.stores.errors import StoreError


def put_command(group: Sequence[Reference]) -> str:
    """The command that sets the keys of `group` in the store that they are read from.

    Where some are taken from another secret's, they are set with those of the first.
    """
    first = group[0]
    own = [each.key for each in group if each.secret == first.secret]
    # Without a key the command asks for all of the secret, and an empty answer leaves one as it is.
    keys = own if len(own) == 1 else []
    store = ["--store", first.store.id] if first.is_elsewhere else []
    return f"`{command_line('put', first.environment or 'ENV', first.secret, *keys, *store)}`"


def date_command(name: str, address: str, option: str) -> str:
    """The command that sets a date, DATE, of a secret of the Key Vault at `address`."""
    words = ("az", "keyvault", "secret", "set-attributes", "--id", f"{address}/secrets/{name}", option, "DATE")
    return f"`{shell_line(*words)}`"


def way_out_of(group: Sequence[Reference], error: StoreError) -> str:
    """What to do about a remote secret that a store did not return: the error's own remedy where none is nearer."""
    if isinstance(error, NotFoundError):
        return f"{put_command(group)} creates it; or correct its name"
    store, name = group[0].store, error.place.name
    if not isinstance(error, SoftDeletedError) or not name:
        return error.remedy
    if store.provider != VAULT:
        words = ["az", "keyvault", "secret", "recover", "--id", f"{error.place.store}/deletedsecrets/{name}"]
    elif error.version:
        namespace = [f"-namespace={store.vault_namespace}"] if store.vault_namespace else []
        words = ["bao", "kv", "undelete", *namespace, f"-mount={store.mount}", f"-versions={error.version}", name]
    else:
        return error.remedy
    return f"`{shell_line(*words)}` recovers it{_or_copy(group[0])}"


def _or_copy(first: Reference) -> str:
    """The command that copies a deleted secret again from another store, where there is one."""
    if first.environment is None or first.source is None:
        return ""
    ends = ("--to", first.store.id, "--from", first.source)
    copy = command_line("migrate", first.environment, *ends, "--only", first.secret, "--recover")
    return f"; or `{copy}` copies it there again"
