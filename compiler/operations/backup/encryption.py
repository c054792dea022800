"""Encrypts and decrypts age files, with keys or a passphrase; the only module that imports pyrage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.operations.backup.age_header import (
    HIGHEST_WORK_FACTOR,
    MAGIC,
    SCRYPT,
    AgeHeaderError,
    memory_of,
    unarmored,
    work_factor,
)
from compiler.refusal import Refusal
from compiler.text.extra import install_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.stores.values.secret import SecretValue

# Whoever has the file can try passphrases for as long as they like.
SHORTEST_PASSPHRASE = 12
_GIBIBYTE = 2**30
_COPIED = "compare the file with the one that it was copied from"


def encrypt_to(plain: bytes, recipients: Sequence[str]) -> bytes:
    """An age file that each of `recipients` (`age1…`) can open. Raises Refusal, which quotes no key and no content."""
    return bytes(_pyrage().encrypt(plain, parsed_recipients(recipients)))


def encrypt_with(plain: bytes, passphrase: SecretValue) -> bytes:
    """An age file that the passphrase opens. Raises Refusal."""
    require_passphrase(passphrase)
    sealed = bytes(_pyrage().passphrase.encrypt(plain, passphrase.reveal()))
    # `restore` must be able to open it.
    _require_bounded(sealed)
    return sealed


def require_passphrase(passphrase: SecretValue) -> None:
    if len(passphrase.reveal()) < SHORTEST_PASSPHRASE:
        raise Refusal(
            "cannot run",
            f"the passphrase is shorter than {SHORTEST_PASSPHRASE} characters",
            "use a longer one, or encrypt to a recipient's key",
        )


def parsed_recipients(texts: Sequence[str]) -> list[Any]:
    """The recipients as pyrage's objects. Raises Refusal, which names an invalid one by its number only."""
    kind = _pyrage().x25519.Recipient
    found = []
    for number, text in enumerate(texts, 1):
        try:
            found.append(kind.from_str(text))
        except Exception:  # noqa: BLE001 - pyrage's errors have no common class, and may quote the text
            found.append(None)
        if found[-1] is None:
            message = f"recipient {number} is not an age recipient"
            raise Refusal("cannot run", message, "give a public key that begins with age1, as age-keygen -y prints")
    return found


def age_file(data: bytes) -> bytes:
    """The binary age file that `data` is, or holds as text. Raises Refusal for any other file."""
    try:
        binary = unarmored(data)
    except AgeHeaderError as error:
        raise Refusal("cannot run", f"the file cannot be opened: {error}", _COPIED) from None
    if not binary.startswith(MAGIC):
        raise Refusal("cannot run", "the file is not a backup: it does not begin like an age file", "name another file")
    return binary


def needs_passphrase(data: bytes) -> bool:
    """Whether a passphrase opens the age file, rather than a key.

    Raises Refusal for one that costs too much to open, before anybody is asked for the passphrase.
    """
    if not data.startswith(SCRYPT):
        return False
    _require_bounded(data)
    return True


def _require_bounded(data: bytes) -> None:
    try:
        factor = work_factor(data)
    except AgeHeaderError as error:
        raise Refusal("cannot run", f"the file cannot be opened: {error}", _COPIED) from None
    if factor > HIGHEST_WORK_FACTOR:
        raise Refusal(
            "cannot run",
            f"the file's scrypt work factor is {factor}, which takes {memory_of(factor) // _GIBIBYTE} GiB of memory to "
            f"open; the highest that is accepted is {HIGHEST_WORK_FACTOR}",
            "if you trust it, encrypt it again, to a key: `age -d FILE | age -r RECIPIENT > NEW`",
        )


def decrypt_with(data: bytes, passphrase: SecretValue) -> bytes:
    """What the age file holds. Raises Refusal."""
    _require_bounded(data)
    return _opened(lambda: _pyrage().passphrase.decrypt(data, passphrase.reveal()), "passphrase")


def decrypt_by(data: bytes, identities: Sequence[SecretValue]) -> bytes:
    """What the file holds, for any of the `identities` (`AGE-SECRET-KEY-1…`). Raises Refusal."""
    kind = _pyrage().x25519.Identity
    keys = []
    for number, identity in enumerate(identities, 1):
        try:
            keys.append(kind.from_str(identity.reveal()))
        except Exception:  # noqa: BLE001 - see parsed_recipients
            keys.append(None)
        if keys[-1] is None:
            raise Refusal(
                "cannot run", f"identity {number} is not an age key", "give a key that begins with AGE-SECRET-KEY-1"
            )
    return _opened(lambda: _pyrage().decrypt(data, keys), "key")


def _opened(decrypt: Any, by_what: str) -> bytes:  # noqa: ANN401 - pyrage has no types
    error: type[Exception] = _pyrage().DecryptError
    try:
        return bytes(decrypt())
    except error:
        pass
    raise Refusal(
        "cannot run",
        f"the file cannot be opened: the {by_what} is wrong, or the file was changed or truncated",
        f"check the {by_what}, and compare the file with the one that it was copied from",
    )


def _pyrage() -> Any:  # noqa: ANN401 - pyrage has no types
    try:
        import pyrage  # type: ignore[import-untyped]  # noqa: PLC0415 - only the `backup` extra has it
    except ModuleNotFoundError:
        raise Refusal(
            "cannot run", 'the Python package "pyrage" is not installed', f"run: {install_line('backup')}"
        ) from None
    return pyrage
