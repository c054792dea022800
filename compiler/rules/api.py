"""Defines what a rule is, and gives rules all that most of them need in one import.

A rule is an id, a severity, what it looks at, and a function from the model to findings.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple, TypeAlias

from compiler.model.document import Diagnostic, Document, Node, Related, Severity, Source, Span
from compiler.model.environment import Catalogue, CatalogueKey, Entry, Environment, Project, Secret, Store
from compiler.model.provider import Provider
from compiler.text.wording import closest, list_names, pluralize, quote

__all__ = ["CATALOGUE", "DOCUMENT", "ENVIRONMENT", "ERROR", "INPUT", "NOTE", "PROJECT", "WARNING"]
__all__ += ["Catalogue", "CatalogueKey", "Document", "Entry", "Environment", "Node", "Project", "Secret", "Source"]
__all__ += ["Finding", "Findings", "Related", "Rule", "Scope", "Severity", "Span", "Store", "rule"]
__all__ += ["list_names", "pluralize", "quote"]

_PAGES = Path(__file__).resolve().parent / "pages"
_DROPPED = "Its page is not here: run Python without -OO, or with PYTHONOPTIMIZE unset."


class Scope(Enum):
    """The argument of a rule's function, and how often it is called."""

    INPUT = "input"  # not run: loading, validation and the pipeline report them
    DOCUMENT = "document"  # each layer or catalogue file once
    CATALOGUE = "catalogue"  # the Catalogue once
    ENVIRONMENT = "environment"  # each Environment
    PROJECT = "project"  # the whole Project once
    LIVE = "live"  # not run: `verify`, `consumers` and `import` report them


ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
INPUT, DOCUMENT = Scope.INPUT, Scope.DOCUMENT
CATALOGUE, ENVIRONMENT, PROJECT = Scope.CATALOGUE, Scope.ENVIRONMENT, Scope.PROJECT


class Finding(NamedTuple):
    """A finding of a rule; it becomes a Diagnostic with the rule's id and severity."""

    message: str
    at: Node | Span  # a node's value, or any span
    help: str | None = None
    related: tuple[Related, ...] = ()
    conceals: tuple[Span, ...] = ()
    # The path that a waiver must cover, such as ("secrets", "github"); empty for the environment as a whole.
    scope: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # what the rule's `gather` needs for a message of its own
    brief: bool = False
    severity: Severity | None = None  # another than the rule's

    @property
    def span(self) -> Span:
        return self.at if isinstance(self.at, Span) else self.at.span


Findings: TypeAlias = Iterator[Finding]


def find_nothing(*_: object) -> Findings:
    """The check of a rule that is found elsewhere, and of the catalogue for most."""
    return iter(())


class Rule(NamedTuple):
    """One rule: an id, a severity, what it looks at, and its check."""

    id: str
    severity: Severity
    scope: Scope
    # That of its module; None for a rule without one, whose page is a file of `pages`.
    docstring: str | None = None
    # Reads nothing but what it is given.
    check: Callable[..., Findings] = find_nothing
    # Joins findings of a PROJECT rule that no waiver covers, where several are reported as one.
    gather: Callable[[Iterable[Finding]], Iterable[Finding]] = tuple
    # For a rule of environments: what the catalogue says wrongly is found once, even where no environment uses it.
    catalogue_check: Callable[[Catalogue], Findings] = find_nothing
    # What would break a cluster may not be waived, nor an error of a rule that warns.
    waivable: bool = False

    @property
    def page(self) -> str:
        """Its documentation, the first line a summary; one line where Python dropped the docstrings (`-OO`)."""
        if self.docstring is None:
            return (_PAGES / f"{self.id}.md").read_text("utf-8").strip()
        return (self.docstring or _DROPPED).strip()

    @property
    def summary(self) -> str:
        return self.page.split("\n", 1)[0]

    def waivers(self, finding: Finding, roots: Iterable[Node]) -> list[Node]:
        """The reasons in `roots` that waive `finding`: where it is, or above; none for what nobody may waive."""
        is_graver = finding.severity is ERROR and self.severity is not ERROR
        lengths = range(len(finding.scope) + 1) if self.waivable and not is_graver else ()
        found = (root.get(*finding.scope[:length], "waive", self.id) for root in roots for length in lengths)
        return [reason for reason in found if reason is not None]

    def diagnostics(self, *subject: object) -> Iterator[Diagnostic]:
        """What its function finds in `subject`, whatever is waived."""
        return map(self.diagnostic, self.check(*subject))

    def diagnostic(self, finding: Finding) -> Diagnostic:
        return Diagnostic(
            rule=self.id,
            severity=finding.severity or self.severity,
            message=finding.message,
            span=finding.span,
            help=finding.help,
            related=finding.related,
            conceals=finding.conceals,
            scope=finding.scope,
            brief=finding.brief,
        )


