"""The shortest validity that a Key Vault accepts is longer than its longest one.

No expiry date meets both, so no command could write a secret there.

    stores:
      azure: {requireExpiry: true, minValidity: 90d, maxValidity: 30d}

Write the numbers of the vault's policies:

    stores:
      azure: {requireExpiry: true, minValidity: 30d, maxValidity: 90d}
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Findings, rule, store_finding


@rule("contradictory-validity", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        longest, shortest = store.longest_validity, store.shortest_validity
        if longest is not None and shortest is not None and shortest >= longest:
            message = f"accepts no expiry date: at least {shortest} days ahead, and at most {longest}"
            way_out = "write a `minValidity` that is shorter than `maxValidity`"
            yield store_finding(store, store.node.nearest("minValidity"), message, way_out)
