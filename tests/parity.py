"""Renders a project's chart and compares its manifests with the expected ones.

The expected ones are made by separate code, so that a mistake in the resolver, the values or the chart is a difference.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat
from pathlib import Path
from re import findall, fullmatch
from tempfile import TemporaryDirectory
from typing import Any

from compiler.helm import Helm, HelmError, template
from compiler.model.document import Document, Node, Source, extent
from compiler.model.environment import Environment, Project
from compiler.model.values import values_of
from compiler.stages.emit import read_manifests, read_values, values_text
from compiler.stages.resolve import Resolver, merge_onto

PlainMap = dict[str, Any]
# The Kubernetes Secrets of a rendering, by namespace and name, and the keys of each.
Targets = dict[tuple[str, str], frozenset[str]]
# What one rendering got wrong, and the Secrets it makes.
_Verdict = tuple[list[str], Targets]

_UNITS = {"h": "3600", "m": "60", "s": "1", "ms": "1e-3", "us": "1e-6", "µs": "1e-6", "μs": "1e-6", "ns": "1e-9"}
_NULL_BYTE_MINORS = ("2.3", "2.4", "2.5", "2.6")


def expected_manifests(environment: PlainMap, catalogue: PlainMap) -> list[PlainMap]:
    """The ExternalSecrets and rendered stores of the merged `environment`."""
    secrets = [
        _external_secret(environment, secret, entry, catalogue)
        for _, secret, entry in enabled_secrets(environment, catalogue)
    ]
    return [*secrets, *expected_stores(environment)]


def enabled_secrets(environment: PlainMap, catalogue: PlainMap) -> Iterator[tuple[str, PlainMap, PlainMap]]:
    """Each enabled secret: its id, its settings and its entry in the catalogue."""
    for name, secret in environment.get("secrets", {}).items():
        if secret.get("enabled", True):
            yield name, secret, catalogue["secrets"][name]


def references(
    environment: PlainMap, secret: PlainMap, entry: PlainMap, catalogue: PlainMap, store: PlainMap
) -> dict[str, PlainMap | None]:
    """The `remoteRef` of each key in `store`, without defaults; None if the key has no remote name there.

    For an extracted secret that lists no keys, the only one is that of the remote secret.
    """
    provider, found = store["provider"], dict[str, PlainMap | None]()
    if not entry.get("keys"):
        remote = secret.get("remote", {}).get(provider, entry.get("remote", {}).get(provider))
        found[""] = _reference("", {"whole": True}, remote, store.get("prefix", ""))
    for target in entry.get("keys", {}):
        name, said, holder = target, secret, entry
        while "from" in holder["keys"][name]:
            other, name = holder["keys"][name]["from"].split("/")
            said, holder = environment.get("secrets", {}).get(other, {}), catalogue["secrets"][other]
        key, use = holder["keys"][name], said.get("use", holder.get("use"))
        if use is None or "variants" not in key or set(use) & set(key["variants"]):
            remote = said.get("remote", {}).get(provider, holder.get("remote", {}).get(provider))
            own = key.get("remote", {}).get(provider, {})
            found[target] = _reference(name, own, remote, store.get("prefix", ""))
    return found


def is_one_bundle(keys: Mapping[str, PlainMap | None]) -> bool:
    """Whether all keys are properties of one remote secret, each under its own name."""
    remotes = {place["key"] for place in keys.values() if place is not None}
    return len(remotes) == 1 and all(
        place is not None and place.get("property") == name for name, place in keys.items()
    )


def _reference(key: str, own: PlainMap | str, remote: str | None, prefix: str) -> PlainMap | None:
    said = {"name": own} if isinstance(own, str) else own
    name = said.get("name", remote)
    if name is None:
        return None
    whole = {} if said.get("whole") else {"property": said.get("property", key)}
    return {"key": prefix + name, **whole}


def _external_secret(environment: PlainMap, secret: PlainMap, entry: PlainMap, catalogue: PlainMap) -> PlainMap:
    store = environment["stores"][secret.get("store", environment.get("store"))]
    target = entry["target"]
    labels = {
        "app.kubernetes.io/name": target,
        "app.kubernetes.io/component": "secrets",
        "app.kubernetes.io/part-of": environment.get("partOf", "ai-platform-engineering"),
        "app.kubernetes.io/managed-by": "Helm",
        **environment.get("labels", {}),
        **secret.get("labels", {}),
    }
    of_secret = {**environment.get("secretLabels", {}), **secret.get("secretLabels", {})}
    notes = {**environment.get("secretAnnotations", {}), **secret.get("secretAnnotations", {})}
    annotations = {
        "argocd.argoproj.io/sync-wave": str(entry.get("syncWave", -49)),
        **environment.get("annotations", {}),
        **secret.get("annotations", {}),
    }
    template: PlainMap = {
        "engineVersion": "v2",
        "mergePolicy": "Replace",
        "metadata": {"labels": {**labels, **of_secret}, **({"annotations": notes} if notes else {})},
    }
    keys = references(environment, secret, entry, catalogue, store)
    defaults = _defaults(environment.get("externalSecretsOperator", "2.9"))
    fetch = "extract" if entry.get("extract") else secret.get("fetch", environment.get("fetch"))
    if fetch in ("bundle", "extract"):
        if fetch == "bundle":
            template["data"] = {key: _pass_text(key) for key in keys}
        (remote,) = {place["key"] for place in keys.values() if place is not None}
        source: PlainMap = {"dataFrom": [{"extract": {"key": remote, **defaults}}]}
    else:
        source = {"data": [{"secretKey": key, "remoteRef": {**(at or {}), **defaults}} for key, at in keys.items()]}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {
            "name": entry.get("externalSecret", target),
            "namespace": secret.get("namespace", environment.get("namespace")),
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "refreshInterval": _go_duration(secret.get("refreshInterval") or environment["refreshInterval"]),
            "secretStoreRef": {"kind": store.get("kind", "ClusterSecretStore"), "name": store["name"]},
            "target": _target(entry, template),
            **source,
        },
    }


def _target(entry: PlainMap, template: PlainMap) -> PlainMap:
    if "type" in entry:
        template["type"] = entry["type"]
    if texts := entry.get("template", {}).get("data"):
        template["data"] = dict(texts)
    policies = {"creationPolicy": "Owner", "deletionPolicy": "Retain"}
    return {
        "name": entry["target"],
        **{each: entry.get(each, said) for each, said in policies.items()},
        "template": template,
    }


def _pass_text(key: str) -> str:
    is_field = fullmatch("[A-Za-z_][A-Za-z0-9_]*", key) is not None
    return "".join(("{{ ", f".{key}" if is_field else f'index . "{key}"', " }}"))


def _defaults(operator: str) -> PlainMap:
    defaults = {"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"}
    return {**defaults, "nullBytePolicy": "Ignore"} if operator in _NULL_BYTE_MINORS else defaults


def _go_duration(text: str) -> str:
    parts = findall(r"([0-9.]+)([^0-9.]+)", text)
    left = int(sum((Decimal(amount) * Decimal(_UNITS[unit]) for amount, unit in parts), Decimal()))
    hours, minutes, seconds = left // 3600, left // 60 % 60, left % 60
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def expected_stores(environment: PlainMap) -> list[PlainMap]:
    return [_store(environment, store) for store in environment.get("stores", {}).values() if store.get("render")]


def _store(environment: PlainMap, store: PlainMap) -> PlainMap:
    is_cluster = store.get("kind", "ClusterSecretStore") == "ClusterSecretStore"
    provider, operator = store["provider"], environment.get("externalSecretsOperator", "2.9")
    spec: PlainMap = {"provider": {provider: _SPECS[provider](store, operator)}}
    metadata: PlainMap = {
        "name": store["name"],
        "labels": {
            "app.kubernetes.io/name": store["name"],
            "app.kubernetes.io/component": "secret-store",
            "app.kubernetes.io/part-of": environment.get("partOf", "ai-platform-engineering"),
            "app.kubernetes.io/managed-by": "Helm",
        },
        "annotations": {"argocd.argoproj.io/sync-wave": "-60"},
    }
    if is_cluster:
        spec["conditions"] = [{"namespaces": store["conditions"]["namespaces"]}]
    else:
        metadata["namespace"] = environment["namespace"]
    kind = "ClusterSecretStore" if is_cluster else "SecretStore"
    return {"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _vault_spec(store: PlainMap, operator: str) -> PlainMap:
    del operator
    data = {"server": store["server"], "path": store.get("mount", "secret"), "version": "v2"}
    (login,) = store["auth"].items()
    renamed = _rename(store, vaultNamespace="namespace", caBundle="caBundle", caProvider="caProvider")
    return data | renamed | {"auth": _vault_auth(*login)}


def _vault_auth(form: str, said: PlainMap) -> PlainMap:
    if form == "token":
        return {"tokenSecretRef": said}
    if form == "appRole":
        return {form: {"path": said.get("path", "approle"), "roleId": said["roleId"], "secretRef": said["secretId"]}}
    if form == "jwt":
        token = {"serviceAccountRef": said["serviceAccount"]}
        data = {"path": said.get("path", "jwt"), "role": said["role"], "kubernetesServiceAccountToken": token}
        return {form: data}
    data = {"mountPath": said.get("mountPath", "kubernetes"), "role": said["role"]}
    return {form: data | _rename(said, serviceAccount="serviceAccountRef")}


def _key_vault_spec(store: PlainMap, operator: str) -> PlainMap:
    data: PlainMap = {
        "vaultUrl": store["vaultUrl"],
        "environmentType": store.get("environmentType", "PublicCloud"),
    }
    if [int(number) for number in operator.split(".")] >= [0, 20]:
        data["useAzureSDK"] = store.get("useAzureSDK", False)
    ((form, said),) = store["auth"].items()
    data |= _rename(store, tenantId="tenantId", customCloudConfig="customCloudConfig")
    data["authType"] = form[0].upper() + form[1:]
    if form == "servicePrincipal":
        return data | {"authSecretRef": said}
    return data | _rename(said, serviceAccount="serviceAccountRef", clientId="identityId")


def _rename(said: PlainMap, **names: str) -> PlainMap:
    return {new: said[old] for old, new in names.items() if old in said}


# The operator's fields of a store, by its provider.
_SPECS = {"vault": _vault_spec, "azurekv": _key_vault_spec}
_CHART = "Chart.yaml"


def parent_chart(folder: Path, chart: Path, alias: str) -> Path:
    """Writes a chart into `folder` that depends on a copy of `chart`, from `find_chart`, under the name `alias`."""
    described = read_values((chart / _CHART).read_text(encoding="utf-8"))
    name = described.get("name") if isinstance(described, dict) else None
    # Any version, also a pre-release.
    dependency = {"name": name, "alias": alias, "version": ">=0.0.0-0", "repository": ""}
    shutil.copytree(chart, folder / "charts" / alias, ignore=shutil.ignore_patterns("values-*.yaml"))
    parent = {"apiVersion": "v2", "name": "parent", "version": "0.1.0", "dependencies": [dependency]}
    (folder / _CHART).write_text(json.dumps(parent), encoding="utf-8")
    return folder


_MISSING = object()


def differences(expected: Iterable[PlainMap], rendered: Iterable[Any]) -> Iterator[str]:
    """A message for each difference. The order of manifests and keys does not count."""
    wanted = {_identity(manifest): manifest for manifest in expected}
    found: dict[tuple[str, str, str], list[PlainMap]] = {}
    for manifest in rendered:
        if isinstance(manifest, dict):
            found.setdefault(_identity(manifest), []).append(manifest)
        else:
            yield "something is rendered that is not a manifest"
    for identity in (*wanted, *(other for other in found if other not in wanted)):
        kind, namespace, name = identity
        title = f'{kind} "{namespace}/{name}"' if namespace else f'{kind} "{name}"'
        if identity not in found:
            yield f"{title} is not rendered"
        elif identity not in wanted:
            yield f"{title} is rendered, but not expected"
        else:
            if (count := len(found[identity])) > 1:
                yield f"{title} is rendered {count} times"
            for path, words in _compare((), _by_key(wanted[identity]), _by_key(found[identity][-1])):
                yield f"{'.'.join(path)} of {title} {words}"


def targets(rendered: Iterable[Any]) -> Targets:
    found: Targets = {}
    for manifest in rendered:
        if isinstance(manifest, dict) and manifest.get("kind") == "ExternalSecret":
            spec = _map(manifest.get("spec"))
            target = _map(spec.get("target"))
            printed = _map(_map(target.get("template")).get("data"))
            keys = printed or [_map(item).get("secretKey") for item in spec.get("data") or ()]
            namespace = _map(manifest.get("metadata")).get("namespace")
            found[str(namespace), str(target.get("name"))] = frozenset(str(key) for key in keys)
    return found


def _identity(manifest: PlainMap) -> tuple[str, str, str]:
    metadata = _map(manifest.get("metadata"))
    return str(manifest.get("kind")), str(metadata.get("namespace") or ""), str(metadata.get("name"))


def _by_key(manifest: PlainMap) -> PlainMap:
    """The manifest with `spec.data` as a map by key; unchanged if two items have the same key."""
    spec = _map(manifest.get("spec"))
    items = spec.get("data")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return manifest
    by_key = {str(item.get("secretKey")): item for item in items}
    return {**manifest, "spec": {**spec, "data": by_key}} if len(by_key) == len(items) else manifest


def _compare(path: tuple[str, ...], wanted: object, found: object) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in (*wanted, *(other for other in found if other not in wanted)):
            yield from _compare((*path, str(key)), wanted.get(key, _MISSING), found.get(key, _MISSING))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _compare((*path, str(index)), one, other)
    elif found is _MISSING:
        yield path, "is missing"
    elif wanted is _MISSING:
        yield path, "should not be there"
    # In Python 1, 1.0 and true are equal; in Kubernetes they are not.
    elif type(wanted) is not type(found) or wanted != found:
        shown = isinstance(wanted, str) and isinstance(found, str) and path[:1] == ("spec",) and "provider" not in path
        yield path, f'is "{found}" and not "{wanted}"' if shown and "metadata" not in path else "differs"


def _map(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


_ORIGIN = "parity"


@dataclass(frozen=True, slots=True)
class _Case:
    """One rendering: an environment, a Helm, and the store that all secrets read."""

    environment: Environment
    expected: Sequence[PlainMap]  # the manifests that it must print
    helm: Helm
    store: str | None = None  # that all secrets are on; None for the environment as configured
    absent: Sequence[str] = ()  # secrets without a remote name in that store

    @property
    def title(self) -> str:
        where = "as configured" if self.store is None else f'with every secret on the store "{self.store}"'
        return f"Helm {self.helm.version}, {where}"


def prove(project: Project, chart: Path, helms: Sequence[Helm], *, on_every_store: bool = True) -> dict[str, list[str]]:
    """Compares `chart`, rendered for a project without errors, with the expected manifests.

    Each Helm renders each environment as configured and, with `on_every_store`, with all secrets on each store.
    Returns the renderings that each message is about. Raises HelmError.
    """
    found: dict[str, list[str]] = {}
    with TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        for environment in project.environments:
            cases = list(_cases(environment, project, helms, on_every_store=on_every_store))
            values = [Path(folder, f"{number}.yaml") for number in range(len(cases))]
            # If the values are nested for a parent chart, render through one, as users do.
            subchart = environment.subchart
            top = chart if subchart is None else parent_chart(Path(folder, environment.name), chart, subchart)
            verdicts = list(zip(cases, pool.map(_judge, cases, values, repeat(top)), strict=True))
            configured = {case.helm: made for case, (_, made) in verdicts if case.store is None}
            for case, (wrong, made) in verdicts:
                for message in (*wrong, *_key_differences(case, made, configured[case.helm])):
                    found.setdefault(f'in "{environment.name}", {message}', []).append(case.title)
    return found


def _cases(
    environment: Environment, project: Project, helms: Sequence[Helm], *, on_every_store: bool
) -> Iterator[_Case]:
    data: Any = environment.root.plain_data()
    catalogue: Any = project.catalogue.document.root.plain_data()
    resolver = Resolver(project.catalogue)
    as_configured = expected_manifests(data, catalogue)
    yield from (_Case(environment, as_configured, helm) for helm in helms)
    for store, absent, per_key in _store_variants(data, catalogue) if on_every_store else ():
        forced = _force(environment, store, absent, per_key, resolver)
        expected = expected_manifests(_data_for_store(data, store, absent, per_key), catalogue)
        yield from (_Case(forced, expected, helm, store, absent) for helm in helms)


def _store_variants(data: PlainMap, catalogue: PlainMap) -> Iterator[tuple[str, list[str], list[str]]]:
    """For each store: the secrets without a remote name there, and those whose keys are not one bundle there."""
    for store_id, store in data.get("stores", {}).items():
        absent, per_key = [], []
        for name, secret, entry in enabled_secrets(data, catalogue):
            keys = references(data, secret, entry, catalogue, store)
            if None in keys.values():
                absent.append(name)
            elif not is_one_bundle(keys):
                per_key.append(name)
        yield store_id, absent, per_key


def _force(
    environment: Environment, store: str, absent: Sequence[str], per_key: Sequence[str], resolver: Resolver
) -> Environment:
    # A layer on top, as a person would write it, goes through the same stages as every layer.
    secrets: dict[str, Node] = {}
    for name in environment.secrets:
        said: dict[str, Node] = {"store": _node(None)}
        if name in absent:
            said["enabled"] = _node(value=False)
        if name in per_key:
            said["fetch"] = _node("perKey")
        secrets[name] = _node(said)
    layer = Document(Source(_ORIGIN), _node({"store": _node(store), "secrets": _node(secrets)}), nulls=True)
    root = merge_onto(environment.root, layer, [])
    return resolver.environment(environment.name, root, (*environment.layers, layer))


def _node(value: str | bool | dict[str, Node] | None) -> Node:  # noqa: FBT001 - a YAML value is one
    return Node(value, Source(_ORIGIN), extent(0, 0))


def _data_for_store(data: PlainMap, store: str, absent: Sequence[str], per_key: Sequence[str]) -> PlainMap:
    secrets = {
        name: {key: value for key, value in secret.items() if key != "store"}
        | ({"fetch": "perKey"} if name in per_key else {})
        # Its place still counts for secrets that take a value from it.
        | ({"enabled": False} if name in absent else {})
        for name, secret in data.get("secrets", {}).items()
    }
    return {**data, "store": store, "secrets": secrets}


def _judge(case: _Case, values: Path, chart: Path) -> _Verdict:
    environment = case.environment
    names = [layer.source.path for layer in environment.layers]
    text = values_text(values_of(environment), environment.name, names, environment.subchart)
    values.write_text(text, encoding="utf-8")
    try:
        rendered, excess = read_manifests(template(case.helm, chart, [values]))
    except HelmError as error:
        if not error.details:
            raise
        # Helm's message may quote values, so it is not shown.
        return ["Helm refuses the chart with these values"], {}
    if rendered is None:
        what = f"has {excess[0]}" if excess is not None else "is not YAML"
        return [f"the output of Helm {what}"], {}
    return list(differences(case.expected, rendered)), targets(rendered)


def _key_differences(case: _Case, made: Targets, configured: Targets) -> Iterator[str]:
    """The Secrets whose keys depend on the store."""
    if case.store is None or not made:
        return
    absent = {case.environment.catalogue.entries[name].target for name in case.absent}
    for target in sorted(configured.keys() | made.keys()):
        if target[1] not in absent and configured.get(target) != made.get(target):
            yield f'the Secret "{target[1]}" has different keys than as configured'
