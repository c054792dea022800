"""The stores are read more often than is useful, or than they allow.

Pods take these Secrets as environment variables, once, when they start: a refresh each few seconds brings them nothing,
while every read is counted, billed and written to the store's audit log. So an interval below one minute is reported,
and an environment whose secrets together need more of one Key Vault than the 4,000 operations in 10 seconds that it
allows: beyond that it answers 429 to everyone. With `fetch: perKey` each key is a read, with `bundle` each secret is
one.

    refreshInterval: 5s

Read less often; the annotation `force-sync` refreshes at once after a rotation:

    refreshInterval: 1h
"""

import math

from compiler.model.environment import PER_KEY
from compiler.model.facts import duration_text
from compiler.rules.api import ENVIRONMENT, WARNING, Environment, Finding, Findings, Node, Secret, Store, rule

_SHORTEST_SECONDS = 60
_WINDOW_SECONDS = 10


@rule("too-frequent-refresh", WARNING, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    yield from _too_short(environment)
    yield from _over_budget(environment)


def _too_short(environment: Environment) -> Findings:
    said: set[Node] = set()
    for secret in environment.secrets.values():
        node = secret.refresh_node
        if secret.refresh is None or secret.refresh >= _SHORTEST_SECONDS or node is None or node in said:
            continue
        said.add(node)
        shared = node is environment.root.get("refreshInterval")
        yield Finding(
            f"{duration_text(secret.refresh)} is too short, as pods read Secrets only when they start",
            node,
            help="use 1m or more",
            scope=() if shared else ("secrets", secret.id),
        )


def _over_budget(environment: Environment) -> Findings:
    loads: dict[str, tuple[Store, float]] = {}
    for secret in environment.secrets.values():
        store = secret.store
        if store is not None and store.provider.quota is not None and secret.refresh is not None:
            place = store.identity.server or store.id
            first, load = loads.get(place, (store, 0.0))
            loads[place] = (first, load + _reads(secret) * _WINDOW_SECONDS / secret.refresh)
    for store, load in loads.values():
        quota = store.provider.quota
        if quota is not None and load > quota:
            subject = f'the {store.provider.title} of the store "{store.id}"'
            yield Finding(
                f"{subject} is read {math.ceil(load)} times in 10 s, but allows {quota}",
                environment.root.nearest("refreshInterval"),
                help="use a longer `refreshInterval`, or `fetch: bundle`",
                scope=("stores", store.id),
            )


def _reads(secret: Secret) -> int:
    return len(secret.keys) if secret.fetch == PER_KEY else 1
