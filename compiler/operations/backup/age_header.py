"""Reads the header of an age file before anything is decrypted: its armor, and how much memory it takes to open.

The format is https://age-encryption.org/v1.
"""

from __future__ import annotations

import base64
import binascii
import re

MAGIC = b"age-encryption.org/v1\n"
SCRYPT = MAGIC + b"-> scrypt "
# 1 GiB of memory and some seconds. Whoever writes a file chooses the factor for whoever opens it: age itself and
# what writes our backups take what lasts about a second, which is 17 to 19 on today's machines.
HIGHEST_WORK_FACTOR = 20
_BEGIN, _END = b"-----BEGIN AGE ENCRYPTED FILE-----", b"-----END AGE ENCRYPTED FILE-----"
_ARMOR = re.compile(rb"\s*+" + _BEGIN + rb"\r?\n([A-Za-z0-9+/=\r\n]*+)" + _END + rb"\s*+")
_LONGEST_HEADER = 64 * 1024
_HEADER_END = b"\n---"
_STANZA = re.compile(rb"-> scrypt [A-Za-z0-9+/]{22} ([1-9][0-9]?)")


class AgeHeaderError(Exception):
    """The file is damaged or not an age file. The text quotes nothing of the file."""


def unarmored(data: bytes) -> bytes:
    """The binary file that `data` is, or that it holds as text (`age --armor`). Raises AgeHeaderError."""
    if not data.lstrip().startswith(_BEGIN):
        return data
    armor = _ARMOR.fullmatch(data)
    try:
        if armor is not None:
            return base64.b64decode(armor[1].replace(b"\r", b"").replace(b"\n", b""), validate=True)
    except binascii.Error:
        pass
    raise AgeHeaderError("its armor is damaged")


def work_factor(data: bytes) -> int:
    """The scrypt work factor of a binary file that a passphrase opens. Raises AgeHeaderError."""
    end = data.find(_HEADER_END, 0, _LONGEST_HEADER)
    stanzas = [line for line in data[: max(end, 0)].split(b"\n") if line.startswith(b"->")]
    # A passphrase is the only way into its file: a second stanza could ask for more than the one that was looked at.
    stanza = _STANZA.fullmatch(stanzas[0]) if len(stanzas) == 1 else None
    if stanza is None:
        raise AgeHeaderError("its header is damaged")
    return int(stanza[1])


def memory_of(factor: int) -> int:
    """The bytes that scrypt takes at that factor, with age's block size of 8."""
    return (128 * 8) << factor
