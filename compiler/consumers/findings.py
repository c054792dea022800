"""Compares what pods read with what an environment and others make, and reports each gap once."""

import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cache

from compiler.cluster.pods import SecretRead, Way
from compiler.consumers.readers import SYNC, Made, Moment, Name, ObjectIndex, VariableSource, Workload
from compiler.edit.yaml_edit import listing
from compiler.model import group_pairs
from compiler.model.document import Diagnostic, Node, Related, Span
from compiler.model.environment import CatalogueKey, Entry, Environment, Secret
from compiler.model.facts import parse_minor
from compiler.pipeline import Checker
from compiler.rules import shadowed_variable, unused_waiver
from compiler.rules.api import NOTE, Finding, places_below, waiver
from compiler.rules.listed_rules import BY_ID, CONSUMER_RULES
from compiler.text.wording import closest, command_line, list_names, quote

# The workloads that read a Secret, each with how.
Readers = Sequence[tuple[Workload, SecretRead]]

# The last minor of External Secrets Operator that serves v1beta1.
_LAST_WITH_OLD = (0, 16)
# More names or places than these are not read to their end.
_MOST_NAMED = 3
# Names of Secrets have much in common: from here on, one is the other misspelt.
_MISSPELT = 0.9
# In `mountedBy`, for what the pods of all components mount.
_ALL_COMPONENTS = "llm"
# A C identifier: what every version of Kubernetes sets and every shell can read.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# The keys of what sets variables in a namespace, an empty set where they cannot be known.
SourceKeys = Callable[[str, VariableSource], frozenset[str]]


@dataclass(frozen=True, slots=True, eq=False)
class EnvironmentSecrets:
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
        secret = self.secrets.get((made.namespace, made.name))
        is_named = secret is not None and made.by == secret.entry.external_secret
        return made.kind == "ExternalSecret" and is_named and made.part_of == self.environment.part_of


def secrets_of(environment: Environment) -> EnvironmentSecrets:
    """What the environment says, all its secrets resolved."""
    secrets = {(each.namespace or "", each.entry.target): each for each in environment.secrets.values()}
    return EnvironmentSecrets(environment, secrets, environment.root.members_at("madeElsewhere"))


def keys_of(secret: Secret) -> frozenset[str]:
    """The keys of the Secret that an environment's secret makes; it may have more of one that `takes_all`."""
    return frozenset(secret.target_keys)


def namespace_of(environment: Environment, given: str | None) -> str:
    """The namespace of manifests that name none: `given`, else the environment's."""
    return given or environment.root.text("namespace") or ""


def judge(own: EnvironmentSecrets, gathered: ObjectIndex) -> tuple[Diagnostic, ...]:
    """Everything that is found about the Secrets of the environment and of the pods, in the order of places."""
    readers, namespaces = gathered.readers(), {workload.namespace for workload in gathered.workloads}
    found = (
        (BY_ID["unmade-secret"], unmade(own, gathered, readers)),
        (BY_ID["missing-consumed-key"], missing_keys(own, gathered, readers)),
        (BY_ID["doubly-made-secret"], _doubly_made(own, gathered)),
        (BY_ID["unread-secret"], _check_unread(own, gathered, readers, namespaces)),
        (BY_ID["needed-by-hook"], _check_hooks(own, gathered, readers)),
        (shadowed_variable.check, find_shadowed(own, gathered)),
        (BY_ID["unusable-variable"], unusable(own, readers)),
        (BY_ID["wrong-mounted-by"], wrong_mounted_by(own, gathered, readers)),
    )
    checker, roots = Checker(), (own.environment.root, own.environment.catalogue.document.root)
    diagnostics = [each for rule, findings in found for each in checker.drop_waived(rule, findings, roots)]
    diagnostics += _unused_waivers(own.environment, checker.used, namespaces)
    return tuple(sorted(diagnostics, key=lambda each: (each.span.path, each.span.start)))


def _unused_waivers(
    environment: Environment, used: Container[int], namespaces: Container[str | None]
) -> Iterator[Diagnostic]:
    """A finding for each waiver of the environment's own file that is not `used`, in the `namespaces` looked at."""
    rules = {rule.id for rule in CONSUMER_RULES}
    for place, scope in places_below(environment.root, "secrets"):
        secret = environment.secrets.get(scope[-1]) if scope else None
        if secret is not None and secret.namespace not in namespaces:
            continue
        for rule_id, reason in place.members_at("waive").items():
            is_own = reason.source is environment.document.source
            if rule_id in rules and is_own and id(reason) not in used:
                yield from unused_waiver.check.diagnostics(rule_id, reason)


