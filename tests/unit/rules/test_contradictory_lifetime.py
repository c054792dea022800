import pytest

from compiler.rules.contradictory_lifetime import check
from tests.unit.rules.conftest import CATALOGUE, Judge


def _catalogue(key: str) -> str:
    return CATALOGUE.replace("AWS_REGION: {}", f"AWS_REGION: {{{key}}}")


@pytest.mark.parametrize(
    ("key", "marked", "message", "help_text"),
    [
        (
            "rotate: 91d, maxAge: 90d",
            "91d",
            '"AWS_REGION" would be rotated after 91 days, but its issuer ends it after 90',
            "rotate it before, such as every 83d",
        ),
        (
            "rotateWith: [AWS_ACCESS_KEY]",
            "[AWS_ACCESS_KEY]",
            '"aws" has no key "AWS_ACCESS_KEY"',
            'did you mean "AWS_ACCESS_KEY_ID"?',
        ),
        ("rotateWith: [AWS_REGION]", "[AWS_REGION]", '"AWS_REGION" names itself', "name another key of the entry"),
        (
            "previousKey: AWS_ACCESS_KEY_ID, overlap: two-keys",
            "AWS_ACCESS_KEY_ID",
            '"AWS_REGION" has a key for its old value, and no `overlap: previous`',
            "write `overlap: previous`, or remove `previousKey`",
        ),
        (
            "generate: {length: 32}",
            "{length: 32}",
            '"AWS_REGION" is made by its issuer',
            "write `issuer: self` if the value is ours to choose",
        ),
        (
            "issuer: self, generate: {length: 38, alphabet: '0123456789'}",
            "{length: 38, alphabet: '0123456789'}",
            'a generated "AWS_REGION" would have 126 bits, and a secret needs 128',
            "make `length` or `alphabet` larger",
        ),
        (
            "issuer: self, generate: {length: 120, alphabet: 'aabb'}",
            "{length: 120, alphabet: 'aabb'}",
            'a generated "AWS_REGION" would have 120 bits, and a secret needs 128',
            "make `length` or `alphabet` larger",
        ),
    ],
)
def test_finds_a_contradiction(judge: Judge, key: str, marked: str, message: str, help_text: str) -> None:
    found = judge(check, _catalogue(key))
    assert (found.messages, found.marked, found.helps) == ([message], [marked], [help_text])


def test_points_at_the_entry_that_says_it_for_all_keys(judge: Judge) -> None:
    text = "secrets: {a: {target: a, syncWave: 1, remote: {vault: a}, maxAge: 30d, rotate: 60d, keys: {A: {}}}}"
    found = judge(check, text)
    assert (found.marked, len(found.messages)) == (["60d"], 1)


def test_a_key_that_takes_its_value_names_no_place_for_an_old_one(judge: Judge) -> None:
    text = CATALOGUE.replace(
        "AWS_REGION: {}", "AWS_REGION: {rotateWith: [TAKEN]}\n      TAKEN: {from: aws/AWS_ACCESS_KEY_ID}"
    )
    assert judge(check, text).messages == ['"TAKEN" has its value from another key']


@pytest.mark.parametrize(
    "key",
    [
        "rotate: 90d, maxAge: 90d",
        "rotate: 900d",
        "maxAge: 1d",
        "rotateWith: [AWS_ACCESS_KEY_ID]",
        "overlap: previous, previousKey: AWS_ACCESS_KEY_ID",
        "overlap: previous",
        "issuer: self, generate: {length: 39, alphabet: '0123456789'}",
        "issuer: self",
    ],
)
def test_leaves_a_clear_lifetime_alone(judge: Judge, key: str) -> None:
    assert not judge(check, _catalogue(key))
