"""Judges a live store object: whether it is ready, leads to the written store, and lets a namespace use it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from compiler.cluster.objects import child, ready_of
from compiler.model.address import parse_address
from compiler.model.environment import Store
from compiler.model.store_identity import Sameness, compare_stores, written_identity
from compiler.stores.registry import live_identity
from compiler.text.command_line import shell_line
from compiler.text.wording import quoted

LiveObject = Mapping[str, Any]


# The operator's own name for itself where nothing else is set.
_DEFAULT_CONTROLLER = "default"
_CLUSTER_SCOPED = "ClusterSecretStore"
# The fields by which stores name the Secret with their credential.
_CREDENTIALS = frozenset(
    {"clientSecret", "clientCertificate", "secretRef", "tokenSecretRef", "serviceAccountSecretRef"}
)
# Patterns that Python reads as Go does, whose the operator's are. A group is not repeated: Python might then take for
# ever where Go does not.
_ALIKE = re.compile(r"\^?(?:[a-z0-9.-]|\\[.d-]|\[\^?[a-z0-9-]+\]|[*+?](?![*+?]))*\$?|\^?\([a-z0-9|-]+\)\$?", re.ASCII)


class Access(Enum):
    """Whether a namespace may use a store. UNKNOWN: it depends on labels or a pattern that cannot be judged here."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


class StoreLack(NamedTuple):
    """What keeps a namespace from reading the written store by a live store object, and the way out.

    `has_cause` says that the operator's message has the cause.
    """

    message: str
    mend: str
    has_cause: bool = False


def store_lacks(
    store: Store, live: LiveObject | None, namespace: str, labelled: LiveObject | None = None
) -> Iterator[StoreLack]:
    """What is wrong with the live object of `store`; `labelled` is the namespace's object, if it was read."""
    subject, get = _subject(store), kubectl_line("get", store, namespace)
    if live is None:
        yield StoreLack(f"{subject} is not in the cluster", get)
        return
    if not (condition := ready_of(live)):
        yield StoreLack(
            f"{subject} has not been checked by the operator yet", kubectl_line("describe", store, namespace)
        )
    elif not is_ready(live):
        reason = condition.get("reason") or "Unknown"
        yield StoreLack(f"{subject} is not ready: {reason}", kubectl_line("describe", store, namespace), has_cause=True)
    if (another := another_store(store, live, namespace)) is not None:
        yield another
    if access_of(live, namespace, labelled) is Access.DENIED:
        message = f"{subject} does not allow the namespace {quoted(namespace)}"
        yield StoreLack(message, "add it to the store's `conditions`")


def store_doubts(
    store: Store, live: LiveObject | None, namespace: str, labelled: LiveObject | None = None
) -> Iterator[StoreLack]:
    """What cannot be told of the live object of `store`, in the form of a lack."""
    if live is None:
        return
    if sameness_of(store, live) is Sameness.UNPROVEN:
        yield _unproven(store, live, namespace)
    if access_of(live, namespace, labelled) is Access.UNKNOWN:
        allows = f"{_subject(store)} allows the namespace {quoted(namespace)}"
        message = f"whether {allows} depends on what cannot be read here"
        yield StoreLack(message, kubectl_line("get", store, namespace))


def another_store(store: Store, live: LiveObject, namespace: str) -> StoreLack | None:
    """The lack that a live store object leads elsewhere than `store` does, None where it may lead there."""
    if sameness_of(store, live) is not Sameness.ANOTHER:
        return None
    message = f"{_subject(store)} leads to another store than {quoted(store.id)}: {_difference(store, live)}"
    shown = f"{kubectl_line('get', store, namespace)} -o yaml"
    return StoreLack(message, f"correct the address that is wrong; that of the cluster: {shown}")


def is_ready(store: LiveObject) -> bool:
    """Whether its Ready condition is true."""
    return ready_of(store).get("status") == "True"


def sameness_of(store: Store, live: LiveObject) -> Sameness:
    """Whether a live store object leads to `store` as its environment writes it; VAULT_ADDR has no say in that."""
    return compare_stores(written_identity(store), live_identity(live))


def kubectl_line(verb: str, store: Store, namespace: str) -> str:
    """The line that shows the live object of `store`."""
    where = ["-n", namespace] if store.kind == "SecretStore" else []
    return shell_line("kubectl", *where, verb, store.kind.lower(), store.name)


def _subject(store: Store) -> str:
    return f"the {store.kind} {quoted(store.name)}"


