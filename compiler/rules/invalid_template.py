"""A text of a template that External Secrets Operator would refuse.

The operator executes each text of `template.data` (template engine v2) with the fetched keys. An action that is not
closed, a function that its version does not have and a key that is not fetched fail the whole ExternalSecret, late,
with a message that names neither file nor line.

    ghcr:
      template:
        data:
          .dockerconfigjson: '{"auths": {"ghcr.io": {"auth": "{{ .token | base64 }}"}}}'
      keys:
        TOKEN: {description: Token of the registry}

Write names of `keys`, those in use in each environment, and functions that the operator has. A key that is not an
identifier is `index . "tls.crt"`:

    ghcr:
      template:
        data:
          .dockerconfigjson: '{"auths": {"ghcr.io": {"auth": "{{ .TOKEN | b64enc }}"}}}'
      keys:
        TOKEN: {description: Token of the registry}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.environment import pass_text
from compiler.model.facts import NEWEST, parse_minor
from compiler.rules.api import (
    ENVIRONMENT,
    ERROR,
    Catalogue,
    Environment,
    Finding,
    Findings,
    Node,
    Related,
    list_names,
    quote,
    rule,
)
from compiler.text.wording import closest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from compiler.model.environment import Entry
    from compiler.text.go_template import TemplateNames


def check_catalogue(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        if entry.template:
            yield from _judge(entry)


@rule("invalid-template", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
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
        yield from _of_version(environment, secret.entry)


def _judge(entry: Entry) -> Findings:
    """What is wrong with the texts in every environment."""
    from compiler.text.go_template import functions_of, versions_of  # noqa: PLC0415 - few entries have any

    scope = ("secrets", entry.id)
    for made, read, node in _texts(entry):
        if read.mistake is not None:
            what, at = read.mistake
            message = f"the text of {quote(made)} is not a template: {what}{_line(entry.template[made], at)}"
            yield Finding(message, node, help="correct it; `{{` begins an action, and `}}` ends it", scope=scope)
        for name in read.keys:
            if name not in entry.keys:
                yield _unknown_key(f"the text of {quote(made)} needs the key {quote(name)}", name, entry, node)
        known = functions_of(NEWEST)
        for name in read.functions:
            if not (name in known or versions_of(name)):
                message = f"the text of {quote(made)} calls {quote(name)}, which is not a function of the operator"
                yield Finding(message, node, help=_suggest(name, known) or "correct it", scope=scope)


def _of_version(environment: Environment, entry: Entry) -> Findings:
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


def _suggest(name: str, known: Collection[str]) -> str:
    match = closest(name, sorted(known))
    return f"did you mean `{match}`?" if match is not None else ""


def _names(entry: Entry) -> Iterator[tuple[str, str, Node]]:
    for made, read, node in _texts(entry):
        yield from ((made, name, node) for name in read.keys)


def _texts(entry: Entry) -> Iterator[tuple[str, TemplateNames, Node]]:
    from compiler.text.go_template import read_template  # noqa: PLC0415

    nodes = entry.target_nodes
    for made, text in entry.template.items():
        yield made, read_template(text), nodes[made]


def _line(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    return f", in line {line}" if "\n" in text.rstrip("\n") else ""
