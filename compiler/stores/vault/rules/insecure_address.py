"""A Vault is reached over `http:` through a network outside the cluster.

The store's token and every secret can be read by anyone on the network path. These are exempt: loopback addresses,
`localhost` and names below it, and the full names of the cluster's own Services: `SERVICE.NAMESPACE.svc`, alone or with
`.cluster.local`. Live commands use the same list, and `reachableAt` is judged as `server` is.

    stores:
      vault: {server: http://vault.example.com:8200}

Use https, with `caProvider` for a private certificate authority, or the Service's full name:

    stores:
      vault: {server: https://vault.example.com:8200}

Waive it with the reason where the connection is protected otherwise, by a VPN or in a lab.
"""

from compiler.model.store import is_near, parse_address
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Findings, rule, store_finding, waiver
from compiler.stores.vault.provider import PROVIDER


@rule("insecure-address", ERROR, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        for setting, text in store.addresses:
            # A Key Vault with http is `invalid-address`.
            if text.startswith("https:") or store.provider is not PROVIDER:
                continue
            address = parse_address(text)
            if address is None or address.scheme != "http" or is_near(address.host):
                continue
            inner = address.host.count(".") <= 1 or ".svc." in address.host
            way_out = "use https, or the full name of a Service in the cluster" if inner else "use https"
            way_out += f"; {waiver('insecure-address', store.id)}"
            yield store_finding(store, store.node.nearest(setting), "is reached over http", way_out)
