"""Runs `put`, which sets keys of one secret in its store, from prompts, standard input or a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from compiler.cli.exit_codes import FOUND
from compiler.cli.live_environment import live_environment, refusals
from compiler.cli.options import add_format, add_store
from compiler.cli.run_output import RunOutput
from compiler.cli.terminal.interrupts import NOTHING_WRITTEN, interruption
from compiler.cli.terminal.outlet import standard_error
from compiler.cli.terminal.prompts import hidden_values, is_terminal
from compiler.cli.terminal.secret_input import read_file, read_stdin
from compiler.cli.terminal.termination import orderly_termination
from compiler.cli.writing import add_writing, recovering, setting_of, undo
from compiler.operations.change.plan import Options, Plan
from compiler.operations.change.run import End, Ended, carry_out
from compiler.operations.live.stores import LiveStores
from compiler.operations.put.plan import COMMAND, put, spaced_keys, target_of
from compiler.operations.put.value_input import InputForm, read_values
from compiler.refusal import Refusal
from compiler.render.interface import REPORT_FORMATS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.operations.change.run import Change
    from compiler.operations.put.plan import Target
    from compiler.stores.values.secret import Secret

DESCRIPTION = """Sets keys of one secret in its store, and leaves all others there as they are. Asks for the values
without showing them, or takes them from a pipe or a file: a value is never an argument. Shows which keys are
created or updated, and writes after a yes, or with --apply. Each write is read back, and noted in
.platform-secrets/runs.
Blanks, placeholders and unknown keys are refused. Stopped, the same command with the same values goes on.
--format json prints one object with the keys, what was written and the versions, and asks for no yes.
One named key: the input is its value. Else the input is a JSON object or KEY=value lines (dotenv)."""
EXAMPLES = (
    "platform-secrets put dev github",
    "platform-secrets put dev github GITHUB_APP_PRIVATE_KEY --from-file app.pem --apply",
    "pass show slack/bot | platform-secrets put prod slack SLACK_BOT_TOKEN --stdin --apply --audit audit.jsonl",
    "platform-secrets put prod jira --from-file jira.env --store azure",
    "platform-secrets put prod --undo 20250131-120000-4fa1c2 --apply",
)
# What the command is given; its undo knows all of it from the journal.
_OWN = {
    "SECRET": "secret",
    "KEY": "keys",
    "--store": "store",
    "--from-file": "from_file",
    "--stdin": "stdin",
    "--input": "input",
    "--recover": "recover",
}


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_argument("secret", metavar="SECRET", nargs="?", help="the secret, by its id in the catalogue")
    parser.add_argument("keys", metavar="KEY", nargs="*", help="the keys to set; all that the environment uses")
    add_store(parser, "write to this store of the environment, in place of the one that the secret reads")
    parser.add_argument("--from-file", metavar="FILE", help="take the values from this file")
    parser.add_argument("--stdin", action="store_true", help="take the values from standard input")
    forms = [str(form) for form in InputForm]
    parser.add_argument("--input", choices=forms, help="what the input is, where that is not to be guessed")
    add_writing(parser, apply_help="write without asking")
    add_format(parser, REPORT_FORMATS)


def run(arguments: Namespace, invocation: Invocation) -> int:
    _refuse_contradictions(arguments)
    with orderly_termination(), interruption(NOTHING_WRITTEN):
        environment = live_environment(arguments.environment, invocation)
        if environment is None:
            return FOUND
        output = RunOutput(arguments, invocation, COMMAND)
        with refusals(), LiveStores(os.environ) as stores:
            if arguments.undo is not None:
                return undo(arguments, environment, setting_of(arguments, invocation, stores), output, _OWN)
            target = target_of(environment, arguments.secret, arguments.keys, arguments.store)
            if target.unused:
                named = ", ".join(target.unused)
                standard_error().note(f"{named}: in no variant that {environment.name} uses, so nothing reads it yet")
            values = _values(arguments, target, stores)
            if not values:
                output.lines(["nothing was typed"])
                nothing = Plan(COMMAND, environment.name, {}, {}, Options(), (), ())
                return output.end(Ended(nothing, End.NOTHING), _named(target))
            change = _change(arguments, invocation, environment.name, target, values, stores)
            for key in spaced_keys(values):
                standard_error().note(f"{key}: its value begins or ends with white space")
            return output.end(carry_out(change, output), _named(target))


def _change(
    arguments: Namespace,
    invocation: Invocation,
    environment: str,
    target: Target,
    values: Mapping[str, Secret],
    stores: LiveStores,
) -> Change:
    is_asked = is_terminal() and not (arguments.apply or arguments.stdin or arguments.format == "json")
    recover_command = recovering(arguments, invocation, COMMAND, _OWN)
    options = Options(recover=arguments.recover, recover_command=recover_command)
    return put(target, values, environment, options, setting_of(arguments, invocation, stores, asks=is_asked))


def _named(target: Target) -> dict[str, Any]:
    return {"secret": target.secret.id, "store": target.store.id}


def _refuse_contradictions(arguments: Namespace) -> None:
    for word in (arguments.environment, arguments.secret or "", *arguments.keys):
        if "=" in word:
            # Not quoted: what stands after the sign is a secret, and this message may be logged.
            raise Refusal(
                "usage",
                "a value is never an argument: the shell's history and the process list would show it",
                "name the key alone, and change that value, which is known now",
            )
    if (arguments.secret is None) == (arguments.undo is None):
        raise Refusal("usage", "name either the secret whose keys are set, or a run with --undo")
    if arguments.stdin and arguments.from_file is not None:
        raise Refusal("usage", "--stdin and --from-file do not go together", "name one source")
    if arguments.stdin and is_terminal():
        message = "standard input is a terminal, which shows what is typed"
        raise Refusal("usage", message, "leave --stdin out to be asked")
    if arguments.input is not None and not arguments.stdin and arguments.from_file is None:
        raise Refusal("usage", "--input is for --stdin and --from-file", "add one of them")


def _values(arguments: Namespace, target: Target, stores: LiveStores) -> Mapping[str, Secret]:
    if not arguments.stdin and arguments.from_file is None:
        if is_terminal():
            # Nobody should type values for a store that then does not answer.
            stores.open(target.store).whoami()
        return hidden_values(target.keys)
    data = read_stdin() if arguments.stdin else read_file(arguments.from_file)
    form = InputForm(arguments.input) if arguments.input is not None else None
    return read_values(data, arguments.keys, target.secret.entry.keys, form)
