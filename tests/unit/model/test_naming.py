import pytest

from compiler.model.environment import faults, filled, placeholders
from compiler.stores.registry import PATTERNS


@pytest.mark.parametrize("pattern", [*PATTERNS.values(), "{secret}", "agent-{secret}-secrets"])
def test_a_pattern_of_known_placeholders_has_no_fault(pattern: str) -> None:
    assert list(faults(pattern)) == []


@pytest.mark.parametrize(
    ("pattern", "marked", "message", "way_out"),
    [
        ("{nam}-{secret}", "{nam}", '"nam" is not a placeholder', 'did you mean "name"?'),
        ("{}{secret}", "{}", '"" is not a placeholder', 'the placeholders are "name", "namespace", "secret"'),
        ("{secret", "{", 'a "{" alone is not a placeholder', "the placeholders are {name}, {namespace}, {secret}"),
        ("{secret}}", "}", 'a "}" alone is not a placeholder', "the placeholders are {name}, {namespace}, {secret}"),
        (
            "{name}-x",
            "{name}-x",
            'the pattern has no "{secret}", so that every secret would have one name',
            "write {secret} where the secret's id belongs",
        ),
    ],
)
def test_what_is_wrong_is_marked_with_a_way_out(pattern: str, marked: str, message: str, way_out: str) -> None:
    first = next(iter(faults(pattern)))
    assert (pattern[first.start : first.end], first.message, first.help) == (marked, message, way_out)


def test_every_fault_is_found() -> None:
    assert [each.message for each in faults("{a}{b}")] == [
        '"a" is not a placeholder',
        '"b" is not a placeholder',
        'the pattern has no "{secret}", so that every secret would have one name',
    ]


def test_placeholders_are_replaced_once() -> None:
    assert placeholders("{name}/{secret}/{name}") == ("name", "secret", "name")
    # What is put in is not looked at again.
    assert filled("{name}-{secret}", {"name": "{secret}", "secret": "db"}) == "{secret}-db"
