"""Collects every semantic rule: the `check` of each module of this folder and of the providers', by the rules' ids."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from compiler.rules.api import Rule
from compiler.rules.listed_rules import CONSUMER_RULES, INPUT_RULES, LIVE_RULES, NOT_IMPORTED
from compiler.stores.registry import PROVIDERS


def _collect_rules() -> Iterator[Rule]:
    for folder in (__name__, *(f"{provider.package}.rules" for provider in PROVIDERS.values())):
        for module in iter_modules(import_module(folder).__path__):
            check = getattr(import_module(f"{folder}.{module.name}"), "check", None)
            if isinstance(check, Rule):
                yield check


RULES: tuple[Rule, ...] = tuple(sorted(_collect_rules(), key=lambda rule: rule.id))
# Every id that a diagnostic can have: of a compile, a look into live stores, one at what pods read,
# and an import.
ALL_RULES: tuple[Rule, ...] = (*INPUT_RULES, *RULES, *LIVE_RULES, *CONSUMER_RULES, NOT_IMPORTED)
