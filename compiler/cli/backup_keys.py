"""Reads the recipients, identities and passphrases that `backup` and `restore` use, without showing them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from compiler.cli.terminal.prompts import hidden, is_terminal, read_file
from compiler.operations.age_file import SHORTEST_PASSPHRASE
from compiler.refusal import Refusal
from compiler.stores.secret_value.secret import Comparer, SecretValue

if TYPE_CHECKING:
    from collections.abc import Sequence

PASSPHRASE_FILE_VARIABLE = "PLATFORM_SECRETS_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
_LARGEST_KEY_FILE = 64 * 1024


def recipients(named: Sequence[str], files: Sequence[str]) -> tuple[str, ...]:
    """All recipients of the command line. Raises Refusal for a private key in their place."""
    found = [*named]
    for name in files:
        found += _lines(_key_file(name, is_secret=False))
    for text in found:
        if text.upper().startswith("AGE-SECRET-KEY-"):
            raise Refusal(
                "usage", "a recipient must be a public key, and this is a private one", "create a new key pair"
            )
    if files and not found:
        raise Refusal("usage", "the recipients file holds no recipient", "write one age1… key per line")
    return tuple(found)


def identities(files: Sequence[str]) -> tuple[SecretValue, ...]:
    """The private keys of age's identity files, which hold one a line. Raises Refusal for a key as a file's name."""
    if any(name.upper().startswith("AGE-SECRET-KEY-") for name in files):
        raise Refusal(
            "usage",
            "--identity takes a file, and this is the private key itself, which is now exposed",
            "create a new key pair and put its private key into a file that only you can read",
        )
    return tuple(SecretValue(line) for name in files for line in _lines(_key_file(name)))


def passphrase(*, is_new: bool) -> SecretValue:
    """The passphrase of the variable's file, else of a terminal's prompt, asked twice for a new one.

    Raises Refusal where there is neither, and where the two differ.
    """
    name = os.environ.get(PASSPHRASE_FILE_VARIABLE)
    if name:
        return SecretValue(_decoded(_key_file(name, variable=PASSPHRASE_FILE_VARIABLE)).rstrip("\r\n"))
    if not is_terminal():
        # A backup that a passphrase closed is opened by nothing else.
        way_out = "give --recipient, or" if is_new else "the backup is encrypted with a passphrase:"
        raise Refusal(
            "usage",
            "no terminal to ask for the passphrase on",
            f"{way_out} set {PASSPHRASE_FILE_VARIABLE} to the path of a file that holds it",
        )
    rule = f" ({SHORTEST_PASSPHRASE} characters or more)" if is_new else ""
    first = _typed(f"Passphrase{rule}: ")
    if is_new and not Comparer().same(first, _typed("Repeat the passphrase: ")):
        raise Refusal("cannot run", "the two passphrases differ", "nothing was written; run the command again")
    return first


def _key_file(name: str, *, is_secret: bool = True, variable: str | None = None) -> bytes:
    content = read_file(name, _LARGEST_KEY_FILE, is_secret=is_secret, variable=variable)
    if len(content) > _LARGEST_KEY_FILE:
        # What was cut off would be another passphrase, or a key too few.
        shown = f'"{name}"' if variable is None else f"the file that {variable} names"
        raise Refusal("cannot run", f"{shown} is larger than {_LARGEST_KEY_FILE // 1024} KiB", "name another file")
    return content


def _typed(question: str) -> SecretValue:
    typed = hidden(question)
    return typed if typed is not None else SecretValue("")


def _lines(data: bytes) -> list[str]:
    lines = [line.strip() for line in _decoded(data).splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise Refusal("cannot run", "the key file is not a text file", "name another file")
