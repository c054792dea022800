"""An unquoted string that other readers of YAML take for another type, or another type where a string is expected.

YAML 1.1, which Helm, kubectl and most older tools read, takes `no`, `on` and `y` for booleans, `012` for ten, `12:30`
for a number of minutes and `2024-01-01` for a date; YAML 1.2 takes them for strings. The meaning of a file must not
depend on its reader. The same rule reports a number or boolean where a string is expected: unquoted `2.10` is the
number 2.1.

    externalSecretsOperator: 2.10
    stores:
      vault:
        vaultNamespace: on

Write strings that look like another type in double quotes:

    externalSecretsOperator: "2.10"
    stores:
      vault:
        vaultNamespace: "on"
"""

import re

from compiler.rules.api import DOCUMENT, ERROR, Document, Finding, Findings, paths_below, rule, waiver_scope

# A closed set, so a message may show the word.
_WORDS = dict.fromkeys(("y", "n", "yes", "no", "true", "false", "on", "off"), "a boolean")
_SIGNS = {"=": "a default", "<<": "a merge key"}
_FORMS = (
    (re.compile(r"\d{4}-\d\d?-\d\d?.*"), "a date"),
    (re.compile(r"[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?"), "a number in base 60"),
)


@rule("ambiguous-scalar", ERROR, DOCUMENT)
def check(document: Document) -> Findings:
    paths = paths_below(document.root) if document.ambiguous else {}
    for node in document.ambiguous:
        text = node.value
        path = paths.get(id(node))
        # The schema took this out and reported it.
        if not isinstance(text, str) or path is None:
            continue
        kind = (_WORDS | _SIGNS).get(text.casefold())
        if kind is not None:
            message = f'unquoted "{text}" is {kind} in YAML 1.1'
            way_out = f'write "{text}" in double quotes'
        else:
            kind = next((name for form, name in _FORMS if form.fullmatch(text)), "a number")
            message = f"this unquoted string is {kind} in YAML 1.1"
            way_out = "write it in double quotes"
        yield Finding(message, node, help=way_out, scope=waiver_scope(path))
