import json

import pytest

from compiler import refusal
from compiler.refusal import (
    COULD_NOT_RUN,
    FOUND,
    OF_REFUSAL,
    USAGE,
    Refusal,
    describe_defect,
    follows_interrupt,
    system_reason,
)


def test_a_refusal_holds_what_is_shown() -> None:
    refused = Refusal("cannot run", "no", "do this", "a\nb")
    assert (refused.kind, refused.message, refused.help, refused.details) == ("cannot run", "no", "do this", "a\nb")
    assert str(refused) == "no"
    assert (Refusal("usage", "no").help, Refusal("usage", "no").details) == (None, "")


def test_every_code_has_its_meaning() -> None:
    codes = {value for name, value in vars(refusal).items() if name.isupper() and isinstance(value, int)}
    assert codes == refusal.MEANINGS.keys() == {0, 1, 2, 3, 4, 130}


def test_every_kind_has_its_exit_code() -> None:
    assert OF_REFUSAL == {"usage": USAGE, "cannot run": COULD_NOT_RUN, "found": FOUND}


SENTINEL = "hunter2hunter2"


def _caught() -> BaseException:
    try:
        try:
            json.loads(SENTINEL)
        except ValueError as error:
            raise RuntimeError(SENTINEL) from error
    except RuntimeError as error:
        return error
    raise AssertionError


def test_the_short_form_has_neither_text_nor_machine_path() -> None:
    text = describe_defect(_caught(), is_debug=False)
    assert text.startswith("internal error: RuntimeError at unit/test_refusal.py:")
    assert SENTINEL not in text
    assert "/work" not in text


def test_the_long_form_names_places_and_causes() -> None:
    text = describe_defect(_caught(), is_debug=True)
    assert "unit/test_refusal.py:" in text
    assert "  after JSONDecodeError\n" in text
    assert SENTINEL not in text


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert describe_defect(ValueError(SENTINEL), is_debug=False).startswith(
        "internal error: ValueError at unknown place"
    )


def failure(first: BaseException, then: Exception | None = None) -> BaseException:
    try:
        try:
            raise first
        finally:
            if then is not None:
                raise then
    except BaseException as error:  # noqa: BLE001 - whatever it is
        return error


@pytest.mark.parametrize(
    ("error", "follows"),
    [
        (failure(KeyboardInterrupt()), True),
        (failure(KeyboardInterrupt(), RuntimeError("release unlocked lock")), True),
        (failure(KeyError(), RuntimeError()), False),
        (failure(KeyError()), False),
        (None, False),
    ],
)
def test_what_comes_while_an_interrupt_is_handled_follows_it(
    error: BaseException | None,
    follows: bool,  # noqa: FBT001
) -> None:
    assert follows_interrupt(error) is follows


def test_the_systems_words_stand_without_number_and_path() -> None:
    assert system_reason(PermissionError(13, "Permission denied", "/a/path")) == "permission denied"
    assert system_reason(OSError("of a library, with whatever it holds")) == "unknown reason"
