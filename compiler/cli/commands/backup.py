"""Runs `backup`, which writes an environment's secrets to one encrypted file."""

import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compiler.change.plan import Step
from compiler.cli.invocation import Invocation, interruption, live_environments, open_stores, refusals
from compiler.cli.parser import REPORT_FORMATS, Parser, add_accept_cluster, add_format
from compiler.cli.terminal.dialogue import ask_hidden, is_terminal, read_file
from compiler.cli.terminal.outlet import standard_error
from compiler.live.stores import LiveStores, secret_named
from compiler.model import group_pairs
from compiler.model.environment import ALL_KEYS, Environment
from compiler.operations.age_file import (
    SHORTEST_PASSPHRASE,
    encrypt_to,
    encrypt_with,
    parse_recipients,
    require_folder,
    require_passphrase,
    require_writable,
    write_private,
)
from compiler.operations.backup import Backup, Gathered, encode, gather
from compiler.refusal import FOUND, OK, Refusal
from compiler.render.content import Line, members
from compiler.stores.secret_value import Comparer, SecretValue
from compiler.text.wording import BLANK, command_line, pieces_of, pluralize, quote

PASSPHRASE_FILE_VARIABLE = "PLATFORM_SECRETS_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
_LARGEST_KEY_FILE = 64 * 1024
DESCRIPTION = f"""Reads the keys of the catalogue from an environment's stores and saves them to one file, encrypted
with age to the recipients' public keys, or with a passphrase: the content of the file that
{PASSPHRASE_FILE_VARIABLE} names, or asked for; of
{SHORTEST_PASSPHRASE} characters or more. Values are never written to disk unencrypted.

A key in use that cannot be read stops the backup, unless --partial is given.
`restore` writes the values to the same store or another.

With --out-dir the file is a new one, DIR/ENV-TIME.age, with the time in UTC: names sort by time. No file is
replaced or deleted; retention is up to your storage.

--format json prints one object with the names of the keys in the file and of those missing."""
EXAMPLES = (
    "platform-secrets backup prod prod.age --recipient age1…",
    "platform-secrets backup prod prod.age --recipients-file ops.pub --replace",
    "platform-secrets backup prod --out-dir /backups --recipient age1…",
    "platform-secrets backup dev slack.age slack",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment to back up")
    parser.add_written_file("file", "the file to write; not with --out-dir", nargs="?")
    parser.add_secrets("back up only these secrets")
    parser.add_written_file("--out-dir", "write a new file ENV-TIME.age into this folder", metavar="DIR")
    parser.add_repeatable("--recipient", "KEY", "public key (age1…) to encrypt to; repeatable")
    parser.add_repeatable("--recipients-file", "FILE", "file with one public key per line; repeatable")
    parser.add_flag("--partial", "leave out keys that cannot be read, and list them in the file")
    parser.add_flag("--replace", "replace the file if it exists")
    parser.exclude("--out-dir", "--replace")
    add_accept_cluster(parser)
    add_format(parser, REPORT_FORMATS)


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    if arguments.file is None and arguments.out_dir is None:
        raise Refusal("usage", "give either a file or a folder with --out-dir", "add FILE or --out-dir DIR")
    if arguments.file is not None and arguments.out_dir is not None:
        # The file is named by itself: what stands in its place is a secret.
        arguments.only, arguments.file = [*dict.fromkeys((arguments.file, *arguments.only))], None
    with interruption("no file was written"):
        (environment,) = live_environments([arguments.environment], invocation)
        refuse_secret_as_file(invocation, environment)
        with refusals():
            return _back_up(invocation, environment)


def refuse_secret_as_file(invocation: Invocation, environment: Environment) -> None:
    """Raises Refusal where a secret stands in the place of the file: without a file, all secrets would be meant."""
    arguments = invocation.arguments
    name = arguments.file
    if name not in environment.secrets or os.path.lexists(name):
        return
    secrets = [each for each in (name, *arguments.only) if each in environment.secrets]
    file = next((each for each in arguments.only if each not in secrets), BLANK)
    line = command_line(invocation.name, environment.name, file, *secrets)
    message = f"{quote(name)} is a secret, and the file stands before the secrets"
    raise Refusal("usage", message, f"did you mean `{line}`? A file of that name is ./{name}")


def _back_up(invocation: Invocation, environment: Environment) -> int:
    arguments = invocation.arguments
    # All that can be refused is, before a secret is read.
    for name in arguments.only:
        secret_named(environment, name)
    if arguments.out_dir is not None:
        require_folder(Path(arguments.out_dir), quote(arguments.out_dir))
    else:
        require_writable(Path(arguments.file), replaces=arguments.replace)
    recipients, passphrase = _keys(arguments)
    with open_stores(invocation, LiveStores) as stores:
        gathered = gather(environment, arguments.only, stores)
    shown = arguments.file or os.path.join(arguments.out_dir, _name(gathered.backup))  # noqa: PTH118 - as it was given
    if arguments.out_dir is not None and os.path.lexists(shown):
        way_out = "run the command again: each file is named by its second"
        raise Refusal("cannot run", f"{quote(shown)} already exists", way_out)
    _tell_lacking(gathered, is_partial=arguments.partial)
    if not gathered.is_enough(is_partial=arguments.partial):
        return invocation.report(lambda: backup_content(gathered, shown, is_written=False), FOUND, environment.name)
    plain = encode(gathered.backup)
    sealed = encrypt_with(plain, passphrase) if passphrase is not None else encrypt_to(plain, recipients)
    with interruption("the file is either unchanged or complete"):
        write_private(Path(shown), sealed, replaces=arguments.replace)
        _tell(gathered, shown, invocation)
        return invocation.report(lambda: backup_content(gathered, shown, is_written=True), OK, environment.name)


def _name(backup: Backup) -> str:
    """The name of a new file, by the second at which the stores were read."""
    time = datetime.fromisoformat(backup.time).astimezone(UTC)
    return f"{backup.environment}-{time:%Y%m%d-%H%M%S}.age"


def _keys(arguments: Namespace) -> tuple[tuple[str, ...], SecretValue | None]:
    recipients = _recipients(arguments.recipient, arguments.recipients_file)
    if recipients:
        parse_recipients(recipients)
        return recipients, None
    typed = passphrase(is_new=True)
    require_passphrase(typed)
    return (), typed


def _tell_lacking(gathered: Gathered, *, is_partial: bool) -> None:
    kind = "note" if is_partial else "error"
    for lacking in gathered.lacking:
        place = f" ({lacking.source.name})" if lacking.source is not None else ""
        standard_error().show([(f"{kind}: ", f"{lacking.secret}/{lacking.key}", f"{place}: ", lacking.reason)])
    if gathered.lacking and not is_partial:
        listed = next((each for each in gathered.lacking if each.key != ALL_KEYS), None)
        command = command_line("put", gathered.backup.environment, listed.secret, listed.key) if listed else ""
        way_out = f"set each key, as with `{command}`" if command else "write what the store lacks"
        standard_error().show([f"help: no file was written; {way_out}, or leave them out with --partial"])


def _tell(gathered: Gathered, shown: str, invocation: Invocation) -> None:
    backup = gathered.backup
    why = ": left out, not in the catalogue"
    invocation.lines((("note: ", name, ": ", property_, why) for name, property_ in gathered.left_out), is_error=True)
    counts = f"{pluralize(len(backup.secrets), 'secret')}, {pluralize(len(backup.values), 'key')}"
    missing = f", {len(backup.missing)} missing" if backup.missing else ""
    invocation.lines([f"{shown}: written, {backup.environment}, {counts}{missing}"])


def _recipients(named: Sequence[str], files: Sequence[str]) -> tuple[str, ...]:
    """All recipients of the command line. Raises Refusal for a private key in their place."""
    found = [*named]
    for name in files:
        found += key_lines(name, is_secret=False)
    for text in found:
        if text.upper().startswith("AGE-SECRET-KEY-"):
            raise Refusal(
                "usage", "a recipient must be a public key, and this is a private one", "create a new key pair"
            )
    if files and not found:
        raise Refusal("usage", "the recipients file holds no recipient", "write one age1… key per line")
    return tuple(found)


def passphrase(*, is_new: bool) -> SecretValue:
    """The passphrase from the variable's file or a prompt, which asks twice for a new one. Raises Refusal."""
    name = os.environ.get(PASSPHRASE_FILE_VARIABLE)
    if name:
        return SecretValue(_key_text(name, variable=PASSPHRASE_FILE_VARIABLE).rstrip("\r\n"))
    if not is_terminal():
        # A backup that a passphrase closed is opened by nothing else.
        way_out = "give --recipient, or" if is_new else "the backup is encrypted with a passphrase:"
        raise Refusal(
            "usage",
            "no terminal to ask for the passphrase on",
            f"{way_out} set {PASSPHRASE_FILE_VARIABLE} to the path of a file that holds it",
        )
    rule = f" ({SHORTEST_PASSPHRASE} characters or more)" if is_new else ""
    first = _ask_passphrase(f"Passphrase{rule}: ")
    if is_new and not Comparer().same(first, _ask_passphrase("Repeat the passphrase: ")):
        raise Refusal("cannot run", "the two passphrases differ", "nothing was written; run the command again")
    return first


def _ask_passphrase(question: str) -> SecretValue:
    typed = ask_hidden(question)
    return typed if typed is not None else SecretValue("")


def key_lines(name: str, *, is_secret: bool = True) -> list[str]:
    """The lines of a file of keys, without comments. Raises Refusal."""
    lines = [line.strip() for line in _key_text(name, is_secret=is_secret).splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _key_text(name: str, *, is_secret: bool = True, variable: str | None = None) -> str:
    content = read_file(name, _LARGEST_KEY_FILE, is_secret=is_secret, variable=variable)
    if len(content) > _LARGEST_KEY_FILE:
        # What was cut off would be another passphrase, or a key too few.
        shown = f'"{name}"' if variable is None else f"the file that {variable} names"
        raise Refusal("cannot run", f"{shown} is larger than {_LARGEST_KEY_FILE // 1024} KiB", "name another file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise Refusal("cannot run", "the key file is not a text file", "name another file")


def backup_lines(shown: str, backup: Backup) -> Iterator[Line]:
    """What the backup in the file `shown` is."""
    counts = f"{pluralize(len(backup.secrets), 'secret')}, {pluralize(len(backup.values), 'key')}"
    yield shown, ": ", backup.environment, f" at {backup.time}, {counts}"
    if missing := [f"{secret}/{key}" for secret, key in backup.missing]:
        yield "  not in the backup, unreadable when it was made: ", *pieces_of(missing, len(missing))


def backup_content(gathered: Gathered, shown: str, *, is_written: bool) -> dict[str, Any]:
    """A `backup` to the file `shown`: the names of what is in it, and of what is not and why."""
    return {
        "file": shown,
        "written": is_written,
        "backup": backup_data(gathered.backup),
        "lacking": [_lacking(lacking) for lacking in gathered.lacking],
        "leftOut": [{"name": name, "property": property_} for name, property_ in gathered.left_out],
    }


def backup_data(backup: Backup) -> dict[str, Any]:
    """What a backup is, in a report of it or of what was restored from it."""
    return {
        **members(backup, "environment", "time"),
        "secrets": group_pairs(backup.values),
        "missing": group_pairs(backup.missing),
    }


def _lacking(lacking: Step) -> dict[str, Any]:
    place = lacking.source
    return {
        **members(lacking, "secret", "key"),
        "place": members(place, "name", "property") if place is not None else None,
        "reason": lacking.reason,
    }
