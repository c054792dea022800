"""A refresh interval is not a positive duration.

Durations are written as in Go: numbers with the units `h`, `m` and `s`. There is no unit for days. `0` means that
External Secrets Operator never reads again, so a rotated value never arrives and even a changed reference is never
applied.

    refreshInterval: 1d

Write hours, minutes or seconds:

    refreshInterval: 24h
"""

import re

from compiler.model.facts import days_in_words, parse_duration, seconds_in_words, short_duration
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Node, places_below, rule
from compiler.text.wording import typing_mistake

# Possessive: there are as many ways to cut a row of zeros into numbers as subsets of it.
_ZERO = re.compile(r"[-+]?(?:0++(?:\.0*+)?(?:ns|us|µs|μs|ms|s|m|h)?)++")
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


@rule("invalid-duration", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    # A secret's duration was parsed already.
    valid = {secret.refresh_node for secret in environment.secrets.values() if secret.refresh is not None}
    for place, scope in places_below(environment.root, "secrets"):
        node = place.children.get("refreshInterval")
        if node is not None and node not in valid:
            yield from _judge(node, scope)


def _judge(node: Node, scope: tuple[str, ...]) -> Findings:
    text = node.value
    if not isinstance(text, str) or parse_duration(text) is not None:
        return
    from compiler.rules.forms.schema_error import duration_help  # noqa: PLC0415 - only where something is wrong

    message, way_out = "this is not a duration", "write it as `1h`, `30m` or `1h30m`"
    if _ZERO.fullmatch(text):
        message = "with a refresh interval of 0 the secret is never read again"
        way_out = "write a duration such as `1h`"
    elif text.startswith("-"):
        message = "a refresh interval cannot be negative"
    elif (seconds := seconds_in_words(text)) is not None:
        message = "the units of a duration are h, m and s"
        if days_in_words(text) is not None:
            message = "a duration cannot be in days"
        way_out = f"write {short_duration(seconds)}"
    elif _NUMBER.fullmatch(text):
        message, way_out = "a duration needs a unit", duration_help(int(text))
    elif re.search(r"\d(?:ns|us|µs|μs|ms)|\.\d*s", text):
        message, way_out = "a refresh interval must be in whole seconds", "write it as `60s` or more"
    yield Finding(message, node, help=typing_mistake(text) or way_out, scope=scope)
