"""Wraps the content of every JSON output in the common keys: format, command, environment and exit code.

`schemas/output` holds a closed schema of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Raised when a key changes its meaning or goes; a new key does not raise it.
FORMAT = 1


def envelope(command: str, environment: str | None, exit_code: int, content: Mapping[str, Any]) -> dict[str, Any]:
    """The whole object; `environment` is None, and null in JSON, where the command is about none or about several."""
    return {"format": FORMAT, "command": command, "environment": environment, **content, "exitCode": exit_code}
