"""Reads manifests that other programs wrote: several documents, anchors and tags of strings, each value with its place.

Their lines may hold values of Secrets, so no diagnostic has any of the text: its source is the text with every
character but line breaks blanked out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from compiler.model.diagnostic import MOST_OF_A_KIND, Diagnostic, Related, Severity, and_more
from compiler.model.document import Node, Scalar, Source, Span, extent
from compiler.model.facts import MAX_MANIFEST_DEPTH, MAX_MANIFEST_NODES
from compiler.rules.api import Finding
from compiler.rules.live_rules import BY_ID
from compiler.text.wording import quoted
from compiler.text.yaml_mistake import Rejection, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LINE = re.compile(r"[^\r\n]+")
# Characters that YAML itself does not allow, escaped or not.
_NO_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_PARSERS_OWN_LIMIT = "exceeded maximum nesting depth"
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:binary"})
_PLAIN_TAGS = frozenset({"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
# As YAML 1.1 reads them, which is what Helm and kubectl do.
_BOOLEANS = {
    form: word in ("true", "yes", "on", "y")
    for word in ("true", "yes", "on", "y", "false", "no", "off", "n")
    for form in (word, word.capitalize(), word.upper())
}


class _RefusedManifestError(Exception):
    """Carries the diagnostic that ends the reading; never leaves this module."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__()
        self.diagnostic = diagnostic


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A value that aliases repeat, how many values that is each time, and how many levels."""

    node: Node
    size: int
    height: int


def load_manifests(path: str, text: str, keep: Callable[[Node], object]) -> tuple[int | None, tuple[Diagnostic, ...]]:
    """How many documents `text` has, each of which was given to `keep`, and what was found; None where it is refused.

    The values of one document are gone before the next is read, except what `keep` keeps. All scalars but
    booleans and nulls are texts. Of a key that is written twice the last one counts, as for Helm, with a diagnostic.

    Refused: aliases that repeat too much or stand inside what they repeat, tags of anything but strings, lists and maps
    as keys, more than MAX_MANIFEST_NODES values or MAX_MANIFEST_DEPTH levels.
    """
    reader = _ManifestReader(text, Source(path, _LINE.sub(lambda line: " " * len(line.group()), text)))
    try:
        count = 0
        for root in reader.documents():
            keep(root)
            count += 1
    except _RefusedManifestError as refused:
        return None, (*reader.repeated, refused.diagnostic)
    except yaml.YAMLError as error:
        return None, (*reader.repeated, reader.syntax_error(error))
    return count, tuple(reader.repeated)


class _ManifestReader:
    """Builds the tree of each document from the parser's events."""

    def __init__(self, text: str, source: Source) -> None:
        self.repeated: list[Diagnostic] = []
        self._text = text
        self._source = source
        self._count = 0
        self._deepest = 0
        self._anchors: dict[str, _Anchored] = {}
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
        problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
        if mark is None:
            found = _NO_YAML.search(self._text)
            name = f"the character U+{ord(found.group()):04X}" if found is not None else "a character"
            offset = found.start() if found is not None else 0
            return self._error("control-character", f"{name} is not allowed in YAML", offset)
        offset = min(mark.index, len(self._text))
        if problem == _PARSERS_OWN_LIMIT:
            return self._error("too-large", _TOO_DEEP, offset)
        opened = getattr(error, "context_mark", None)
        begun = opened.index if opened is not None else None
        # libyaml's `problem` is one of its own fixed sentences; `context` and str(error) may quote the file.
        mistake = explained(self._text, Rejection(problem or "not readable as YAML", offset, begun))
        return self._error(mistake.rule, mistake.message, mistake.start)

    def _node(self, event: Any, key_start: int, key_end: int, depth: int) -> Node:  # noqa: ANN401 - PyYAML types none
        self._count += 1
        if self._count > MAX_MANIFEST_NODES:
            self._refuse(event, f"the manifests have more than {MAX_MANIFEST_NODES} values", "too-large")
        if depth > self._deepest:
            self._deepest = depth
            if depth > MAX_MANIFEST_DEPTH:
                self._refuse(event, _TOO_DEEP, "too-large")
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._repeated(event, key_start, key_end, depth)
        if event.anchor is None:
            return self._plain(event, kind, key_start, key_end, depth)
        before, above, self._deepest = self._count, self._deepest, depth
        node = self._plain(event, kind, key_start, key_end, depth)
        self._anchors[event.anchor] = _Anchored(node, self._count - before, self._deepest - depth)
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

    def _repeated(self, event: Any, key_start: int, key_end: int, depth: int) -> Node:  # noqa: ANN401
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            self._refuse(event, "an alias must come after the value that it repeats, not inside it", "forbidden-yaml")
        # As many values as are written out: a few hundred bytes of aliases would be gigabytes.
        self._count += anchored.size
        self._deepest = max(self._deepest, depth + anchored.height)
        if self._count > MAX_MANIFEST_NODES or self._deepest > MAX_MANIFEST_DEPTH:
            self._refuse(event, "what the aliases repeat is too large", "too-large")
        at = extent(*_bounds(event), key_start, key_end)
        return Node(anchored.node.value, self._source, at)

    def _note_repeated(self, name: str, earlier: Node, later: Node) -> None:
        if len(self.repeated) > MOST_OF_A_KIND:
            return
        finding = Finding(
            f"the key {quoted(name)} is written twice; the last one counts",
            later.key_span,
            help="remove one of the two where the manifest is written",
            related=(Related("first written", earlier.key_span),),
            brief=True,
        )
        found = BY_ID["repeated-key"].diagnostic(finding)
        self.repeated.append(and_more(found) if len(self.repeated) == MOST_OF_A_KIND else found)

    def _refuse(self, event: Any, message: str, rule: str) -> NoReturn:  # noqa: ANN401
        raise _RefusedManifestError(self._error(rule, message, _bounds(event)[0]))

    def _error(self, rule: str, message: str, offset: int) -> Diagnostic:
        span = Span(self._source, offset, offset)
        way_out = "correct what writes these manifests"
        return Diagnostic(rule, Severity.ERROR, message, span, help=way_out, brief=True)


_TOO_DEEP = f"the manifests are nested more than {MAX_MANIFEST_DEPTH} levels deep"


def _value(event: yaml.ScalarEvent) -> Scalar:
    text: str = event.value
    if event.style or event.tag is not None:
        return text
    return None if text in _NULLS else _BOOLEANS.get(text, text)


def _bounds(event: Any) -> tuple[int, int]:  # noqa: ANN401 - the marks of a parser's events are always there
    return event.start_mark.index, event.end_mark.index
