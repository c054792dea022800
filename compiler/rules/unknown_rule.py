"""A waiver names a rule that does not exist or may not be waived.

A waiver with a typo has no effect, and nobody notices. A finding that would break a cluster cannot be waived at all: an
error that stops the compile is cheaper than a Secret that never appears.

    waive:
      insecure-adress: the lab's Vault has no certificate yet

Write the rule's id as `platform-secrets rules` lists it, or, for a rule that may not be waived, fix what it found:

    waive:
      insecure-address: the lab's Vault has no certificate yet
"""

from collections.abc import Mapping

from compiler.rules.api import DOCUMENT, ERROR, Document, Finding, Findings, Node, places_below, quote, rule
from compiler.rules.listed_rules import CONSUMER_RULES, LIVE_RULES
from compiler.text.wording import closest, command_line


@rule("unknown-rule", ERROR, DOCUMENT)
def check(document: Document) -> Findings:
    for place, scope in places_below(document.root, "secrets", "stores"):
        if waivers := place.members_at("waive"):
            yield from _judge(waivers, scope)


def _judge(waivers: Mapping[str, Node], scope: tuple[str, ...]) -> Findings:
    # Here, because the list of rules holds this rule.
    from compiler.rules import RULES  # noqa: PLC0415

    waivable = {rule.id: rule.waivable for rule in (*RULES, *LIVE_RULES, *CONSUMER_RULES)}
    for rule_id, reason in waivers.items():
        if rule_id not in waivable:
            match = closest(rule_id, (known for known, may in waivable.items() if may))
            way_out = f'did you mean "{match}"?' if match else f"`{command_line('rules')}` lists them"
            yield Finding(f"no rule is named {quote(rule_id)}", reason.key_span, help=way_out, scope=scope)
        elif not waivable[rule_id]:
            message = f'the rule "{rule_id}" cannot be waived'
            way_out = f"fix what it finds; `{command_line('rules', rule_id)}` says how"
            yield Finding(message, reason.key_span, help=way_out, scope=scope)
