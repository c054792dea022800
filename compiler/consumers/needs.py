"""Finds Secrets and keys that pods need and nothing makes, and components that a catalogue leaves out."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from compiler.consumers.readers import Gathered, Made, Name, Reading, Workload
from compiler.edit.yaml_edit import listing
from compiler.model.catalogue import CatalogueKey, Entry
from compiler.model.diagnostic import Related
from compiler.model.document import Node, Span
from compiler.model.environment import Environment, Secret
from compiler.model.facts import parse_minor
from compiler.rules.api import Finding, Rule
from compiler.rules.forms.names import waiver
from compiler.text.command_line import command_line
from compiler.text.wording import closest, listed, quoted

Readers = Sequence[tuple[Workload, Reading]]


# More names or places than these are not read to their end.
_MOST = 3


def named(workloads: Iterable[Workload]) -> str:
    """`Deployment "a", Job "b"`, each once; of many the first ones and how many more."""
    titles = list(dict.fromkeys(each.title for each in workloads))
    left = len(titles) - _MOST
    return ", ".join(titles[:_MOST]) + (f" and {left} more" if left > 0 else "")


def need(workloads: Iterable[Workload]) -> str:
    """`Deployment "a" needs` or `Deployment "a", Job "b" need`."""
    every = list(workloads)
    return f"{named(every)} need{'s' if len({each.title for each in every}) == 1 else ''}"


def places(readers: Readers, *, of_key: bool = False) -> tuple[Related, ...]:
    """The first places where the Secret, or its key, is named, each once; none for what was read from a cluster."""
    found: dict[Span, Related] = {}
    for workload, reading in readers:
        at = reading.key_at if of_key and reading.key_at is not None else reading.at
        if at is not None:
            found.setdefault(at, Related(f"{workload.title} reads it", at))
    return tuple(found.values())[:_MOST]


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


# Names of Secrets have much in common: from here on, one is the other misspelt.
_MISSPELT = 0.9


def unmade(own: Own, gathered: Gathered, readers: Mapping[Name, Readers]) -> Iterator[tuple[Finding, bool]]:
    """A finding for each Secret that nothing makes, and whether every reading of it is optional."""
    for name, reading in readers.items():
        made = gathered.made.get(name, ())
        if name in own.secrets or name[1] in own.elsewhere or not all(map(own.is_unserved, made)):
            continue
        needed = [(workload, each) for workload, each in reading if not each.read.optional]
        every = needed or reading
        where = f" in {quoted(name[0])}" if own.other(name[0]) is not None else ""
        message = f"{_wants(every, is_optional=not needed)} the Secret {quoted(name[1])}{where}, which nothing makes"
        at, known = every[0][1].at, entry_for(own, name[1])
        related = [each for each in places(every) if each.span != at]
        for each in made:
            unserved = f"External Secrets Operator {own.environment.operator} does not serve this one's API"
            related += [Related(unserved, each.at)] if each.at is not None else []
        if known is not None:
            related.append(Related(f"the catalogue has it as {quoted(known.id)}", known.node.key_span))
        if at is not None:
            related.append(Related("the environment lists its secrets here", own.place.key_span))
        place = at if at is not None else own.place.key_span
        way_out = _way_out(own, name, known, is_manifest=at is not None)
        way_out = f"switch that ExternalSecret to external-secrets.io/v1; else {way_out}" if made else way_out
        yield Finding(message, place, help=way_out, related=tuple(related), brief=at is not None), not needed


def _wants(readers: Readers, *, is_optional: bool) -> str:
    workloads = [each for each, _ in readers]
    return f"{named(workloads)} would read" if is_optional else need(workloads)


def entry_for(own: Own, target: str) -> Entry | None:
    """The entry of the catalogue that makes the Secret of that name."""
    return next((each for each in own.environment.catalogue.entries.values() if each.target == target), None)


def _way_out(own: Own, name: Name, entry: Entry | None, *, is_manifest: bool) -> str:
    elsewhere = f"or say who makes it: `madeElsewhere: {{{name[1]}: the reason}}`"
    if entry is not None and entry.id in own.environment.secrets:
        namespace = own.environment.secrets[entry.id].namespace or ""
        correct = f"give `--namespace {namespace}` where the manifests name none, else correct one of the two"
        correct = correct if is_manifest else "correct one of the two"
        return f"{quoted(entry.id)} makes it in the namespace {quoted(namespace)}: {correct}, {elsewhere}"
    if entry is not None:
        return f"list `{listing(entry.id, own.other(name[0]))}` under `secrets:` of {own.environment.name}, {elsewhere}"
    mounted = _of_component(own, name[1])
    if mounted is not None:
        reading = f"have the chart read {quoted(mounted.target)} of {quoted(mounted.id)} in its place"
        if mounted.id in own.environment.secrets:
            return f"{reading}, {elsewhere}"
        listed_as = listing(mounted.id, own.other(name[0]))
        return f"list `{listed_as}` under `secrets:` of {own.environment.name} and {reading}, {elsewhere}"
    match = closest(name[1], [target for namespace, target in own.secrets if namespace == name[0]])
    # Another application's is no misspelt one.
    if match is not None and SequenceMatcher(None, name[1], match).ratio() >= _MISSPELT:
        return f"did you mean {quoted(match)}? else add a secret with that target, {elsewhere}"
    new = command_line("new", "secret", "NAME", *placed(own, name), "--key", "KEY", "--into", own.environment.name)
    return f"add it: `{new}`, {elsewhere}"


def placed(own: Own, name: Name) -> list[str]:
    """The options of `new secret` that make it the Secret of that name, in its namespace."""
    namespace = own.other(name[0])
    return ["--target", name[1], *(["--namespace", namespace] if namespace is not None else [])]


def _of_component(own: Own, name: str) -> Entry | None:
    """The only entry of the component whose name a chart made this Secret's of, for want of another."""
    every = own.environment.catalogue.entries.values()
    entries = [entry for entry in every if any(name == f"{each}-secret" for each in entry.mounted_by)]
    return entries[0] if len(entries) == 1 else None


