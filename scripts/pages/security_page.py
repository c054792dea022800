"""Writes the tables of SECURITY.md from the mutant lists: each promise, its test, and the line that the test guards."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scripts.mutants import Mutant

_PART = re.compile(r"(<!-- promises: (?P<against>[^>\n]+) -->\n).*?(?=<!-- /promises -->)", re.DOTALL)


def with_promises(page: str, mutants: Sequence[Mutant]) -> str:
    """The page with the table of each part written anew. Raises ValueError for a promise that has no part."""
    parts = {match["against"] for match in _PART.finditer(page)}
    if lost := {each.promise["against"] for each in mutants if each.promise} ^ parts:
        message = f"SECURITY.md and the promises of the mutant lists differ in {', '.join(sorted(lost))}"
        raise ValueError(message)
    return _PART.sub(lambda match: match[1] + "\n".join(["", *_table(mutants, match["against"]), "", ""]), page)


def _table(mutants: Sequence[Mutant], against: str) -> Iterator[str]:
    yield "| promise | test | fails without |"
    yield "|---|---|---|"
    for each in mutants:
        if each.promise is None or each.promise["against"] != against:
            continue
        path, _, _ = each.tests[0].partition("::")
        test = f"[{path.rpartition('/')[2].removesuffix('.py')}]({path})"
        line = each.line.replace("|", "\\|")
        yield f"| {each.promise['text']} | {test} | [{each.file.removeprefix('compiler/')}]({each.file}): `{line}` |"