def is_read(name: Name, gathered: ObjectIndex, readers: Iterable[Name]) -> bool:
    """Whether a pod reads the Secret, or another object refers to it."""
    return name in readers or name in gathered.mentioned


def _doubly_made(own: EnvironmentSecrets, gathered: ObjectIndex) -> Iterator[Finding]:
    for name, secret in own.secrets.items():
        others = [made for made in gathered.made.get(name, ()) if not own.is_of(made)]
        if others:
            first = others[0]
            yield Finding(
                f"the Secret {quote(name[1])} of {quote(secret.id)} is created twice: "
                f"{'an' if first.kind[0] in 'AEIOU' else 'a'} {first.kind} {quote(first.by)} creates it too",
                secret.node.key_span,
                help="switch that one off, or remove the secret from this environment",
                related=tuple(
                    Related(f"the {made.kind} is here", made.at) for made in others[:3] if made.at is not None
                ),
                scope=("secrets", secret.id),
            )


def _check_unread(
    own: EnvironmentSecrets, gathered: ObjectIndex, readers: Collection[Name], namespaces: Collection[str]
) -> Iterator[Finding]:
    for name, secret in own.secrets.items():
        if name[0] in namespaces and not is_read(name, gathered, readers):
            entry = secret.entry.node
            otherwise = Related("`mountedBy` says otherwise", entry.nearest("mountedBy").key_span)
            yield Finding(
                f"no pod reads the Secret {quote(name[1])} of {quote(secret.id)}",
                secret.node.key_span,
                help=f"remove it from this environment; {waiver('unread-secret', secret.id)}",
                related=(otherwise,) if entry.items_at("mountedBy") else (),
                scope=("secrets", secret.id),
            )


def _check_hooks(own: EnvironmentSecrets, gathered: ObjectIndex, readers: Mapping[Name, Readers]) -> Iterator[Finding]:
    for name, reading in readers.items():
        secret = own.secrets.get(name)
        moments = [each.moment for each in gathered.made.get(name, ())]
        moments += [Moment(SYNC, secret.entry.sync_wave)] if secret is not None else []
        if not moments:
            continue
        made = min(moments)
        early = [
            (workload, each)
            for workload, each in reading
            if workload.hook is not None and not each.optional and workload.moment < made
        ]
        if not early:
            continue
        first, reading_first = early[0]
        span = secret.node.key_span if secret is not None else reading_first.at or own.place.key_span
        accept = f"; {waiver('needed-by-hook', secret.id)}" if secret is not None else ""
        message = f"{required_keys(each for each, _ in early)} the Secret {quote(name[1])} as a {first.hook} hook, in"
        yield Finding(
            f"{message} {first.moment.title}, and it is made in {made.title}",
            span,
            help=f"synchronise what makes it in an Application before the hook's{accept}",
            related=places(early),
            scope=("secrets", secret.id) if secret is not None else (),
            brief=secret is None,
        )


def unmade(own: EnvironmentSecrets, gathered: ObjectIndex, readers: Mapping[Name, Readers]) -> Iterator[Finding]:
    """A finding for each Secret that nothing makes, a note where every reading of it is optional."""
    for name, reading in readers.items():
        made = gathered.made.get(name, ())
        if name in own.secrets or name[1] in own.elsewhere or not all(map(own.is_unserved, made)):
            continue
        needed = [(workload, each) for workload, each in reading if not each.optional]
        every = needed or reading
        where = f" in {quote(name[0])}" if own.other(name[0]) is not None else ""
        wants = required_keys((each for each, _ in every), is_optional=not needed)
        message = f"{wants} the Secret {quote(name[1])}{where}, which nothing makes"
        at, known = every[0][1].at, entry_for(own, name[1])
        related = [each for each in places(every) if each.span != at]
        for each in made:
            unserved = f"External Secrets Operator {own.environment.operator} does not serve this object's API version"
            related += [Related(unserved, each.at)] if each.at is not None else []
        if known is not None:
            related.append(Related(f"the catalogue has it as {quote(known.id)}", known.node.key_span))
        if at is not None:
            related.append(Related("the environment lists its secrets here", own.place.key_span))
        way_out = _way_out(own, name, known, is_manifest=at is not None)
        way_out = f"switch that ExternalSecret to external-secrets.io/v1; else {way_out}" if made else way_out
        severity = None if needed else NOTE
        place, is_manifest = at or own.place.key_span, at is not None
        yield Finding(message, place, way_out, tuple(related), brief=is_manifest, severity=severity)


