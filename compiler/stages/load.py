"""Reads YAML strictly into a tree with the place of every node; beside emit, the only module that imports yaml.

Input of this project is read as closed documents; manifests of other programs as several documents, with anchors and
tags of strings. Lines of manifests may hold values of Secrets, so no diagnostic about them has any of their text: its
source is the text with every character but line breaks blanked out.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NoReturn

import yaml

from compiler.model.diagnostic import Diagnostic, Related, Severity
from compiler.model.document import Document, Node, Scalar, Source, Span, extent
from compiler.model.facts import MAX_DEPTH, MAX_NODES, most_values
from compiler.text.characters import has_control, odd_character
from compiler.text.credential import looks_like_credential
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from compiler.text.yaml_mistake import Mistake

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_PARSERS_OWN_LIMIT = "exceeded maximum nesting depth"

# Every marker that git leaves of a conflict has one of them.
_CONFLICT_SIGNS = ("<" * 7, "|" * 7, "=" * 7, ">" * 7)
# Shorter texts cannot hold a credential worth the name; the rule looks closer at longer ones.
_SUSPECT_LENGTH = 12
_NULLS = frozenset({"null", "Null", "NULL", "~"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Texts in YAML 1.2 that YAML 1.1, which Helm's parser follows, reads as something else.
_OTHER_WORDS = frozenset(
    form for word in ("y", "n", "yes", "no", "on", "off") for form in (word, word.capitalize(), word.upper())
) | {"=", "<<"}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
_OTHER_NUMBER = re.compile(
    r"[-+]?(?:0[0-9_]+|0o[0-7]+|0x[0-9A-Fa-f_]+|0b[01_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"
    r"|\.[0-9_]+(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF)|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)"
    r"|\.(?:nan|NaN|NAN)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?"
)


class _RefusedError(Exception):
    """Carries the diagnostic that ends the reading of a file; never leaves this module."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__()
        self.diagnostic = diagnostic


def load_text(path: str, text: str, *, is_output: bool = False) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """The document that `text` holds, or None and the reason. `path` is shown to people.

    A values file, which `is_output`, may have more values than an input file.

    Refused: duplicate keys, anchors, aliases, tags, merge keys, directives, several documents, keys that are not plain
    text, tabs as indentation, control characters, more than MAX_NODES values or MAX_DEPTH levels. A file without
    content is an empty mapping.
    """
    source = Source(path, text)
    builder = _Builder(source, most_values if is_output else _most_of_input)
    try:
        _refuse_characters(source)
        return builder.document(), ()
    except _RefusedError as refused:
        return None, (refused.diagnostic,)
    except yaml.YAMLError as error:
        return None, (_syntax_error(source, error, builder.last),)


def _refuse_characters(source: Source) -> None:
    mistake = odd_character(source.text)
    if mistake is None and any(sign in source.text for sign in _CONFLICT_SIGNS):
        from compiler.text.yaml_mistake import conflict_marker  # noqa: PLC0415 - only where there may be one

        mistake = conflict_marker(source.text)
    if mistake is not None:
        raise _RefusedError(_of_mistake(source, mistake))


def _syntax_error(source: Source, error: yaml.YAMLError, last: yaml.Event | None) -> Diagnostic:
    from compiler.text.yaml_mistake import Rejection, explained  # noqa: PLC0415 - only where a file cannot be read

    # libyaml's `problem` is one of its own fixed sentences; `context` and str(error) may quote the file.
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    opened = getattr(error, "context_mark", None)
    offset = mark.index if mark is not None else 0
    if problem == _PARSERS_OWN_LIMIT:
        # libyaml scans up to 1,024 characters ahead of what it reports, and so may meet its own limit first.
        message = f"the file is nested more than {MAX_DEPTH} levels deep"
        return _diagnostic(source, "too-large", message, min(offset, len(source.text)))
    begun = opened.index if opened is not None else None
    rejection = Rejection(problem or "not readable as YAML", offset, begun, _long_quote(last, offset))
    return _of_mistake(source, explained(source.text, rejection))


