import pytest

from compiler.text.wording import closest, suggest

SECRETS = ("global", "argocd", "github", "jira", "pagerduty", "slack", "backstage")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("gihub", "github"),
        ("GitHub", "github"),
        ("pager-duty", "pagerduty"),
        ("slak", "slack"),
        ("argo", "argocd"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_closest_word(word: str, expected: str | None) -> None:
    assert closest(word, SECRETS) == expected


def test_case_alone_is_a_typo_and_the_first_of_equals_wins() -> None:
    assert closest("STORE", ["store", "Store"]) == "store"
    assert closest("refreshinterval", ["refreshInterval", "fetch"]) == "refreshInterval"


def test_nothing_is_close_to_nothing() -> None:
    assert closest("x", []) is None


def test_help_suggests_lists_or_says_nothing() -> None:
    assert suggest("gihub", SECRETS, "secrets") == 'did you mean "github"?'
    assert suggest("zzz", ["pat", "app"], "variants") == 'the variants are "pat", "app"'
    assert suggest("zzz", [], "variants") == "there are no variants"
    assert suggest("zzz", [f"secret-{n}" for n in range(19)], "secrets") is None
    assert suggest("zzz", (f"s{n}" for n in range(18)), "secrets") is not None


def test_help_never_repeats_the_word_that_was_written() -> None:
    for word in ("gihub-token-hunter2", "zzz-hunter2"):
        assert "hunter2" not in (suggest(word, SECRETS, "secrets") or "")


def test_an_overlong_word_is_like_nothing() -> None:
    assert closest("a" * 253, ["a" * 253]) == "a" * 253
    assert closest("a" * 254, ["a" * 253]) is None
