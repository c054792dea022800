"""Tells whether a live store object is ready, and whether it lets a namespace use it, as the operator would decide."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Mapping

    LiveObject = Mapping[str, Any]

# The operator's own name for itself where nothing else is set.
_DEFAULT_CONTROLLER = "default"
_CLUSTER_SCOPED = "ClusterSecretStore"
# Patterns that Python reads as Go does, whose the operator's are. A group is not repeated: Python might then take for
# ever where Go does not.
_ALIKE = regex(r"\^?(?:[a-z0-9.-]|\\[.d-]|\[\^?[a-z0-9-]+\]|[*+?](?![*+?]))*\$?|\^?\([a-z0-9|-]+\)\$?", re.ASCII)


class Access(Enum):
    """Whether a namespace may use a store. UNKNOWN: it depends on labels or a pattern that cannot be judged here."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


def is_ready(store: LiveObject) -> bool:
    """Whether its Ready condition is true."""
    conditions = (store.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


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
