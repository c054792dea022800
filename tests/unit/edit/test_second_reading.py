import pytest

from compiler.edit.yaml_edit import second_reading
from compiler.stages.emit import read_values


def test_it_reads_what_is_no_matter_of_versions_as_the_compiler_does() -> None:
    text = 'a: {b: [1, "2"], c: true}\nd: |\n  x\n  y\n'
    assert second_reading(text) == read_values(text) == {"a": {"b": [1, "2"], "c": True}, "d": "x\ny\n"}


@pytest.mark.parametrize(("text", "old", "new"), [("yes", True, "yes"), ("010", 8, 10), ("1:30", 90, "1:30")])
def test_it_reads_yaml_of_version_1_2(text: str, old: object, new: object) -> None:
    assert read_values(text) == old
    assert second_reading(text) == new


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "[" * 600 + "]" * 600, "a: 2024-99-99"])
def test_what_it_cannot_read_is_nothing(text: str) -> None:
    assert second_reading(text) is None
