import pytest

from compiler.change.apply import holds, is_as_meant
from compiler.change.plan import Write
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value import Comparer, JsonKind, SecretValue
from tests.unit.memory_store import secrets

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
    assert is_as_meant(Write("azure", "a", (), secrets(A="new"), base=base), found) is is_meant


def test_without_a_base_the_changes_are_all() -> None:
    write = Write("azure", "a", (), secrets(A="x"))
    assert is_as_meant(write, remote(A=SecretValue("x")))
    assert not is_as_meant(write, remote(A=SecretValue("x"), B=SecretValue("y")))


def test_a_whole_value_is_compared_as_one() -> None:
    base = remote("old", A=SecretValue("x"))
    for write in (
        Write("azure", "a", (), {}, whole=SecretValue("new"), base=base),
        Write("azure", "a", (), {}, earlier=remote("new"), base=base),
    ):
        assert is_as_meant(write, remote("new"))
        assert not is_as_meant(write, remote("old"))
        assert not is_as_meant(write, remote(A=SecretValue("x")))


def test_a_property_is_held_by_name_kind_and_text() -> None:
    found = remote(A=SecretValue("x"))
    assert holds(found, "A", SecretValue("x"), COMPARER)
    assert not holds(found, "A", number("x"), COMPARER)
    assert not holds(found, "B", SecretValue("x"), COMPARER)
