"""One environment for a command on live stores, compiled; and what such commands raise, as messages with a way out."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from compiler.cli.compiling import compiled, environments
from compiler.cli.errors import CannotRunError, UsageError
from compiler.cli.terminal.outlet import standard_error
from compiler.operations.live.stores import AddressError
from compiler.operations.migrate.routes import UnknownNameError
from compiler.operations.runs.audit import AuditError
from compiler.operations.runs.journal import JournalError
from compiler.operations.runs.lock import AnotherRunError
from compiler.stages.outside import STORE_VARIABLE, outside_of
from compiler.stores.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.cli.invocation import Invocation
    from compiler.model.environment import Environment


def live_environment(name: str, invocation: Invocation) -> Environment | None:
    """The environment as its files alone say it; nothing, and its errors shown, where there are any."""
    if os.environ.get(STORE_VARIABLE):
        standard_error().note(f"{STORE_VARIABLE} is ignored: commands on live stores go by the files and options")
    result = compiled(invocation.root, [name], outside_of(None, os.environ, variable_counts=False))
    found = environments(result)
    # What is compiled stays to the end. From here on the run is long, and errors and their frames make cycles.
    gc.freeze()
    gc.enable()
    return found[0] if found else None


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what stores and runs refuse into errors of the command."""
    try:
        yield
    except StoreError as error:
        failure: Exception = CannotRunError(str(error).rpartition("; ")[0], error.remedy)
    except (UnknownNameError, JournalError) as error:
        failure = UsageError(str(error), error.help)
    except AuditError as error:
        failure = CannotRunError(str(error), "name another file with --audit")
    except AnotherRunError as error:
        failure = CannotRunError(str(error), error.help)
    except AddressError as error:
        failure = CannotRunError(str(error), error.remedy)
    except OSError as error:
        where = f' "{error.filename}"' if error.filename else ""
        reason = (error.strerror or "unknown reason").lower()
        failure = CannotRunError(f"the run's files cannot be used:{where} {reason}")
    else:
        return
    raise failure from None
