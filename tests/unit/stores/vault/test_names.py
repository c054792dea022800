import pytest

from compiler.stores.vault.log_in import name_problem, property_problem


@pytest.mark.parametrize(
    "name", ["a", "ai-platform-engineering/github-secret", "a b/c", "ü/ß", "a..b", "...", "x" * 512, "a-/-b"]
)
def test_ordinary_names_are_taken(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("", "empty"),
        ("x" * 513, "longer"),
        ("a\nb", "control"),
        ("a\0", "control"),
        ("a\x85", "control"),
        ("a%2e", "%"),
        ("a\\b", "%"),
        ("a?b", "%"),
        ("a#b", "%"),
        ("a*", "%"),
        ("\udfff", "surrogate"),
        ("/a", "starts or ends"),
        ("a/", "starts or ends"),
        ("a//b", "//"),
        ("a/../b", "is . or .."),
        ("..", "is . or .."),
        ("a/./b", "is . or .."),
        ("a/ b", "white space"),
        ("-a/b", "option"),
        ("-mount=other", "option"),
    ],
)
def test_names_that_could_mean_another_path_are_refused(name: str, cause: str) -> None:
    assert cause in (name_problem(name) or "")


def test_property_names() -> None:
    assert property_problem("tls.crt") is None
    for bad in ("", "a\nb", "\ud800"):
        assert property_problem(bad)
