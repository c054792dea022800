import pytest

from compiler.change.apply import holds, is_as_meant, other_bytes
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value import Comparer, JsonKind, SecretValue
from tests.unit.memory_store import MemoryStore

COMPARER = Comparer()


def remote(whole: str | None = None, **properties: SecretValue) -> RemoteSecret:
    return RemoteSecret("a", "1", properties, Attributes(), SecretValue(whole) if whole is not None else None)


def number(text: str) -> SecretValue:
    return SecretValue(text, JsonKind.NUMBER)


@pytest.mark.parametrize(
    ("found", "is_meant"),
    [
        (remote(A=SecretValue("new"), N=number("1.10")), True),
        (remote(A=SecretValue("old"), N=number("1.10")), False),
        (remote(A=SecretValue("new"), N=number("1.1")), False),
        (remote(A=SecretValue("new"), N=SecretValue("1.10")), False),
        (remote(A=SecretValue("new")), False),
        (remote(A=SecretValue("new"), N=number("1.10"), B=SecretValue("more")), False),
    ],
)
def test_what_was_written_and_what_stood_beside_it_must_be_there(found: RemoteSecret, *, is_meant: bool) -> None:
    base = remote(A=SecretValue("old"), N=number("1.10"))
    assert is_as_meant(found, base, {"A": SecretValue("new")}, None, COMPARER) is is_meant


def test_without_a_base_the_changes_are_all() -> None:
    assert is_as_meant(remote(A=SecretValue("x")), None, {"A": SecretValue("x")}, None, COMPARER)
    assert not is_as_meant(
        remote(A=SecretValue("x"), B=SecretValue("y")), None, {"A": SecretValue("x")}, None, COMPARER
    )


def test_a_whole_value_is_compared_as_one() -> None:
    base = remote("old", A=SecretValue("x"))
    assert is_as_meant(remote("new"), base, {}, SecretValue("new"), COMPARER)
    assert not is_as_meant(remote("old"), base, {}, SecretValue("new"), COMPARER)
    assert not is_as_meant(remote(A=SecretValue("x")), base, {}, SecretValue("new"), COMPARER)


def test_a_property_is_held_by_name_kind_and_text() -> None:
    found = remote(A=SecretValue("x"))
    assert holds(found, "A", SecretValue("x"), COMPARER)
    assert not holds(found, "A", number("x"), COMPARER)
    assert not holds(found, "B", SecretValue("x"), COMPARER)


def test_what_is_stored_and_wrong_is_told_with_its_version() -> None:
    doubt = other_bytes(MemoryStore(), "a", "3")
    assert (doubt.version, doubt.reason) == ("3", "version 3 reads back with a different value than was written")
    told = (
        f'cannot write "a" in https://memory: {doubt.reason}; check that version by hand, and do not trust this address'
    )
    assert str(doubt) == told
