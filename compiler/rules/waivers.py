"""Judges waivers: the rule that one names, and whether it finds something to waive."""

from collections.abc import Mapping

from compiler.model.document import Document, Node
from compiler.rules.api import DOCUMENT, ERROR, INPUT, WARNING, Finding, Findings, places_below, rule
from compiler.rules.listed_rules import CONSUMER_RULES, LIVE_RULES
from compiler.text.wording import closest, command_line, quote


@rule("unknown-rule", ERROR, DOCUMENT)
def find_unknown_rule(document: Document) -> Findings:
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


@rule("unused-waiver", WARNING, INPUT)
def find_unused_waiver(waived: str, reason: Node) -> Findings:
    """That no finding needs the waiver of the rule `waived`, whose `reason` is that node."""
    yield Finding(f'this waiver is unused: "{waived}" has no finding here', reason.key_span, help="remove it")
