"""A key has no value.

`slack:` without a value is null in YAML, and null in a layer takes a secret out of the environment: its
ExternalSecret is no longer rendered, Kubernetes deletes the Secret with it, and pods that mount it do not start.
Its author may as well have meant "with the defaults". As the two are opposites, the compiler does not guess.

    secrets:
      slack:

Write which of the two is meant:

    secrets:
      slack: {}        # the secret, as the catalogue describes it
      jira: null       # not in this environment
"""

import re

from compiler.rules.api import DOCUMENT, ERROR, Document, Finding, Findings, Node, quote, rule, waiver_scope

_COMMENTED = re.compile(r"[\"']?:[ \t]+#[^\s#]")
# The keys whose value is a mapping, in whichever mapping they stand.
_MAPPINGS = frozenset(
    {"secrets", "stores", "remote", "labels", "annotations", "waive", "auth", "conditions", "caProvider", "keys"}
    | {"secretLabels", "secretAnnotations"}
    | {"serviceAccount", "token", "kubernetes", "appRole", "secretId", "jwt"}
    | {"workloadIdentity", "managedIdentity", "servicePrincipal"}
)


@rule("empty-value", ERROR, DOCUMENT)
def check(document: Document) -> Findings:
    if document.nulls:
        yield from _below(document.root, ())


def _below(node: Node, path: tuple[str, ...]) -> Findings:
    for key, child in node.children.items():
        if child.is_empty:
            yield _finding(key, child, path)
        else:
            yield from _below(child, (*path, key))


def _finding(key: str, node: Node, path: tuple[str, ...]) -> Finding:
    if _is_commented(node):
        way_out = 'what follows " #" is a comment: put the whole value in quotes'
    elif path in {("secrets",), ("stores",)} or key in _MAPPINGS:
        way_out = "write `{}` to have it with its defaults, or `null` to remove what an earlier layer set"
    else:
        way_out = "write a value, `null` to remove what an earlier layer set, or remove the line"
    return Finding(f"{quote(key)} has no value", node.key_span, help=way_out, scope=waiver_scope((*path, key)))


def _is_commented(node: Node) -> bool:
    """Whether a word follows the key that `#` makes a comment: a remark has a space behind the sign."""
    return _COMMENTED.match(node.source.text, node.key_span.end) is not None