def entry_for(own: EnvironmentSecrets, target: str) -> Entry | None:
    """The entry of the catalogue that makes the Secret of that name."""
    return next((each for each in own.environment.catalogue.entries.values() if each.target == target), None)


def _way_out(own: EnvironmentSecrets, name: Name, entry: Entry | None, *, is_manifest: bool) -> str:
    elsewhere = f"or say who makes it: `madeElsewhere: {{{name[1]}: the reason}}`"
    if entry is not None and entry.id in own.environment.secrets:
        namespace = own.environment.secrets[entry.id].namespace or ""
        correct = f"give `--namespace {namespace}` where the manifests name none, else correct one of the two"
        correct = correct if is_manifest else "correct one of the two"
        return f"{quote(entry.id)} makes it in the namespace {quote(namespace)}: {correct}, {elsewhere}"
    if entry is not None:
        return f"list `{listing(entry.id, own.other(name[0]))}` under `secrets:` of {own.environment.name}, {elsewhere}"
    mounted = _of_component(own, name[1])
    if mounted is not None:
        reading = f"have the chart read {quote(mounted.target)} of {quote(mounted.id)} in its place"
        if mounted.id in own.environment.secrets:
            return f"{reading}, {elsewhere}"
        listed_as = listing(mounted.id, own.other(name[0]))
        return f"list `{listed_as}` under `secrets:` of {own.environment.name} and {reading}, {elsewhere}"
    match = closest(name[1], [target for namespace, target in own.secrets if namespace == name[0]])
    # Another application's is no misspelt one.
    if match is not None and SequenceMatcher(None, name[1], match).ratio() >= _MISSPELT:
        return f"did you mean {quote(match)}? else add a secret with that target, {elsewhere}"
    new = command_line(
        "new", "secret", "NAME", *target_options(own, name), "--key", "KEY", "--into", own.environment.name
    )
    return f"add it: `{new}`, {elsewhere}"


def target_options(own: EnvironmentSecrets, name: Name) -> list[str]:
    """The options of `new secret` that make it the Secret of that name, in its namespace."""
    namespace = own.other(name[0])
    return ["--target", name[1], *(["--namespace", namespace] if namespace is not None else [])]


def _of_component(own: EnvironmentSecrets, name: str) -> Entry | None:
    """The only entry of the component whose name a chart made this Secret's of, for want of another."""
    every = own.environment.catalogue.entries.values()
    entries = [entry for entry in every if any(name == f"{each}-secret" for each in entry.mounted_by)]
    return entries[0] if len(entries) == 1 else None


def missing_keys(own: EnvironmentSecrets, gathered: ObjectIndex, readers: Mapping[Name, Readers]) -> Iterator[Finding]:
    """A finding for each key that is named and that the Secret lacks, a note where every reading of it is optional."""
    for name, reading in readers.items():
        has = _keys_at(own, gathered, name)
        if has is None:
            continue
        # A key that pods name as well is another one, and no misspelt one.
        unnamed = has - {each.key for _, each in reading}
        wanted = group_pairs((each.key, (by, each)) for by, each in reading if each.key and each.key not in has)
        for key, asking in wanted.items():
            yield _missing(own, name, key, [each for each in asking if not each[1].optional] or asking, unnamed)


def _keys_at(own: EnvironmentSecrets, gathered: ObjectIndex, name: Name) -> frozenset[str] | None:
    """The keys that the Secret of that name will have, of the environment or not; None where they cannot be told."""
    secret = own.secrets.get(name)
    return keys_of(secret) if secret is not None else known_keys(gathered.made.get(name, ()))


def known_keys(made: Sequence[Made]) -> frozenset[str] | None:
    """The keys that a Secret will have, None where nothing makes it or those of one maker cannot be told."""
    keys = [each.keys for each in made]
    known = [each for each in keys if each is not None]
    return frozenset[str]().union(*known) if keys and len(known) == len(keys) else None


