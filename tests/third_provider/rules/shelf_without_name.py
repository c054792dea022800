"""A shelf is addressed without a name.

Nobody finds a book there.

    stores:
      old: {provider: shelf, shelfUrl: https://shelf.example.com/}

Write its name:

    stores:
      old: {provider: shelf, shelfUrl: https://old.shelf.example.com}
"""

from compiler.rules.api import ENVIRONMENT, WARNING, Environment, Finding, Findings, rule
from tests.third_provider.provider import PROVIDER


@rule("shelf-without-name", WARNING, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if store.provider is PROVIDER and (store.address or "").startswith("https://shelf."):
            yield Finding("a shelf needs a name", store.node.nearest("shelfUrl"), scope=("stores", store.id))