def missing_keys(own: Own, gathered: Gathered, readers: Mapping[Name, Readers]) -> Iterator[tuple[Finding, bool]]:
    """A finding for each key that is named and that the Secret lacks, and whether every reading of it is optional."""
    for name, reading in readers.items():
        secret = own.secrets.get(name)
        has = keys_of(secret) if secret is not None else known_keys(gathered.made.get(name, ()))
        if has is None:
            continue
        # A key that pods name as well is another one, and no misspelt one.
        unnamed = has - {each.read.key for _, each in reading}
        wanted: dict[str, list[tuple[Workload, Reading]]] = {}
        for workload, each in reading:
            if each.read.key and each.read.key not in has:
                wanted.setdefault(each.read.key, []).append((workload, each))
        for key, asking in wanted.items():
            needed = [each for each in asking if not each[1].read.optional]
            yield _missing(own, name, secret, key, needed or asking, unnamed), not needed


def known_keys(made: Sequence[Made]) -> frozenset[str] | None:
    """The keys that a Secret will have, None where nothing makes it or those of one maker cannot be told."""
    keys = [each.keys for each in made]
    known = [each for each in keys if each is not None]
    return frozenset[str]().union(*known) if keys and len(known) == len(keys) else None


def _missing(own: Own, name: Name, secret: Secret | None, key: str, asking: Readers, meant: frozenset[str]) -> Finding:
    wants = _wants(asking, is_optional=all(each.read.optional for _, each in asking))
    message = f"{wants} {quoted(key)} of the Secret {quoted(name[1])}, which lacks it"
    at = asking[0][1].key_at
    if secret is None:
        place = at if at is not None else own.place.key_span
        related = tuple(each for each in places(asking, of_key=True) if each.span != place)
        return Finding(message, place, help=_likely(key, meant), related=related, brief=True)
    known = secret.entry.keys.get(key)
    if known is not None:
        way_out = _in_other_variant(known)
    else:
        way_out = f"add the key to {quoted(secret.id)} in the catalogue, or correct the reference"
        match = closest(key, meant)
        way_out = f"did you mean {quoted(match)}? else {way_out}" if match is not None else way_out
    return Finding(
        message,
        secret.node.key_span,
        help=way_out,
        related=places(asking, of_key=True),
        scope=("secrets", secret.id),
    )


def _in_other_variant(key: CatalogueKey) -> str:
    """Which variants have a key that the environment's secret leaves out."""
    of = "" if key.origin is None else f" of {quoted(key.origin.entry.id)}, whose value it takes"
    return f"the catalogue has it in another variant: add one of {listed(key.held.variants)} to `use:`{of}"


def _likely(key: str, meant: frozenset[str]) -> str:
    match = closest(key, meant)
    return f"did you mean {quoted(match)}?" if match is not None else "correct the chart's values, or the reference"


# In `mountedBy`, for what the pods of all components mount.
_ALL = "llm"


def wrong_mounted_by(
    own: Own, gathered: Gathered, readers: Mapping[Name, Sequence[tuple[Workload, Reading]]]
) -> Iterator[Finding]:
    """A finding for each secret that is read, and not by those components and no others.

    A component that the manifests do not have is not missed in them.
    """
    for name, secret in own.secrets.items():
        said = secret.entry.mounted_by
        reading = readers.get(name, ())
        if not said or not reading or _ALL in said:
            continue
        unsaid = [each for each in reading if not any(is_of(each[0], component) for component in said)]
        reads = {workload for workload, _ in reading}
        here = [workload for workload in gathered.workloads if workload.namespace == name[0]]
        idle = [component for component in said if _is_idle(component, here, reads)]
        if not unsaid and not idle:
            continue
        found = [f"leaves out {named(workload for workload, _ in unsaid)}"] if unsaid else []
        found += [f"names {listed(idle)}, which {'does' if len(idle) == 1 else 'do'} not read it"] if idle else []
        yield Finding(
            f"`mountedBy` of {quoted(secret.id)} {', and '.join(found)}",
            secret.entry.node.nearest("mountedBy").key_span,
            help=f"correct it, or remove the line; {waiver('wrong-mounted-by', secret.id)}",
            related=places(unsaid or reading),
            scope=("secrets", secret.id),
        )


def _is_idle(component: str, workloads: Iterable[Workload], readers: Container[Workload]) -> bool:
    """Whether a component has workloads, and none of them is one of `readers`."""
    own = [workload for workload in workloads if is_of(workload, component)]
    return bool(own) and not any(workload in readers for workload in own)


def is_of(workload: Workload, component: str) -> bool:
    """Whether a workload belongs to a component, as its name's last part or a label says."""
    has_name = workload.name == component or workload.name.endswith(f"-{component}")
    return has_name or component in workload.components