def rule(
    rule_id: str,
    severity: Severity,
    scope: Scope,
    *,
    gather: Callable[[Iterable[Finding]], Iterable[Finding]] = tuple,
    catalogue_check: Callable[[Catalogue], Findings] = find_nothing,
    checks_catalogue: bool = False,
    waivable: bool = False,
) -> Callable[[Callable[..., Findings]], Rule]:
    """Turns the decorated `check` into the rule of its module, whose docstring is the rule's page.

    One that `checks_catalogue` is given the Catalogue as well.
    """

    def make_rule(check: Callable[..., Findings]) -> Rule:
        docstring = sys.modules[check.__module__].__doc__ or ""
        of_catalogue = check if checks_catalogue else catalogue_check
        return Rule(rule_id, severity, scope, docstring, check, gather, of_catalogue, waivable)

    return make_rule


def store_finding(
    store: Store, at: Node | Span, message: str, way_out: str, related: tuple[Related, ...] = ()
) -> Finding:
    """A finding about a store; `message` goes on after its name, which begins the sentence."""
    return Finding(f'the store "{store.id}" {message}', at, help=way_out, related=related, scope=("stores", store.id))


def no_such_secret(
    name: str, at: Node | Span, catalogue: Catalogue, way_out: str | None, scope: tuple[str, ...]
) -> Finding:
    """The finding for a name that no entry of the catalogue has."""
    match = closest(name, catalogue.entries)
    related = (Related(f'"{match}" is defined here', catalogue.entries[match].node.key_span),) if match else ()
    return Finding(f"no secret named {quote(name)} in the catalogue", at, way_out, related, scope=scope)


def places_below(root: Node, *groups: str) -> Iterator[tuple[Node, tuple[str, ...]]]:
    """The tree itself, then each member of the maps `groups`, such as secrets, with the scope of a waiver there."""
    yield root, ()
    for group in groups:
        yield from ((node, (group, name)) for name, node in root.members_at(group).items())


# The mistake in a name, as the end of the sentence `the name "…" …`, or None.
Judgement: TypeAlias = Callable[[str], str | None]
# The way out for a name, which is empty for a mount or a prefix, and its mistake.
Advice: TypeAlias = Callable[[str, str], str]


def wrong_names(subject: Catalogue | Environment, provider: Provider, judge: Judgement, advise: Advice) -> Findings:
    """Finds wrong names for `provider`: the catalogue's, or those that an environment makes itself."""
    if isinstance(subject, Catalogue):
        yield from _wrong_in_catalogue(subject, provider, judge, advise)
    else:
        yield from _wrong_in_environment(subject, provider, judge, advise)


def _wrong_in_catalogue(catalogue: Catalogue, provider: Provider, judge: Judgement, advise: Advice) -> Findings:
    for entry in catalogue.entries.values():
        name = entry.remote.get(provider.id)
        if name is not None and (problem := judge(name)):
            node = entry.node.nearest("remote", provider.id)
            yield _wrong_name(provider, name, problem, advise, node, entry.id)
        for key in entry.keys.values():
            own = key.remote.get(provider.id) if key.remote else None
            if own is not None and own.name is not None and (problem := judge(own.name)):
                node = key.node.nearest("remote", provider.id, "name")
                yield _wrong_name(provider, own.name, problem, advise, node, entry.id)


