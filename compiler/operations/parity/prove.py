"""Renders a project's chart and compares its manifests with the expected ones, which separate code makes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.document import Document, Node, extent
from compiler.model.source import Source, Span
from compiler.model.values import values_of
from compiler.operations.chart.helm import HelmError, template
from compiler.operations.parity.compare import Target, differences, targets
from compiler.operations.parity.parent import parent_chart
from compiler.operations.parity.table import PlainMap, enabled_secrets, expected_manifests, is_one_bundle, references
from compiler.stages.emit import read_manifests, values_text
from compiler.stages.merge import merge_onto
from compiler.stages.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.model.environment import Environment
    from compiler.model.project import Project
    from compiler.operations.chart.helm import Helm

_RULE = "unproven-chart"
_ORIGIN = "--parity"


@dataclass(frozen=True, slots=True)
class _Forcing:
    """Every secret on one store. `absent` have no remote name there; `per_key` could not be a bundle there."""

    store: str
    absent: tuple[str, ...]
    per_key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Setup:
    """An environment as it is rendered, by a Helm; `data` is the same environment for the table."""

    environment: Environment
    data: PlainMap
    forcing: _Forcing | None
    helm: Helm

    @property
    def title(self) -> str:
        where = "as configured" if self.forcing is None else f'with every secret on the store "{self.forcing.store}"'
        return f"Helm {self.helm.version}, {where}"


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What one rendering got wrong, as pairs of a Secret's name and a message, and the Secrets it makes."""

    setup: _Setup
    wrong: tuple[tuple[str, str], ...]
    targets: dict[Target, frozenset[str]]


def prove(project: Project, chart: Path, helms: Sequence[Helm]) -> tuple[Diagnostic, ...]:
    """Renders `chart` for each environment of a project without errors, and says what differs.

    Each is rendered through every one of `helms`, as configured and with all its secrets on each store that has a place
    for them. The chart is one that `find_chart` gave. Raises HelmError where a Helm cannot be run.
    """
    found: list[Diagnostic] = []
    with TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        for environment in project.environments:
            setups = list(_setups(environment, project, helms))
            texts = [Path(folder, f"{number}.yaml") for number in range(len(setups))]
            # As users render it: by a parent chart that depends on this one, where the values are nested for one.
            subchart = environment.subchart
            top = chart if subchart is None else parent_chart(Path(folder, environment.name), chart, subchart)
            verdicts = list(pool.map(_judge, setups, texts, [top] * len(setups), [project] * len(setups)))
            found += _diagnostics(environment, verdicts)
    return tuple(found)


def _setups(environment: Environment, project: Project, helms: Sequence[Helm]) -> Iterator[_Setup]:
    data: Any = environment.root.plain_data()
    catalogue: Any = project.catalogue.document.root.plain_data()
    resolver = Resolver(project.catalogue)
    for forcing in (None, *_forcings(data, catalogue)):
        forced = environment if forcing is None else _force(environment, forcing, resolver)
        for helm in helms:
            yield _Setup(forced, data if forcing is None else _forced_data(data, forcing), forcing, helm)


def _forcings(data: PlainMap, catalogue: PlainMap) -> Iterator[_Forcing]:
    for store_id, store in data.get("stores", {}).items():
        absent, per_key = [], []
        for name, secret, entry in enabled_secrets(data, catalogue):
            keys = references(data, secret, entry, catalogue, store)
            if None in keys.values():
                absent.append(name)
            elif not is_one_bundle(keys):
                per_key.append(name)
        yield _Forcing(store_id, tuple(absent), tuple(per_key))


def _force(environment: Environment, forcing: _Forcing, resolver: Resolver) -> Environment:
    # A layer on top, as a person would write it: the public stages make of it what they make of every layer.
    secrets: dict[str, Node] = {}
    for name in environment.secrets:
        said: dict[str, Node] = {"store": _node(None)}
        if name in forcing.absent:
            said["enabled"] = _node(value=False)
        if name in forcing.per_key:
            said["fetch"] = _node("perKey")
        secrets[name] = _node(said)
    source = Source(_ORIGIN)
    layer = Document(source, _node({"store": _node(forcing.store), "secrets": _node(secrets)}), nulls=True)
    root = merge_onto(environment.root, layer, [])
    return resolver.environment(environment.name, root, (*environment.layers, layer))


def _node(value: str | bool | dict[str, Node] | None) -> Node:  # noqa: FBT001 - a YAML value is one
    return Node(value, Source(_ORIGIN), extent(0, 0))


def _forced_data(data: PlainMap, forcing: _Forcing) -> PlainMap:
    secrets = {
        name: {key: value for key, value in secret.items() if key != "store"}
        | ({"fetch": "perKey"} if name in forcing.per_key else {})
        # What it says of its own place counts for whoever takes a value from it.
        | ({"enabled": False} if name in forcing.absent else {})
        for name, secret in data.get("secrets", {}).items()
    }
    return {**data, "store": forcing.store, "secrets": secrets}


def _judge(setup: _Setup, values: Path, chart: Path, project: Project) -> _Verdict:
    environment = setup.environment
    names = [layer.source.path for layer in environment.layers]
    text = values_text(values_of(environment), environment.name, names, environment.subchart)
    values.write_text(text, encoding="utf-8")
    try:
        rendered, excess = read_manifests(template(setup.helm, chart, [values]))
    except HelmError as error:
        if not error.details:
            raise
        # Helm's own words quote values, so they are not passed on.
        return _Verdict(setup, (("", "Helm refuses the chart with these values"),), {})
    if rendered is None:
        what = f"has {excess.what}" if excess is not None else "is not YAML"
        return _Verdict(setup, (("", f"the output of Helm {what}"),), {})
    catalogue: Any = project.catalogue.document.root.plain_data()
    wrong = tuple(differences(expected_manifests(setup.data, catalogue), rendered))
    return _Verdict(setup, wrong, targets(rendered))


def _diagnostics(environment: Environment, verdicts: Sequence[_Verdict]) -> Iterator[Diagnostic]:
    seen: dict[tuple[str, str], list[str]] = {}
    configured = {verdict.setup.helm: verdict.targets for verdict in verdicts if verdict.setup.forcing is None}
    for verdict in verdicts:
        for wrong in (*verdict.wrong, *_unlike(verdict, configured[verdict.setup.helm])):
            seen.setdefault(wrong, []).append(verdict.setup.title)
    nodes = {secret.entry.target: secret.node for secret in environment.secrets.values()}
    for (name, message), setups in seen.items():
        span = nodes[name].key_span if name in nodes else Span(environment.document.source)
        text = f'in "{environment.name}", {message}'
        yield Diagnostic(_RULE, Severity.ERROR, text, span, help=f"seen with {'; '.join(setups)}")


def _unlike(verdict: _Verdict, configured: dict[Target, frozenset[str]]) -> Iterator[tuple[str, str]]:
    """What pods would see differently because of the store: compares two renderings, without the table."""
    forcing = verdict.setup.forcing
    if forcing is None or not verdict.targets:
        return
    environment = verdict.setup.environment
    absent = {environment.catalogue.entries[name].target for name in forcing.absent}
    for target in sorted(configured.keys() | verdict.targets.keys()):
        if target[1] not in absent and configured.get(target) != verdict.targets.get(target):
            yield target[1], f'the Secret "{target[1]}" has different keys than as configured'
