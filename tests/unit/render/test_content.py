import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.cli.terminal.contents import text_of
from compiler.model.document import MOST_OF_A_RULE, Diagnostic, Severity, Source, Span
from compiler.render.content import (
    WIDEST,
    Content,
    Painted,
    Piece,
    Shown,
    ShownRelated,
    Style,
    WorkflowCommands,
    as_json,
    envelope,
    first_of_each_rule,
    members,
    show,
)
from compiler.render.formats import lines
from compiler.text.characters import cells
from tests.pace import allowed


def test_every_content_has_a_text() -> None:
    contents = ({"a": 1}, WorkflowCommands(()), ["a"])
    kinds = [get_origin(kind) or kind for kind in get_args(Content)]
    assert [next(kind for kind in kinds if isinstance(content, kind)) for content in contents] == kinds
    assert all(text_of(content).endswith("\n") for content in contents if not isinstance(content, WorkflowCommands))


def test_every_piece_can_stand_in_a_line() -> None:
    pieces = [Painted("a", Style.RED) if kind is Painted else kind("a") for kind in get_args(Piece)]
    assert text_of([tuple(pieces)]) == "aa`a`a\n"


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    """A part of what is shown."""

    is_open: bool
    long_name: str


@dataclass(frozen=True)
class Whole:
    """What is shown."""

    colour: Colour
    at: datetime
    parts: tuple[Part, ...]
    note: str = ""


WHOLE = Whole(Colour.RED, datetime(2026, 1, 2, tzinfo=UTC), (Part(True, "a"),))


def test_what_all_have_is_around_the_content() -> None:
    whole = envelope("diff", "prod", 1, {"changes": (Part(False, "b"),)})
    assert list(whole.items()) == [
        ("format", 1),
        ("command", "diff"),
        ("environment", "prod"),
        ("changes", [{"open": False, "longName": "b"}]),
        ("exitCode", 1),
    ]
    assert envelope("rules", None, 0, {})["environment"] is None


def test_an_object_is_its_fields_as_json_names_them() -> None:
    shown = {
        "colour": "red",
        "at": "2026-01-02T00:00:00+00:00",
        "parts": [{"open": True, "longName": "a"}],
        "note": None,
    }
    assert as_json(WHOLE) == shown
    assert list(as_json(WHOLE)) == list(shown)
    assert type(as_json(Colour.RED)) is str
    assert as_json({Colour.RED: (1, None, "")}) == {"red": [1, None, ""]}


def test_members_are_in_the_order_asked_for_and_an_empty_text_is_null() -> None:
    assert list(members(WHOLE, "note", "colour").items()) == [("note", None), ("colour", Colour.RED)]


At = Callable[[Source, str], Span]

TOKEN = "ghp_0123456789abcdefghij0123456789abcdef"


def shown(span: Span, *conceals: Span, message: str = "a finding", hint: str | None = None) -> Shown:
    return show([Diagnostic("a-rule", Severity.ERROR, message, span, help=hint, conceals=conceals)])[0]


def marked(each: Shown) -> str:
    """What stands above the caret, where every character takes one cell."""
    assert each.source_line is not None
    return each.source_line[each.caret : each.caret + each.caret_width]


def test_place_line_and_caret(typo: Diagnostic) -> None:
    each = show([typo])[0]
    assert (each.path, each.line, each.column, each.end_line, each.end_column) == ("environments/prod.yaml", 3, 3, 3, 8)
    assert each.source_line == "  gihub: {}"
    assert marked(each) == "gihub"
    assert (each.help, each.message) == (typo.help, typo.message)
    assert (each.related[0].path, each.related[0].line, each.related[0].column) == ("environments/catalogue.yaml", 2, 3)


def test_a_file_without_text_shows_no_line() -> None:
    each = shown(Span(Source("environments/prod.yaml")))
    assert (each.source_line, each.line, each.column) == (None, 1, 1)


def test_an_empty_span_and_the_end_of_the_file_get_a_caret() -> None:
    source = Source("a.yaml", "slack:\n")
    assert (shown(Span(source, 6, 6)).caret, shown(Span(source, 6, 6)).caret_width) == (6, 1)
    end = shown(Span(source, 7, 7))
    assert (end.line, end.column, end.source_line, end.caret, end.caret_width) == (1, 7, "slack:", 6, 1)


def test_a_span_of_several_lines_is_marked_to_the_end_of_its_first(at: At) -> None:
    source = Source("a.yaml", "a: {b: 1,\r\n  c: 2}\n")
    each = shown(at(source, "{b: 1,\r\n  c: 2}"))
    assert marked(each) == "{b: 1,"
    assert (each.line, each.end_line, each.end_column) == (1, 2, 8)


