import pytest

from compiler.text.characters import Mistake
from compiler.text.yaml_mistake import (
    conflict_marker,
    find_mistake,
    length_to_show,
    template,
)

SIGN = 'a value cannot begin with "{}" like this'
NO_CONTENT = "did not find expected node content"
NO_TOKEN = "found character that cannot start any token"
NO_NAME = "did not find expected alphabetic or numeric character"
NO_BREAK = "did not find expected comment or line break"
COMMENT = 'what follows " #" is a comment, and the "{}" opened before it is not closed'
NO_COMMA = "did not find expected ',' or '}'"
NO_LIST = "block sequence entries are not allowed in this context"
UNREADABLE = "did not find expected key"
NO_MAP = "mapping values are not allowed in this context"
NO_COLON = "could not find expected ':'"


def explain(text: str, problem: str, at: str, opened: str | None = None, quote: str | None = None) -> Mistake:
    """What is said where the parser stopped at the first `at` of the text, which begins a part at `opened`."""
    begun = text.index(opened) if opened is not None else None
    return find_mistake(text, problem, text.index(at), begun, text.index(quote) if quote is not None else None)


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("a: b\n<<<<<<< HEAD\nc: d\n", "<<<<<<<"),
        ("a: b\n=======\nc: d\n", "======="),
        ("a: b\n>>>>>>> x", ">>>>>>>"),
        ("a: b\r\n||||||| 12ab\r\n", "|||||||"),
    ],
)
def test_a_marker_of_a_conflict_is_found_at_its_line(text: str, marker: str) -> None:
    found = conflict_marker(text)
    assert found is not None
    assert (found.message, text[found.start : found.end]) == ("a merge conflict is not resolved", marker)


@pytest.mark.parametrize("text", ["a: <<<<<<< b\n", "  =======\n", "========\n", "======= x\n", "<<<<<<<<\n", ""])
def test_what_only_looks_like_a_marker_is_none(text: str) -> None:
    assert conflict_marker(text) is None


def test_braces_of_a_template_need_both_ends() -> None:
    text = "a: {{ .Values.a }}\n"
    found = template(text, 4)
    assert found is not None
    assert (found.rule, text[found.start : found.end]) == ("forbidden-yaml", "{{")
    assert template("{{a: b}: c}\n", 1) is None
    assert template("a: {b: c}\n", 3) is None


def test_braces_explain_what_the_parser_says_of_their_line() -> None:
    assert explain("a: {{ b: c }}\n", UNREADABLE, "b").rule == "forbidden-yaml"


@pytest.mark.parametrize(
    ("text", "at", "message", "way_out"),
    [
        (
            "s:\n  g:\n    a: b\n   c: d\n",
            "c",
            "this line begins at column 4, those it could belong to at column 5 (line 3) and column 3 (line 2)",
            "begin it at column 5 or column 3",
        ),
        (
            "  a: b\nc: d\n",
            "c",
            "this line begins at column 1, those it could belong to at column 3 (line 1)",
            "begin it at column 3",
        ),
        (
            "a:\n  - b: c\n   d: e\n",
            "d",
            "this line begins at column 4, those it could belong to at column 5 (line 2) and column 3 (line 2)",
            "begin it at column 5 or column 3",
        ),
        (
            "a: {}\n# note\n\n   b: c\n",
            "b",
            "this line begins at column 4, deeper than line 1 (column 1), which has a value already",
            "begin it at column 1, or remove the value of line 1",
        ),
        (
            "a:\n  b: c\n  - d\n",
            "- d",
            "an item of a list stands among keys",
            "begin each line of a list with `- `, and no line of a map",
        ),
        (
            "a:\n  - b\n  c: d\n",
            "c:",
            "a key stands among items of a list",
            "begin each line of a list with `- `, and no line of a map",
        ),
    ],
)
def test_a_line_at_the_wrong_column(text: str, at: str, message: str, way_out: str) -> None:
    found = explain(text, UNREADABLE, at)
    assert (found.message, found.help) == (message, way_out)
    assert text[found.start : found.end] == at[0]


def test_a_line_below_a_value_it_cannot_belong_to() -> None:
    found = explain("a: b\n  c: d\n", NO_MAP, ": d")
    assert found.message == "this line begins at column 3, deeper than line 1 (column 1), which has a value already"


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("note: see: here\n", 'write the whole value as `note: "…"`'),
        ('"a b": see: here\n', "put it in quotes"),
    ],
)
def test_a_colon_inside_a_value(text: str, way_out: str) -> None:
    found = explain(text, NO_MAP, ": here")
    assert (found.message, found.help) == ('a value with ": " in it needs quotes', way_out)


