import base64
import os
import stat
import sys
import time
import traceback
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest
from pyrage import x25519

from compiler.operations.age_file import (
    age_file,
    decrypt_by,
    decrypt_with,
    encrypt_to,
    encrypt_with,
    needs_passphrase,
    parse_recipients,
    remove_armor,
    require_passphrase,
    require_writable,
    work_factor,
    write_private,
)
from compiler.refusal import Refusal
from compiler.stores.secret_value import SecretValue
from tests.pace import allowed

PLAIN = b"plain s3ntinel"
PASSPHRASE = SecretValue("correct horse battery")
# What it closed PLAIN in, with a work factor of 2: opening a file that pyrage makes takes a second each time.
CHEAP = """-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBVTU1aSFIwMUNVY3NzekRx
aWY5OWNBIDIKdDEyY0hNNVZtU3dubFlGdy9pWVVZaTJhOGE1TFpUb0RUTjcraXU5
cEhsOAotLS0gNmp5WkUyRjQ1TGF6ejVhZm9seGZPQ3VHRm9WYUp4MWg1ZUVScGMv
bnlmNAp1ACG/8Eds822Ns00cKkD7V+AUT09+kTDmOblXrUVJQUuOpNpeHezJMeIm
WVLv
-----END AGE ENCRYPTED FILE-----
"""


def pair() -> tuple[SecretValue, str]:
    identity = x25519.Identity.generate()
    return SecretValue(str(identity)), str(identity.to_public())


def test_each_recipient_opens_the_file_and_nobody_else() -> None:
    (one, one_public), (other, other_public), (third, _) = pair(), pair(), pair()
    sealed = encrypt_to(PLAIN, [one_public, other_public])
    assert PLAIN not in sealed
    assert not needs_passphrase(sealed)
    assert decrypt_by(sealed, [one]) == decrypt_by(sealed, [third, other]) == PLAIN
    with pytest.raises(Refusal, match="the key is wrong"):
        decrypt_by(sealed, [third])


def test_a_passphrase_opens_the_file_and_another_does_not() -> None:
    sealed = encrypt_with(PLAIN, PASSPHRASE)
    assert needs_passphrase(sealed)
    assert decrypt_with(sealed, PASSPHRASE) == PLAIN
    with pytest.raises(Refusal, match="the passphrase is wrong"):
        decrypt_with(age_file(CHEAP.encode()), SecretValue("incorrect horse battery"))


def test_every_flip_cut_and_addition_is_refused() -> None:
    key, public = pair()
    sealed = encrypt_to(PLAIN, [public])
    changed = [sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in range(len(sealed))]
    cut = [sealed[:length] for length in range(len(sealed))]
    for data in (*changed, *cut, sealed + b"\0", sealed + sealed):
        with pytest.raises(Refusal):
            needs_passphrase(age_file(data)) or decrypt_by(data, [key])
        with pytest.raises(Refusal):
            needs_passphrase(data) or decrypt_by(data, [key])


def test_a_bad_key_is_named_by_its_number_and_never_shown() -> None:
    key, public = pair()
    secret = key.reveal()
    for texts in (["s3ntinel"], [public, secret], [""]):
        with pytest.raises(Refusal, match=f"recipient {len(texts)} is not an age recipient") as caught:
            parse_recipients(texts)
        assert "s3ntinel" not in f"{caught.value} {caught.value.help}"
        assert secret not in f"{caught.value} {caught.value.help}"
        assert caught.value.__context__ is None
    with pytest.raises(Refusal, match="identity 2 is not an age key") as raised:
        decrypt_by(encrypt_to(PLAIN, [public]), [key, SecretValue("s3ntinel")])
    # Whoever prints a traceback with what the functions held prints no key either.
    frames = [
        frame for frame, _ in traceback.walk_tb(raised.value.__traceback__) if "/tests/" not in frame.f_code.co_filename
    ]
    assert frames
    assert "s3ntinel" not in "".join(repr(frame.f_locals) for frame in frames)


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(Refusal, match="shorter than 12"):
        require_passphrase(SecretValue("hunter2hunt"))
    with pytest.raises(Refusal, match="shorter than 12"):
        encrypt_with(PLAIN, SecretValue(""))


def test_what_is_no_age_file_is_told() -> None:
    with pytest.raises(Refusal, match="does not begin like an age file"):
        age_file(b"-----BEGIN")


def with_factor(factor: str) -> bytes:
    """A file that a passphrase closed, as far as its header tells."""
    head = f"age-encryption.org/v1\n-> scrypt gturY37bJRYKBgnuPmrrHQ {factor}\n{'SHH2' * 10}Uvs"
    return f"{head}\n--- {'XyUg' * 10}LV4\n".encode() + b"sealed"


