"""Keys take their values `from` one another in a circle, so that none has one.

A key may take its value from one that takes it from a third: at the end of the chain there is a key with a place of
its own, and all have its value. A circle has no end.

    oidc:
      keys:
        CLIENT_SECRET: {from: ui/OIDC_CLIENT_SECRET}
    ui:
      keys:
        OIDC_CLIENT_SECRET: {from: oidc/CLIENT_SECRET}

Let one of them have the value itself:

    oidc:
      keys:
        CLIENT_SECRET: {description: Client secret}
    ui:
      keys:
        OIDC_CLIENT_SECRET: {from: oidc/CLIENT_SECRET}
"""

from compiler.model.document import Related
from compiler.rules.api import CATALOGUE, ERROR, Catalogue, CatalogueKey, Finding, Findings, pluralize, quote, rule

# A longer circle is a made one; its other places help nobody.
_MOST_PLACES = 5
# An entry's id, and a key's name.
_Name = tuple[str, str]


@rule("circular-source", ERROR, CATALOGUE)
def check(catalogue: Catalogue) -> Findings:
    done: set[_Name] = set()
    for entry in catalogue.entries.values():
        for name, key in entry.keys.items():
            if key.is_taken and key.origin is None:
                circle = _circle((entry.id, name), catalogue, done)
                if circle:
                    yield _finding(circle)


def _circle(at: _Name, catalogue: Catalogue, done: set[_Name]) -> list[tuple[_Name, CatalogueKey]]:
    """The circle that the chain from `at` runs into, if nobody came by before."""
    passed: dict[_Name, CatalogueKey] = {}
    while at not in done:
        entry = catalogue.entries.get(at[0])
        key = entry.keys.get(at[1]) if entry is not None else None
        if key is None or key.source is None:
            return []
        done.add(at)
        passed[at] = key
        at = key.source
    return list(passed.items())[list(passed).index(at) :] if at in passed else []


def _finding(circle: list[tuple[_Name, CatalogueKey]]) -> Finding:
    spans = [key.node.children["from"].span for _, key in circle]
    entry_id, name = circle[0][0]
    first = quote(f"{entry_id}/{name}")
    message = f"{first} takes its value from itself"
    if len(circle) > 1:
        message += f", by way of {pluralize(len(circle) - 1, 'other key')}"
    related = tuple(Related("and on from here", span) for span in spans[1 : _MOST_PLACES + 1])
    way_out = "let one key have the value itself: remove its `from`"
    return Finding(message, spans[0], help=way_out, related=related, scope=("secrets", entry_id))
