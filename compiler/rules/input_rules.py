"""Lists the rules that loading, validating, merging and writing report themselves. Their pages are files of `pages`."""

from compiler.rules.api import ERROR, INPUT, WARNING, Rule

_ERRORS = (
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
    "unproven-chart",
    "unconfined-chart",
)

INPUT_RULES: tuple[Rule, ...] = (
    *(Rule(each, ERROR, INPUT) for each in _ERRORS),
    Rule("unconfirmed-prune", WARNING, INPUT),
)
