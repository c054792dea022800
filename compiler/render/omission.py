"""Limits text output to the first findings of each rule, and counts the others.

A rule that every environment breaks must not bury what only one of them does. Formats for programs are never shortened.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from compiler.model.diagnostic import MOST_OF_A_RULE
from compiler.model.record import dataclass
from compiler.text.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.model.diagnostic import Diagnostic, Severity


@dataclass(frozen=True, slots=True)
class Omission:
    """How many findings are not shown, of each rule and of each severity, and how to see them."""

    of_rules: Mapping[str, int]
    of_severities: Mapping[Severity, int]
    see_all: str

    def lines(self) -> list[str]:
        """A line for each rule that has more findings than are shown."""
        return [
            f'{counted(count, "more finding")} of "{rule}" not shown; {self.see_all}'
            for rule, count in self.of_rules.items()
        ]


def first_of_each_rule(
    diagnostics: Sequence[Diagnostic], see_all: str
) -> tuple[tuple[Diagnostic, ...], Omission | None]:
    """The first 20 of each rule in their order; what is left out, or None where all are shown.

    `see_all` is the sentence that says how to see the rest.
    """
    counts: Counter[str] = Counter()
    severities: Counter[Severity] = Counter()
    kept = []
    for each in diagnostics:
        counts[each.rule] += 1
        if counts[each.rule] <= MOST_OF_A_RULE:
            kept.append(each)
        else:
            severities[each.severity] += 1
    left = {rule: count - MOST_OF_A_RULE for rule, count in counts.items() if count > MOST_OF_A_RULE}
    return tuple(kept), Omission(left, severities, see_all) if left else None
