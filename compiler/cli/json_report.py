"""One object for programs in, its JSON on standard output out."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def print_report(content: Mapping[str, Any]) -> None:
    """Print the whole output of a command that was asked for JSON."""
    sys.stdout.write(json.dumps(content, indent=2) + "\n")