@pytest.mark.parametrize(
    ("line", "caret", "width"),
    [
        ("\tkey: value", 9, 5),
        ("秘密: value", 6, 5),
        ("e\u0301: value", 3, 5),
        ("\x1b: value", 6, 5),
        ("ab: 秘密", 4, 4),
    ],
)
def test_the_caret_stands_under_tabs_wide_and_escaped_characters(at: At, line: str, caret: int, width: int) -> None:
    each = shown(at(Source("a.yaml", line), "value" if "value" in line else "秘密"))
    assert (each.caret, each.caret_width) == (caret, width)
    assert each.column == line.index("value" if "value" in line else "秘密") + 1


def test_what_one_diagnostic_conceals_is_hidden_in_the_lines_of_all(at: At) -> None:
    source = Source("a.yaml", "a: {pasword: hunter2, stoer: vault} # x\n")
    first = Diagnostic("unknown-key", Severity.ERROR, "m", at(source, "pasword"), conceals=(at(source, "hunter2"),))
    second = Diagnostic("unknown-key", Severity.ERROR, "m", at(source, "stoer"), conceals=(at(source, "vault"),))
    one, two = show([first, second])
    assert one.source_line == two.source_line == "a: {pasword: …, stoer: …} # x"
    assert (marked(one), marked(two)) == ("pasword", "stoer")
    assert (one.column, two.column) == (5, 23)


def test_the_place_of_a_concealed_value_does_not_tell_its_length(at: At) -> None:
    source = Source("a.yaml", "key: hunter2hunter2\n")
    value = at(source, "hunter2hunter2")
    each = shown(value, value)
    assert (each.source_line, marked(each)) == ("key: …", "…")
    assert (each.line, each.column, each.end_line, each.end_column) == (1, 6, 1, 7)


def test_overlapping_concealed_spans_are_one(at: At) -> None:
    source = Source("a.yaml", "a: one two three\n")
    each = shown(at(source, "a"), at(source, "one two"), at(source, "two three"), Span(source, 3, 3))
    assert each.source_line == "a: …"


@pytest.mark.parametrize("template", ["# {}", "{}: 1", "a: {}", "a: [x, {}]", 'a: {{"b": "{}"}}'])
def test_credentials_are_hidden_wherever_they_stand(template: str) -> None:
    source = Source("a.yaml", template.format(TOKEN))
    assert shown(Span(source, 0, 1)).source_line == template.format("…")


def test_no_line_of_a_private_key_shows() -> None:
    body = [base64.b64encode(bytes(range(i, i + 30))).decode() for i in range(3)]
    lines = [
        "key: |",
        "  -----BEGIN PRIVATE KEY-----",
        *(f"  {line}" for line in body),
        "  short",
        "  -----END PRIVATE KEY-----",
    ]
    source = Source("a.yaml", "\n".join([*lines, "next: plain"]))
    starts = [source.line_bounds(number)[0] for number in range(1, len(lines) + 2)]
    texts = [shown(Span(source, start + 2, start + 5)).source_line for start in starts]
    assert texts == ["key: |", "  …", "…", "…", "…", "…", "…", "next: plain"]


def test_a_message_cannot_repeat_the_concealed_value(at: At) -> None:
    source = Source("a.yaml", 'pasword: "correct horse"\n')
    each = shown(
        at(source, "pasword"), at(source, '"correct horse"'), message='bad "correct horse"', hint="correct horse"
    )
    assert (each.message, each.help) == ('bad "…"', "…")


def test_a_short_word_of_a_message_stays(at: At) -> None:
    source = Source("a.yaml", "stor: store\n")
    each = shown(at(source, "stor"), at(source, "store"), hint='did you mean "store"?')
    assert each.help == 'did you mean "store"?'


def test_control_characters_of_a_line_never_come_through(typo: Diagnostic) -> None:
    source = Source("a\x1b[2J.yaml", "k\x1b]0;x\x07: 1\u202e\n")
    each = show([typo._replace(span=Span(source, 0, 1), message="m")])[0]
    assert each.source_line is not None
    assert each.source_line.isprintable()


@given(st.integers(0, 5_000), st.integers(0, 400), st.sampled_from(["x", "秘", "\x1b", "\t"]))
def test_long_lines_are_cut_around_the_caret(before: int, after: int, filler: str) -> None:
    source = Source("a.yaml", filler * before + "HERE" + filler * after)
    each = shown(Span(source, before, before + 4))
    assert each.source_line is not None
    assert cells(each.source_line) <= WIDEST
    assert cells(each.source_line[: each.source_line.index("HERE")]) == each.caret
    assert each.caret_width == 4


