"""Defines what a target of `generate` is: its options, and the function that generates."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compiler.cli.invocation import Invocation

# What every target takes that writes files: one text for all, as each option is told once.
OF_FILES: Mapping[str, dict[str, Any]] = {
    "--out": {"metavar": "PATH", "help": "write to this folder (platform: to this file) instead of printing"},
    "--check": {"action": "store_true", "help": "write nothing; exit 1 if what is in --out is stale"},
}


@dataclass(frozen=True, slots=True)
class Target:
    """One target. `options` are argparse's settings by option; none has a default but None, an empty list or False."""

    run: Callable[[Namespace, Invocation], int]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    takes_environments: bool = True