def _missing(own: EnvironmentSecrets, name: Name, key: str, asking: Readers, meant: frozenset[str]) -> Finding:
    is_optional, secret = all(each.optional for _, each in asking), own.secrets.get(name)
    wants = required_keys((each for each, _ in asking), is_optional=is_optional)
    message = f"{wants} {quote(key)} of the Secret {quote(name[1])}, which lacks it"
    is_open = secret is not None and secret.takes_all
    severity, related = NOTE if is_optional or is_open else None, places(asking, of_key=True)
    match = closest(key, meant)
    likely = f"did you mean {quote(match)}?" if match is not None else ""
    if secret is None:
        place = asking[0][1].key_at or own.place.key_span
        related = tuple(each for each in related if each.span != place)
        way_out = likely or "correct the chart's values, or the reference"
        return Finding(message, place, way_out, related, brief=True, severity=severity)
    known = secret.entry.keys.get(key)
    if is_open:
        message = f"{wants} {quote(key)} of the Secret {quote(name[1])}, which has it if the store does"
        way_out = f"list it in the keys of {quote(secret.id)}, so that `verify` looks for it"
    elif known is not None:
        way_out = _in_other_variant(known)
    else:
        way_out = f"add the key to {quote(secret.id)} in the catalogue, or correct the reference"
        way_out = f"{likely} else {way_out}" if likely else way_out
    scope = ("secrets", secret.id)
    return Finding(message, secret.node.key_span, way_out, related, scope=scope, severity=severity)


def _in_other_variant(key: CatalogueKey) -> str:
    """Which variants have a key that the environment's secret leaves out."""
    of = "" if key.origin is None else f" of {quote(key.origin.entry.id)}, whose value it takes"
    return f"the catalogue has it in another variant: add one of {list_names(key.value_key.variants)} to `use:`{of}"


