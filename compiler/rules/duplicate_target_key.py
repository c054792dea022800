"""Two keys of a secret differ only in case, or read the same value.

Neither is refused: names of environment variables are case-sensitive, and one place may be written twice on purpose.
But nearly always the first is a typo and the second a copied line that was not finished, so both are warnings, and
can be waived where they are meant. Keys of different variants are not compared: they replace one
another.

    keys:
      SLACK_BOT_TOKEN: {description: Bot token}
      SLACK_APP_TOKEN: {description: App token, remote: {vault: {property: SLACK_BOT_TOKEN}}}

Give each key its own name and its own place:

    keys:
      SLACK_BOT_TOKEN: {description: Bot token}
      SLACK_APP_TOKEN: {description: App token}

If you want one value under two names, say so, and nothing is reported:

    keys:
      SLACK_BOT_TOKEN: {description: Bot token}
      SLACK_MCP_XOXB_TOKEN: {from: slack/SLACK_BOT_TOKEN}
"""

from compiler.model.document import Related
from compiler.model.store import Place, place_of
from compiler.rules.api import CATALOGUE, WARNING, Catalogue, CatalogueKey, Entry, Finding, Findings, quote, rule
from compiler.stores.registry import PROVIDERS


@rule("duplicate-target-key", WARNING, CATALOGUE, waivable=True)
def check(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        yield from _same_but_for_case(entry)
        if any(key.remote for key in entry.keys.values()):
            yield from _same_place(entry)


def _same_but_for_case(entry: Entry) -> Findings:
    seen: dict[str, CatalogueKey] = {}
    for key in entry.keys.values():
        first = seen.setdefault(key.name.casefold(), key)
        if first is not key and _may_meet(first, key):
            yield Finding(
                f"{quote(key.name)} and {quote(first.name)} differ only in case",
                key.node.key_span,
                help="remove one of them, or rename it",
                related=(Related("the other key", first.node.key_span),),
                scope=("secrets", entry.id),
            )


def _same_place(entry: Entry) -> Findings:
    for provider in PROVIDERS:
        seen: dict[Place, CatalogueKey] = {}
        for key in entry.keys.values():
            if key.is_taken:
                continue
            place = place_of(key, provider, entry.remote.get(provider), "")
            first = seen.setdefault(place, key) if place is not None else key
            if first is not key and _may_meet(first, key):
                yield Finding(
                    f"{quote(key.name)} and {quote(first.name)} read the same value of `{provider}`",
                    key.node.get("remote", provider) or key.node.key_span,
                    help=f"give each its own `name` or `property`; for one value under two names: "
                    f"`{key.name}: {{from: {entry.id}/{first.name}}}`",
                    related=(Related("the other key", first.node.key_span),),
                    scope=("secrets", entry.id),
                )


def _may_meet(one: CatalogueKey, other: CatalogueKey) -> bool:
    return not one.variants or not other.variants or not set(one.variants).isdisjoint(other.variants)
