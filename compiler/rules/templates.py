"""Judges the texts of templates: what the operator refuses or executes unasked, and what is not read or used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.document import Node, Related
from compiler.model.environment import Catalogue, Entry, Environment, pass_text
from compiler.model.facts import NEWEST, parse_minor
from compiler.rules.api import CATALOGUE, ENVIRONMENT, ERROR, WARNING, Finding, Findings, places_below, rule, waiver
from compiler.text.wording import closest, list_names, quote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from compiler.text.go_template import TemplateNames


def find_invalid_template_in_catalogue(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        if entry.template:
            yield from _judge_texts(entry)


@rule("invalid-template", ERROR, ENVIRONMENT, catalogue_check=find_invalid_template_in_catalogue)
def find_invalid_template(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        if not secret.entry.template:
            continue
        fetched = {item.key.name for item in secret.keys}
        unused = secret.entry.keys.keys() - fetched if secret.store is not None else set()
        for made, name, node in _names(secret.entry):
            if name in unused:
                key = secret.entry.keys[name]
                message = f"the text of {quote(made)} needs {quote(name)}, which is in no variant in use"
                way_out = (
                    f"add one of {list_names(key.value_key.variants)} to `use:` of {quote(key.holder(secret.entry).id)}"
                )
                related, scope = (Related("the text", node.span),), ("secrets", secret.id)
                way_out += ", or make an entry of its own without that text"
                yield Finding(message, secret.node.key_span, help=way_out, related=related, scope=scope)
        yield from _judge_version(environment, secret.entry)


def _judge_texts(entry: Entry) -> Findings:
    """What is wrong with the texts in every environment."""
    from compiler.text.go_template import functions_of, versions_of  # noqa: PLC0415 - few entries have any

    scope = ("secrets", entry.id)
    for made, read, node in _texts(entry):
        if read.mistake is not None:
            what, at = read.mistake
            message = f"the text of {quote(made)} is not a template: {what}{_line_of(entry.template[made], at)}"
            yield Finding(message, node, help="correct it; `{{` begins an action, and `}}` ends it", scope=scope)
        for name in read.keys:
            if name not in entry.keys:
                yield _unknown_key(f"the text of {quote(made)} needs the key {quote(name)}", name, entry, node)
        known = functions_of(NEWEST)
        for name in read.functions:
            if not (name in known or versions_of(name)):
                message = f"the text of {quote(made)} calls {quote(name)}, which is not a function of the operator"
                yield Finding(message, node, help=_suggest_function(name, known) or "correct it", scope=scope)


def _judge_version(environment: Environment, entry: Entry) -> Findings:
    from compiler.text.go_template import functions_of, versions_of  # noqa: PLC0415

    operator = parse_minor(environment.operator or "")
    if operator is None:
        return
    known = functions_of(operator)
    for made, read, _ in _texts(entry):
        for name in read.functions:
            if name not in known and (versions := versions_of(name)):
                calls = f"the text of {quote(made)} calls {quote(name)}"
                message = f"{calls}, which the operator of {environment.name} does not have"
                node = environment.secrets[entry.id].node.key_span
                yield Finding(message, node, help=f"{versions}: use another", scope=("secrets", entry.id))


def _unknown_key(message: str, name: str, entry: Entry, node: Node) -> Finding:
    known, scope = entry.keys, ("secrets", entry.id)
    match = closest(name, known)
    if match is not None:
        way_out = f"did you mean `{pass_text(match)}`?"
    else:
        way_out = f"add it to the keys of {quote(entry.id)}, or correct the text"
    return Finding(f"{message}, which {quote(entry.id)} does not have", node, help=way_out, scope=scope)


def _suggest_function(name: str, known: Collection[str]) -> str:
    match = closest(name, sorted(known))
    return f"did you mean `{match}`?" if match is not None else ""


def _names(entry: Entry) -> Iterator[tuple[str, str, Node]]:
    for made, read, node in _texts(entry):
        yield from ((made, name, node) for name in read.keys)


def _texts(entry: Entry) -> Iterator[tuple[str, TemplateNames, Node]]:
    if not entry.template:
        return
    from compiler.text.go_template import read_template  # noqa: PLC0415 - few entries have a template

    nodes = entry.target_nodes
    for made, text in entry.template.items():
        yield made, read_template(text), nodes[made]


def _line_of(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    return f", in line {line}" if "\n" in text.rstrip("\n") else ""


_OPENING = "{{"


@rule("templated-annotation", ERROR, ENVIRONMENT)
def find_templated_annotation(environment: Environment) -> Findings:
    for node, scope in places_below(environment.root, "secrets"):
        for key, value in node.members_at("secretAnnotations").items():
            if isinstance(value.value, str) and _OPENING in value.value:
                message = f"the Secret's annotation {quote(key)} is a template, which the operator would execute"
                yield Finding(message, value, help="write it without `{{`", scope=scope)


@rule("unread-template", WARNING, CATALOGUE, waivable=True)
def find_unread_template(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        for made, read, node in _texts(entry):
            if read.unread:
                yield Finding(
                    f"the keys that the text of {quote(made)} needs are not checked, as it has {read.unread}",
                    node,
                    help=f"name each key, as in `{{{{ .KEY }}}}`; {waiver('unread-template', entry.id)}",
                    scope=("secrets", entry.id),
                )


@rule("unused-key", WARNING, CATALOGUE, waivable=True)
def find_unused_key(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        texts = [read for _, read, _ in _texts(entry)]
        if not texts or any(each.unread or each.mistake or each.reads_all for each in texts):
            continue
        used = {name for each in texts for name in each.keys}
        # The old value is kept in the store, whatever the Secret has.
        used |= {key.lifetime.previous_key or "" for key in entry.keys.values()}
        for name, key in entry.keys.items():
            if name not in used:
                yield Finding(
                    f"no text of the template of {quote(entry.id)} uses {quote(name)}: the Secret does not have it",
                    key.node.key_span,
                    help=f"add `{name}: '{pass_text(name)}'` to `template.data`, or remove the key",
                    scope=("secrets", entry.id),
                )
