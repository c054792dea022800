"""A value or a key of the input looks like a credential.

Input files are committed, reviewed, printed in pull requests and copied into values files. A credential in one of
them is known to everyone who can read the repository, and stays in its history when the line is removed. Only names
belong here: which store, which remote secret, which key.

    stores:
      vault:
        auth: {token: {name: ghp_0123456789abcdefghij0123456789abcdef}}

Put the value into the store (or into a Kubernetes Secret, for a store's own login) and write the secret's name here:

    stores:
      vault:
        auth: {token: {name: vault-token, key: token, namespace: external-secrets}}

If the file was ever committed or pushed, replace the credential where it was issued. No output of this program shows
the text that was found. If it is not a credential after all, such as a long identifier, waive this rule with the
reason. Of a text of `template.data` only what stands outside of its actions, or in quotes there, is judged.
"""

from compiler.rules.api import DOCUMENT, ERROR, Document, Finding, Findings, Node, paths_below, rule, waiver_scope
from compiler.text.credential import looks_like_credential

# Below an entry of the catalogue.
_TEMPLATE = ("template", "data")
_HELP = "put the value into a store and write the secret's name here; if it was ever committed, rotate it"


@rule("secret-in-config", ERROR, DOCUMENT, waivable=True)
def check(document: Document) -> Findings:
    paths = paths_below(document.root) if document.suspects else {}
    for node in document.suspects:
        path = paths.get(id(node), ())
        if isinstance(node.value, str) and any(map(looks_like_credential, _texts(node.value, path))):
            scope = waiver_scope(path)
            yield Finding("this value looks like a credential", node, help=_HELP, conceals=(node.span,), scope=scope)
    yield from _keys(document.root, ())


def _texts(text: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """What of a value is printed as it is written: of a template, what its actions leave."""
    if path[2:4] != _TEMPLATE or len(path) != len(_TEMPLATE) + 3:
        return (text,)
    from compiler.text.go_template import read_template  # noqa: PLC0415 - few entries have a template

    return read_template(text).texts


def _keys(node: Node, path: tuple[str, ...]) -> Findings:
    for key, child in node.children.items():
        if looks_like_credential(key):
            span = child.key_span
            yield Finding(
                "this key looks like a credential", span, help=_HELP, conceals=(span,), scope=waiver_scope(path)
            )
        if child.children:
            yield from _keys(child, (*path, key))
