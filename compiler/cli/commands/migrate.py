"""`migrate`: what an environment's secrets need in another store, planned, and with `--apply` written and verified."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from compiler.cli.errors import UsageError
from compiler.cli.exit_codes import FOUND, INCOMPLETE, OK
from compiler.cli.live_environment import live_environment, refusals
from compiler.cli.options import add_format
from compiler.cli.run_output import GOES_ON, RunOutput, code_of, notes_of
from compiler.cli.terminal.interrupts import NOTHING_WRITTEN, interruption, stoppable
from compiler.cli.terminal.termination import orderly_termination
from compiler.cli.undo import undo
from compiler.operations.change.apply import apply_migration, end_blocked
from compiler.operations.change.plan import OnConflict, Options
from compiler.operations.live.stores import LiveStores, address_of
from compiler.operations.migrate.plan import plan_migration
from compiler.operations.migrate.routes import routes_of, store_named
from compiler.operations.runs.journal import Journal, find_unfinished, identity_of, new_id
from compiler.operations.runs.lock import RunLock
from compiler.render.reports.migration import blocked_reason, plan_end, plan_lines, report
from compiler.stores.values.stringify import RULE

if TYPE_CHECKING:
    from argparse import Namespace

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.model.environment import Environment, Store
    from compiler.operations.change.plan import Plan
    from compiler.operations.runs.entries import Run
    from compiler.stores.interface import SecretWriter

DESCRIPTION = f"""Copies an environment's secrets into another of its stores. Without --apply it only reads, and shows
the plan: create, update and keep; conflict (the destination already holds another value for the key), refuse (it cannot
be read or written as it is) and missing (in use, not in the source), with which a plan exits 1 and is not applied.
The destination's other properties stay as they are, the source is never changed. Each write is read back, and
noted in .platform-secrets/runs. The same command once more goes on where a run was stopped, and writes nothing
when all is there. --undo RUN puts back what stood there before, where nobody wrote since.
--stringify: {RULE}."""
EXAMPLES = (
    "platform-secrets migrate prod --to azure",
    "platform-secrets migrate prod --to azure --apply --audit audit.jsonl",
    "platform-secrets migrate prod --to azure --only github --apply",
    "platform-secrets migrate prod --to vault --from azure",
    "platform-secrets migrate prod --undo 20250131-120000-4fa1c2 --apply",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment whose secrets are copied")
    parser.add_argument("--to", metavar="ID", help="the store to copy into, by its id in the environment")
    parser.add_argument(
        "--from", dest="source", metavar="ID", help="the store to copy from; each secret's own by default"
    )
    parser.add_argument("--only", metavar="SECRET", action="append", default=[], help="this secret alone; repeatable")
    parser.add_argument(
        "--all-properties", action="store_true", help="copy properties too that no key of the catalogue names"
    )
    choices = [str(choice) for choice in OnConflict]
    parser.add_argument("--on-conflict", choices=choices, default="fail", help=f"{', '.join(choices)}; fail by default")
    parser.add_argument("--recover", action="store_true", help="recover soft-deleted secrets of the destination first")
    parser.add_argument("--stringify", action="store_true", help="turn values that are no strings into text")
    parser.add_argument("--continue-on-error", action="store_true", help="write what can be written in spite of errors")
    parser.add_argument("--apply", action="store_true", help="write; without it nothing is written")
    parser.add_argument("--undo", metavar="RUN", help="take back what this run wrote")
    parser.add_written_file("--audit", "append a line before and after each write to this file")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    add_format(parser, ("text", "json"))


def run(arguments: Namespace, invocation: Invocation) -> int:
    if (arguments.to is None) == (arguments.undo is None):
        raise UsageError("name either the destination with --to, or a run with --undo")
    with orderly_termination(), interruption(NOTHING_WRITTEN):
        environment = live_environment(arguments.environment, invocation)
        if environment is None:
            return FOUND
        with refusals(), LiveStores(os.environ) as stores:
            if arguments.undo is not None:
                return undo(arguments, invocation, environment, stores)
            migration = _Migrate(arguments, invocation, environment, stores)
            # From here on the routes are enough; a large environment is more than all that is still to come.
            del environment
            return migration.run()


class _Migrate:
    """One run of the command."""

    def __init__(
        self, arguments: Namespace, invocation: Invocation, environment: Environment, stores: LiveStores
    ) -> None:
        self._arguments = arguments
        self._root = invocation.root
        self._stores = stores
        self._output = RunOutput(arguments, invocation)
        to = store_named(environment, arguments.to)
        source = store_named(environment, arguments.source) if arguments.source is not None else None
        if source is to:
            raise UsageError(f'--from and --to both name the store "{to.id}"', "name another one with --from")
        self._options = Options(
            tuple(arguments.only),
            arguments.all_properties,
            OnConflict(arguments.on_conflict),
            arguments.recover,
            arguments.stringify,
        )
        self._routes = routes_of(environment, to, source, arguments.only)
        self._identity = _identity(environment.name, to, source, self._options)

    def run(self) -> int:
        if self._arguments.apply:
            return self._run_locked()
        plan = self._planned(None)
        code = OK if plan.is_clean else FOUND
        return self._show_plan(plan, code, plan_end(plan, continue_on_error=self._arguments.continue_on_error))

    def _planned(self, unfinished: Run | None) -> Plan:
        return plan_migration(self._routes, self._stores, self._options, run=unfinished)

    def _run_locked(self) -> int:
        run_id = new_id()
        with RunLock(self._root, f"run {run_id}") as lock:
            unfinished = find_unfinished(self._root, self._identity)
            if unfinished is not None:
                run_id = unfinished.id
                lock.rename(f"run {run_id}")
                sys.stderr.write(f"note: the run {run_id} is resumed\n")
            plan = self._planned(unfinished)
            if plan.is_blocked and not self._arguments.continue_on_error:
                return self._blocked(plan, unfinished)
            if not plan.writes and unfinished is None:
                code = OK if plan.is_clean else FOUND
                return self._show_plan(plan, code, "nothing was written: there is nothing left to write")
            with interruption(GOES_ON):
                return self._apply(plan, self._stores.open(self._routes.to), run_id, unfinished)

    def _apply(self, plan: Plan, destination: SecretWriter, run_id: str, unfinished: Run | None) -> int:
        def journal() -> Journal:
            if unfinished is None:
                return Journal.begin(self._root, run_id, plan, self._identity)
            return Journal(unfinished.path, new=False)

        is_audited = unfinished is not None and unfinished.is_audited
        self._output.lines(plan_lines(plan, colour=self._output.may_colour))
        with ExitStack() as stack:
            stop = stack.enter_context(stoppable())
            audit = self._arguments.audit
            notes = notes_of(stack, journal, plan.environment, destination, audit, is_audited=is_audited)
            with self._output.progress(len(plan.writes), plan.destination) as tell:
                outcome = apply_migration(
                    plan,
                    destination,
                    notes,
                    continue_on_error=self._arguments.continue_on_error,
                    stop=stop,
                    report=tell,
                )
        code = code_of(outcome, is_clean=plan.is_clean)
        self._output.outcome(outcome, plan.destination)
        self._output.report(lambda: report(plan, outcome, code))
        return code

    def _blocked(self, plan: Plan, unfinished: Run | None) -> int:
        """Show a plan that is not applied; a run that it was to resume ends, and what it wrote is noted first."""
        if unfinished is None:
            return self._show_plan(plan, FOUND, blocked_reason(plan))
        destination, audit = self._stores.open(self._routes.to), self._arguments.audit
        with ExitStack() as stack:
            notes = notes_of(
                stack,
                lambda: Journal(unfinished.path, new=False),
                plan.environment,
                destination,
                audit,
                is_audited=unfinished.is_audited,
            )
            outcome = end_blocked(plan, destination, notes)
        code = INCOMPLETE if outcome.is_incomplete else FOUND
        if outcome.is_incomplete:
            self._output.outcome(outcome, plan.destination)
        return self._show_plan(plan, code, blocked_reason(plan))

    def _show_plan(self, plan: Plan, code: int, last: str) -> int:
        self._output.lines([*plan_lines(plan, colour=self._output.may_colour), last])
        self._output.report(lambda: report(plan, None, code))
        return code


def _identity(environment: str, to: Store, source: Store | None, options: Options) -> dict[str, Any]:
    return identity_of(
        {
            "only": sorted(options.only),
            "allProperties": options.all_properties,
            "onConflict": str(options.on_conflict),
            "recover": options.recover,
            "stringify": options.stringify,
        },
        environment,
        address_of(to, os.environ).absolute,
        source.id if source is not None else None,
    )
