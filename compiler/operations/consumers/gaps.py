"""Finds Secrets that pods need and nothing makes, and keys that they need and the Secret will not have."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Related
from compiler.operations.consumers.own import keys_of
from compiler.operations.consumers.wording import named, need, places
from compiler.operations.edit.list_secret import listing
from compiler.rules.interface import Finding
from compiler.text.command_line import command_line
from compiler.text.suggestion import closest
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from compiler.model.catalogue import CatalogueKey, Entry
    from compiler.model.environment import Secret
    from compiler.operations.consumers.objects import Gathered, Made, Name, Reading, Workload
    from compiler.operations.consumers.own import Own

    Readers = Sequence[tuple[Workload, Reading]]

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