def _long_quote(last: yaml.Event | None, offset: int) -> int | None:
    """Where a quoted value of several lines begins that ends on the line of `offset`: a quote that was forgotten."""
    if not isinstance(last, yaml.ScalarEvent) or last.style not in ("'", '"'):
        return None
    start, end = last.start_mark, last.end_mark
    if start is None or end is None or start.line == end.line or end.index > offset:
        return None
    return start.index


def _of_mistake(source: Source, mistake: Mistake) -> Diagnostic:
    return _diagnostic(source, mistake.rule, mistake.message, mistake.start, mistake.end, mistake.help)


def _diagnostic(
    source: Source, rule: str, message: str, offset: int, end: int | None = None, help_text: str | None = None
) -> Diagnostic:
    span = Span(source, offset, offset if end is None else end)
    return Diagnostic(rule, Severity.ERROR, message, span, help=help_text, conceals=(_values_of_line(source, offset),))


def _values_of_line(source: Source, offset: int) -> Span:
    from compiler.text.yaml_mistake import length_to_show  # noqa: PLC0415 - as in `_syntax_error`

    # A file that could not be read whole has no tree to tell keys from values.
    start, end = source.line_bounds(source.place(offset)[0])
    return Span(source, start + length_to_show(source.text[start:end]), end)


def _refuse(
    source: Source, rule: str, message: str, offset: int, end: int | None = None, help_text: str | None = None
) -> NoReturn:
    raise _RefusedError(_diagnostic(source, rule, message, offset, end, help_text))


