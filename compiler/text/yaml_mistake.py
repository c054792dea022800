"""Finds the mistake behind a text that YAML's parser rejects, and explains it in the user's words.

The parser names what it missed where it gave up; the cause is most often a quote, a colon, a bracket or an indentation
before that. No message has a part of a value.
"""

import re

from compiler.text.characters import Mistake

_CONFLICT = re.compile(r"^(?:(?:<{7}|>{7}|\|{7})(?=[ \r\n]|\Z)|={7}(?=\r?\n|\Z))", re.MULTILINE)
_KEY = re.compile(r"\s*(?:- +)*([A-Za-z0-9_.-]{1,64}):(?:\s|$)")
# In a line that cannot be read: its first key with a template's braces behind it, or a mark outside of values.
_SHOWN = re.compile(r"(?:<{7}|={7}|>{7}|\|{7}|---)(?=\s|$)|\s*(?:- )?[A-Za-z0-9_.-]{1,64}:(?:\s+(?:\{\{)?|$)")
_TIGHT_KEY = re.compile(r"\s*(?:- +)*[A-Za-z0-9_.-]{1,64}(:)[^\s/]")
_DASHES = re.compile(r" *(?:- +)*")
# A hostile file has a million lines to look through; no person's has so many characters in one block.
_FARTHEST = 100_000
_COMMENT = re.compile(r"[ \t]#")
_CLOSING = {"{": "}", "[": "]"}
# Characters that no plain value may begin with, beside quotes and brackets.
_RESERVED = "@`%&*!|>"
# The parser's sentences where a line, or what follows a value, cannot begin as it does.
_BEGINNINGS = frozenset(
    {
        "did not find expected key",
        "did not find expected '-' indicator",
        "did not find expected <document start>",
        "found character that cannot start any token",
        "did not find expected alphabetic or numeric character",
        "did not find expected comment or line break",
    }
)
# Said for a text that ends within brackets, for one.
_NO_CONTENT = "did not find expected node content"


def conflict_marker(text: str) -> Mistake | None:
    """The first marker that git left of a conflict."""
    found = _CONFLICT.search(text)
    if found is None:
        return None
    way_out = "keep one of the two sides, and remove the lines that begin with <<<<<<<, ======= and >>>>>>>"
    return Mistake("a merge conflict is not resolved", way_out, found.start(), found.end())


def template(text: str, at: int) -> Mistake | None:
    """The braces of a template that begin at or right before `at`."""
    start = text.find("{{", max(0, at - 1), at + 2)
    if start < 0 or "}}" not in text[start:].split("\n", 1)[0]:
        return None
    message = "templates are not supported: {{ }} is not replaced"
    way_out = "write the value itself; what environments share goes into a layer"
    return Mistake(message, way_out, start, start + 2, rule="forbidden-yaml")


def length_to_show(line: str) -> int:
    """How much of a line that cannot be read whole may be shown, from its beginning: what follows may be a secret."""
    shown = _SHOWN.match(line)
    return shown.end() if shown is not None else 0


def find_mistake(text: str, problem: str, at: int, opened: int | None = None, quote: int | None = None) -> Mistake:
    """The likely mistake, or else the parser's own sentence, with a place inside the text.

    The parser answered with `problem` at the character `at`; what it was reading began at `opened`, if it says so.
    `quote` begins the last quoted value, where that goes over several lines and ends before `at`.
    """
    last = len(text.rstrip())
    at = min(at, last)
    start, line = _line_of(text, at)
    braces = line.find("{{")
    found = template(text, start + braces) if braces >= 0 else None
    if found is None and quote is not None:
        message = f"the quote opened here is closed only in line {_number(text, at)}"
        found = _at(quote, message, "close it where its value ends")
    found = found or _explain_known(text, problem, at, opened)
    if found is None:
        return Mistake(problem, None, at, at)
    begin = min(found.start, last)
    return found._replace(start=begin, end=max(begin, min(found.end, last)))


def _explain_known(text: str, problem: str, at: int, opened: int | None) -> Mistake | None:
    if problem == _NO_CONTENT:
        opened = _open_at_end(text, at)
    match problem:
        case "mapping values are not allowed in this context":
            return _colon(text, at)
        case "could not find expected ':'" if opened is not None:
            return _no_colon(text, opened)
        case (
            "did not find expected ',' or '}'"
            | "did not find expected ',' or ']'"
            | "did not find expected node content"
        ) if opened is not None:
            return _bracket(text, at, opened)
        case "found unexpected end of stream" | "found unexpected document indicator" if opened is not None:
            return _at(opened, "the quote opened here is never closed", "close it where its value ends")
        case "found unexpected ':'":
            return _at(at, "a space is missing after the colon", "write `key: value`")
        case "found unknown escape character" | "did not find expected hexdecimal number":
            message = "a backslash in double quotes begins an escape, and there is none like this"
            return _at(at, message, "write the backslash twice, or the value in single quotes")
        case "block sequence entries are not allowed in this context":
            message = "a list in lines cannot begin on the line of its key"
            return _at(at, message, "write `[a, b]`, or each item on a line of its own, with `- ` before it")
        case _:
            return _began(text, at) if problem in _BEGINNINGS and text[at : at + 1] else None


def _began(text: str, at: int) -> Mistake | None:
    """The character that cannot stand where it does, or the line that it begins."""
    start, line = _line_of(text, at)
    before, character = text[start:at], text[at]
    if before.rstrip()[-1:] in ("|", ">") or character in _RESERVED or text[at - 1 : at] in ("*", "&"):
        sign = next(each for each in (character, *reversed(before)) if each in _RESERVED)
        where = at if character == sign else start + before.rindex(sign)
        return _at(where, f'a value cannot begin with "{sign}" like this', "put the whole value in quotes")
    if before.strip(" "):
        message = "the value ends before this, and more text follows"
        return _at(at, message, "put the whole value in quotes, or remove what follows it")
    if character == ":":
        return _at(at, "the key before the colon is missing", "write `key: value`")
    return _indentation(text, start, line)


