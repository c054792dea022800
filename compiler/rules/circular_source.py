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

from compiler.model.diagnostic import Related
from compiler.rules.api import CATALOGUE, ERROR, Catalogue, CatalogueKey, Finding, Findings, counted, quoted, rule

# A longer circle is a made one; its other places help nobody.
_MOST_PLACES = 5


@rule("circular-source", ERROR, CATALOGUE)
def check(catalogue: Catalogue) -> Findings:
    done: set[tuple[str, str]] = set()
    for entry in catalogue.entries.values():
        for name, key in entry.keys.items():
            if key.is_taken and key.origin is None:
                circle = _circle((entry.id, name), catalogue, done)
                if circle:
                    yield _finding(circle, catalogue)


def _circle(at: tuple[str, str], catalogue: Catalogue, done: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The circle that the chain from `at` runs into, if nobody came by before."""
    passed: dict[tuple[str, str], int] = {}
    while at not in done:
        key = _key(at, catalogue)
        source = key.source if key is not None else None
        if source is None:
            return []
        done.add(at)
        passed[at] = len(passed)
        at = source
    return list(passed)[passed[at] :] if at in passed else []


def _key(at: tuple[str, str], catalogue: Catalogue) -> CatalogueKey | None:
    entry = catalogue.entries.get(at[0])
    return entry.keys.get(at[1]) if entry is not None else None


def _finding(circle: list[tuple[str, str]], catalogue: Catalogue) -> Finding:
    spans = [key.node.children["from"].span for at in circle if (key := _key(at, catalogue)) is not None]
    first = quoted("/".join(circle[0]))
    message = f"{first} takes its value from itself"
    if len(circle) > 1:
        message += f", by way of {counted(len(circle) - 1, 'other key')}"
    related = tuple(Related("and on from here", span) for span in spans[1 : _MOST_PLACES + 1])
    way_out = "let one key have the value itself: remove its `from`"
    return Finding(message, spans[0], help=way_out, related=related, scope=("secrets", circle[0][0]))
