"""Finds keys with one value that should have one each, in an environment and across several: `verify --shared-with`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from compiler.consumers.findings import Waivers
from compiler.live.stores import LiveStores
from compiler.model.address import Sameness, StoreIdentity, compare_servers, remote_places
from compiler.model.diagnostic import Diagnostic, Related
from compiler.model.environment import Environment, Store
from compiler.operations.references import Reference, references_of
from compiler.operations.verify import Verification, verify
from compiler.rules.api import Finding
from compiler.rules.forms.names import waiver
from compiler.rules.live_rules import BY_ID
from compiler.stores.secret_value import Comparer, Mark, Trait, traits
from compiler.text.wording import quoted

_RULE = BY_ID["shared-value"]
# Nobody has such a value to himself.
_NO_VALUES = frozenset({Trait.EMPTY, Trait.PLACEHOLDER})


@dataclass(frozen=True, slots=True, eq=False)
class _Holder:
    """A key that has a value with a limited life, and the store where it was read, as reached from here."""

    environment: Environment
    reference: Reference
    server: StoreIdentity

    def is_at_place_of(self, other: _Holder) -> bool:
        """Whether both are one place; a mount and a namespace may be written in two ways."""
        if self.reference.property != other.reference.property:
            return False
        places = remote_places(self.server, self.reference.remote_key)
        is_same = compare_servers(self.server, other.server) is Sameness.SAME
        return is_same and not places.isdisjoint(remote_places(other.server, other.reference.remote_key))


@dataclass(slots=True)
class SharedValues:
    """Compares values of one environment after another; of each it keeps a mark, and no value."""

    stores: LiveStores
    comparer: Comparer = field(default_factory=Comparer)
    holders: dict[Mark, list[_Holder]] = field(default_factory=dict)
    servers: dict[tuple[str, str], StoreIdentity] = field(default_factory=dict)

    def read(self, environment: Environment) -> Verification:
        """Read the keys of `environment` whose values count, and add them."""
        found = verify(_limited(environment, references_of(environment)[0]), self.stores)
        self.add(environment, found)
        return found

    def add(self, environment: Environment, found: Verification) -> None:
        """Add what was read of `environment`; keys that take their value from another, or may live on, do not count."""
        clusters = {seen.store: seen.cluster.id for seen in found.seen if seen.cluster is not None}
        by_store: dict[Store, StoreIdentity] = {}
        for reference in _limited(environment, [status.reference for status in found.keys]):
            value = found.values.get(reference)
            if value is None or traits(value) & _NO_VALUES:
                continue
            store = reference.store
            if store not in by_store:
                identity = self.stores.address(store).identity
                by_store[store] = identity._replace(cluster_id=clusters.get(store.id))
                self.servers[environment.name, store.id] = by_store[store]
            holder = _Holder(environment, reference, by_store[store])
            self.holders.setdefault(self.comparer.mark(value), []).append(holder)

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """A finding for each key whose value another one has, at the key; without those that are waived there."""
        waivers: dict[str, Waivers] = {}
        found: list[Diagnostic] = []
        for holders in self.holders.values():
            for at, holder in enumerate(holders):
                first = next((each for each in holders[:at] if not each.is_at_place_of(holder)), None)
                if first is None:
                    continue
                finding = _finding(holder, first)
                environment = holder.environment
                if not waivers.setdefault(environment.name, Waivers(environment)).covers(_RULE, finding):
                    found.append(_RULE.diagnostic(finding))
        return tuple(sorted(found, key=lambda each: (each.span.path, each.span.start)))

    def unproven(self) -> Iterator[str]:
        """What is not known of the stores: that those of two environments were one, or may have been."""
        read = list(self.servers.items())
        for at, ((name, store), server) in enumerate(read):
            for (other_name, other_store), other in read[:at]:
                if name == other_name or (sameness := compare_servers(server, other)) is Sameness.ANOTHER:
                    continue
                subject = f"{quoted(other_store)} of {other_name} and {quoted(store)} of {name}"
                if sameness is Sameness.SAME:
                    yield f"{subject} are one store: a place that both read was not compared with itself"
                else:
                    yield f"{subject} may be one store: `clusterId` in each environment proves that they are two"


def _limited(environment: Environment, references: Sequence[Reference]) -> tuple[Reference, ...]:
    """Those of keys with a value of their own and a limited life."""
    keys = {(secret.id, item.key.name): item.key for secret in environment.secrets.values() for item in secret.keys}
    return tuple(
        each
        for each in references
        if each.holder is None and keys[each.secret, each.key].lifetime.limit_days is not None
    )


def _finding(holder: _Holder, first: _Holder) -> Finding:
    own, other = holder.reference, first.reference
    name, where = f"{quoted(own.key)} of {quoted(own.secret)}", f"{quoted(other.key)} of {quoted(other.secret)}"
    waive = waiver(_RULE.id, own.secret)
    if holder.environment is first.environment:
        message = f"{name} has the same value as {where}"
        way_out = f"if it is meant, write `from: {other.secret}/{other.key}` in the catalogue; {waive}"
        related = Related("the other key", other.key_at)
    else:
        same = "" if name == where else f" as {where}"
        message = f"{name} has the same value{same} in {first.environment.name} and {holder.environment.name}"
        way_out = f"make a credential for each environment, so that one can be revoked alone; {waive}"
        related = Related(f"{first.environment.name} reads it because of this", other.secret_at)
    return Finding(message, own.secret_at, help=way_out, related=(related,), scope=("secrets", own.secret))
