"""Decides which of `--store` and the environment variables apply to a command, and refuses ambiguous use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from compiler.cli.terminal.outlet import standard_error
from compiler.refusal import Refusal
from compiler.stages.outside import STORE_OPTION, STORE_VARIABLE, Outside, outside_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def outside(store: str | None, named: Sequence[str], *, ignores_variable: bool = False) -> Outside:
    """The options and variables that apply to a command that names the environments `named`.

    Raises Refusal where a store is asked for and not exactly one environment is named: a variable that somebody
    forgot must not move all environments to another store. With `ignores_variable` the variable is ignored, and a note
    says so. AZURE_KEYVAULT_NAME always applies: it only fills in an address that the files leave out.
    """
    variable = os.environ.get(STORE_VARIABLE)
    if ignores_variable and variable:
        standard_error().note(f"{STORE_VARIABLE} is ignored: --check uses the stores that the files choose")
    if len(set(named)) != 1:
        if store is not None:
            raise Refusal("usage", f"{STORE_OPTION} applies to one environment, {_how_many(named)}", "name exactly one")
        if variable and not ignores_variable:
            message = f"{STORE_VARIABLE} is set and applies to one environment, {_how_many(named)}"
            raise Refusal("usage", message, f"name exactly one, or unset {STORE_VARIABLE}")
    return outside_of(store, os.environ, variable_counts=not ignores_variable)


def _how_many(named: Sequence[str]) -> str:
    return f"but {len(set(named))} are named" if named else "but none is named, which means all"
