"""Judges the values of a file as they are written: empty ones, ambiguous ones, and those that may be secrets."""

import re

from compiler.model.document import Document, Node
from compiler.rules.api import DOCUMENT, ERROR, Finding, Findings, paths_below, rule, waiver_scope
from compiler.text.credential import looks_like_credential
from compiler.text.wording import quote

_COMMENTED = re.compile(r"[\"']?:[ \t]+#[^\s#]")
# The keys whose value is a mapping, in whichever mapping they stand.
_MAPPINGS = frozenset(
    {"secrets", "stores", "remote", "labels", "annotations", "waive", "auth", "conditions", "caProvider", "keys"}
    | {"secretLabels", "secretAnnotations"}
    | {"serviceAccount", "token", "kubernetes", "appRole", "secretId", "jwt"}
    | {"workloadIdentity", "managedIdentity", "servicePrincipal"}
)


@rule("empty-value", ERROR, DOCUMENT)
def find_empty_value(document: Document) -> Findings:
    if document.nulls:
        yield from _find_empty(document.root, ())


def _find_empty(node: Node, path: tuple[str, ...]) -> Findings:
    for key, child in node.children.items():
        if child.is_empty:
            yield _empty_finding(key, child, path)
        else:
            yield from _find_empty(child, (*path, key))


def _empty_finding(key: str, node: Node, path: tuple[str, ...]) -> Finding:
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


# A closed set, so a message may show the word.
_WORDS = dict.fromkeys(("y", "n", "yes", "no", "true", "false", "on", "off"), "a boolean")
_SIGNS = {"=": "a default", "<<": "a merge key"}
_FORMS = (
    (re.compile(r"\d{4}-\d\d?-\d\d?.*"), "a date"),
    (re.compile(r"[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?"), "a number in base 60"),
)


@rule("ambiguous-scalar", ERROR, DOCUMENT)
def find_ambiguous_scalar(document: Document) -> Findings:
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


# Below an entry of the catalogue.
_TEMPLATE = ("template", "data")
_CREDENTIAL_HELP = "put the value into a store and write the secret's name here; if it was ever committed, rotate it"


@rule("secret-in-config", ERROR, DOCUMENT, waivable=True)
def find_secret_in_config(document: Document) -> Findings:
    paths = paths_below(document.root) if document.suspects else {}
    for node in document.suspects:
        path = paths.get(id(node), ())
        if isinstance(node.value, str) and any(map(looks_like_credential, _texts_of_value(node.value, path))):
            scope = waiver_scope(path)
            yield Finding(
                "this value looks like a credential", node, help=_CREDENTIAL_HELP, conceals=(node.span,), scope=scope
            )
    yield from _find_credential_keys(document.root, ())


def _texts_of_value(text: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """What of a value is printed as it is written: of a template, what its actions leave."""
    if path[2:4] != _TEMPLATE or len(path) != len(_TEMPLATE) + 3:
        return (text,)
    from compiler.text.go_template import read_template  # noqa: PLC0415 - few entries have a template

    return read_template(text).texts


def _find_credential_keys(node: Node, path: tuple[str, ...]) -> Findings:
    for key, child in node.children.items():
        if looks_like_credential(key):
            span = child.key_span
            yield Finding(
                "this key looks like a credential",
                span,
                help=_CREDENTIAL_HELP,
                conceals=(span,),
                scope=waiver_scope(path),
            )
        if child.children:
            yield from _find_credential_keys(child, (*path, key))
