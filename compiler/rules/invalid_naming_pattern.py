"""A naming pattern of the catalogue that cannot name a secret.

`new secret` fills a pattern's placeholders: `{name}` is `naming.name` or else the namespace of
`environments/base.yaml`, `{namespace}` that namespace, and `{secret}` the new secret's id. Any other would stand in the
name as it is written, in braces that no store takes, and without `{secret}` each new secret would have the name of the
one before.

    naming:
      target: "{nam}-{secret}"
      vault: "{namespace}/secrets"

Use the placeholders that there are, in double quotes, as YAML takes a brace for a map:

    naming:
      target: "{name}-{secret}"
      vault: "{namespace}/{secret}"
"""

from compiler.model.environment import faults
from compiler.rules.api import CATALOGUE, ERROR, Catalogue, Finding, Findings, Node, Span, rule
from compiler.stores.registry import PATTERNS


@rule("invalid-naming-pattern", ERROR, CATALOGUE)
def check(catalogue: Catalogue) -> Findings:
    for member in PATTERNS:
        node = catalogue.document.root.get("naming", member)
        if node is not None:
            yield from findings(node)


def findings(node: Node) -> Findings:
    """The mistakes in one pattern, at their place."""
    pattern = str(node.value)
    # With escapes or line breaks in it, the text in the file is another: then the whole value is what to look at.
    at = node.source.text.find(pattern, node.start, node.end)
    for fault in faults(pattern):
        span = Span(node.source, at + fault.start, at + fault.end) if at >= 0 else node.span
        yield Finding(fault.message, span, help=fault.help)
