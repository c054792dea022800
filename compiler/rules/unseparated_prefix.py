"""A store's prefix does not end in a separator.

The prefix is put before each remote name as it is. `prod` makes `prodai-platform-engineering/github-secret`, which
does not exist.

    stores:
      vault: {provider: vault, prefix: prod}

End it with `/` on Vault and with `-` on Key Vault:

    stores:
      vault: {provider: vault, prefix: prod/}
      azure: {provider: azurekv, prefix: prod-}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.catalogue import VAULT
from compiler.model.diagnostic import Severity
from compiler.rules.interface import Finding, Rule, Scope
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.environment import Environment


def check(environment: Environment) -> Iterator[Finding]:
    for store in environment.stores.values():
        if store.prefix and not store.prefix.endswith(("/", "-", "_", ".")):
            separator = "/" if store.provider == VAULT else "-"
            yield Finding(
                f"the prefix {quoted(store.prefix)} does not end in a separator",
                store.node.nearest("prefix"),
                help=f"write {quoted(store.prefix + separator)}",
                scope=("stores", store.id),
            )


RULE = Rule("unseparated-prefix", Severity.WARNING, Scope.ENVIRONMENT, page=__doc__, check=check, waivable=True)
