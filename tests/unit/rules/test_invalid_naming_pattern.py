import pytest

from compiler.rules.invalid_naming_pattern import check
from compiler.stores.registry import PATTERNS
from tests.unit.rules.conftest import CATALOGUE, Judge


@pytest.mark.parametrize("member", ["target", "vault", "azurekv"])
def test_finds_an_unknown_placeholder_where_it_stands(judge: Judge, member: str) -> None:
    found = judge(check, f'{CATALOGUE}naming: {{{member}: "{{nam}}-{{secret}}"}}\n')
    assert (found.marked, found.helps) == (["{nam}"], ['did you mean "name"?'])


def test_marks_the_whole_of_a_text_that_the_file_has_otherwise(judge: Judge) -> None:
    found = judge(check, CATALOGUE + 'naming: {target: "{\\x6eam}-{secret}"}\n')
    assert found.marked == ['"{\\x6eam}-{secret}"']


def test_finds_a_pattern_that_tells_no_secrets_apart(judge: Judge) -> None:
    found = judge(check, CATALOGUE + 'naming:\n  vault: "{namespace}/all"\n')
    assert found.marked == ["{namespace}/all"]


def test_keeps_quiet_about_good_patterns_and_none(judge: Judge) -> None:
    assert not judge(check, CATALOGUE)
    good = 'naming: {name: shop, target: "{name}-{secret}", vault: "{namespace}/{secret}", azurekv: "x-{secret}"}\n'
    assert not judge(check, CATALOGUE + good)


@pytest.mark.parametrize("pattern", [*PATTERNS.values(), "{secret}", "agent-{secret}-secrets"])
def test_a_pattern_of_known_placeholders_has_no_fault(judge: Judge, pattern: str) -> None:
    assert not judge(check, f"{CATALOGUE}naming: {{target: '{pattern}'}}\n")


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
def test_what_is_wrong_is_marked_with_a_way_out(
    judge: Judge, pattern: str, marked: str, message: str, way_out: str
) -> None:
    found = judge(check, f"{CATALOGUE}naming: {{target: '{pattern}'}}\n")
    assert (found.marked[0], found.messages[0], found.helps[0]) == (marked, message, way_out)


def test_every_fault_is_found(judge: Judge) -> None:
    assert judge(check, CATALOGUE + 'naming: {target: "{a}{b}"}\n').messages == [
        '"a" is not a placeholder',
        '"b" is not a placeholder',
        'the pattern has no "{secret}", so that every secret would have one name',
    ]
