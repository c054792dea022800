"""`restore`: a backup, opened and checked wholly, planned against a store, and with `--apply` written there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from compiler.cli import backup_keys
from compiler.cli.errors import CannotRunError, UsageError
from compiler.cli.exit_codes import FOUND, OK
from compiler.cli.live_environment import live_environment, refusals
from compiler.cli.options import add_format
from compiler.cli.terminal.command_output import CommandOutput
from compiler.cli.terminal.interrupts import GOES_ON, NOTHING_WRITTEN, interruption
from compiler.cli.terminal.secret_input import read_file
from compiler.cli.terminal.termination import orderly_termination
from compiler.cli.write_keys import apply
from compiler.operations.backup.encryption import EncryptionError, age_file, decrypt_by, decrypt_with, needs_passphrase
from compiler.operations.backup.format import BackupContentError, decode
from compiler.operations.backup.restore import Action, RestoreRefusedError, plan_restore, require_only, require_origin
from compiler.operations.change.plan import OnConflict
from compiler.operations.live.stores import LiveStores
from compiler.operations.migrate.routes import store_named
from compiler.render.reports.changes import safe
from compiler.render.reports.key_changes import restore_lines, restore_report, results

if TYPE_CHECKING:
    from argparse import Namespace

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.operations.backup.format import Backup
    from compiler.operations.backup.restore import RestorePlan

DESCRIPTION = f"""Opens a backup with --identity, or with the passphrase of the file that
{backup_keys.PASSPHRASE_FILE_VARIABLE} names or that is asked for; checks all of it; and shows what restoring it would
do: create, update, keep, skip, conflict (the store holds another value) or refuse. With a conflict or a refusal it
exits 1, and --apply writes nothing. Other keys and properties of the store stay as they are.
--format json prints one object with the plan, what was written and the versions."""
EXAMPLES = (
    "platform-secrets restore prod prod.age --identity key.txt",
    "platform-secrets restore prod prod.age --identity key.txt --only slack --on-conflict overwrite --apply",
    "platform-secrets restore prod prod.age --to azure --apply --audit audit.jsonl",
    "platform-secrets restore staging prod.age --from-environment prod",
)
# A thousand secrets of the largest size that Key Vault takes are 26 MB.
_LARGEST_BACKUP = 256 * 1024 * 1024


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment to restore")
    parser.add_argument("file", metavar="FILE", help="the backup")
    parser.add_argument(
        "--identity", metavar="FILE", action="append", default=[], help="an age identity file (private key); repeatable"
    )
    parser.add_argument("--to", metavar="ID", help="restore all into this store of the environment")
    parser.add_argument("--only", metavar="SECRET", action="append", default=[], help="this secret alone; repeatable")
    parser.add_argument("--from-environment", metavar="NAME", help="the backup is of this other environment")
    choices = [str(choice) for choice in OnConflict]
    parser.add_argument("--on-conflict", choices=choices, default="fail", help=f"{', '.join(choices)}; fail by default")
    parser.add_argument("--apply", action="store_true", help="write; without it nothing is written")
    parser.add_written_file("--audit", "append a line before and after each write to this file")
    add_format(parser, ("text", "json"))


def run(arguments: Namespace, invocation: Invocation) -> int:
    with orderly_termination(), interruption(NOTHING_WRITTEN):
        environment = live_environment(arguments.environment, invocation)
        if environment is None:
            return FOUND
        with refusals(), LiveStores(os.environ) as stores:
            to = store_named(environment, arguments.to) if arguments.to is not None else None
            backup = _opened(arguments)
            try:
                require_origin(backup, environment.name, arguments.from_environment)
                require_only(backup, arguments.only)
            except RestoreRefusedError as error:
                raise UsageError(safe(str(error)), safe(error.help)) from None
            plan = plan_restore(backup, environment, to, arguments.only, OnConflict(arguments.on_conflict), stores)
            return _act(arguments, CommandOutput(arguments, invocation), environment.name, backup, plan)


def _act(arguments: Namespace, output: CommandOutput, environment: str, backup: Backup, plan: RestorePlan) -> int:
    code, last = _end(plan, is_applied=arguments.apply)
    output.lines(restore_lines(arguments.file, backup, plan))
    if code is None:
        with interruption(GOES_ON):
            done = apply(plan.changes, environment, "restore", arguments.audit, output)
            became = results(done.run, done.outcomes, is_interrupted=done.is_interrupted)
            output.report(lambda: restore_report(environment, backup, plan, became, done.code))
            return done.code
    output.lines([last], is_error=plan.is_blocked)
    output.report(lambda: restore_report(environment, backup, plan, results(), code))
    return code


def _end(plan: RestorePlan, *, is_applied: bool) -> tuple[int | None, str]:
    """The exit code and last line of a plan that is not to be written, no code for one that is."""
    if plan.is_blocked:
        return FOUND, f"{NOTHING_WRITTEN}{_way_out(plan)}"
    if not plan.changes.writes:
        return OK, "nothing to write: the store holds what is to be restored"
    return (None, "") if is_applied else (OK, "nothing was written; --apply writes this plan")


def _opened(arguments: Namespace) -> Backup:
    content = read_file(arguments.file, _LARGEST_BACKUP, is_secret=False)
    try:
        data = age_file(content)
        if needs_passphrase(data):
            plain = decrypt_with(data, backup_keys.passphrase(is_new=False))
        elif identities := backup_keys.identities(arguments.identity):
            plain = decrypt_by(data, identities)
        else:
            raise UsageError("the backup is encrypted to a key", "name the private one's file with --identity")
        return decode(plain)
    except EncryptionError as error:
        raise CannotRunError(str(error), error.help) from None
    except BackupContentError as error:
        raise CannotRunError(f"the backup cannot be used: {error}", "take another backup") from None


def _way_out(plan: RestorePlan) -> str:
    if any(step.action is Action.REFUSE for step in plan.steps):
        return ": correct what is refused, or leave it out with --only"
    return ": with --on-conflict overwrite the backup's values replace the store's, with skip they stay"
