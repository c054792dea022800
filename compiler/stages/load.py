"""Reads YAML into trees in which every node has its place; beside emit, the only module that imports yaml.

Input of this project is read as closed documents; manifests of other programs as several documents, with anchors and
tags of strings. Lines of manifests may hold values of Secrets, so the source of a diagnostic about them is their text
with every character but line breaks blanked out.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from compiler.model.document import (
    MOST_OF_A_KIND,
    Diagnostic,
    Document,
    Node,
    Related,
    Scalar,
    Severity,
    Source,
    Span,
    and_more,
    extent,
)
from compiler.model.facts import MAX_DEPTH, MAX_MANIFEST_DEPTH, MAX_MANIFEST_NODES, MAX_NODES, most_values
from compiler.text.characters import Mistake, has_control, odd_character
from compiler.text.credential import looks_like_credential
from compiler.text.wording import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_PARSERS_OWN_LIMIT = "exceeded maximum nesting depth"
_TOO_DEEP = f"the file is nested more than {MAX_DEPTH} levels deep"

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
    """Carries the diagnostic that ends the reading of a text; never leaves this module."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__()
        self.diagnostic = diagnostic


def load_text(path: str, text: str, *, is_output: bool = False) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """The document that `text` holds, or None and the reason; a values file `is_output` and may have more values.

    Refused: duplicate keys, anchors, aliases, tags, merge keys, directives, several documents, keys that are not plain
    text, tabs as indentation, control characters, more than MAX_NODES values or MAX_DEPTH levels. A file without
    content is an empty mapping.
    """
    source = Source(path, text)
    builder = _Builder(source, most_values if is_output else lambda _: MAX_NODES)
    try:
        _refuse_characters(source)
        return builder.document(), ()
    except _RefusedError as refused:
        return None, (refused.diagnostic,)
    except yaml.YAMLError as error:
        return None, (_diagnostic(source, _mistake_of(text, error, _TOO_DEEP, builder.last)),)


def _refuse_characters(source: Source) -> None:
    mistake = odd_character(source.text)
    if mistake is None and any(sign in source.text for sign in _CONFLICT_SIGNS):
        from compiler.text.yaml_mistake import conflict_marker  # noqa: PLC0415 - only where there may be one

        mistake = conflict_marker(source.text)
    if mistake is not None:
        raise _RefusedError(_diagnostic(source, mistake))


def _mistake_of(text: str, error: yaml.YAMLError, too_deep: str, last: yaml.Event | None = None) -> Mistake:
    from compiler.text.yaml_mistake import find_mistake  # noqa: PLC0415 - only where a file cannot be read

    # libyaml's `problem` is one of its own fixed sentences; `context` and str(error) may quote the file.
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    opened = getattr(error, "context_mark", None)
    offset = min(mark.index, len(text)) if mark is not None else 0
    if problem == _PARSERS_OWN_LIMIT:
        # libyaml scans up to 1,024 characters ahead of what it reports, and so may meet its own limit first.
        return Mistake(too_deep, None, offset, offset, "too-large")
    begun = opened.index if opened is not None else None
    return find_mistake(text, problem or "not readable as YAML", offset, begun, _long_quote(last, offset))


def _long_quote(last: yaml.Event | None, offset: int) -> int | None:
    """Where a quoted value of several lines begins that ends on the line of `offset`: a quote that was forgotten."""
    if not isinstance(last, yaml.ScalarEvent) or last.style not in ("'", '"'):
        return None
    start, end = last.start_mark, last.end_mark
    if start is None or end is None or start.line == end.line or end.index > offset:
        return None
    return start.index


def _diagnostic(source: Source, mistake: Mistake) -> Diagnostic:
    message, help_text, start, end, rule = mistake
    conceals = (_values_of_line(source, start),)
    return Diagnostic(rule, Severity.ERROR, message, Span(source, start, end), help=help_text, conceals=conceals)


