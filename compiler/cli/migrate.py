"""`migrate`: what an environment's secrets need in another store, planned, and with `--apply` written and verified."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.cli.errors import UsageError
from compiler.cli.exit_codes import FOUND, INCOMPLETE, INTERRUPTED, OK
from compiler.cli.interrupts import stoppable
from compiler.cli.live_environment import live_environment, refusals
from compiler.cli.options import add_format
from compiler.cli.progress import Progress
from compiler.operations.apply_migration import apply_migration
from compiler.operations.audit import AuditLog
from compiler.operations.journal import Journal, find_run, find_unfinished, identity_of, new_id
from compiler.operations.live import LiveStores, address_of
from compiler.operations.migration import OnConflict, Options, Outcome, Plan, State
from compiler.operations.migration_routes import store_named
from compiler.operations.plan_migration import plan_migration
from compiler.operations.run_lock import RunLock
from compiler.operations.run_notes import Notes
from compiler.operations.undo_migration import UndoKind, apply_undo, plan_undo
from compiler.render.migration import blocked_reason, plan_end, plan_lines, report, result_line, undo_lines, undo_report
from compiler.stores.stringify import RULE

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.model.environment import Environment, Store
    from compiler.operations.journal import Run
    from compiler.operations.migration import Result
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
    parser.add_argument("--audit", metavar="FILE", help="append a line before and after each write to this file")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    add_format(parser, ("text", "json"))


def run(arguments: Namespace, invocation: Invocation) -> int:
    if (arguments.to is None) == (arguments.undo is None):
        raise UsageError("name either the destination with --to, or a run with --undo")
    environment = live_environment(arguments.environment, invocation)
    if environment is None:
        return FOUND
    command = _Migrate(arguments, invocation, environment)
    with refusals(), LiveStores(os.environ) as stores:
        return command.undo(stores) if arguments.undo is not None else command.migrate(stores)


class _Migrate:
    """One run of the command."""

    def __init__(self, arguments: Namespace, invocation: Invocation, environment: Environment) -> None:
        self._arguments = arguments
        self._invocation = invocation
        self._root = invocation.root
        self._environment = environment
        self._is_json = arguments.format == "json"

    def migrate(self, stores: LiveStores) -> int:
        arguments = self._arguments
        to = store_named(self._environment, arguments.to)
        source = store_named(self._environment, arguments.source) if arguments.source is not None else None
        options = Options(
            tuple(arguments.only),
            arguments.all_properties,
            OnConflict(arguments.on_conflict),
            arguments.recover,
            arguments.stringify,
        )
        if not arguments.apply:
            plan = plan_migration(self._environment, to, source, stores, options)
            code = OK if plan.is_clean else FOUND
            return self._show_plan(plan, None, code, plan_end(plan, continue_on_error=arguments.continue_on_error))
        return self._migrate_locked(stores, to, source, options)

    def _migrate_locked(self, stores: LiveStores, to: Store, source: Store | None, options: Options) -> int:
        identity = _identity(self._environment, to, source, options)
        run_id = new_id()
        with RunLock(self._root, f"run {run_id}") as lock:
            unfinished = find_unfinished(self._root, identity)
            if unfinished is not None:
                run_id = unfinished.id
                lock.rename(f"run {run_id}")
                sys.stderr.write(f"note: the run {run_id} is resumed\n")
            plan = plan_migration(self._environment, to, source, stores, options, run=unfinished)
            if plan.is_blocked and not self._arguments.continue_on_error:
                if unfinished is not None:
                    _end(unfinished)
                return self._show_plan(plan, None, FOUND, blocked_reason(plan))
            if not plan.writes and unfinished is None:
                code = OK if plan.is_clean else FOUND
                return self._show_plan(plan, None, code, "nothing was written: there is nothing left to write")
            return self._apply(plan, stores.open(to), run_id, identity, is_new=unfinished is None)

    def _apply(
        self, plan: Plan, destination: SecretWriter, run_id: str, identity: dict[str, Any], *, is_new: bool
    ) -> int:
        if not self._is_json:
            self._write_lines(plan_lines(plan, colour=self._invocation.may_colour(sys.stdout)))
        with ExitStack() as stack:
            stop = stack.enter_context(stoppable())
            # The audit file first: a run that cannot be noted there is not begun.
            audit, who = self._audit(stack, destination)
            if is_new:
                journal = Journal.begin(self._root, run_id, plan, identity)
            else:
                journal = Journal(find_run(self._root, run_id).path, new=False)
            stack.callback(journal.close)
            progress = Progress(len(plan.writes), quiet=self._arguments.quiet)
            outcome = apply_migration(
                plan,
                destination,
                Notes(journal, self._environment.name, audit, who),
                continue_on_error=self._arguments.continue_on_error,
                stop=stop,
                report=_reporter(progress, plan.destination),
            )
            progress.close()
        code = _code(outcome, is_clean=plan.is_clean)
        if self._is_json:
            self._write_json(report(plan, outcome, code))
        else:
            self._tell(outcome, plan.destination)
        return code

    def undo(self, stores: LiveStores) -> int:
        run = find_run(self._root, self._arguments.undo)
        if run.environment != self._environment.name:
            raise UsageError(f'the run is of the environment "{run.environment}"', "name that one")
        store = store_named(self._environment, run.destination)
        destination = stores.open(store)
        if destination.address.absolute != run.address:
            raise UsageError(f'the store "{store.id}" is elsewhere now than in the run', f"it wrote to {run.address}")
        if not self._arguments.apply:
            return self._show_undo(run, destination)
        with RunLock(self._root, f"undo of run {run.id}"), ExitStack() as stack:
            stop = stack.enter_context(stoppable())
            steps = plan_undo(run, destination)
            if not self._is_json:
                self._write_lines(undo_lines(steps, store.id))
            audit, who = self._audit(stack, destination)
            journal = Journal(run.path, new=False)
            stack.callback(journal.close)
            progress = Progress(len(steps), quiet=self._arguments.quiet)
            outcome = apply_undo(
                steps,
                destination,
                Notes(journal, self._environment.name, audit, who),
                stop,
                _reporter(progress, store.id),
            )
            progress.close()
        code = _code(outcome, is_clean=True)
        if self._is_json:
            self._write_json(undo_report(run.id, steps, outcome, code))
        else:
            self._tell(outcome, store.id)
        return code

    def _show_undo(self, run: Run, destination: SecretWriter) -> int:
        steps = plan_undo(run, destination)
        code = FOUND if any(step.kind is UndoKind.REFUSE for step in steps) else OK
        if self._is_json:
            self._write_json(undo_report(run.id, steps, None, code))
        else:
            self._write_lines(undo_lines(steps, run.destination))
            self._write_lines(["nothing was written; --apply does this"])
        return code

    def _show_plan(self, plan: Plan, outcome: Outcome | None, code: int, last: str) -> int:
        if self._is_json:
            self._write_json(report(plan, outcome, code))
        else:
            self._write_lines(plan_lines(plan, colour=self._invocation.may_colour(sys.stdout)))
            self._write_lines([last])
        return code

    def _audit(self, stack: ExitStack, destination: SecretWriter) -> tuple[AuditLog | None, str]:
        if self._arguments.audit is None:
            return None, ""
        log = stack.enter_context(AuditLog(Path(self._arguments.audit)))
        return log, destination.whoami().subject

    def _tell(self, outcome: Outcome, store: str) -> None:
        done = outcome.count(State.DONE, State.KEPT)
        lines = [
            result_line(store, result) for result in outcome.results if result.state not in {State.DONE, State.KEPT}
        ]
        lines.append(f"run {outcome.run}: {done} of {len(outcome.results)} done and verified")
        if outcome.interrupted:
            lines.append("interrupted; run the same command again to go on from here")
        elif outcome.is_incomplete:
            lines.append("incomplete; run the same command again to go on from here")
        self._write_lines(lines)

    @staticmethod
    def _write_lines(lines: Any) -> None:  # noqa: ANN401 - any iterable of lines
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()

    @staticmethod
    def _write_json(content: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(content, indent=2) + "\n")


def _identity(environment: Environment, to: Store, source: Store | None, options: Options) -> dict[str, Any]:
    return identity_of(
        {
            "only": sorted(options.only),
            "allProperties": options.all_properties,
            "onConflict": str(options.on_conflict),
            "recover": options.recover,
            "stringify": options.stringify,
        },
        environment.name,
        address_of(to, os.environ).absolute,
        source.id if source is not None else None,
    )


def _end(run: Run) -> None:
    journal = Journal(run.path, new=False)
    journal.end("conflict")
    journal.close()


def _reporter(progress: Progress, store: str) -> Callable[[Result], None]:
    def tell(result: Result) -> None:
        progress.step(result_line(store, result), important=result.state not in {State.DONE, State.KEPT})

    return tell


def _code(outcome: Outcome, *, is_clean: bool) -> int:
    if outcome.interrupted:
        return INTERRUPTED
    if outcome.is_incomplete:
        return INCOMPLETE
    return OK if is_clean and not outcome.has_differences else FOUND