@pytest.mark.parametrize(
    ("text", "problem", "at", "opened", "message", "marked"),
    [
        ("a: b\nc d\ne: f\n", NO_COLON, "e", "c d", "this line has no colon after a key", "c"),
        ("secrets\n  g: {}\n", NO_MAP, ": {}", None, "this line has no colon after a key", "s"),
        ("a: b\nc:d\ne: f\n", NO_COLON, "e", "c:d", "a space is missing after the colon", ":"),
        ("{a:{}}\n", "found unexpected ':'", ":", None, "a space is missing after the colon", ":"),
        ("a: [\n", NO_CONTENT, "\n", None, 'the "[" opened here is not closed', "["),
        ("a: {\n", NO_CONTENT, "\n", None, 'the "{" opened here is not closed', "{"),
        ("a: [{b: c}, \n", NO_CONTENT, "\n", None, 'the "[" opened here is not closed', "["),
        ("a: {b: c\n", NO_COMMA, "\n", "{", 'the "{" opened here is not closed', "{"),
        ("a: [b\nc: d\n", "did not find expected ',' or ']'", "c", "[", 'the "[" opened here is not closed', "["),
        ("a: {b: #c}\nd: e\n", NO_COMMA, ": e", "{", COMMENT.format("{"), "#"),
        ("a: [b #c]\n", "did not find expected ',' or ']'", "\n", "[", COMMENT.format("["), "#"),
        ('a: {b: "x #c"\nd: e\n', NO_COMMA, ": e", "{", 'the "{" opened here is not closed', "{"),
        ("a: {b: 'x #c' d: e}\n", NO_COMMA, "d", "{", 'a comma or "}" is missing before this', "d"),
        ("a: {b: {} c: d}\n", NO_COMMA, "c", "{", 'a comma or "}" is missing before this', "c"),
        ("a: 'b\n", "found unexpected end of stream", "\n", "'", "the quote opened here is never closed", "'"),
        ('a: "b" c\n', UNREADABLE, "c", None, "the value ends before this, and more text follows", "c"),
        ("a: @b\n", NO_TOKEN, "@", None, SIGN.format("@"), "@"),
        ("a: *\n", NO_NAME, "\n", None, SIGN.format("*"), "*"),
        ("a: |b\n", NO_BREAK, "b", None, SIGN.format("|"), "|"),
        (": b\n", UNREADABLE, ":", None, "the key before the colon is missing", ":"),
        ("a: - b\n", NO_LIST, "- b", None, "a list in lines cannot begin on the line of its key", "-"),
        (
            'a: "\\d"\n',
            "found unknown escape character",
            "d",
            None,
            "a backslash in double quotes begins an escape, and there is none like this",
            "d",
        ),
    ],
)  # fmt: skip
def test_what_the_parser_missed_is_said_where_it_was_forgotten(
    text: str, problem: str, at: str, opened: str | None, message: str, marked: str
) -> None:
    found = explain(text, problem, at, opened)
    assert (found.rule, found.message, text[found.start : found.end]) == ("invalid-yaml", message, marked)
    assert found.help


def test_a_quote_that_the_next_one_closed() -> None:
    found = explain('a: "b\nc: "d"\n', UNREADABLE, 'd"', quote='"b')
    assert (found.start, found.message) == (3, "the quote opened here is closed only in line 2")


@pytest.mark.parametrize(
    ("problem", "at", "opened"),
    [("something else", 0, None), (NO_COLON, 3, None), (NO_MAP, 1, None), (UNREADABLE, 0, None)],
)
def test_what_is_not_understood_is_said_as_the_parser_says_it(problem: str, at: int, opened: int | None) -> None:
    assert find_mistake("a: b\n", problem, at, opened).message == problem


def test_a_place_behind_the_end_is_at_the_end() -> None:
    found = find_mistake("a: b\n\n", "something else", 6)
    assert (found.start, found.end) == (4, 4)
    assert find_mistake("", "something else", 3).start == 0


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  key: value", "  key: "),
        ("- key: value", "- key: "),
        ("key:", "key:"),
        ("key: {{ a }}", "key: {{"),
        ("<<<<<<< HEAD", "<<<<<<<"),
        ("--- a", "---"),
        ("value", ""),
        ("key:value", ""),
        ('"key": value', ""),
    ],
)
def test_of_a_line_only_its_first_key_or_a_mark_is_shown(line: str, shown: str) -> None:
    assert line[: length_to_show(line)] == shown


def test_of_a_hostile_file_only_the_near_lines_are_looked_at() -> None:
    text = "a: {}\n" + "# note\n" * 100_000 + "   b: c\n"
    assert find_mistake(text, UNREADABLE, text.index("b: c")).message == UNREADABLE