def _values_of_line(source: Source, offset: int) -> Span:
    from compiler.text.yaml_mistake import length_to_show  # noqa: PLC0415 - as in `_mistake_of`

    # A file that could not be read whole has no tree to tell keys from values.
    start, end = source.line_bounds(source.place(offset)[0])
    return Span(source, start + length_to_show(source.text[start:end]), end)


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
        self._loader = _Loader(self._source.text)
        try:
            return self._document()
        finally:
            self._loader.dispose()

    def _document(self) -> Document:
        self._next()
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            return Document(self._source, Node({}, self._source, extent(0, 0)))
        if event.explicit or event.version or event.tags:
            self._refuse_event(event, "document markers and directives are not allowed", way_out="remove it")
        root = self._node(self._next(), -1, -1, 0)
        self._next()
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            way_out = "put this into a file of its own"
            self._refuse_event(event, "a file must have exactly one document", way_out=way_out)
        return Document(self._source, root, tuple(self._ambiguous), tuple(self._suspects), self._nulls)

    def _next(self) -> Any:  # noqa: ANN401 - PyYAML types no event of libyaml's
        self.last = self._loader.get_event()
        return self.last

    def _refuse_event(
        self, event: yaml.Event, message: str, rule: str = "forbidden-yaml", way_out: str | None = None
    ) -> NoReturn:
        start, end = _bounds(event)
        if way_out is None and rule == "forbidden-yaml":
            sign = self._source.text[start : start + 1]
            way_out = "write the value out, or share it through a layer"
            if sign in ("*", "&", "!"):
                way_out += f'; quote a text that begins with "{sign}"'
        end = min(end, len(self._source.text))
        raise _RefusedError(_diagnostic(self._source, Mistake(message, way_out, start, end, rule)))

    def _node(self, event: Any, key_start: int, key_end: int, depth: int) -> Node:  # noqa: ANN401
        self._count += 1
        if self._count > self._most:
            self._most = self._most_at(_bounds(event)[0])
            if self._count > self._most:
                self._refuse_event(event, f"the file has more than {self._most} values", "too-large")
        if depth > MAX_DEPTH:
            self._refuse_event(event, _TOO_DEEP, "too-large")
        if isinstance(event, yaml.AliasEvent):
            self._refuse_event(event, "aliases are not allowed")
        if event.anchor is not None:
            self._refuse_event(event, "anchors are not allowed")
        if event.tag is not None:
            self._refuse_event(event, "tags are not allowed")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, key_start, key_end)
        start = _bounds(event)[0]
        if isinstance(event, yaml.MappingStartEvent):
            members, end = self._members(depth)
            return Node(members, self._source, extent(start, end, key_start, key_end))
        items: list[Node] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, -1, -1, depth + 1))
        return Node(tuple(items), self._source, extent(start, _bounds(event)[1], key_start, key_end))

    def _members(self, depth: int) -> tuple[dict[str, Node], int]:
        members: dict[str, Node] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event)
            start, end = _bounds(event)
            node = self._node(self._next(), start, end, depth + 1)
            if key in members:
                earlier, message = members[key].key_span, f"the key {quote(key)} is written twice"
                mistake = Mistake(message, "merge the two into one", start, end, "duplicate-key")
                refused = _diagnostic(self._source, mistake)
                related = (Related("first written", earlier),)
                conceals = (*refused.conceals, _values_of_line(self._source, earlier.start))
                raise _RefusedError(refused._replace(related=related, conceals=conceals))
            members[key] = node
        return members, _bounds(event)[1]

    def _key(self, event: yaml.Event) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            if isinstance(event, yaml.AliasEvent):
                self._refuse_event(event, "aliases are not allowed")
            from compiler.text.yaml_mistake import template  # noqa: PLC0415 - as in `_mistake_of`

            braces = template(self._source.text, _bounds(event)[0])
            if braces is not None:
                raise _RefusedError(_diagnostic(self._source, braces))
            message = "a key must be a string, not a list or a map"
            self._refuse_event(event, message, "non-string-key", "write a plain name before the colon")
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


def _bounds(event: Any) -> tuple[int, int]:  # noqa: ANN401 - the marks of a parser's events are always there
    return event.start_mark.index, event.end_mark.index


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