def _colon(text: str, at: int) -> Mistake | None:
    """A colon that makes a key where none can be: one too many, or the first of a line that belongs to another one."""
    start, line = _line_of(text, at)
    if re.search(r":(?:\s|$)", line[: at - start]):
        key = _KEY.match(line)
        way_out = f'write the whole value as `{key[1]}: "…"`' if key else "put it in quotes"
        return _at(at, 'a value with ": " in it needs quotes', way_out)
    above = _above(text, start, max(0, start - _FARTHEST))
    if above is None:
        return None
    above_start, above_line = above
    if not re.search(r":(?:\s|$)", above_line):
        return _no_colon(text, above_start + _indent(above_line))
    return _indentation(text, start, line)


def _no_colon(text: str, at: int) -> Mistake:
    start, line = _line_of(text, at)
    begin = start + _indent(line)
    tight = _TIGHT_KEY.match(line)
    if tight is not None:
        return _at(start + tight.start(1), "a space is missing after the colon", "write `key: value`")
    return _at(begin, "this line has no colon after a key", "write `key: value`, or `- ` before an item of a list")


def _bracket(text: str, at: int, opened: int) -> Mistake:
    mark = text[opened : opened + 1]
    closing = _CLOSING.get(mark, "}")
    if _number(text, at) != _number(text, opened) or not text[at:].split("\n", 1)[0].strip():
        if (comment := _comment(text, opened)) is not None:
            message = f'what follows " #" is a comment, and the "{mark}" opened before it is not closed'
            return _at(comment, message, f'put the value in quotes, or close it with "{closing}" before it')
        return _at(opened, f'the "{mark}" opened here is not closed', f'close it with "{closing}"')
    message = f'a comma or "{closing}" is missing before this'
    return _at(at, message, "put commas between the parts, and close what is open")


def _open_at_end(text: str, at: int) -> int | None:
    """The bracket that is open where the text ends at `at`, right behind it or behind a comma."""
    if text[at:].strip() or text[:at].rstrip()[-1:] not in ("[", "{", ","):
        return None
    closed = 0
    for place in range(at - 1, max(0, at - _FARTHEST) - 1, -1):
        if text[place] in "]}":
            closed += 1
        elif text[place] in "[{":
            if not closed:
                return place
            closed -= 1
    return None


def _comment(text: str, opened: int) -> int | None:
    """Where a comment begins on the line of a bracket, behind it and outside of quotes."""
    found = _COMMENT.search(text, opened, len(text) if (end := text.find("\n", opened)) < 0 else end)
    if found is None or any(text.count(quote, opened, found.start()) % 2 for quote in "'\""):
        return None
    return found.start() + 1


def _indentation(text: str, start: int, line: str) -> Mistake | None:
    """Why a line cannot begin at its column, by the columns of the lines it could belong to."""
    own, number = _indent(line), _number(text, start)
    levels = _levels(text, start)
    at = start + own
    shallower = [each for each in levels if each[0] < own]
    deeper = [each for each in levels if each[0] > own]
    if any(column == own for column, _ in levels):
        what = (
            "an item of a list stands among keys"
            if line.lstrip().startswith("- ")
            else "a key stands among items of a list"
        )
        return _at(at, what, "begin each line of a list with `- `, and no line of a map")
    if not levels or number <= 1:
        return None
    if not deeper:
        column, above = shallower[0]
        where = f"this line begins at column {own + 1}, deeper than line {above} (column {column + 1})"
        message = f"{where}, which has a value already"
        return _at(at, message, f"begin it at column {column + 1}, or remove the value of line {above}")
    near = [deeper[-1], *shallower[:1]]
    columns = " and ".join(f"column {column + 1} (line {above})" for column, above in near)
    way_out = " or ".join(f"column {column + 1}" for column, _ in near)
    message = f"this line begins at column {own + 1}, those it could belong to at {columns}"
    return _at(at, message, f"begin it at {way_out}")


def _levels(text: str, start: int) -> list[tuple[int, int]]:
    """The columns, counted from 0, that blocks open before `start` begin at, with their lines; the deepest first."""
    levels: list[tuple[int, int]] = []
    floor = max(0, start - _FARTHEST)
    while (above := _above(text, start, floor)) is not None and (not levels or levels[-1][0] > 0):
        start, line = above
        columns = {_indent(line), _behind_dashes(line)}
        for column in sorted(columns, reverse=True):
            if not levels or column < levels[-1][0]:
                levels.append((column, _number(text, start)))
    return levels


def _above(text: str, start: int, floor: int) -> tuple[int, str] | None:
    """The nearest line before the one at `start`, but not before `floor`, that has more than a comment."""
    while start > floor:
        start = text.rfind("\n", 0, start - 1) + 1
        _, line = _line_of(text, start)
        if line.strip() and not line.lstrip().startswith("#"):
            return start, line
    return None


def _line_of(text: str, at: int) -> tuple[int, str]:
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return start, text[start : len(text) if end < 0 else end]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _behind_dashes(line: str) -> int:
    dashes = _DASHES.match(line)
    return dashes.end() if dashes is not None else 0


def _number(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _at(at: int, message: str, way_out: str) -> Mistake:
    return Mistake(message, way_out, at, at + 1)
