"""Judges the name in a shelf's address."""

from compiler.model.environment import Environment
from compiler.rules.api import ENVIRONMENT, WARNING, Finding, Findings, rule
from tests.third_provider.provider import PROVIDER


@rule("shelf-without-name", WARNING, ENVIRONMENT, waivable=True)
def find_shelf_without_name(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if store.provider is PROVIDER and (store.address or "").startswith("https://shelf."):
            yield Finding("a shelf needs a name", store.node.nearest("shelfUrl"), scope=("stores", store.id))