_LINE = re.compile(r"[^\r\n]+")
# Characters that YAML itself does not allow, escaped or not.
_NO_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_MANIFESTS_TOO_DEEP = f"the manifests are nested more than {MAX_MANIFEST_DEPTH} levels deep"
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:binary"})
_PLAIN_TAGS = frozenset({"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
# As YAML 1.1 reads them, which is what Helm and kubectl do.
_HELMS_BOOLEANS = {
    form: word in ("true", "yes", "on", "y")
    for word in ("true", "yes", "on", "y", "false", "no", "off", "n")
    for form in (word, word.capitalize(), word.upper())
}


def load_manifests(path: str, text: str, keep: Callable[[Node], object]) -> tuple[int | None, tuple[Diagnostic, ...]]:
    """How many documents `text` has, each given to `keep`, and what was found; None where it is refused.

    A document is gone before the next is read, except what `keep` keeps. All scalars but booleans and nulls are texts.
    Of a key that is written twice the last one counts, as for Helm, with a diagnostic. Refused: aliases that repeat too
    much or stand inside what they repeat, tags of anything but strings, lists and maps as keys, more than
    MAX_MANIFEST_NODES values or MAX_MANIFEST_DEPTH levels.
    """
    reader = _ManifestReader(text, Source(path, _LINE.sub(lambda line: " " * len(line.group()), text)))
    try:
        count = 0
        for root in reader.documents():
            keep(root)
            count += 1
    except _RefusedError as refused:
        return None, (*reader.repeated, refused.diagnostic)
    except yaml.YAMLError as error:
        return None, (*reader.repeated, reader.syntax_error(error))
    return count, tuple(reader.repeated)


def provider_objects(path: str, text: str) -> list[Node] | None:
    """The `objects` of a SecretProviderClass, which are YAML in a text, for Azure twice; None where it is not YAML."""
    roots, found = list[Node](), list[Node]()
    counts = [load_manifests(path, text, roots.append)[0]]
    for root in roots:
        array = root.get("array")
        for item in (array if array is not None else root).items:
            if isinstance(item.value, str):
                counts.append(load_manifests(path, item.value, found.append)[0])
            else:
                found.append(item)
    return None if None in counts else found


class _ManifestReader:
    """Builds the tree of each document from the parser's events."""

    def __init__(self, text: str, source: Source) -> None:
        self.repeated: list[Diagnostic] = []
        self._text = text
        self._source = source
        self._count = 0
        self._deepest = 0
        # The value that aliases repeat, how many values that is each time, and how many levels.
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        self._next: Callable[[], Any] = iter(()).__next__

    def documents(self) -> Iterator[Node]:
        loader = _Loader(self._text)
        self._next = loader.get_event
        try:
            self._next()
            while isinstance(self._next(), yaml.DocumentStartEvent):
                self._anchors.clear()
                self._deepest = 0
                yield self._node(self._next(), -1, -1, 0)
                self._next()
        finally:
            loader.dispose()

    def syntax_error(self, error: yaml.YAMLError) -> Diagnostic:
        if getattr(error, "problem_mark", None) is None:
            found = _NO_YAML.search(self._text)
            name = f"the character U+{ord(found.group()):04X}" if found is not None else "a character"
            offset = found.start() if found is not None else 0
            return self._error("control-character", f"{name} is not allowed in YAML", offset)
        mistake = _mistake_of(self._text, error, _MANIFESTS_TOO_DEEP)
        return self._error(mistake.rule, mistake.message, mistake.start)

    def _node(self, event: Any, key_start: int, key_end: int, depth: int) -> Node:  # noqa: ANN401 - PyYAML types none
        self._count += 1
        if self._count > MAX_MANIFEST_NODES:
            self._refuse(event, f"the manifests have more than {MAX_MANIFEST_NODES} values", "too-large")
        if depth > self._deepest:
            self._deepest = depth
            if depth > MAX_MANIFEST_DEPTH:
                self._refuse(event, _MANIFESTS_TOO_DEEP, "too-large")
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._expand_alias(event, key_start, key_end, depth)
        if event.anchor is None:
            return self._plain(event, kind, key_start, key_end, depth)
        before, above, self._deepest = self._count, self._deepest, depth
        node = self._plain(event, kind, key_start, key_end, depth)
        self._anchors[event.anchor] = (node, self._count - before, self._deepest - depth)
        self._deepest = max(above, self._deepest)
        return node

    def _plain(self, event: Any, kind: type, key_start: int, key_end: int, depth: int) -> Node:  # noqa: ANN401
        start, end = _bounds(event)
        if event.tag is not None and event.tag not in (_TEXT_TAGS if kind is yaml.ScalarEvent else _PLAIN_TAGS):
            self._refuse(event, "tags other than those of strings are not allowed", "forbidden-yaml")
        if kind is yaml.ScalarEvent:
            return Node(_value(event), self._source, extent(start, end, key_start, key_end))
        if kind is yaml.MappingStartEvent:
            members, end = self._members(depth + 1)
            return Node(members, self._source, extent(start, end, key_start, key_end))
        items: list[Node] = []
        while not isinstance(item := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(item, -1, -1, depth + 1))
        return Node(tuple(items), self._source, extent(start, _bounds(item)[1], key_start, key_end))

    def _members(self, depth: int) -> tuple[dict[str, Node], int]:
        members: dict[str, Node] = {}
        merged: list[Node] = []
        while not isinstance(key := self._next(), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                self._refuse(key, "a key must be a string, not a list, a map or an alias", "non-string-key")
            name, (start, end) = key.value, _bounds(key)
            node = self._node(self._next(), start, end, depth)
            if name == "<<" and not key.style:
                merged += node.items or (node,)
                continue
            if name in members:
                self._note_repeated(name, members[name], node)
            members[name] = node
        # The first merged map that has a key counts; there may be as many maps as there are values.
        for each in merged:
            for name, node in each.children.items():
                members.setdefault(name, node)
        return members, _bounds(key)[1]

    def _expand_alias(self, event: Any, key_start: int, key_end: int, depth: int) -> Node:  # noqa: ANN401
        if event.anchor not in self._anchors:
            self._refuse(event, "an alias must come after the value that it repeats, not inside it", "forbidden-yaml")
        node, size, height = self._anchors[event.anchor]
        # As many values as are written out: a few hundred bytes of aliases would be gigabytes.
        self._count += size
        self._deepest = max(self._deepest, depth + height)
        if self._count > MAX_MANIFEST_NODES or self._deepest > MAX_MANIFEST_DEPTH:
            self._refuse(event, "what the aliases repeat is too large", "too-large")
        at = extent(*_bounds(event), key_start, key_end)
        return Node(node.value, self._source, at)

    def _note_repeated(self, name: str, earlier: Node, later: Node) -> None:
        if len(self.repeated) > MOST_OF_A_KIND:
            return
        found = Diagnostic(
            "repeated-key",
            Severity.WARNING,
            f"the key {quote(name)} is written twice; the last one counts",
            later.key_span,
            help="remove one of the two where the manifest is written",
            related=(Related("first written", earlier.key_span),),
            brief=True,
        )
        self.repeated.append(and_more(found) if len(self.repeated) == MOST_OF_A_KIND else found)

    def _refuse(self, event: Any, message: str, rule: str) -> NoReturn:  # noqa: ANN401
        raise _RefusedError(self._error(rule, message, _bounds(event)[0]))

    def _error(self, rule: str, message: str, offset: int) -> Diagnostic:
        span = Span(self._source, offset, offset)
        way_out = "correct what writes these manifests"
        return Diagnostic(rule, Severity.ERROR, message, span, help=way_out, brief=True)


def _value(event: yaml.ScalarEvent) -> Scalar:
    text: str = event.value
    if event.style or event.tag is not None:
        return text
    return None if not text or text in _NULLS else _HELMS_BOOLEANS.get(text, text)
