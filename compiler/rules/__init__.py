"""Collects every semantic rule: the `check` of each module of this folder, by the rules' ids."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from compiler.rules.api import Rule
from compiler.rules.consumer_rules import CONSUMER_RULES
from compiler.rules.input_rules import INPUT_RULES
from compiler.rules.live_rules import LIVE_RULES


def _collected() -> Iterator[Rule]:
    for module in iter_modules(__path__):
        check = getattr(import_module(f"{__name__}.{module.name}"), "check", None)
        if isinstance(check, Rule):
            yield check


RULES: tuple[Rule, ...] = tuple(sorted(_collected(), key=lambda rule: rule.id))
# Every id that a diagnostic can have: of a compile, a look into live stores, and one at what pods read.
ALL_RULES: tuple[Rule, ...] = (*INPUT_RULES, *RULES, *LIVE_RULES, *CONSUMER_RULES)
