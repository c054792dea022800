"""Writes the reference page of the rules: one heading a rule, named by its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.document import MOST_OF_A_KIND, MOST_OF_A_RULE
from scripts.pages.schema_page import GENERATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.rules.api import Rule

_INTRODUCTION = f"""Every diagnostic names one of these rules. `platform-secrets rules ID` prints the same text.
An **error** stops the writing of values files; a **warning** does not, and changes the exit code only with `--strict`.
Where the table says so, `waive: {{ID: reason}}` on an environment, a secret, a store or a catalogue entry accepts what
a rule finds at or below that place; an unused waiver is itself reported.

Of one rule, the first {MOST_OF_A_KIND} findings in a file or an environment are listed, and one more says that others
were left off: correct those, and compile again. Text for people shows the first {MOST_OF_A_RULE} of a rule in a run and
how many more there are; `--all` shows them, and the formats for programs always have them."""


def rules_page(rules: Sequence[Rule]) -> str:
    """A table of all rules, then each rule's page."""
    lines = [
        "# Rules",
        "",
        GENERATED,
        "",
        _INTRODUCTION,
        "",
        "| rule | severity | may be waived | finds |",
        "|---|---|---|---|",
    ]
    for rule in rules:
        waivable = "yes" if rule.waivable else "no"
        lines.append(f"| [{rule.id}](#{rule.id}) | {rule.severity.value} | {waivable} | {_cell(rule.summary)} |")
    for rule in rules:
        lines += ["", f"## {rule.id}", "", f"**{rule.severity.value}** · {rule.summary}", "", *_body(rule.page)]
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return text.rstrip(".").replace("|", "\\|")


def _body(page: str) -> list[str]:
    lines = page.strip().split("\n")[1:]
    while lines and not lines[0].strip():
        lines.pop(0)
    return [line.rstrip() for line in lines]
