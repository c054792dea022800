"""Runs `restore`, which checks a backup, plans writing it to a store and, with `--apply`, writes it."""

from argparse import Namespace
from collections.abc import Sequence

from compiler.change.plan import OnConflict, Options
from compiler.cli.commands.backup import (
    PASSPHRASE_FILE_VARIABLE,
    backup_data,
    backup_lines,
    key_lines,
    passphrase,
    refuse_secret_as_file,
)
from compiler.cli.invocation import Invocation
from compiler.cli.parser import REPORT_FORMATS, Parser, add_format, add_writing
from compiler.cli.running import Answer, run_writing
from compiler.cli.terminal.dialogue import read_file
from compiler.live.stores import store_named
from compiler.model.environment import Environment
from compiler.operations.age_file import age_file, decrypt_by, decrypt_with, needs_passphrase
from compiler.operations.backup import Backup, decode, require_only, require_origin, restoration
from compiler.refusal import Refusal
from compiler.stores.secret_value import SecretValue

DESCRIPTION = f"""Decrypts a backup with --identity or with a passphrase, in the file that
{PASSPHRASE_FILE_VARIABLE} names or asked for, and checks it.
Without --apply it shows the plan for each key:
  create, update: the key is written
  recover: a deleted secret is recovered first, with --recover
  conflict: the store holds another value
  refuse: the key cannot be read or written as it is
A plan with a conflict or refuse key exits 1 and is not applied.

Other keys and properties in the store stay as they are. Each write is read back and recorded in
.platform-secrets/runs. After an interruption, run the same command again to continue.

--format json prints one object with the plan, what was written and the versions."""
EXAMPLES = (
    "platform-secrets restore prod prod.age --identity key.txt",
    "platform-secrets restore prod prod.age slack --identity key.txt --on-conflict overwrite --apply",
    "platform-secrets restore prod prod.age --to azure --apply --audit audit.jsonl",
    "platform-secrets restore staging prod.age --from-environment prod",
    "platform-secrets restore prod --undo 20250131-120000-4fa1c2 --apply",
)
# A thousand secrets of the largest size that Key Vault takes are 26 MB.
_LARGEST_BACKUP = 256 * 1024 * 1024


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment to restore")
    parser.add_argument("file", metavar="FILE", nargs="?", help="the backup file")
    parser.add_secrets("restore only these secrets")
    parser.add_repeatable("--identity", "FILE", "age identity file (private key); repeatable")
    parser.add_option("--to", "ID", "restore everything to this store of the environment")
    parser.add_option("--from-environment", "NAME", "the environment that was backed up, if it is another")
    choices = [str(choice) for choice in OnConflict]
    parser.add_argument("--on-conflict", choices=choices, help="if the store holds another value; fail by default")
    add_writing(parser)
    add_format(parser, REPORT_FORMATS)


def run(invocation: Invocation) -> int:
    if invocation.arguments.file is None and invocation.arguments.undo is None:
        message = "give either a backup file or a run with --undo"
        raise Refusal("usage", message, "add the backup's FILE or --undo RUN")
    return run_writing(_answer, invocation)


def _answer(invocation: Invocation, environment: Environment, options: Options) -> Answer:
    arguments = invocation.arguments
    refuse_secret_as_file(invocation, environment)
    to = store_named(environment, arguments.to) if arguments.to is not None else None
    backup = _open_backup(arguments)
    require_origin(backup, environment.name, arguments.from_environment)
    require_only(backup, environment, arguments.only)
    change = restoration(backup, environment, to, options)
    invocation.lines(backup_lines(arguments.file, backup))
    return change, {"backup": backup_data(backup)}


def _open_backup(arguments: Namespace) -> Backup:
    content = read_file(arguments.file, _LARGEST_BACKUP, is_secret=False)
    data = age_file(content)
    if needs_passphrase(data):
        return decode(decrypt_with(data, passphrase(is_new=False)))
    keys = _identities(arguments.identity)
    if not keys:
        raise Refusal(
            "usage", "the backup is encrypted to a public key", "give the file of its private key with --identity"
        )
    return decode(decrypt_by(data, keys))


def _identities(files: Sequence[str]) -> tuple[SecretValue, ...]:
    """The private keys of age's identity files, which hold one a line. Raises Refusal for a key as a file's name."""
    if any(name.upper().startswith("AGE-SECRET-KEY-") for name in files):
        raise Refusal(
            "usage",
            "--identity takes a file, and this is the private key itself, which is now exposed",
            "create a new key pair and put its private key into a file that only you can read",
        )
    return tuple(SecretValue(line) for name in files for line in key_lines(name))
