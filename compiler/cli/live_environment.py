"""Compiles the environment of a command on live stores, and turns file errors of its run into refusals."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from compiler.cli.compiling import compiled, environments
from compiler.cli.terminal.outlet import standard_error
from compiler.refusal import Refusal
from compiler.stages.outside import STORE_VARIABLE, outside_of
from compiler.text.system_reason import system_reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.cli.invocation import Invocation
    from compiler.model.environment import Environment


def live_environment(name: str, invocation: Invocation) -> Environment | None:
    """The environment as its files alone define it; where it has errors, shows them and returns None."""
    found = live_environments([name], invocation)
    return found[0] if found else None


def live_environments(names: Sequence[str], invocation: Invocation) -> tuple[Environment, ...]:
    """The environments `names`, or all, as their files alone define them; where one has errors, shows them."""
    if os.environ.get(STORE_VARIABLE):
        standard_error().note(f"{STORE_VARIABLE} is ignored: commands on live stores use only the files and options")
    result = compiled(invocation.root, names, outside_of(None, os.environ, variable_counts=False))
    found = environments(result)
    # What is compiled stays to the end. From here on the run is long, and errors and their frames make cycles.
    gc.freeze()
    gc.enable()
    return found


@contextmanager
def refusals() -> Iterator[None]:
    """Turn an OSError of the run's own files into a Refusal."""
    try:
        yield
    except OSError as error:
        where = f' "{error.filename}"' if error.filename else ""
        reason = system_reason(error)
        failure = Refusal("cannot run", f"cannot use the run's files:{where} {reason}")
    else:
        return
    raise failure from None
