"""Runs every rule on the model, leaves out waived findings, and reports waivers without a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import MOST_OF_A_KIND, and_more
from compiler.rules import RULES, shadowed_variable, unused_waiver
from compiler.rules.api import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from compiler.model.catalogue import Catalogue
    from compiler.model.diagnostic import Diagnostic
    from compiler.model.document import Document, Node
    from compiler.model.environment import Environment, Project
    from compiler.rules.api import Finding, Rule

_BY_SCOPE = {scope: tuple(rule for rule in RULES if rule.scope is scope and rule.check is not None) for scope in Scope}
# Without what `consumers` finds too, from evidence that is not here: a waiver may be needed there alone.
_KNOWN = frozenset(rule.id for rule in RULES) - {shadowed_variable.check.id}


class Checker:
    """Judges the parts of one run and remembers which waivers were needed."""

    def __init__(self) -> None:
        self._used: set[int] = set()

    def document(self, document: Document) -> tuple[Diagnostic, ...]:
        """Findings of the rules in one file by itself."""
        return tuple(self._judge(_BY_SCOPE[Scope.DOCUMENT], document, (document.root,)))

    def catalogue(self, catalogue: Catalogue) -> tuple[Diagnostic, ...]:
        """Findings of the rules in the catalogue, independent of environments."""
        root = (catalogue.document.root,)
        found = list(self._judge(_BY_SCOPE[Scope.CATALOGUE], catalogue, root))
        for rule in RULES:
            if rule.catalogue_check is not None:
                found.extend(self._kept(rule, rule.catalogue_check(catalogue), root))
        return tuple(found)

    def environment(self, environment: Environment) -> tuple[Diagnostic, ...]:
        """Findings of the rules in one environment."""
        roots = (environment.root, environment.catalogue.document.root)
        return tuple(self._judge(_BY_SCOPE[Scope.ENVIRONMENT], environment, roots))

    def project(self, project: Project) -> tuple[Diagnostic, ...]:
        """Findings across environments, and the waivers that no finding of this run needed."""
        # Once, not searched for each finding: a thousand environments on one vault have thousands of them.
        roots = {environment.document.source: (environment.root,) for environment in project.environments}
        found: list[Diagnostic] = []
        for rule in _BY_SCOPE[Scope.PROJECT]:
            findings = rule.check(project) if rule.check is not None else ()
            kept = [each for each in findings if not self._is_waived(rule, each, roots.get(each.span.source, ()))]
            found += map(rule.diagnostic, rule.gather(kept) if rule.gather is not None else kept)
        return (*found, *self._unused_waivers(project))

    def _judge(self, rules: Iterable[Rule], subject: object, roots: tuple[Node, ...]) -> Iterator[Diagnostic]:
        for rule in rules:
            if rule.check is not None:
                yield from self._kept(rule, rule.check(subject), roots)

    def _kept(self, rule: Rule, findings: Iterable[Finding], roots: tuple[Node, ...]) -> Iterator[Diagnostic]:
        kept = 0
        for finding in findings:
            if not self._is_waived(rule, finding, roots):
                kept += 1
                diagnostic = rule.diagnostic(finding)
                if kept > MOST_OF_A_KIND:
                    yield and_more(diagnostic)
                    return
                yield diagnostic

    def _is_waived(self, rule: Rule, finding: Finding, roots: tuple[Node, ...]) -> bool:
        reasons = rule.waivers(finding, roots)
        self._used.update(map(id, reasons))
        return bool(reasons)

    def _unused_waivers(self, project: Project) -> Iterator[Diagnostic]:
        seen: set[int] = set()
        for environment in project.environments:
            for rule_id, reason in _waivers(environment.root):
                judged = project.is_whole or reason.source is environment.document.source
                if judged and id(reason) not in seen and id(reason) not in self._used and rule_id in _KNOWN:
                    seen.add(id(reason))
                    yield from unused_waiver.check.diagnostics(rule_id, reason)
        if project.is_whole:
            for rule_id, reason in _waivers(project.catalogue.document.root):
                if id(reason) not in self._used and rule_id in _KNOWN:
                    yield from unused_waiver.check.diagnostics(rule_id, reason)


def _waivers(root: Node) -> Iterator[tuple[str, Node]]:
    places = [root]
    for group in ("secrets", "stores"):
        node = root.children.get(group)
        if node is not None:
            places.extend(node.children.values())
    for place in places:
        waive = place.children.get("waive")
        if waive is not None:
            yield from waive.children.items()
