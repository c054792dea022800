"""Encrypts and decrypts private age files (https://age-encryption.org/v1); the only module that imports pyrage."""

import base64
import binascii
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from compiler.model.files import create_file, sync_folder, temporary_beside
from compiler.refusal import Refusal, system_reason
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import install_line, quote

T = TypeVar("T")
MAGIC = b"age-encryption.org/v1\n"
SCRYPT = MAGIC + b"-> scrypt "
# 1 GiB of memory and some seconds. Whoever writes a file chooses the factor for whoever opens it: age itself and
# what writes our backups take what lasts about a second, which is 17 to 19 on today's machines.
HIGHEST_WORK_FACTOR = 20
_BEGIN, _END = b"-----BEGIN AGE ENCRYPTED FILE-----", b"-----END AGE ENCRYPTED FILE-----"
_ARMOR = re.compile(rb"\s*+" + _BEGIN + rb"\r?\n([A-Za-z0-9+/=\r\n]*+)" + _END + rb"\s*+")
_LONGEST_HEADER = 64 * 1024
_HEADER_END = b"\n---"
_COPIED = "compare the file with the one that it was copied from"
_STANZA = re.compile(rb"-> scrypt [A-Za-z0-9+/]{22} ([1-9][0-9]?)")


def _cannot_open(why: str) -> Refusal:
    return Refusal("cannot run", f"the file cannot be opened: {why}", _COPIED)


def remove_armor(data: bytes) -> bytes:
    """The binary age file in `data`, which may be in the text form of `age --armor`. Raises Refusal."""
    if not data.lstrip().startswith(_BEGIN):
        return data
    armor = _ARMOR.fullmatch(data)
    with suppress(binascii.Error):
        if armor is not None:
            return base64.b64decode(armor[1].replace(b"\r", b"").replace(b"\n", b""), validate=True)
    raise _cannot_open("its armor is damaged")


def work_factor(data: bytes) -> int:
    """The scrypt work factor of a binary file that a passphrase opens. Raises Refusal."""
    end = data.find(_HEADER_END, 0, _LONGEST_HEADER)
    stanzas = [line for line in data[: max(end, 0)].split(b"\n") if line.startswith(b"->")]
    # A file with a passphrase has one stanza: a second one could cost more than the first, which is checked.
    stanza = _STANZA.fullmatch(stanzas[0]) if len(stanzas) == 1 else None
    if stanza is None:
        raise _cannot_open("its header is damaged")
    return int(stanza[1])


# A person who has the file can try passphrases for as long as they like.
SHORTEST_PASSPHRASE = 12


def encrypt_to(plain: bytes, recipients: Sequence[str]) -> bytes:
    """An age file for `recipients` (`age1…`) alone. Raises Refusal, which quotes neither keys nor content."""
    return bytes(_pyrage().encrypt(plain, parse_recipients(recipients)))


def encrypt_with(plain: bytes, passphrase: SecretValue) -> bytes:
    require_passphrase(passphrase)
    sealed = bytes(_pyrage().passphrase.encrypt(plain, passphrase.reveal()))
    # Check that `restore` can open it.
    _require_bounded(sealed)
    return sealed


def require_passphrase(passphrase: SecretValue) -> None:
    if len(passphrase.reveal()) < SHORTEST_PASSPHRASE:
        message = f"the passphrase is shorter than {SHORTEST_PASSPHRASE} characters"
        raise Refusal("cannot run", message, "use a longer one, or encrypt to a recipient's key")


def parse_recipients(texts: Sequence[str]) -> list[Any]:
    """The recipients as pyrage's objects. Raises Refusal, which names an invalid one by number."""
    way_out = "give a public key that begins with age1, as age-keygen -y prints"
    return _parse_each(_pyrage().x25519.Recipient.from_str, texts, ("recipient", "an age recipient", way_out))


def _parse_each(parse: Callable[[T], Any], given: Iterable[T], words: tuple[str, str, str]) -> list[Any]:
    """Each text as a pyrage object; `words` are for an error: its name, what it is not, and what to give."""
    called, expected, way_out = words
    found = []
    for number, each in enumerate(given, 1):
        # pyrage's errors have no common class, and may quote the text.
        with suppress(Exception):
            found.append(parse(each))
        if len(found) < number:
            raise Refusal("cannot run", f"{called} {number} is not {expected}", way_out)
    return found