@pytest.mark.parametrize("factor", ["21", "22", "63", "99"])
def test_a_file_that_costs_too_much_is_refused_before_it_is_opened(
    factor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = with_factor(factor)
    monkeypatch.setattr("compiler.operations.age_file._pyrage", lambda: pytest.fail("it was opened"))
    for opens in (needs_passphrase, lambda data: decrypt_with(data, PASSPHRASE)):
        with pytest.raises(Refusal, match=f"work factor is {factor}, which takes") as caught:
            opens(sealed)
        assert "age -d FILE" in (caught.value.help or "")
    assert "4 GiB" in str(caught.value) or factor != "22"


@pytest.mark.parametrize("factor", ["1", "9", "18", "20"])
def test_a_file_of_a_usual_cost_is_opened(factor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = with_factor(factor)
    opened: list[bytes] = []

    def open_it(*_: object) -> bytes:
        opened.append(sealed)
        return PLAIN

    monkeypatch.setattr("compiler.operations.age_file._open", open_it)
    assert needs_passphrase(sealed)
    assert decrypt_with(sealed, PASSPHRASE) == PLAIN
    assert opened == [sealed]


@pytest.mark.parametrize(
    "factor", ["", "0", "018", "100", "-1", "18 18", "1e1", "18\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 22"]
)
def test_a_cost_that_cannot_be_told_is_refused(factor: str) -> None:
    sealed = with_factor(factor)
    with pytest.raises(Refusal, match="its header is damaged"):
        needs_passphrase(sealed)
    with pytest.raises(Refusal, match="its header is damaged"):
        decrypt_with(sealed, PASSPHRASE)


def test_no_file_is_made_that_would_not_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = with_factor("21")
    monkeypatch.setattr("pyrage.passphrase.encrypt", lambda *_: sealed)
    with pytest.raises(Refusal, match="the highest that is accepted is 20"):
        encrypt_with(PLAIN, PASSPHRASE)


def test_an_armored_file_is_opened_as_the_binary_one_is() -> None:
    key, public = pair()
    armored = pyrage.encrypt(PLAIN, [x25519.Recipient.from_str(public)], armored=True)
    assert decrypt_by(age_file(armored), [key]) == PLAIN
    locked = age_file(CHEAP.encode())
    assert needs_passphrase(locked)
    assert decrypt_with(locked, PASSPHRASE) == PLAIN
    with pytest.raises(Refusal, match="its armor is damaged"):
        age_file(armored[:-40])
    with pytest.raises(Refusal, match="does not begin like an age file"):
        age_file(b"-----BEGIN")


def test_without_pyrage_the_way_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(Refusal) as caught:
        encrypt_with(PLAIN, PASSPHRASE)
    assert "pip install 'platform-secrets[backup]'" in (caught.value.help or "")


HEAD = b"age-encryption.org/v1\n-> scrypt gturY37bJRYKBgnuPmrrHQ 18\nSHH2Jb4p5uedDynAMofiX3mHYURJ6GYuaDKjb4yKVUs\n"
FILE = HEAD + b"--- XyUgoBqSqHe/ZfMO4twDcXZW6DhIkXRjj8h3AwhqLV4\n\x00\xff"
TEXT = base64.encodebytes(FILE)
ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----\n" + TEXT + b"-----END AGE ENCRYPTED FILE-----\n"


def test_the_factor_is_the_headers() -> None:
    assert work_factor(FILE) == 18


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD,
        FILE.replace(b" 18", b""),
        FILE.replace(b" 18", b" 018"),
        FILE.replace(b" 18", b" 0"),
        FILE.replace(b" 18", b" 180"),
        FILE.replace(b" 18", b" 18 "),
        FILE.replace(b"HQ 18", b"HQHQ 18"),
        FILE.replace(b"\n---", b"\n-> grease\n\n---"),
        FILE.replace(b"\n---", b"\n-> scrypt gturY37bJRYKBgnuPmrrHQ 22\nabc\n---"),
        HEAD + b"x" * 70_000 + FILE,
    ],
)
def test_another_header_has_none(data: bytes) -> None:
    with pytest.raises(Refusal, match="its header is damaged"):
        work_factor(data)


def test_a_binary_file_stays_as_it_is_and_armor_is_taken_off() -> None:
    assert remove_armor(FILE) is FILE
    assert remove_armor(b"") == b""
    for armored in (ARMOR, b"\n " + ARMOR, ARMOR.replace(b"\n", b"\r\n"), ARMOR.rstrip() + b"\n\n"):
        assert remove_armor(armored) == FILE


@pytest.mark.parametrize(
    "armored",
    [
        ARMOR[:-10],
        ARMOR + b"x",
        ARMOR.replace(TEXT, TEXT[:-3]),
        ARMOR.replace(TEXT, TEXT.replace(b"a", b"!")),
        ARMOR + ARMOR,
    ],
)
def test_damaged_armor_is_refused(armored: bytes) -> None:
    with pytest.raises(Refusal, match="its armor is damaged"):
        remove_armor(armored)


def test_hostile_armor_costs_linear_time() -> None:
    begin = time.process_time()
    for hostile in (ARMOR[:35] + b"\n" * 1_000_000, ARMOR + b" " * 1_000_000 + b"x", b"\n" * 1_000_000 + ARMOR[:-9]):
        with pytest.raises(Refusal):
            remove_armor(hostile)
    assert time.process_time() - begin < allowed(1)


def test_a_new_file_is_its_owners_alone_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "prod.age"
    write_private(path, b"new", replaces=False)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "prod.age"
    path.write_bytes(b"old")
    path.chmod(0o644)
    with pytest.raises(Refusal, match="already exists"):
        write_private(path, b"new", replaces=False)
    assert path.read_bytes() == b"old"
    write_private(path, b"new", replaces=True)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_appears_meanwhile_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prod.age"
    fsync = os.fsync

    def somebody_else_writes(descriptor: int) -> None:
        path.write_bytes(b"theirs")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", somebody_else_writes)
    with pytest.raises(Refusal, match="already exists"):
        write_private(path, b"ours", replaces=False)
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_without_hard_links_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_private(tmp_path / "prod.age", b"new", replaces=False)
    assert (tmp_path / "prod.age").read_bytes() == b"new"


def test_what_cannot_be_written_is_refused_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("x", "utf-8")
    for name, reason in (
        ("link", "is a link"),
        (".", "not a regular file"),
        ("no/such", 'no/such" does not exist'),
        ("file/below", "cannot be written: not a directory"),
    ):
        with pytest.raises(Refusal, match=reason):
            require_writable(tmp_path / name, replaces=True)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Refusal, match="read-only"):
        require_writable(tmp_path / "new", replaces=False)
    assert not (tmp_path / "elsewhere").exists()
