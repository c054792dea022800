import pytest

from compiler.live.read_many import Likeness, compare_held, compare_value
from compiler.stores import errors
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value import Comparer, JsonKind, SecretValue

HELD = {"TEXT": SecretValue("7"), "NUMBER": SecretValue("7", JsonKind.NUMBER), "EMPTY": SecretValue("")}
REMOTE = RemoteSecret("name", "v1", HELD, Attributes(), SecretValue("whole"))
TEXT, NUMBER, WHOLE = SecretValue("7"), SecretValue("7", JsonKind.NUMBER), SecretValue("whole")


@pytest.mark.parametrize(
    ("value", "property_", "exactly", "or_its_text"),
    [
        (TEXT, "TEXT", Likeness.EQUAL, Likeness.EQUAL),
        # A migration turns a number into its text, and no text into a number.
        (NUMBER, "TEXT", Likeness.DIFFERENT, Likeness.EQUAL),
        (TEXT, "NUMBER", Likeness.DIFFERENT, Likeness.DIFFERENT),
        # A blank value is none beside another one.
        (TEXT, "EMPTY", Likeness.MISSING, Likeness.MISSING),
        (SecretValue(" "), "EMPTY", Likeness.MISSING, Likeness.MISSING),
        (SecretValue(""), "EMPTY", Likeness.EQUAL, Likeness.EQUAL),
        (SecretValue("\n"), "TEXT", Likeness.ONLY_THERE, Likeness.ONLY_THERE),
        (TEXT, "NONE", Likeness.MISSING, Likeness.MISSING),
        (WHOLE, None, Likeness.EQUAL, Likeness.EQUAL),
        (TEXT, None, Likeness.DIFFERENT, Likeness.DIFFERENT),
    ],
)
def test_what_is_held_is_the_same_or_another_or_missing(
    value: SecretValue, property_: str | None, exactly: Likeness, or_its_text: Likeness
) -> None:
    for takes_text, likeness in ((False, exactly), (True, or_its_text)):
        assert compare_value(value, REMOTE, property_, Comparer(), or_its_text=takes_text) is likeness


WHERE = errors.StoreLocation("https://store", "name"), errors.Action.READ, "the reason", "the remedy"


@pytest.mark.parametrize(
    ("error", "likeness"),
    [
        (errors.NotFoundError(*WHERE), Likeness.MISSING),
        (errors.SoftDeletedError(*WHERE), Likeness.MISSING),
        (errors.VersionGoneError(*WHERE, version="v1"), Likeness.MISSING),
        (errors.DisabledError(*WHERE), Likeness.UNKNOWN),
        (errors.StoreError(*WHERE, errors.Code.UNAVAILABLE), Likeness.UNKNOWN),
    ],
)
def test_a_store_that_does_not_say_what_it_holds_is_no_store_without_it(
    error: errors.StoreError, likeness: Likeness
) -> None:
    assert compare_value(TEXT, error, None, Comparer()) is likeness


def test_what_two_stores_hold_is_equal_or_different_or_in_one_of_them_alone() -> None:
    for there, here, likeness in (
        (TEXT, SecretValue("7"), Likeness.EQUAL),
        (TEXT, NUMBER, Likeness.DIFFERENT),
        (TEXT, None, Likeness.ONLY_THERE),
        (None, TEXT, Likeness.MISSING),
        (None, None, Likeness.MISSING),
    ):
        assert compare_held(there, here, Comparer()) is likeness
