import pytest

from compiler.stages.load import plain_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-17", -17),
        ("1.50", 1.5),
        ("azure", "azure"),
        ("1h", "1h"),
        ("tRue", "tRue"),
    ],
)
def test_both_versions_of_yaml_read_the_same(text: str, value: object) -> None:
    found = plain_scalar(text)
    assert found == (value, False)
    assert type(found[0]) is type(value)


@pytest.mark.parametrize(
    "text", ["no", "Y", "ON", "<<", "=", "08", "0o17", "0x1F", "1e3", "1_000", "1:30", ".5", ".inf", "2026-01-31"]
)
def test_what_either_version_reads_otherwise_stays_text_and_is_told(text: str) -> None:
    assert plain_scalar(text) == (text, True)


def test_a_number_of_more_digits_than_programs_keep_is_told() -> None:
    assert plain_scalar("1" * 18) == (int("1" * 18), False)
    assert plain_scalar("1" * 20) == ("1" * 20, True)
