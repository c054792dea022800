"""Looks up what an environment makes and says of Secrets: by target, by `madeElsewhere`, by waivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.operator_release import parse_minor

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from compiler.model.document import Node
    from compiler.model.environment import Environment, Secret
    from compiler.operations.consumers.objects import Made, Name
    from compiler.rules.interface import Finding, Rule

# The last minor of External Secrets Operator that serves v1beta1.
_LAST_WITH_OLD = (0, 16)
_MADE_ELSEWHERE = "madeElsewhere"


@dataclass(frozen=True, slots=True, eq=False)
class Own:
    """The Secrets of an environment by namespace and name, and the names that it says others make."""

    environment: Environment
    secrets: Mapping[Name, Secret]
    elsewhere: Mapping[str, Node]

    @property
    def place(self) -> Node:
        """Where an environment lists its secrets."""
        return self.environment.root.nearest("secrets")

    def other(self, namespace: str) -> str | None:
        """The namespace, where it is not that of the environment."""
        return namespace if namespace != self.environment.root.text("namespace") else None

    def is_unserved(self, made: Made) -> bool:
        """Whether it is of an API that the environment's operator does not serve, and so makes nothing."""
        operator = parse_minor(self.environment.operator or "")
        return made.is_old and operator is not None and operator > _LAST_WITH_OLD

    def is_of(self, made: Made) -> bool:
        """Whether a manifest is the ExternalSecret that the environment itself compiles to."""
        is_named = made.by == made.name and (made.namespace, made.name) in self.secrets
        return made.kind == "ExternalSecret" and is_named and made.part_of == self.environment.part_of


def own_of(environment: Environment) -> Own:
    """What the environment says, all its secrets resolved."""
    secrets = {(each.namespace or "", each.entry.target): each for each in environment.secrets.values()}
    elsewhere = environment.root.get(_MADE_ELSEWHERE)
    return Own(environment, secrets, elsewhere.children if elsewhere is not None else {})


def keys_of(secret: Secret) -> frozenset[str]:
    """The keys of the Secret that an environment's secret makes."""
    return frozenset(each.key.name for each in secret.keys)


def namespace_of(environment: Environment, given: str | None) -> str:
    """The namespace of manifests that name none: `given`, else the environment's."""
    return given or environment.root.text("namespace") or ""


class Waivers:
    """The waivers of an environment and its catalogue, with a memory of those that were needed."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._roots = (environment.root, environment.catalogue.document.root)
        self._used: set[int] = set()

    def covers(self, rule: Rule, finding: Finding) -> bool:
        """Whether the finding is waived where it is, or above."""
        reasons = rule.waivers(finding, self._roots)
        self._used.update(map(id, reasons))
        return bool(reasons)

    def unused(self, rules: Mapping[str, Rule], namespaces: Collection[str]) -> Iterator[tuple[str, Node]]:
        """The waivers of `rules` in the environment's own file that no finding needed.

        Those of secrets in other namespaces than `namespaces` are not judged: nothing was looked at there.
        """
        secrets, own = self._environment.root.get("secrets"), self._environment.secrets
        places = [self._environment.root]
        for name, node in (secrets.children if secrets is not None else {}).items():
            if name not in own or own[name].namespace in namespaces:
                places.append(node)
        for place in places:
            waive = place.get("waive")
            for rule_id, reason in (waive.children if waive is not None else {}).items():
                is_here = reason.source is self._environment.document.source
                if rule_id in rules and is_here and id(reason) not in self._used:
                    yield rule_id, reason