class _Builder:
    """Builds the tree from the parser's events: composing by PyYAML would hide anchors, tags and duplicate keys."""

    def __init__(self, source: Source, most: Callable[[int], int]) -> None:
        self._source = source
        self._most_at = most
        self._most = most(0)
        self._ambiguous: list[Node] = []
        self._suspects: list[Node] = []
        self._nulls = False
        self._count = 0
        self.last: yaml.Event | None = None

    def document(self) -> Document:
        events = self._events()
        next(events)
        event = next(events)
        if isinstance(event, yaml.StreamEndEvent):
            return Document(self._source, Node({}, self._source, extent(0, 0)))
        if getattr(event, "explicit", False) or getattr(event, "version", None) or getattr(event, "tags", None):
            self._refuse_event(event, "document markers and directives are not allowed", way_out="remove it")
        root = self._node(events, next(events), -1, -1, 0)
        next(events)
        event = next(events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._refuse_event(
                event, "a file must have exactly one document", way_out="put this into a file of its own"
            )
        return Document(self._source, root, tuple(self._ambiguous), tuple(self._suspects), self._nulls)

    def _events(self) -> Iterator[yaml.Event]:
        loader = _Loader(self._source.text)
        try:
            while loader.check_event():
                self.last = loader.get_event()
                yield self.last
        finally:
            loader.dispose()

    def _refuse_event(
        self, event: yaml.Event, message: str, rule: str = "forbidden-yaml", way_out: str | None = None
    ) -> NoReturn:
        start, end = _bounds(event)
        if way_out is None and rule == "forbidden-yaml":
            sign = self._source.text[start : start + 1]
            way_out = "write the value out, or share it through a layer"
            if sign in ("*", "&", "!"):
                way_out += f'; quote a text that begins with "{sign}"'
        _refuse(self._source, rule, message, start, min(end, len(self._source.text)), way_out)

    def _node(self, events: Iterator[yaml.Event], event: yaml.Event, key_start: int, key_end: int, depth: int) -> Node:
        self._count += 1
        if self._count > self._most:
            self._most = self._most_at(_bounds(event)[0])
            if self._count > self._most:
                self._refuse_event(event, f"the file has more than {self._most} values", "too-large")
        if depth > MAX_DEPTH:
            self._refuse_event(event, f"the file is nested more than {MAX_DEPTH} levels deep", "too-large")
        if isinstance(event, yaml.AliasEvent):
            self._refuse_event(event, "aliases are not allowed")
        if getattr(event, "anchor", None) is not None:
            self._refuse_event(event, "anchors are not allowed")
        if getattr(event, "tag", None) is not None:
            self._refuse_event(event, "tags are not allowed")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, key_start, key_end)
        start = _bounds(event)[0]
        if isinstance(event, yaml.MappingStartEvent):
            members, end = self._members(events, depth)
            return Node(members, self._source, extent(start, end, key_start, key_end))
        items: list[Node] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._node(events, event, -1, -1, depth + 1))
        return Node(tuple(items), self._source, extent(start, _bounds(event)[1], key_start, key_end))

    def _members(self, events: Iterator[yaml.Event], depth: int) -> tuple[dict[str, Node], int]:
        members: dict[str, Node] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event)
            start, end = _bounds(event)
            node = self._node(events, next(events), start, end, depth + 1)
            if key in members:
                earlier = members[key].key_span
                refused = _diagnostic(
                    self._source, "duplicate-key", f"the key {quoted(key)} is written twice", start, end
                )
                related = (Related("first written", earlier),)
                conceals = (*refused.conceals, _values_of_line(self._source, earlier.start))
                raise _RefusedError(
                    Diagnostic(
                        refused.rule,
                        refused.severity,
                        refused.message,
                        refused.span,
                        help="merge the two into one",
                        related=related,
                        conceals=conceals,
                    )
                )
            members[key] = node
        return members, _bounds(event)[1]

    def _key(self, event: yaml.Event) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            if isinstance(event, yaml.AliasEvent):
                self._refuse_event(event, "aliases are not allowed")
            from compiler.text.yaml_mistake import template  # noqa: PLC0415 - as in `_syntax_error`

            braces = template(self._source.text, _bounds(event)[0])
            if braces is not None:
                raise _RefusedError(_of_mistake(self._source, braces))
            self._refuse_event(
                event,
                "a key must be a string, not a list or a map",
                "non-string-key",
                "write a plain name before the colon",
            )
        if event.anchor is not None or event.tag is not None:
            what = "anchors" if event.anchor is not None else "tags"
            self._refuse_event(event, f"{what} are not allowed")
        # Most keys are the schema's few words, thousands of times.
        key: str = sys.intern(event.value)
        if not event.style:
            if key == "<<":
                self._refuse_event(event, "merge keys are not allowed")
            value, ambiguous = plain_scalar(key)
            if ambiguous or not isinstance(value, str):
                message = "YAML 1.1 does not read this key as a string"
                self._refuse_event(event, message, "non-string-key", "put the key in double quotes")
        elif has_control(key):
            self._refuse_event(event, "escaped control characters are not allowed in keys", "control-character")
        return key

    def _scalar(self, event: yaml.ScalarEvent, key_start: int, key_end: int) -> Node:
        text: str = event.value
        start, end = _bounds(event)
        plain = not event.style
        value: Scalar = text
        ambiguous = False
        if plain:
            value, ambiguous = plain_scalar(text)
        elif has_control(text):
            self._refuse_event(event, "escaped control characters are not allowed in values", "control-character")
        if not text and plain:
            # libyaml places an absent value after the line break; the key's end is where a reader looks.
            behind = key_end + (self._source.text[key_end : key_end + 1] == ":")
            start = end = behind if key_end >= 0 else start
        node = Node(value, self._source, extent(start, end, key_start, key_end), plain)
        if value is None:
            self._nulls = True
        elif ambiguous:
            self._ambiguous.append(node)
        if len(text) >= _SUSPECT_LENGTH and looks_like_credential(text):
            self._suspects.append(node)
        return node


def _most_of_input(_characters: int) -> int:
    return MAX_NODES


def _bounds(event: yaml.Event) -> tuple[int, int]:
    # The marks of a parser's events are always there; only hand-made events have none.
    return event.start_mark.index, event.end_mark.index  # type: ignore[union-attr]


def plain_scalar(text: str) -> tuple[str | int | float | bool | None, bool]:
    """The value of a plain scalar, and whether YAML 1.1 and 1.2 disagree about it."""
    if not text or text in _NULLS:
        return None, False
    if text in _BOOLEANS:
        return _BOOLEANS[text], False
    if text in _OTHER_WORDS:
        return text, True
    if text[0] in "0123456789+-.":
        if _INTEGER.fullmatch(text):
            return int(text), False
        if _FLOAT.fullmatch(text):
            return float(text), False
        return text, bool(_OTHER_NUMBER.fullmatch(text))
    return text, False
