import pytest

from compiler.rules.invalid_naming_pattern import check
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
