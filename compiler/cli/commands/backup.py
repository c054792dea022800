"""Runs `backup`, which writes an environment's secrets to one encrypted file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from compiler.cli import backup_keys
from compiler.cli.exit_codes import FOUND, OK
from compiler.cli.invocation import Invocation, live_environments, open_stores, refusals
from compiler.cli.parser import Parser, add_accept_cluster, add_format
from compiler.cli.terminal.interrupts import interruption
from compiler.cli.terminal.outlet import standard_error
from compiler.live.stores import LiveStores, secret_named
from compiler.model.environment import Environment
from compiler.operations.age_file import (
    SHORTEST_PASSPHRASE,
    encrypt_to,
    encrypt_with,
    parsed_recipients,
    require_passphrase,
    require_writable,
    write_private,
)
from compiler.operations.backup import Gathered, encode, gather
from compiler.render.content import REPORT_FORMATS
from compiler.render.reports.backup import backup_report
from compiler.stores.secret_value.secret import SecretValue
from compiler.text.command_line import command_line
from compiler.text.wording import counted

DESCRIPTION = f"""Reads the keys of the catalogue from an environment's stores and saves them to one file, encrypted
with age to the recipients' public keys, or with a passphrase: the content of the file that
{backup_keys.PASSPHRASE_FILE_VARIABLE} names, or asked for; of
{SHORTEST_PASSPHRASE} characters or more. Values are never written to disk unencrypted.

A key in use that cannot be read stops the backup, unless --partial is given.
`restore` writes the values to the same store or another.

--format json prints one object with the names of the keys in the file and of those missing."""
EXAMPLES = (
    "platform-secrets backup prod prod.age --recipient age1…",
    "platform-secrets backup prod prod.age --recipients-file ops.pub --replace",
    "platform-secrets backup dev slack.age --only slack",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment to back up")
    parser.add_written_file("file", "the file to write")
    parser.add_argument(
        "--recipient", metavar="KEY", action="append", default=[], help="public key (age1…) to encrypt to; repeatable"
    )
    parser.add_argument(
        "--recipients-file",
        metavar="FILE",
        action="append",
        default=[],
        help="file with one public key per line; repeatable",
    )
    parser.add_argument(
        "--only", metavar="SECRET", action="append", default=[], help="back up only this secret; repeatable"
    )
    parser.add_argument(
        "--partial", action="store_true", help="leave out keys that cannot be read, and list them in the file"
    )
    parser.add_argument("--replace", action="store_true", help="replace the file if it exists")
    add_accept_cluster(parser)
    add_format(parser, REPORT_FORMATS)


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    with interruption("no file was written"):
        (environment,) = live_environments([arguments.environment], invocation)
        with refusals():
            return _backed_up(invocation, environment)


def _backed_up(invocation: Invocation, environment: Environment) -> int:
    arguments = invocation.arguments
    path = Path(arguments.file)
    # All that can be refused is, before a secret is read.
    for name in arguments.only:
        secret_named(environment, name)
    require_writable(path, replaces=arguments.replace)
    recipients, passphrase = _keys(arguments)
    with open_stores(invocation, LiveStores) as stores:
        gathered = gather(environment, arguments.only, stores)
    _tell_lacking(gathered, is_partial=arguments.partial)
    if not gathered.is_enough(is_partial=arguments.partial):
        invocation.report(lambda: backup_report(gathered, arguments.file, FOUND, is_written=False))
        return FOUND
    plain = encode(gathered.backup)
    sealed = encrypt_with(plain, passphrase) if passphrase is not None else encrypt_to(plain, recipients)
    with interruption("the file is either unchanged or complete"):
        write_private(path, sealed, replaces=arguments.replace)
        _tell(gathered, invocation)
        invocation.report(lambda: backup_report(gathered, arguments.file, OK, is_written=True))
    return OK


def _keys(arguments: Namespace) -> tuple[tuple[str, ...], SecretValue | None]:
    recipients = backup_keys.recipients(arguments.recipient, arguments.recipients_file)
    if recipients:
        parsed_recipients(recipients)
        return recipients, None
    passphrase = backup_keys.passphrase(is_new=True)
    require_passphrase(passphrase)
    return (), passphrase


def _tell_lacking(gathered: Gathered, *, is_partial: bool) -> None:
    kind = "note" if is_partial else "error"
    for lacking in gathered.lacking:
        place = f" ({lacking.place.remote_key})" if lacking.place is not None else ""
        secret, key = lacking.name
        standard_error().lines([(f"{kind}: ", f"{secret}/{key}", f"{place}: ", lacking.reason)])
    if gathered.lacking and not is_partial:
        command = command_line("put", gathered.backup.environment, *gathered.lacking[0].name)
        standard_error().lines(
            [f"help: no file was written; set each key, as with `{command}`, or leave them out with --partial"]
        )


def _tell(gathered: Gathered, invocation: Invocation) -> None:
    backup = gathered.backup
    why = ": left out, not in the catalogue"
    invocation.lines((("note: ", name, ": ", property_, why) for name, property_ in gathered.left_out), is_error=True)
    counts = f"{counted(len(backup.secrets), 'secret')}, {counted(len(backup.values), 'key')}"
    missing = f", {len(backup.missing)} missing" if backup.missing else ""
    invocation.lines([f"{invocation.arguments.file}: written, {backup.environment}, {counts}{missing}"])
