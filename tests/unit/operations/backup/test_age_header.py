import base64
import time

import pytest

from compiler.operations.age_file import unarmored, work_factor
from compiler.refusal import Refusal
from tests.pace import allowed

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
    assert unarmored(FILE) is FILE
    assert unarmored(b"") == b""
    for armored in (ARMOR, b"\n " + ARMOR, ARMOR.replace(b"\n", b"\r\n"), ARMOR.rstrip() + b"\n\n"):
        assert unarmored(armored) == FILE


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
        unarmored(armored)


def test_hostile_armor_costs_linear_time() -> None:
    begin = time.process_time()
    for hostile in (ARMOR[:35] + b"\n" * 1_000_000, ARMOR + b" " * 1_000_000 + b"x", b"\n" * 1_000_000 + ARMOR[:-9]):
        with pytest.raises(Refusal):
            unarmored(hostile)
    assert time.process_time() - begin < allowed(1)
