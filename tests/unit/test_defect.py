import json

from compiler.refusal import describe_defect

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
    assert text.startswith("internal error: RuntimeError at unit/test_defect.py:")
    assert SENTINEL not in text
    assert "/work" not in text


def test_the_long_form_names_places_and_causes() -> None:
    text = describe_defect(_caught(), is_debug=True)
    assert "unit/test_defect.py:" in text
    assert "  after JSONDecodeError\n" in text
    assert SENTINEL not in text


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert describe_defect(ValueError(SENTINEL), is_debug=False).startswith(
        "internal error: ValueError at unknown place"
    )
