"""Makes regular expressions that are compiled when they are first used.

A command loads a hundred of them with its modules and uses a few; compiling them all was a tenth of a compile.
"""

from __future__ import annotations

import re
from typing import Any, cast


def regex(text: str, flags: int = 0) -> re.Pattern[str]:
    """What `re.compile` returns, for a variable of a module; only methods and attributes of patterns are there."""
    return cast("re.Pattern[str]", LatePattern(text, flags))


class LatePattern:
    """Stands for a pattern. Its attributes are the pattern's, and kept here from their first use on."""

    def __init__(self, text: str, flags: int) -> None:
        self._text = text
        self._flags = flags

    def compiled(self) -> re.Pattern[str]:
        """The pattern itself."""
        return re.compile(self._text, self._flags)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a pattern has
        # Its methods hold the pattern, so that it is compiled again for each of them at most: `re` remembers it.
        found = getattr(self.compiled(), name)
        setattr(self, name, found)
        return found