def wrong_mounted_by(
    own: EnvironmentSecrets, gathered: ObjectIndex, readers: Mapping[Name, Readers]
) -> Iterator[Finding]:
    """A finding for each secret that other components read than `mountedBy` says, among those of the manifests."""
    for name, secret in own.secrets.items():
        said = secret.entry.mounted_by
        reading = readers.get(name, ())
        if not said or not reading or _ALL_COMPONENTS in said:
            continue
        unsaid = [each for each in reading if not any(is_of(each[0], component) for component in said)]
        reads = {workload for workload, _ in reading}
        here = [workload for workload in gathered.workloads if workload.namespace == name[0]]
        idle = [component for component in said if _is_idle(component, here, reads)]
        if not unsaid and not idle:
            continue
        found = [f"leaves out {titles_of(workload for workload, _ in unsaid)}"] if unsaid else []
        found += [f"names {list_names(idle)}, which {'does' if len(idle) == 1 else 'do'} not read it"] if idle else []
        yield Finding(
            f"`mountedBy` of {quote(secret.id)} {', and '.join(found)}",
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


def find_shadowed(own: EnvironmentSecrets, gathered: ObjectIndex) -> Iterator[Finding]:
    """A finding for each Secret whose keys another source overrides in some container, by that source."""
    hidden: dict[tuple[str, str, VariableSource], dict[str, list[Workload]]] = {}
    known = _source_keys(own, gathered)
    for workload in gathered.workloads:
        for container in workload.containers:
            for name, loser, winner in _conflicts(own, known, workload.namespace, container):
                by = replace(winner, key=None)
                found = hidden.setdefault((workload.namespace, loser, by), {})
                found.setdefault(name, []).append(workload)
    for (namespace, loser, winner), names in hidden.items():
        first = own.secrets.get((namespace, loser))
        second = own.secrets.get((namespace, winner.secret or ""))
        place = second or first
        if place is None:
            continue
        workloads = [each for several in names.values() for each in several]
        yield Finding(
            f"in {titles_of(workloads)}, {_title(winner)} overrides {list_names(names)} of the Secret {quote(loser)}",
            place.node.key_span,
            help=f"name it in one place alone; {waiver('shadowed-variable', place.id)}",
            related=places(
                [
                    (workload, reading)
                    for workload in dict.fromkeys(workloads)
                    for reading in workload.readings
                    if reading.way is Way.ENV_FROM and reading.secret == loser
                ]
            ),
            scope=("secrets", place.id),
        )


def _title(source: VariableSource) -> str:
    if source.secret is not None:
        return f"the Secret {quote(source.secret)}"
    if source.config_map is not None:
        return f"the ConfigMap {quote(source.config_map)}"
    return "the `env` of the container"


def _source_keys(own: EnvironmentSecrets, gathered: ObjectIndex) -> SourceKeys:
    @cache
    def lookup(namespace: str, source: VariableSource) -> frozenset[str]:
        if source.secret is None:
            return gathered.config_maps.get((namespace, source.config_map or ""), frozenset())
        return _keys_at(own, gathered, (namespace, source.secret)) or frozenset()

    return lookup


def _conflicts(
    own: EnvironmentSecrets, known: SourceKeys, namespace: str, container: Sequence[VariableSource]
) -> Iterator[tuple[str, str, VariableSource]]:
    """Each variable that a Secret would set and another source does: its name, the Secret, that source and key.

    Only variables of the environment's Secrets: a thousand containers may each take a ConfigMap of 100,000 keys.
    """
    ours: set[str] = set()
    for setting in dict.fromkeys(container):
        if (namespace, setting.secret) in own.secrets:
            one = setting.variable
            ours.update({one} if one is not None else {setting.prefix + key for key in known(namespace, setting)})
    setters: dict[str, list[VariableSource]] = {}
    for setting in container if ours else ():
        keys = known(namespace, setting) if setting.variable is None else ()
        for name in sorted(ours):
            key = name.removeprefix(setting.prefix)
            if name == setting.variable:
                setters.setdefault(name, []).append(VariableSource(setting.secret, key=setting.key))
            elif key in keys and name == setting.prefix + key:
                setters.setdefault(name, []).append(VariableSource(setting.secret, setting.config_map, key))
    for name, sources in setters.items():
        *losers, winner = sources
        for loser in dict.fromkeys(losers):
            if loser.secret is not None and not _is_same(own, namespace, loser, winner):
                yield name, loser.secret, winner


def _is_same(own: EnvironmentSecrets, namespace: str, loser: VariableSource, winner: VariableSource) -> bool:
    """Whether both are the same value: one key of one Secret, or two that are read from one place of a store."""
    if (loser.secret, loser.key) == (winner.secret, winner.key):
        return True
    places = []
    for source in (loser, winner):
        secret = own.secrets.get((namespace, source.secret or ""))
        passed = secret.source_key(source.key or "") if secret is not None else None
        found = passed.place if passed is not None else None
        places.append((secret.store, found) if secret is not None and found is not None else None)
    return places[0] is not None and places[0] == places[1]


def unusable(own: EnvironmentSecrets, readers: Mapping[Name, Readers]) -> Iterator[Finding]:
    """A finding for each key of the environment that a container takes as a variable and that is no name of one."""
    for name, secret in own.secrets.items():
        whole = [each for each in readers.get(name, ()) if each[1].way is Way.ENV_FROM]
        for prefix, asking in group_pairs((each[1].prefix, each) for each in whole).items():
            for key in keys_of(secret):
                if not _VARIABLE.fullmatch(f"{prefix}{key}"):
                    readers_of_key = titles_of(each for each, _ in asking)
                    yield Finding(
                        f"{quote(prefix + key)} is not a valid variable name: {readers_of_key} may start without that "
                        f"key of {quote(secret.id)}",
                        secret.node.key_span,
                        help="name the key with letters, digits and _, not starting with a digit; "
                        + waiver("unusable-variable", secret.id),
                        related=places(asking),
                        scope=("secrets", secret.id),
                    )


def titles_of(workloads: Iterable[Workload]) -> str:
    """`Deployment "a", Job "b"`, each once; of many the first ones and how many more."""
    titles = list(dict.fromkeys(each.title for each in workloads))
    left = len(titles) - _MOST_NAMED
    return ", ".join(titles[:_MOST_NAMED]) + (f" and {left} more" if left > 0 else "")


def required_keys(workloads: Iterable[Workload], *, is_optional: bool = False) -> str:
    """`Deployment "a" needs` or `Deployment "a", Job "b" need`; of what is optional, that they would read it."""
    every = list(workloads)
    if is_optional:
        return f"{titles_of(every)} would read"
    return f"{titles_of(every)} need{'s' if len({each.title for each in every}) == 1 else ''}"


def places(readers: Readers, *, of_key: bool = False) -> tuple[Related, ...]:
    """The first places where the Secret, or its key, is named, each once; none for what was read from a cluster."""
    found: dict[Span, Related] = {}
    for workload, reading in readers:
        at = reading.key_at if of_key and reading.key_at is not None else reading.at
        if at is not None:
            found.setdefault(at, Related(f"{workload.title} reads it", at))
    return tuple(found.values())[:_MOST_NAMED]
