"""Runs `migrate`, which plans and, with `--apply`, copies an environment's secrets into another store."""

from functools import partial

from compiler.change.plan import OnConflict, Options
from compiler.cli.invocation import Invocation
from compiler.cli.parser import REPORT_FORMATS, Parser, add_format, add_writing, require_store
from compiler.cli.running import Answer, run_writing
from compiler.model.environment import Environment
from compiler.operations.migrate import migration
from compiler.stores.secret_value import RULE

DESCRIPTION = f"""Copies an environment's secrets to another of its stores. Without --apply it only reads, and shows the
plan for each key:
  create, update: the key is written
  recover: a deleted secret is recovered first, with --recover
  conflict: the destination holds another value
  refuse: the key cannot be read or written as it is
  missing: the key is in use and not in the source
Unchanged keys are counted, and listed with --verbose. A plan with a conflict, refuse or missing key exits 1 and is not
applied.

Other properties in the destination stay as they are; the source is never changed. Each write is read back and recorded
in .platform-secrets/runs. After an interruption, run the same command again to continue. --undo RUN restores the
previous values of secrets that were not changed since.

A value with a limit (`rotate`, `maxAge`) is as old in the destination as in the source: the tag "value-since" has the
date of the oldest one. The plan says where that cannot be written.

--stringify: {RULE}."""
EXAMPLES = (
    "platform-secrets migrate prod --to azure",
    "platform-secrets migrate prod --to azure --apply --audit audit.jsonl",
    "platform-secrets migrate prod jira --to azure --apply",
    "platform-secrets migrate prod --to vault --from azure",
    "platform-secrets migrate prod --undo 20250131-120000-4fa1c2 --apply",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment whose secrets to copy")
    parser.add_secrets("copy only these secrets")
    parser.add_option("--to", "ID", "id of the store to copy to")
    parser.add_option(
        "--from", "ID", "id of the store to copy from; by default the one each secret uses", dest="source"
    )
    parser.add_flag("--all-properties", "also copy properties that are not in the catalogue")
    choices = [str(choice) for choice in OnConflict]
    parser.add_argument(
        "--on-conflict", choices=choices, help="if the destination holds another value; fail by default"
    )
    parser.add_flag("--stringify", "convert values that are not strings to strings")
    parser.add_flag("--continue-on-error", "write the other keys if some cannot be written")
    add_writing(parser)
    add_format(parser, REPORT_FORMATS)


def _answer(invocation: Invocation, environment: Environment, options: Options) -> Answer:
    to = require_store(invocation.arguments, "--to", environment.stores)
    return migration(environment, to, invocation.arguments.source, options), {}


run = partial(run_writing, _answer)
