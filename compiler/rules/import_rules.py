"""Documents the rule that `import` reports of what it refuses: its id, severity and page."""

from __future__ import annotations

from compiler.model.diagnostic import Severity
from compiler.rules.api import Rule, Scope

NOT_IMPORTED = Rule(
    "not-imported",
    Severity.WARNING,
    Scope.LIVE,
    """An object cannot be imported as it is, and is left as it is.

An object is taken whole or not at all, so that no Secret loses a key. Refused are the forms that this project does not
make: templates with text of their own, types, `find`, generators, decoding, fixed versions, keys and certificates of a
Key Vault, merging into a Secret of somebody else's, and other providers. So is a manifest with values in it.

    target: {name: db, template: {data: {URL: "postgres://app:{{ .password }}@db/app"}}}

Store the finished text as one value and name it under `data`, or leave the object where it is.""",
)
IMPORT_RULES: tuple[Rule, ...] = (NOT_IMPORTED,)
