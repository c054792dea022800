"""Reads YAML strictly into a tree with the place of every node; beside emit, the only module that imports yaml."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NoReturn

import yaml

from compiler.model.diagnostic import Diagnostic, Related, Severity
from compiler.model.document import Document, Node, Scalar, extent
from compiler.model.limits import MAX_DEPTH, MAX_NODES, most_values
from compiler.model.source import Source, Span
from compiler.text.credential import looks_like_credential
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_PARSERS_OWN_LIMIT = "exceeded maximum nesting depth"

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]|\r(?!\n)")
_TAB_INDENT = re.compile(r"^ *\t[^\n]*\S", re.MULTILINE)
_NULLS = frozenset({"null", "Null", "NULL", "~"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# What YAML 1.1, which Helm's parser follows, reads as something else than the text it is in YAML 1.2.
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
# Shorter texts cannot hold a credential worth the name; the rule looks closer at longer ones.
_SUSPECT_LENGTH = 12


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
    try:
        _refuse_characters(source)
        return _Builder(source, most_values if is_output else _most_of_input).document(), ()
    except _RefusedError as refused:
        return None, (refused.diagnostic,)
    except yaml.YAMLError as error:
        return None, (_syntax_error(source, error),)


def _refuse_characters(source: Source) -> None:
    control = _CONTROL.search(source.text)
    if control:
        name = f"U+{ord(control.group()[0]):04X}"
        _refuse(source, "control-character", f"the character {name} is not allowed in an input file", control.start())
    tab = _TAB_INDENT.search(source.text)
    if tab:
        _refuse(
            source,
            "tab-indentation",
            "tabs are not allowed as indentation",
            tab.start(),
            help_text="indent with spaces",
        )


def _syntax_error(source: Source, error: yaml.YAMLError) -> Diagnostic:
    # libyaml's `problem` is one of its own fixed sentences; `context` and str(error) may quote the file.
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    offset = min(mark.index, len(source.text)) if mark is not None else 0
    if problem == _PARSERS_OWN_LIMIT:
        # libyaml scans up to 1,024 characters ahead of what it reports, and so may meet its own limit first.
        return _diagnostic(source, "too-large", f"the file is nested more than {MAX_DEPTH} levels deep", offset)
    return _diagnostic(source, "invalid-yaml", f"{problem or 'not readable as YAML'}", offset)


def _diagnostic(
    source: Source, rule: str, message: str, offset: int, end: int | None = None, help_text: str | None = None
) -> Diagnostic:
    span = Span(source, offset, offset if end is None else end)
    return Diagnostic(rule, Severity.ERROR, message, span, help=help_text, conceals=(_values_of_line(source, offset),))


def _values_of_line(source: Source, offset: int) -> Span:
    # A file that could not be read whole has no tree to tell keys from values: only the line's first key is shown.
    start, end = source.line_bounds(source.place(offset)[0])
    key = re.match(r"\s*(?:- )?[A-Za-z0-9_.-]{1,64}:(?:\s+|$)", source.text[start:end])
    return Span(source, start + key.end() if key else start, end)


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

    def document(self) -> Document:
        events = self._events()
        next(events)
        event = next(events)
        if isinstance(event, yaml.StreamEndEvent):
            return Document(self._source, Node({}, self._source, extent(0, 0)))
        if getattr(event, "explicit", False) or getattr(event, "version", None) or getattr(event, "tags", None):
            self._refuse_event(event, "document markers and directives are not allowed")
        root = self._node(events, next(events), -1, -1, 0)
        next(events)
        event = next(events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._refuse_event(event, "a file must have exactly one document")
        return Document(self._source, root, tuple(self._ambiguous), tuple(self._suspects), self._nulls)

    def _events(self) -> Iterator[yaml.Event]:
        loader = _Loader(self._source.text)
        try:
            while loader.check_event():
                yield loader.get_event()
        finally:
            loader.dispose()

    def _refuse_event(self, event: yaml.Event, message: str, rule: str = "forbidden-yaml") -> NoReturn:
        start, end = _bounds(event)
        way_out = "write the value out, or share it through a layer" if rule == "forbidden-yaml" else None
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
            self._refuse_event(event, "a key must be a string, not a list or a map", "non-string-key")
        if event.anchor is not None or event.tag is not None:
            self._refuse_event(event, "an anchor or tags are not allowed")
        # Most keys are the schema's few words, thousands of times.
        key: str = sys.intern(event.value)
        if not event.style:
            if key == "<<":
                self._refuse_event(event, "merge keys are not allowed")
            value, ambiguous = _resolve(key)
            if ambiguous or not isinstance(value, str):
                self._refuse_event(event, "YAML 1.1 does not read this key as a string; quote it", "non-string-key")
        elif _CONTROL.search(key):
            self._refuse_event(event, "escaped control characters are not allowed in keys", "control-character")
        return key

    def _scalar(self, event: yaml.ScalarEvent, key_start: int, key_end: int) -> Node:
        text: str = event.value
        start, end = _bounds(event)
        plain = not event.style
        value: Scalar = text
        ambiguous = False
        if plain:
            value, ambiguous = _resolve(text)
        elif _CONTROL.search(text):
            self._refuse_event(event, "escaped control characters are not allowed in values", "control-character")
        if not text and plain:
            # libyaml places an absent value after the line break; the key's end is where a reader looks.
            start = end = key_end + 1 if key_end >= 0 else start
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


def _resolve(text: str) -> tuple[Scalar, bool]:
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
