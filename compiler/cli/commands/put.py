"""`put`: values for keys of one secret, from prompts, standard input or a file, merged into what its store holds."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from compiler.cli.errors import UsageError
from compiler.cli.exit_codes import FOUND, OK
from compiler.cli.live_environment import live_environment, refusals
from compiler.cli.options import add_format, add_store
from compiler.cli.terminal.command_output import CommandOutput
from compiler.cli.terminal.interrupts import GOES_ON, NOTHING_WRITTEN, interruption
from compiler.cli.terminal.prompts import confirmed, hidden_values, is_terminal
from compiler.cli.terminal.secret_input import read_file, read_stdin
from compiler.cli.terminal.termination import orderly_termination
from compiler.cli.write_keys import apply
from compiler.operations.live.stores import LiveStores
from compiler.operations.put.plan import UnfitValueError, UnknownKeyError, plan_put, spaced_keys, target_of
from compiler.operations.put.value_input import InputForm, ValueInputError, read_values
from compiler.render.reports.changes import safe
from compiler.render.reports.key_changes import put_lines, put_report, results
from compiler.text.wording import counted

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.model.environment import Environment
    from compiler.operations.put.plan import Target
    from compiler.operations.put.set_keys import ChangePlan
    from compiler.stores.values.secret import Secret

DESCRIPTION = """Sets keys of one secret in its store, and leaves all others there as they are. Asks for the values
without showing them, or takes them from a pipe or a file: a value is never an argument. Shows which keys are new,
changed or the same, and writes after a yes, or with --apply. Blanks, placeholders and unknown keys are refused.
--format json prints one object with the keys, what was written and the versions, and asks for no yes.
One named key: the input is its value. Else the input is a JSON object or KEY=value lines (dotenv)."""
EXAMPLES = (
    "platform-secrets put dev github",
    "platform-secrets put dev github GITHUB_APP_PRIVATE_KEY --from-file app.pem --apply",
    "pass show slack/bot | platform-secrets put prod slack SLACK_BOT_TOKEN --stdin --apply --audit audit.jsonl",
    "platform-secrets put prod jira --from-file jira.env --store azure",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_argument("secret", metavar="SECRET", help="the secret, by its id in the catalogue")
    parser.add_argument("keys", metavar="KEY", nargs="*", help="the keys to set; all that the environment uses")
    add_store(parser, "write to this store of the environment, in place of the one that the secret reads")
    parser.add_argument("--from-file", metavar="FILE", help="take the values from this file")
    parser.add_argument("--stdin", action="store_true", help="take the values from standard input")
    forms = [str(form) for form in InputForm]
    parser.add_argument("--input", choices=forms, help="what the input is, where that is not to be guessed")
    parser.add_argument("--apply", action="store_true", help="write without asking")
    parser.add_written_file("--audit", "append a line before and after each write to this file")
    add_format(parser, ("text", "json"))


def run(arguments: Namespace, invocation: Invocation) -> int:
    _refuse_contradictions(arguments)
    with orderly_termination(), interruption(NOTHING_WRITTEN):
        environment = live_environment(arguments.environment, invocation)
        if environment is None:
            return FOUND
        with refusals(), LiveStores(os.environ) as stores:
            target = _target(arguments, environment)
            if target.unused:
                named = ", ".join(target.unused)
                sys.stderr.write(
                    f"note: {named}: in no variant that {environment.name} uses, so nothing reads it yet\n"
                )
            values = _values(arguments, target, stores)
            put = _Put(arguments, invocation, environment, target)
            if not values:
                return put.ended(None, OK, "nothing was typed, and nothing is written")
            try:
                plan = plan_put(target, values, stores)
            except UnfitValueError as error:
                sys.stderr.write(f"error: {error}\nhelp: nothing was written; give the real value\n")
                return FOUND
            for key in spaced_keys(values):
                sys.stderr.write(f"note: {key}: its value begins or ends with white space\n")
            return put.act(plan)


def _refuse_contradictions(arguments: Namespace) -> None:
    for word in (arguments.environment, arguments.secret, *arguments.keys):
        if "=" in word:
            # Not quoted: what stands after the sign is a secret, and this message may be logged.
            raise UsageError(
                "a value is never an argument: the shell's history and the process list would show it",
                "name the key alone, and change that value, which is known now",
            )
    if arguments.stdin and arguments.from_file is not None:
        raise UsageError("--stdin and --from-file do not go together", "name one source")
    if arguments.stdin and is_terminal():
        raise UsageError("standard input is a terminal, which shows what is typed", "leave --stdin out to be asked")
    if arguments.input is not None and not arguments.stdin and arguments.from_file is None:
        raise UsageError("--input is for --stdin and --from-file", "add one of them")


def _target(arguments: Namespace, environment: Environment) -> Target:
    try:
        return target_of(environment, arguments.secret, arguments.keys, arguments.store)
    except UnknownKeyError as error:
        raise UsageError(safe(str(error)), error.help) from None


def _values(arguments: Namespace, target: Target, stores: LiveStores) -> Mapping[str, Secret]:
    if not arguments.stdin and arguments.from_file is None:
        if is_terminal():
            # Nobody should type values for a store that then does not answer.
            stores.open(target.store).whoami()
        return hidden_values(target.keys)
    data = read_stdin() if arguments.stdin else read_file(arguments.from_file)
    form = InputForm(arguments.input) if arguments.input is not None else None
    try:
        return read_values(data, arguments.keys, target.secret.entry.keys, form)
    except ValueInputError as error:
        raise UsageError(str(error), error.help) from None


class _Put:
    """What is to be put where, and how that is told."""

    def __init__(self, arguments: Namespace, invocation: Invocation, environment: Environment, target: Target) -> None:
        self._arguments = arguments
        self._output = CommandOutput(arguments, invocation)
        self._environment = environment.name
        self._target = target

    def act(self, plan: ChangePlan) -> int:
        self._output.lines(put_lines(self._target, plan))
        if plan.is_refused:
            return self.ended(plan, FOUND, NOTHING_WRITTEN, is_error=True)
        if not plan.writes:
            return self.ended(plan, OK, "nothing to write: the store holds these values")
        if not self._arguments.apply:
            if self._output.is_json or self._arguments.stdin or not is_terminal():
                return self.ended(plan, OK, "nothing was written; --apply writes this")
            keys = counted(sum(len(remote.values) for remote in plan.writes), "key")
            if not confirmed(f"Write {keys} to {self._environment}?"):
                return self.ended(plan, OK, NOTHING_WRITTEN)
        return self._applied(plan)

    def ended(self, plan: ChangePlan | None, code: int, last: str, *, is_error: bool = False) -> int:
        """Tell that nothing was written, and why."""
        self._output.lines([last], is_error=is_error)
        self._report(plan, results(), code)
        return code

    def _applied(self, plan: ChangePlan) -> int:
        with interruption(GOES_ON):
            done = apply(plan, self._environment, "put", self._arguments.audit, self._output)
            self._report(plan, results(done.run, done.outcomes, is_interrupted=done.is_interrupted), done.code)
            return done.code

    def _report(self, plan: ChangePlan | None, done: dict[str, Any], code: int) -> None:
        self._output.report(lambda: put_report(self._environment, self._target, plan, done, code))
