"""Lists the rules that have no module, as stages and commands report them. Their pages are files of `pages`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from compiler.rules.api import ERROR, INPUT, NOTE, WARNING, Rule, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from compiler.model.document import Severity

_INPUT_ERRORS = (
    "unreadable-file",
    "too-large",
    "invalid-encoding",
    "empty-file",
    "control-character",
    "tab-indentation",
    "invalid-yaml",
    "duplicate-key",
    "forbidden-yaml",
    "non-string-key",
    "unknown-key",
    "wrong-type",
    "invalid-value",
    "contradictory-source",
    "unknown-layer",
    "ambiguous-layer",
    "layer-cycle",
    "layer-conflict",
    "invalid-environment-name",
    "conflicting-vault-url",
    "unwritable-output",
    "foreign-output",
    "stale-values",
    "stale-output",
    "unproven-output",
    "unconfined-chart",
)
_LIVE_ERRORS = (
    "no-answer",
    "unauthenticated",
    "forbidden",
    "missing-access",
    "wrong-mount",
    "missing-secret",
    "missing-property",
    "disabled-secret",
    "soft-deleted-secret",
    "not-json",
    "not-a-string",
    "blank-value",
    "invalid-character",
    "placeholder-value",
    "expired-secret",
    "not-yet-valid",
    "invalid-reference",
    "unproven-reference",
    "unusable-bundle",
    "cluster-no-answer",
    "cluster-forbidden",
    "store-not-ready",
    "not-synchronised",
    "missing-target-key",
    "restart-needed",
)
_LIVE_WARNINGS = (
    "nested-property",
    "surrounding-white-space",
    "manifest-value",
    "surrounding-quotes",
    "expires-soon",
    "no-expiry",
    "shared-value",
    "excess-access",
    "not-in-cluster",
    "foreign-secret",
    "foreign-external-secret",
    "unproven-store",
)
_LIVE_NOTES = ("older-spec", "unknown-access")
_CONSUMER_ERRORS = ("unmade-secret", "missing-consumed-key", "doubly-made-secret")
_CONSUMER_WARNINGS = ("unread-secret", "needed-by-hook", "unusable-variable", "wrong-mounted-by", "repeated-key")

# What a store lacks, a cluster has wrong, keeps a pod from starting or makes two writers fight cannot be waived:
# `madeElsewhere` says what others make.
_WAIVABLE = frozenset({"shared-value", "unread-secret", "needed-by-hook", "unusable-variable", "wrong-mounted-by"})


def _live_rules(severity: Severity, ids: tuple[str, ...]) -> Iterator[Rule]:
    return (Rule(each, severity, Scope.LIVE, waivable=each in _WAIVABLE) for each in ids)


# For what loading, validating, merging and writing find.
INPUT_RULES: tuple[Rule, ...] = (
    *(Rule(each, ERROR, INPUT) for each in _INPUT_ERRORS),
    Rule("unconfirmed-prune", WARNING, INPUT),
)
# For what `verify` finds in live stores and the cluster.
LIVE_RULES: tuple[Rule, ...] = (
    *_live_rules(ERROR, _LIVE_ERRORS),
    *_live_rules(WARNING, _LIVE_WARNINGS),
    *_live_rules(NOTE, _LIVE_NOTES),
)
# For what `consumers` finds about what pods read.
CONSUMER_RULES: tuple[Rule, ...] = (
    *_live_rules(ERROR, _CONSUMER_ERRORS),
    *_live_rules(WARNING, _CONSUMER_WARNINGS),
)
# For what `import` refuses.
NOT_IMPORTED = Rule("not-imported", WARNING, Scope.LIVE)
# Those that commands on live stores and clusters report, and `import`.
BY_ID: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in (*LIVE_RULES, *CONSUMER_RULES, NOT_IMPORTED)})
