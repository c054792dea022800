"""Runs `rules`, which lists every rule with its severity and summary, or shows one rule's page."""

from typing import Any

from compiler.cli.invocation import Invocation
from compiler.cli.parser import REPORT_FORMATS, Parser, add_format
from compiler.refusal import OK, Refusal
from compiler.render.content import members
from compiler.rules import ALL_RULES
from compiler.rules.api import Rule
from compiler.text.wording import command_line, suggest

DESCRIPTION = "Lists all rules with severity and summary, or shows one rule's page."
EXAMPLES = (
    "platform-secrets rules",
    "platform-secrets rules shared-place",
    "platform-secrets rules --format json",
)


def configure(parser: Parser) -> None:
    parser.add_argument("id", metavar="ID", nargs="?", help="the rule to show")
    add_format(parser, REPORT_FORMATS)


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    chosen = ALL_RULES if arguments.id is None else (_rule(arguments.id),)
    if arguments.id is None:
        widest = max(len(rule.id) for rule in chosen)
        invocation.lines(f"{rule.id.ljust(widest)}  {rule.severity.value.ljust(7)}  {rule.summary}" for rule in chosen)
    else:
        (rule,) = chosen
        waivable = "can be waived with a reason" if rule.waivable else "cannot be waived"
        invocation.lines([f"{rule.id} ({rule.severity.value}, {waivable})", "", *rule.page.split("\n")])
    return invocation.report(lambda: {"rules": [_data(rule) for rule in chosen]}, OK)


def _rule(name: str) -> Rule:
    rules = {rule.id: rule for rule in ALL_RULES}
    if name not in rules:
        way_out = suggest(name, rules, "rules") or f"`{command_line('rules')}` lists them"
        raise Refusal("usage", f'no rule "{name}"', way_out)
    return rules[name]


def _data(rule: Rule) -> dict[str, Any]:
    return {**members(rule, "id", "severity", "scope", "waivable", "summary"), "page": rule.page}