def age_file(data: bytes) -> bytes:
    """The binary age file in `data`. Raises Refusal for any other file."""
    binary = remove_armor(data)
    if not binary.startswith(MAGIC):
        raise Refusal("cannot run", "the file is not a backup: it does not begin like an age file", "name another file")
    return binary


def needs_passphrase(data: bytes) -> bool:
    """Whether a passphrase opens the file, not a key. Raises Refusal if it costs too much to open."""
    if not data.startswith(SCRYPT):
        return False
    _require_bounded(data)
    return True


def _require_bounded(data: bytes) -> None:
    factor = work_factor(data)
    if factor > HIGHEST_WORK_FACTOR:
        # Each of age's blocks of 8 has 128 bytes.
        needed = f"which takes {(128 * 8 << factor) // 2**30} GiB of memory to open"
        most = f"the highest that is accepted is {HIGHEST_WORK_FACTOR}"
        message = f"the file's scrypt work factor is {factor}, {needed}; {most}"
        way_out = "if you trust it, encrypt it again, to a key: `age -d FILE | age -r RECIPIENT > NEW`"
        raise Refusal("cannot run", message, way_out)


def decrypt_with(data: bytes, passphrase: SecretValue) -> bytes:
    _require_bounded(data)
    return _open(lambda: _pyrage().passphrase.decrypt(data, passphrase.reveal()), "passphrase")


def decrypt_by(data: bytes, identities: Sequence[SecretValue]) -> bytes:
    """The content of an age file that one of `identities` (`AGE-SECRET-KEY-1…`) opens. Raises Refusal."""
    words = ("identity", "an age key", "give a key that begins with AGE-SECRET-KEY-1")
    from_str = _pyrage().x25519.Identity.from_str
    keys = _parse_each(lambda identity: from_str(identity.reveal()), identities, words)
    return _open(lambda: _pyrage().decrypt(data, keys), "key")


def _open(decrypt: Any, by_what: str) -> bytes:  # noqa: ANN401 - pyrage has no types
    with suppress(_pyrage().DecryptError):
        return bytes(decrypt())
    message = f"the file cannot be opened: the {by_what} is wrong, or the file was changed or truncated"
    raise Refusal("cannot run", message, f"check the {by_what}, and {_COPIED}")


def _pyrage() -> Any:  # noqa: ANN401 - pyrage has no types
    try:
        import pyrage  # type: ignore[import-untyped]  # noqa: PLC0415 - only the `backup` extra has it
    except ModuleNotFoundError:
        message = 'the Python package "pyrage" is not installed'
        raise Refusal("cannot run", message, f"run: {install_line('backup')}") from None
    return pyrage


def require_writable(path: Path, *, replaces: bool) -> None:
    """Raises Refusal if `write_private` would; call it before the content is made."""
    shown = quote(str(path))
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        status = None
    except OSError as error:
        raise Refusal("cannot run", f"{shown} cannot be written: {system_reason(error)}", "name another file") from None
    if status is not None and not stat.S_ISREG(status.st_mode):
        kind = "a link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
        raise Refusal("cannot run", f"{shown} is {kind}", "name another file")
    if status is not None and not replaces:
        raise Refusal("cannot run", f"{shown} already exists", "name another file, or add --replace")
    require_folder(path.parent, f"of {shown}")


def require_folder(folder: Path, shown: str) -> None:
    """Raises Refusal if no new file can be written into `folder`."""
    if not folder.is_dir():
        raise Refusal("cannot run", f"the folder {shown} does not exist", "create it, or name another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Refusal("cannot run", f"the folder {shown} is read-only", "name another")


def write_private(path: Path, content: bytes, *, replaces: bool) -> None:
    """Replaces `path` by a file that only its owner can read; returns once it is on disk.

    Raises Refusal; then, and after Ctrl-C, the old file is unchanged.
    """
    require_writable(path, replaces=replaces)
    temporary, shown = temporary_beside(path), quote(str(path))
    try:
        create_file(temporary, content)
        if replaces:
            temporary.replace(path)
        else:
            _put_in_place(temporary, path)
        sync_folder(path.parent)
    except FileExistsError:
        raise Refusal("cannot run", f"{shown} already exists", "name another file, or add --replace") from None
    except OSError as error:
        raise Refusal("cannot run", f"{shown} cannot be written: {system_reason(error)}", "name another file") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _put_in_place(temporary: Path, path: Path) -> None:
    try:
        # Unlike a rename, this refuses a file that was made since the check.
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links, where another file can still come in between.
        if os.path.lexists(path):
            raise FileExistsError from None
        temporary.replace(path)
