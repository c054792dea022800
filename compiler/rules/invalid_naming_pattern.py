"""A naming pattern of the catalogue that cannot name a secret.

`new secret` fills a pattern's placeholders: `{name}` is `naming.name` or else the namespace of
`environments/base.yaml`, `{namespace}` that namespace, and `{secret}` the new secret's id. Any other would stay in the
name as it is written, in braces that no store accepts. Without `{secret}` each new secret would have the name of the
one before.

    naming:
      target: "{nam}-{secret}"
      vault: "{namespace}/secrets"

Use the placeholders that there are, in double quotes, as YAML takes a brace for a map:

    naming:
      target: "{name}-{secret}"
      vault: "{namespace}/{secret}"
"""

from compiler.model.environment import OWN_ID, PLACEHOLDER, PLACEHOLDERS, placeholders
from compiler.rules.api import CATALOGUE, ERROR, Catalogue, Finding, Findings, Node, Span, quote, rule
from compiler.stores.registry import PATTERNS
from compiler.text.wording import suggest

_LISTED = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)


@rule("invalid-naming-pattern", ERROR, CATALOGUE)
def check(catalogue: Catalogue) -> Findings:
    for member in PATTERNS:
        node = catalogue.document.root.get("naming", member)
        if node is not None:
            yield from findings(node)


def findings(node: Node) -> Findings:
    """Why a pattern cannot name secrets: braces that are not a placeholder, or no place for the secret's id."""
    pattern = str(node.value)
    # With escapes or line breaks in it, the text in the file is another: then the whole value is what to look at.
    at = node.source.text.find(pattern, node.start, node.end)
    for part in PLACEHOLDER.finditer(pattern):
        span = Span(node.source, at + part.start(), at + part.end()) if at >= 0 else node.span
        if part[1] is None:
            message, way_out = f'a "{part[0]}" alone is not a placeholder', f"the placeholders are {_LISTED}"
            yield Finding(message, span, help=way_out)
        elif part[1] not in PLACEHOLDERS:
            message = f"{quote(part[1])} is not a placeholder"
            yield Finding(message, span, help=suggest(part[1], PLACEHOLDERS, "placeholders"))
    if OWN_ID not in placeholders(pattern):
        span = Span(node.source, at, at + len(pattern)) if at >= 0 else node.span
        message = f'the pattern has no "{{{OWN_ID}}}", so that every secret would have one name'
        yield Finding(message, span, help=f"write {{{OWN_ID}}} where the secret's id belongs")