def _wrong_in_environment(environment: Environment, provider: Provider, judge: Judgement, advise: Advice) -> Findings:
    """Finds those that the environment makes itself: by a `remote`, or by a store's mount or prefix."""
    wrong_prefixes = []
    for store in environment.stores.values():
        if store.provider is not provider:
            continue
        scope = ("stores", store.id)
        if provider.has_mounts and (problem := judge(store.mount)):
            message = f"the mount {quote(store.mount)} {problem}"
            yield Finding(message, store.node.nearest("mount"), help=advise("", problem), scope=scope)
        # A prefix is judged with a name behind it, as it may end in what no name may end in.
        if store.prefix and (problem := judge(store.prefix + "x")):
            wrong_prefixes.append(store.id)
            yield Finding(f"the prefix {problem}", store.node.nearest("prefix"), help=advise("", problem), scope=scope)
    for secret in environment.secrets.values():
        own = secret.node.get("remote", provider.id)
        reads = secret.store is not None and secret.store.provider is provider
        if reads and secret.store is not None and secret.store.prefix:
            if secret.store.id not in wrong_prefixes:
                yield from _wrong_with_prefix(secret, secret.store, own, judge, advise)
        elif own is not None and isinstance(own.value, str) and (problem := judge(own.value)):
            yield _wrong_name(provider, own.value, problem, advise, own, secret.id)


def _wrong_with_prefix(secret: Secret, store: Store, own: Node | None, judge: Judgement, advise: Advice) -> Findings:
    provider, name = store.provider, secret.remote
    if name is not None and (problem := judge(name)):
        node = own or secret.entry.node.nearest("remote", provider.id)
        if own is not None or not judge(name.removeprefix(store.prefix)):
            yield _wrong_name(provider, name, problem, advise, node, secret.id)
    for key in secret.keys:
        if key.place is None or key.place.remote_key == name:
            continue
        key_name = key.place.remote_key
        if (problem := judge(key_name)) and not judge(key_name.removeprefix(store.prefix)):
            node = key.key.value_key.node.nearest("remote", provider.id, "name")
            yield _wrong_name(provider, key_name, problem, advise, node, secret.id)


def _wrong_name(provider: Provider, name: str, problem: str, advise: Advice, node: Node, secret: str) -> Finding:
    message = f"the {provider.name_form} {quote(name)} {problem}"
    return Finding(message, node, help=advise(name, problem), scope=("secrets", secret))


def top_of(document: Document) -> Span:
    """Where a file begins to say something: the place of what is missing from it as a whole."""
    return Span(document.source, document.root.start, document.root.start)


def paths_below(root: Node) -> dict[int, tuple[str, ...]]:
    """The keys from `root` down to each node, by the node's `id`; one walk for all findings of a file."""
    paths: dict[int, tuple[str, ...]] = {}
    stack: list[tuple[Node, tuple[str, ...]]] = [(root, ())]
    while stack:
        node, path = stack.pop()
        paths[id(node)] = path
        stack.extend((item, path) for item in node.items)
        stack.extend((child, (*path, key)) for key, child in node.children.items())
    return paths


def waiver_scope(path: tuple[str, ...] | None) -> tuple[str, ...]:
    """The part of a path that a waiver can stand on: a secret, an entry, a store, or the file as a whole."""
    return path[:2] if path is not None and len(path) > 1 and path[0] in {"secrets", "stores"} else ()


def waiver(rule: str, of: str) -> str:
    """How a finding of `rule` is accepted: the line to add to the store or secret `of`."""
    return f"to accept it, add to {quote(of)}: `waive: {{{rule}: the reason}}`"