def test_a_long_line_is_cut_at_its_end_only(at: At) -> None:
    each = shown(at(Source("a.yaml", "key: " + "word " * 100), "key"))
    assert each.source_line is not None
    assert each.source_line.startswith("key: word")
    assert each.source_line.endswith("...")


@given(
    st.lists(st.sampled_from(["a", "秘", "\t", "\x1b", "\r", "\n", "SECRET", "…", "e\u0301", " "]), max_size=40),
    st.integers(0, 60),
    st.integers(0, 10),
)
def test_a_concealed_text_never_shows_and_the_caret_stays_in_the_line(
    parts: list[str], start: int, length: int
) -> None:
    text = "".join(parts)
    source = Source("a.yaml", text)
    start = min(start, len(text))
    span = Span(source, start, min(len(text), start + length))
    spots = [index for index in range(len(text)) if text.startswith("SECRET", index)]
    each = shown(span, *(Span(source, spot, spot + 6) for spot in spots))
    if not text:
        return
    assert each.source_line is not None
    assert "S" not in each.source_line
    assert 0 <= each.caret <= cells(each.source_line)
    assert each.caret + each.caret_width <= cells(each.source_line) + 1


@pytest.mark.heavy
def test_many_findings_on_one_huge_line_cost_little() -> None:
    source = Source("a.yaml", "[" + "{a: b}, " * 125_000 + "]")
    found = [Diagnostic("r", Severity.ERROR, "m", Span(source, 8 * i + 2, 8 * i + 3)) for i in range(2_000)]
    begin = time.process_time()
    show(found)
    assert time.process_time() - begin < allowed(3)


def test_what_is_not_shown_itself_conceals_all_the_same(at: At) -> None:
    source = Source("a.yaml", "{pasword: hunter22, stoer: vault}\n")
    left_out = Diagnostic("unknown-key", Severity.ERROR, "m", at(source, "pasword"), conceals=(at(source, "hunter22"),))
    kept = Diagnostic("unknown-key", Severity.ERROR, "m", at(source, "stoer"))
    assert "hunter22" in (show([kept])[0].source_line or "")
    assert show([kept], [left_out, kept])[0].source_line == "{pasword: …, stoer: vault}"


SOURCE = Source("environments/prod.yaml", "a: b\n")


def findings(rule: str, count: int, severity: Severity = Severity.WARNING) -> list[Diagnostic]:
    return [Diagnostic(rule, severity, f"{rule} {number}", Span(SOURCE)) for number in range(count)]


def end_of(every: list[Diagnostic]) -> list[str]:
    """The end of the output: what is not shown, and the counts."""
    kept, left_out = first_of_each_rule(every)
    printed = text_of(lines(show(kept), left_out, "look")).splitlines()
    return printed[next(number for number, line in enumerate(printed) if "not shown" in line) :]


def test_up_to_the_limit_none_is_left_out() -> None:
    every = findings("one", MOST_OF_A_RULE) + findings("two", MOST_OF_A_RULE)
    assert first_of_each_rule(every) == (every, [])
    assert first_of_each_rule([]) == ([], [])


def test_a_rule_that_all_break_does_not_bury_another() -> None:
    many, few = findings("many", MOST_OF_A_RULE + 1), findings("few", 1, Severity.ERROR)
    assert first_of_each_rule(many + few) == ([*many[:-1], *few], many[-1:])
    assert end_of(many + few) == [
        '1 more finding of "many" not shown; look',
        "",
        f"1 error, {MOST_OF_A_RULE + 1} warnings",
    ]


def test_each_rule_is_counted_by_itself_in_the_order_of_the_first_of_each() -> None:
    one, two = findings("one", 25), findings("two", 23, Severity.ERROR)
    assert end_of([one[0], *two, *one[1:]]) == [
        '5 more findings of "one" not shown; look',
        '3 more findings of "two" not shown; look',
        "",
        "23 errors, 25 warnings",
    ]


def test_what_is_shown_of_a_diagnostic_stays_as_it_was_made() -> None:
    related = ShownRelated("first written", "environments/prod.yaml", 2, 1)
    shown = Shown("duplicate-key", Severity.ERROR, "written twice", "environments/prod.yaml", 3, 1, 3, 5)
    with pytest.raises(AttributeError):
        shown.source_line = "a: b"  # type: ignore[misc]
    assert (shown.source_line, shown.help, shown.related, shown.brief) == (None, None, (), False)
    assert shown._replace(related=(related,)).related[0].about == ""
