import pytest

from compiler.stores.errors import Code, StoreLocation
from compiler.stores.interface import Attributes, Problem, RemoteSecret
from compiler.stores.secret_value import JsonKind, SecretValue
from compiler.stores.vault.store import error_of_problem, problems_of_write

SENTINEL = "s3ntinel-4711"


def problems(
    name: str, changes: dict[str, SecretValue], base: RemoteSecret | None = None, attributes: Attributes | None = None
) -> list[tuple[str, str | None]]:
    found = list(problems_of_write(name, changes, base, attributes))
    assert all(SENTINEL not in f"{problem}" for problem in found)
    return [(problem.code, problem.property) for problem in found]


def test_a_sound_write_has_no_problem() -> None:
    assert problems("a/b", {"A": SecretValue(SENTINEL), "tls.crt": SecretValue("\n-----\n")}) == []


def test_all_problems_are_told_at_once() -> None:
    changes = {
        "A": SecretValue(""),
        "": SecretValue("x"),
        "B": SecretValue(SENTINEL + "\0"),
        "N": SecretValue("1", JsonKind.NUMBER),
    }
    assert problems("../a", changes) == [
        (Code.INVALID_NAME, None),
        (Code.INVALID_VALUE, "A"),
        (Code.INVALID_NAME, ""),
        (Code.INVALID_VALUE, "B"),
        (Code.INVALID_VALUE, "N"),
    ]


def test_the_size_is_that_of_the_merged_document() -> None:
    half = SecretValue("x" * 600_000)
    base = RemoteSecret("a", "1", {"OLD": half}, Attributes())
    assert problems("a", {"NEW": half}) == []
    assert problems("a", {"NEW": half}, base) == [(Code.TOO_LARGE, None)]
    assert problems("a", {"OLD": half}, base) == []


@pytest.mark.parametrize(
    ("character", "bytes_each"), [("x", 1), ("\u00e9", 2), ("\x01", 6), ("\n", 2), ('"', 2), ("\U0001f600", 4)]
)
def test_the_size_is_that_of_the_json_to_the_byte(character: str, bytes_each: int) -> None:
    room = 1024 * 1024 - 4096 - len('{"A": ""}')
    fits, spare = divmod(room, bytes_each)
    assert problems("a", {"A": SecretValue(character * fits + "x" * spare)}) == []
    assert problems("a", {"A": SecretValue(character * fits + "x" * (spare + 1))}) == [(Code.TOO_LARGE, None)]


def test_tags_are_measured_in_bytes() -> None:
    for tags, count in (({"k": "ü" * 256}, 0), ({"k": "ü" * 257}, 1), ({"ü" * 65: "v"}, 1)):
        assert len(problems("a", {"A": SecretValue("1")}, None, Attributes(tags=tags))) == count


@pytest.mark.parametrize("code", [Code.INVALID_NAME, Code.INVALID_VALUE, Code.TOO_LARGE])
def test_a_problem_becomes_the_error_that_a_write_raises(code: Code) -> None:
    error = error_of_problem(Problem(code, "a", "why", "what"), StoreLocation("https://vault", "a"))
    assert error.code is code
    assert (error.reason, error.remedy) == ("why", "what")