def _difference(store: Store, live: LiveObject) -> str:
    wanted, found = written_identity(store), live_identity(live)
    if wanted.provider is not found.provider:
        return f"its provider is {quoted(found.provider.id)}, not {quoted(wanted.provider.id)}"
    if not wanted.provider.has_mounts:
        hosts = [parse_address(url) for url in (_address(store, live), store.address or "")]
        there, here = (quoted(each.host if each is not None else "") for each in hosts)
        return f"its `{store.provider.address}` leads to {there}, not {here}"
    fields = (
        ("path", found.mount, wanted.mount),
        ("namespace", found.namespace, wanted.namespace),
        ("version", found.version, wanted.version),
    )
    return " and ".join(
        f"its `{name}` is {quoted(there or '')}, not {quoted(here or '')}"
        for name, there, here in fields
        if there != here
    )


def _address(store: Store, live: LiveObject) -> str:
    return str(child(live, "spec", "provider", store.provider.id).get(store.provider.address) or "")


def _unproven(store: Store, live: LiveObject, namespace: str) -> StoreLack:
    field, url = store.provider.address, _address(store, live)
    why = f"its `{field}` is spelt differently" if store.address else f"the environment has no `{field}`"
    address = parse_address(url)
    # A password in it is not shown.
    line = f"`{field}: {url}`" if address is not None and not address.extra else f"its `{field}`"
    mend = f"write {line} in the environment, as the cluster has it"
    if "reachableAt" in store.provider.settings:
        mend += ", and `reachableAt` for the address from here"
    if address is None or address.extra:
        mend += f"; {kubectl_line('get', store, namespace)} -o yaml shows it"
    message = f"whether {_subject(store)} leads to the store {quoted(store.id)} is not proven: {why}"
    return StoreLack(message, mend)


def selects_by_labels(store: LiveObject | None) -> bool:
    """Whether it takes the namespace's labels to judge its access."""
    return any("namespaceSelector" in each for each in child(store or {}, "spec").get("conditions") or ())


def controller_of(store: LiveObject) -> str:
    """The operator that a store belongs to; another one passes over what refers to it, and changes no status."""
    return str((store.get("spec") or {}).get("controller") or _DEFAULT_CONTROLLER)


def access_of(store: LiveObject, namespace: str, labelled: LiveObject | None = None) -> Access:
    """Whether ExternalSecrets of `namespace` may use `store`; `labelled` is the namespace's object, if it was read.

    A SecretStore serves its own namespace. The conditions of a ClusterSecretStore are joined by or, and without any
    it serves every namespace.
    """
    if store.get("kind", _CLUSTER_SCOPED) != _CLUSTER_SCOPED:
        return Access.ALLOWED
    conditions = (store.get("spec") or {}).get("conditions") or ()
    if not conditions:
        return Access.ALLOWED
    found = {verdict for each in conditions for verdict in _judged(each, namespace, labelled)}
    if Access.ALLOWED in found:
        return Access.ALLOWED
    return Access.UNKNOWN if Access.UNKNOWN in found else Access.DENIED


def _judged(condition: LiveObject, namespace: str, labelled: LiveObject | None) -> list[Access]:
    found = [Access.ALLOWED] if namespace in (condition.get("namespaces") or ()) else []
    found += [_matched(pattern, namespace) for pattern in condition.get("namespaceRegexes") or ()]
    selector = condition.get("namespaceSelector")
    if selector is not None:
        found.append(_selected(selector, labelled))
    return found


def _matched(pattern: str, namespace: str) -> Access:
    if not _ALIKE.fullmatch(pattern):
        return Access.UNKNOWN
    try:
        # Unanchored, as the operator matches.
        return Access.ALLOWED if re.search(pattern, namespace) else Access.DENIED
    except re.error:
        return Access.UNKNOWN


def _selected(selector: LiveObject, labelled: LiveObject | None) -> Access:
    if labelled is None:
        return Access.UNKNOWN
    labels = (labelled.get("metadata") or {}).get("labels") or {}
    wanted = selector.get("matchLabels") or {}
    met = all(labels.get(key) == value for key, value in wanted.items())
    met = met and all(_meets(each, labels) for each in selector.get("matchExpressions") or ())
    return Access.ALLOWED if met else Access.DENIED


def _meets(expression: LiveObject, labels: LiveObject) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or ()
    return {
        "In": key in labels and labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(str(expression.get("operator")), False)


def credential_of(store: LiveObject) -> str:
    """Which Secret holds the operator's credential for a store, in words; empty where it logs in by an identity."""
    waiting: list[tuple[str, object]] = [("", child(store, "spec", "provider"))]
    while waiting:
        field, found = waiting.pop(0)
        if not isinstance(found, dict):
            continue
        if field in _CREDENTIALS and isinstance(found.get("name"), str):
            namespace = str(found.get("namespace") or child(store, "metadata").get("namespace") or "")
            title = f"{namespace}/{found['name']}" if namespace else found["name"]
            return f"the operator's credential is the key {quoted(str(found.get('key')))} of the Secret {quoted(title)}"
        waiting += found.items()
    return ""
