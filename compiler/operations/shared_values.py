"""Finds keys with one value, in one environment or in several, for `verify --shared-with`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from compiler.live.stores import LiveStores, with_server
from compiler.model.document import Diagnostic, Related
from compiler.model.environment import Environment
from compiler.model.inventory import Cell
from compiler.model.store import Sameness, StoreIdentity, compare_servers, remote_places
from compiler.operations.references import cells_to_read
from compiler.operations.verify import Verification, verify
from compiler.rules.api import Finding, waiver
from compiler.rules.listed_rules import BY_ID
from compiler.stores.secret_value import Comparer, Mark, Trait, traits
from compiler.text.wording import quote

_RULE = BY_ID["shared-value"]
# Values that many have in common.
_NO_VALUES = frozenset({Trait.EMPTY, Trait.PLACEHOLDER})


# A key that has a value with a limited life, and the store where it was read, as reached from here.
_Holder = tuple[Environment, Cell, StoreIdentity]


def shared_values(
    environment: Environment, found: Verification, others: Iterable[Environment], stores: LiveStores
) -> tuple[tuple[Diagnostic, ...], tuple[str, ...], bool]:
    """Findings of keys with one value, in `environment`, of which `found` was read, and in `others`, which are read.

    Keys that take their value from another key, and keys without a limit, do not count. Only a mark of each value is
    kept. Also returns sentences on what is not known, and whether the stores of all others answered.
    """
    comparer, holders = Comparer(), dict[Mark, list[_Holder]]()
    servers: dict[tuple[str, str], StoreIdentity] = {}
    diagnostics, answered = list[Diagnostic](), True
    for each in (environment, *others):
        if each is not environment:
            found = verify(_cells_with_limit(cells_to_read(each)[0]), stores)
            diagnostics += found.diagnostics
            answered = answered and found.answered
        clusters = {seen.store: seen.cluster for seen in found.seen}
        values = {status.cell: status.value for status in found.keys}
        for cell in _cells_with_limit(values):
            value, store = values[cell], cell.store
            if value is None or traits(value) & _NO_VALUES:
                continue
            if (each.name, store.id) not in servers:
                servers[each.name, store.id] = with_server(stores.address(store).identity, clusters.get(store.id))
            holder = (each, cell, servers[each.name, store.id])
            holders.setdefault(comparer.mark(value), []).append(holder)
    shared = sorted(_find_shared(holders.values()), key=lambda each: (each.span.path, each.span.start))
    return (*diagnostics, *shared), tuple(_explain_unproven(servers)), answered


def _find_shared(holders: Iterable[Sequence[_Holder]]) -> Iterator[Diagnostic]:
    """A finding for each key whose value another key has, at the key, unless it is waived there."""
    for same in holders:
        for at, holder in enumerate(same):
            first = next((each for each in same[:at] if not _is_one_place(each, holder)), None)
            if first is None:
                continue
            finding, environment = _finding(holder, first), holder[0]
            if not _RULE.waivers(finding, (environment.root, environment.catalogue.document.root)):
                yield _RULE.diagnostic(finding)


def _is_one_place(one: _Holder, other: _Holder) -> bool:
    """Whether both are the same place; a mount and a namespace can be written in two ways."""
    (_, own, server), (_, their, their_server) = one, other
    if own.property != their.property or compare_servers(server, their_server) is not Sameness.SAME:
        return False
    places = remote_places(server, own.remote_key)
    return not places.isdisjoint(remote_places(their_server, their.remote_key))


def _explain_unproven(servers: Mapping[tuple[str, str], StoreIdentity]) -> Iterator[str]:
    """Sentences on stores of two environments that are, or may be, the same one."""
    read = list(servers.items())
    for at, ((name, store), server) in enumerate(read):
        for (other_name, other_store), other in read[:at]:
            if name == other_name or (sameness := compare_servers(server, other)) is Sameness.ANOTHER:
                continue
            subject = f"{quote(other_store)} of {other_name} and {quote(store)} of {name}"
            if sameness is Sameness.SAME:
                yield f"{subject} are one store: a place that both read was not compared with itself"
            else:
                yield f"{subject} may be one store: neither their addresses nor their servers prove that they are two"


def _cells_with_limit(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """The cells of keys with a value of their own and a limited life."""
    return tuple(each for each in cells if each.holder is None and each.lifetime.limit_days is not None)


def _finding(holder: _Holder, first: _Holder) -> Finding:
    (environment, own, _), (other_environment, other, _) = holder, first
    name, where = f"{quote(own.key)} of {quote(own.secret)}", f"{quote(other.key)} of {quote(other.secret)}"
    waive = waiver(_RULE.id, own.secret)
    if environment is other_environment:
        message = f"{name} has the same value as {where}"
        way_out = f"if it is meant, write `from: {other.secret}/{other.key}` in the catalogue; {waive}"
        related = Related("the other key", other.key_at)
    else:
        same = "" if name == where else f" as {where}"
        message = f"{name} has the same value{same} in {other_environment.name} and {environment.name}"
        way_out = f"make a credential for each environment, so that one can be revoked alone; {waive}"
        related = Related(f"{other_environment.name} reads it because of this", other.secret_at)
    return Finding(message, own.secret_at, help=way_out, related=(related,), scope=("secrets", own.secret))
