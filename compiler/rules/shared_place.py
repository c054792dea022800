"""Two environments read one remote secret of one store.

A value that is written for one reaches the other: a rotation in staging changes production. The rule compares absolute
addresses, with the mount and namespace of a Vault. An address that means another host in each cluster (`*.svc`,
loopback, a name with at most one dot) counts as the same only if both environments name the same `clusterId`.

    # environments/staging.yaml and environments/prod.yaml alike
    stores:
      azure: {vaultUrl: https://ai-platform.vault.azure.net}

Give each environment its own store, or its own part of one:

    stores:
      azure: {vaultUrl: https://ai-platform.vault.azure.net, prefix: prod-}

If they share a secret on purpose, waive it in the later environment, for that secret alone:

    secrets:
      pagerduty:
        waive: {shared-place: one PagerDuty account serves all environments}

It is reported once for a pair of environments, with the secrets that no waiver covers: at the one that comes later in
the alphabet, against the first that reads the same secrets. So a thousand environments on one vault are a thousand
findings, not half a million.
"""

from collections.abc import Iterable

from compiler.model import group_pairs
from compiler.model.document import Related
from compiler.model.environment import Environment, Project, Secret, Store
from compiler.model.inventory import reads_of
from compiler.model.store import StoreIdentity, identity_from_files, parse_address
from compiler.rules.api import (
    PROJECT,
    WARNING,
    Finding,
    Findings,
    Span,
    list_names,
    pluralize,
    quote,
    rule,
    top_of,
    waiver,
)

# All of a usual catalogue, since each wants its own waiver; a thousand names in a thousand messages help nobody.
_MOST_SECRETS = 20


def gather(findings: Iterable[Finding]) -> Findings:
    """One finding for each two environments, in place of one for each secret that both read."""
    for names, together in group_pairs([(each.names, each) for each in findings]).items():
        yield together[0] if len(together) == 1 else _of_several(names, together)


@rule("shared-place", WARNING, PROJECT, gather=gather, waivable=True)
def check(project: Project) -> Findings:
    for readers in _by_address(project).values():
        if len(readers) > 1 and readers[0][0] is not readers[-1][0]:
            yield from _find_shared(readers)


def _by_address(project: Project) -> dict[StoreIdentity, list[tuple[Environment, Store]]]:
    """The environments with their stores that secrets are read from, by the store's identity."""
    readers = ((_absolute(store), (each, store)) for each in project.environments for store in each.stores_in_use())
    return group_pairs([(address, reader) for address, reader in readers if address is not None])


def _absolute(store: Store) -> StoreIdentity | None:
    address = parse_address(store.address) if store.address else None
    if address is None or address.extra:
        return None
    return identity_from_files(store.identity)


def _find_shared(readers: list[tuple[Environment, Store]]) -> Findings:
    seen: dict[str, tuple[Environment, Secret]] = {}
    for environment, store in readers:
        said: set[str] = set()
        reads = ((each.secret, each.place.remote_key) for each in reads_of(environment, store))
        # Each remote secret that a secret reads, once, in an order that does not depend on hashing.
        for secret, name in dict.fromkeys(reads):
            place = store.provider.remote_name(name)
            first, first_secret = seen.setdefault(place, (environment, secret))
            if first is not environment and place not in said:
                said.add(place)
                yield _finding(name, environment, secret, first, first_secret)


def _finding(name: str, later: Environment, secret: Secret, first: Environment, first_secret: Secret) -> Finding:
    return Finding(
        f'environments "{later.name}" and "{first.name}" both read {quote(name)} from the same store',
        _place(later, secret),
        help=f"give each its own store or a `prefix`; {waiver('shared-place', secret.id)}",
        related=(Related(f'read by "{first.name}" because of this', _place(first, first_secret)),),
        scope=("secrets", secret.id),
        names=(later.name, first.name),
    )


def _place(environment: Environment, secret: Secret) -> Span:
    """The place in the environment's own file that makes it read there: a waiver belongs beside it."""
    source = environment.document.source
    candidates = [secret.store_node]
    if secret.store is not None:
        candidates += [
            secret.store.node.get(field) for field in (secret.store.provider.address, "mount", "prefix", "clusterId")
        ]
    for node in candidates:
        if node is not None and node.source is source:
            return node.span
    return top_of(environment.document)


def _of_several(names: tuple[str, ...], findings: list[Finding]) -> Finding:
    later, first = names
    secrets = list(dict.fromkeys(finding.scope[-1] for finding in findings))
    read = f"{pluralize(len(secrets), 'secret')} from the same places: {list_names(secrets, _MOST_SECRETS)}"
    return findings[0]._replace(
        message=f'environments "{later}" and "{first}" both read {read}',
        help=f"give each its own store or a `prefix`; {waiver('shared-place', secrets[0])}, and to the others",
    )
