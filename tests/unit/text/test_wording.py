import pytest

from compiler.text.wording import counted, listed, numbered, pieces_of, quoted


def test_quotes_a_name() -> None:
    assert quoted("agent-github") == '"agent-github"'


def test_never_shows_what_looks_like_a_credential() -> None:
    token = "ghp_" + "0123456789abcdefghij" + "ABCDEFGHIJKLMNOP"
    assert token not in quoted(f"a/{token}")
    assert token not in listed(["a", token])


@pytest.mark.parametrize("character", ["\n", "\x1b", "\u2028", "\u202e"])
def test_stays_on_one_line_and_gives_no_orders_to_a_terminal(character: str) -> None:
    assert quoted(f"a{character}b") == '"a\N{REPLACEMENT CHARACTER}b"'


def test_cuts_a_long_list_and_says_so() -> None:
    assert listed(["a", "b"]) == '"a", "b"'
    assert listed("abcde") == '"a", "b", "c", "d", "e"'
    assert listed("abcdefg") == '"a", "b", "c", "d", "e" and 2 more'
    assert listed("abcdefg", 6) == '"a", "b", "c", "d", "e", "f" and 1 more'
    assert listed("abcdefg", 7) == '"a", "b", "c", "d", "e", "f", "g"'


def test_a_name_that_is_longer_than_any_is_cut() -> None:
    assert quoted("a" * 300) == f'"{"a" * 300}"'
    assert quoted("a" * 200_000) == f'"{"a" * 300}..."'
    token = "ghp_" + "0123456789abcdefghij" + "ABCDEFGHIJKLMNOP"
    assert "ghp_" not in quoted("-" * 290 + token)


def test_the_names_of_a_line_are_pieces_and_the_rest_is_counted() -> None:
    assert pieces_of(["a", "b"]) == ("a", ", ", "b")
    assert pieces_of("abc", 2) == ("a", ", ", "b", " and 1 more")
    assert "".join(pieces_of([str(number) for number in range(5000)])).endswith(", 11 and 4988 more")
    assert pieces_of([]) == ()


def test_counts() -> None:
    assert (counted(1, "key"), counted(0, "key"), counted(2, "remote secret")) == (
        "1 key",
        "0 keys",
        "2 remote secrets",
    )


@pytest.mark.parametrize(("versions", "words"), [((), ""), (("2",), "version 2"), (("1", "10"), "versions 1, 10")])
def test_versions_are_numbered(versions: tuple[str, ...], words: str) -> None:
    assert numbered(versions) == words
