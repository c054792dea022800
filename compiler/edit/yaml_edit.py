"""Sets, removes and adds members of an input file and keeps every other byte; alone imports ruamel.

The text is spliced where the loader found the member: a dump by any YAML library re-spaces lines that nobody touched.
Then two readers of YAML prove that exactly the intended change is there.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from compiler.model.document import Document, Node
from compiler.model.environment import MARK
from compiler.refusal import Refusal
from compiler.stages.emit import quote_yaml, scalar
from compiler.stages.load import load_text
from compiler.text.wording import command_line

# What may stand in quotes of any kind, and in a block, as it is.
_BARE = re.compile(r"[A-Za-z0-9-]+", re.ASCII)
_KEY_LINE = re.compile(r"[ \t]*:[ \t]*(?:#[^\n]*|\r)?\n")
_COLON = re.compile(r"\s*+:")
_SAME_LINE = re.compile(r"[ \t]*")
_REST_IN_BRACES = re.compile(r"[ \t]*+(,?)[ \t]*+(?=#|\r?\n)")
# White space and comments, up to what the parser would read next.
_PASSED_OVER = re.compile(r"(?:\s|(?<=\s)#[^\n]*)*")
_COMMENT = re.compile(r"\s*+(?:#.*\n?)?")
_INDENTED_COMMENT = re.compile(r"( *)#[^\n]*(?:\n|\Z)")
_EXTENDS = "extends"
# The keys of a setting of an entry, below the map of entries.
_ENTRY = 2
_STEP = "  "
_Scalar = str | bool
# What is written in one line.
Flow = _Scalar | Sequence["Flow"] | Mapping[str, "Flow"]


@dataclass(frozen=True, slots=True)
class Splice:
    """`text` in place of what stands from `start` up to `end` (not included) of the old text."""

    start: int
    end: int
    text: str = ""


Splices = tuple[Splice, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """One member to set or take out, by its keys from the top of the file."""

    path: tuple[str, ...]
    value: str | bool | None  # None takes the member out
    mark: str | None = None  # a comment at the end of its line; "" takes that out, None keeps it


def apply_splices(text: str, splices: Iterable[Splice]) -> str:
    """`text` with each of `splices`, which are in the order of their places and do not overlap."""
    parts, at = [], 0
    for splice in splices:
        parts += [text[at : splice.start], splice.text]
        at = splice.end
    return "".join((*parts, text[at:]))


def offset_before(splices: Iterable[Splice], offset: int) -> int | None:
    """Where in the old text stood what is at `offset` of the new one; None in what was put in."""
    grown = 0
    for splice in splices:
        start = splice.start + grown
        if offset < start:
            break
        if offset < start + len(splice.text):
            return None
        grown += len(splice.text) - (splice.end - splice.start)
    return offset - grown


def apply_edits(document: Document, edits: Iterable[Edit]) -> str:
    """The text of `document` after all `edits`, in their order.

    Maps on the way to a new member are made; a map that loses its only member stays as `{}`. Only the comment on a
    removed line goes. Raises Refusal where a member cannot be changed alone.
    """
    before, path, every = document.source.text, document.source.path, tuple(edits)
    # The other reader takes a thousand times as long as the edit: it proves all of them at once.
    text = _after(path, before, every)
    if text is not None and _is_proved(before, text, [(edit.path, edit.value) for edit in every]):
        return text
    text = before
    for edit in every:
        new = _after(path, text, [edit])
        if new is None or not _is_proved(text, new, [(edit.path, edit.value)]):
            name = ".".join(edit.path)
            message = f"{path} writes `{name}` in a form that this program cannot edit"
            way_out = f"set it to {edit.value} by hand" if edit.value is not None else "take it out by hand"
            raise Refusal("found", message, f"{way_out}, then run `{command_line('compile')}`")
        text = new
    return text


def add_members(
    document: Document,
    path: Sequence[str],
    new: Mapping[str, str] | Sequence[str],
    noun: str,
    *,
    is_apart: bool = False,
) -> Splices:
    """The edit that adds `new` at the end of what stands at `path`, in the style of the file.

    `new` has the values of new members, to be written in braces, or the lines of members of a map, indented by two
    spaces. Where it `is_apart`, an empty line goes before it. Raises Refusal, which calls it a `noun`.
    """
    shown, text = document.source.path, document.source.text
    if isinstance(new, Mapping):
        splices = _addition_in_braces(document, path, new, noun)
    else:
        splices = _addition_of_lines(document, path, new, noun, is_apart=is_apart)
    changed, found = load_text(shown, apply_splices(text, splices))
    if changed is None:
        # The place would be one of a file that does not exist.
        way_out = "use letters, digits, _ and - in names, or add it by hand"
        raise Refusal("usage", f"{shown} would not be readable: {found[0].message}", way_out)
    members: object = dict(new) if isinstance(new, Mapping) else _second_reading("\n".join(new) + "\n")
    changes = [(path, members)]
    if not isinstance(new, Mapping) and isinstance(members, dict):
        changes = [((*path, key), value) for key, value in members.items()]
    if not isinstance(members, dict) or not _is_proved(text, changed.source.text, changes):
        raise Refusal("usage", f"{shown} has a form that no {noun} can be added to", "add it by hand")
    return splices


def listing(secret: str, namespace: str | None) -> str:
    """What stands under `secrets:` of a file that lists `secret`, in a namespace of its own where it has one."""
    return f"{scalar(secret)}: {in_braces(listing_value(namespace))}"


def listing_value(namespace: str | None) -> Mapping[str, str]:
    return {"namespace": namespace} if namespace is not None else {}


def in_braces(value: Flow, path: Sequence[str] = (), style: Callable[[str], str] = scalar) -> str:
    """`value` below the keys of `path`, in one line: each map in braces, each list in brackets."""
    if path:
        return f"{{{style(path[0])}: {in_braces(value, path[1:], style)}}}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return style(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{style(key)}: {in_braces(text, (), style)}' for key, text in value.items())}}}"
    return f"[{', '.join(in_braces(each, (), style) for each in value)}]"


def is_flow(node: Node) -> bool:
    """Whether a map is written in braces."""
    return node.source.text[node.start : node.start + 1] == "{"


def _after(path: str, text: str, edits: Iterable[Edit]) -> str | None:
    """`text` after all edits, unproved; None where one cannot be made, or leaves what cannot be read."""
    for edit in edits:
        document, _ = load_text(path, text)
        if document is None:
            return None
        root = document.root
        splices = _removal(root, edit.path) if edit.value is None else _setting(root, edit.path, edit.value)
        if splices is None:
            return None
        text = apply_splices(text, splices)
        text = text if edit.mark is None else _set_mark(path, text, edit)
    return text


def _set_mark(path: str, text: str, edit: Edit) -> str:
    document, _ = load_text(path, text)
    member = document.root.get(*edit.path) if document is not None else None
    if member is None:
        return text
    start, end = member.rest_of_line
    rest = MARK.sub("", text[start:end])
    return f"{text[:start]}{rest}{f'  # {edit.mark}' if edit.mark else ''}{text[end:]}"


def _is_proved(before: str, after: str, changes: Iterable[tuple[Sequence[str], object]]) -> bool:
    """Whether either reader of YAML sees those changes and no other; None stands for a member that goes."""
    for read in (_first_reading, _second_reading):
        seen, expected = read(after), read(before)
        for path, value in changes:
            expected = _set_value(expected, path, value)
        if seen is None or seen != expected:
            return False
    return True


def _first_reading(text: str) -> object:
    document, _ = load_text("", text)
    return document.root.plain_data() if document is not None else None


def _second_reading(text: str) -> object:
    """The plain data of a text as YAML 1.2, which editors and other tools read, or None where it cannot be parsed."""
    try:
        found = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError):
        return None
    # A file of comments alone.
    return {} if found is None else found


def _set_value(data: object, path: Sequence[str], value: object) -> object:
    """What `data` is to be with `value` at `path`."""
    key, *rest = path
    members = dict(data) if isinstance(data, dict) else {}
    if rest:
        members[key] = _set_value(members.get(key), rest, value)
    elif value is None:
        members.pop(key, None)
    else:
        members[key] = value
    return members


def _setting(root: Node, path: Sequence[str], value: _Scalar) -> Splices | None:
    """The edit that puts `value` at `path`; None where something on the way is no map."""
    node = root
    for depth, key in enumerate(path):
        child = node.children.get(key)
        if child is None:
            return _with_member(node, path[depth:], value, is_root=node is root)
        if depth < len(path) - 1 and child.value is None:
            return (_replacement(child, in_braces(value, path[depth + 1 :])),)
        if depth < len(path) - 1 and not isinstance(child.value, dict):
            return None
        node = child
    return None if isinstance(node.value, dict | tuple) else (_with_value(node, value),)


def _with_value(node: Node, value: _Scalar) -> Splice:
    old, written = node.value, node.source.text[node.start : node.end]
    is_bare = isinstance(value, str) and _BARE.fullmatch(value) and (not node.plain or scalar(value) == value)
    if isinstance(old, str) and isinstance(value, str) and old and written.count(old) == 1 and is_bare:
        # The word alone: quotes, a block's header and its comment stay.
        at = node.start + written.index(old)
        return Splice(at, at + len(old), value)
    return _replacement(node, in_braces(value))


def _replacement(node: Node, new: str) -> Splice:
    text = node.source.text
    is_block = text[node.end - 1 : node.end] == "\n" and not node.is_empty
    end = _line_break(text, node.start) if is_block else ""
    return Splice(node.start, node.end, f"{' ' if node.is_empty else ''}{new}{end}")


def _with_member(mapping: Node, path: Sequence[str], value: _Scalar, *, is_root: bool) -> Splices:
    text = mapping.source.text
    if is_flow(mapping):
        if mapping.children:
            return _into_braces(mapping, path, value)
        # As the braces are spaced.
        at, space = mapping.start + 1, " " if text[mapping.start + 1 :].startswith(" }") else ""
        return (Splice(at, at, f"{space}{scalar(path[0])}: {in_braces(value, path[1:])}"),)
    indent = _indent(mapping)
    entry = [f"{indent}{scalar(path[0])}: {in_braces(value, path[1:])}"]
    if len(path) > _ENTRY:
        # A map of entries has a line for each, so that the next one is a line of its own too.
        below = f"{indent}{_STEP}{scalar(path[1])}: {in_braces(value, path[2:])}"
        entry = [f"{indent}{scalar(path[0])}:", below]
    first, key_line = next(iter(mapping.children), None), _KEY_LINE.match(text, mapping.key_end)
    if first is None:
        return (_lines_below(text, len(text), entry),)
    if len(path) > 1 and not _ends_open(mapping):
        return (_lines_below(text, _end_of_block(mapping), entry),)
    if is_root and first == _EXTENDS:
        return (_lines_below(text, _content_end(mapping.children[first]), entry),)
    if not is_root and key_line is not None:
        return (_lines_below(text, key_line.end(), entry),)
    # On a line of its own, or where the map begins in the line of its key.
    end, at = _line_break(text, mapping.start), _line_start(text, mapping.start)
    if not text[at : mapping.start].strip():
        return (Splice(at, at, end.join((*entry, ""))),)
    return (Splice(mapping.start, mapping.start, end.join((*entry, indent)).removeprefix(indent)),)


def _ends_open(mapping: Node) -> bool:
    """Whether the file ends in a block of text without a line break: one more line would be part of that text."""
    text, end = mapping.source.text, _content_end(mapping)
    is_block = any(each.end == end and not each.plain and text[each.start] in "|>" for each in mapping.walk())
    return is_block and end == len(text) and text[end - 1] != "\n"


def _end_of_block(mapping: Node) -> int:
    """The offset below the last member and the comments that belong to it by their indentation."""
    text = mapping.source.text
    at, indent = _next_line(text, _content_end(mapping)), len(_indent(mapping))
    while found := _INDENTED_COMMENT.match(text, at):
        if len(found[1]) <= indent:
            break
        at = found.end()
    return at


def _removal(root: Node, path: Sequence[str]) -> Splices | None:
    """The edit that takes out the member at `path` with its line; None when only comments would remain."""
    mapping, member = root.get(*path[:-1]), root.get(*path)
    if mapping is None or member is None:
        return None
    if is_flow(mapping):
        return _removal_from_braces(mapping, member)
    text = mapping.source.text
    start, end = _line_start(text, member.key_start), _next_line(text, _content_end(member))
    if text[start : member.key_start].strip(" ?"):
        return None
    _, *below = text[start:end].splitlines(keepends=True)
    kept = Splice(start, end, "".join(line for line in below if _COMMENT.fullmatch(line)))
    if len(mapping.children) > 1 or mapping is root:
        return (kept,)
    colon = _COLON.match(text, mapping.key_end)
    return (Splice(colon.end(), colon.end(), " {}"), kept) if colon is not None else None


def _removal_from_braces(mapping: Node, member: Node) -> Splices | None:
    text, members = mapping.source.text, list(mapping.children.values())
    at, gone = members.index(member), Splice(member.key_start, member.end)
    is_last = at + 1 == len(members)
    comma = _comma(text, members[at - 1].end if is_last and at else member.end)
    if comma is None:
        return (gone,) if len(members) == 1 else None
    if is_last and at:
        between = text[comma + 1 : member.key_start]
        return (Splice(comma, member.end, between if between.strip() or "\n" in between else ""),)
    space = _SAME_LINE.match(text, comma + 1) if not is_last else None
    return (gone, Splice(comma, space.end() if space is not None else comma + 1))


def _comma(text: str, offset: int) -> int | None:
    """Where the comma after a member stands, None where there is none."""
    passed = _PASSED_OVER.match(text, offset)
    at = passed.end() if passed is not None else offset
    return at if text[at : at + 1] == "," else None


def _addition_in_braces(document: Document, path: Sequence[str], value: Mapping[str, str], noun: str) -> Splices:
    """The edit that adds a member with `value` in braces, on the line of its map or on one of its own."""
    root, text = document.root, document.source.text
    holder = root.nearest(*path[:-1])
    depth = next(at for at in range(len(path)) if root.get(*path[:at]) is holder)
    if depth and holder.value is None and not holder.is_empty:
        message = f"`{path[0]}` is null in {document.source.path}, which takes out all {noun}s of the layers below"
        raise Refusal("usage", message, f"remove the line, or list the {noun} elsewhere")
    if is_flow(holder) and holder.children:
        return _into_braces(holder, path[depth:], value, is_own_line=True)
    if depth and is_flow(root):
        return (Splice(holder.start, holder.end, in_braces(value, path[depth:])),)
    step = " " * _step(document)
    *keys, last = map(scalar, path[depth:])
    lines = [*(f"{step * at}{key}:" for at, key in enumerate(keys)), f"{step * len(keys)}{last}: {in_braces(value)}"]
    if not depth or holder.children:
        return (_lines_at_end(holder, lines),)
    # In place of `{}`, or after nothing: a block below.
    start = holder.start
    while text[start - 1] in " \t" and not holder.is_empty:
        start -= 1
    indent = " " * (holder.key_span.column - 1)
    below = _lines_below(text, holder.end, [f"{indent}{step}{line}" for line in lines])
    return (below,) if holder.is_empty else (Splice(start, holder.end), below)


def _addition_of_lines(
    document: Document, path: Sequence[str], members: Sequence[str], noun: str, *, is_apart: bool
) -> Splices:
    """The edit that adds the lines of `members` to the map at `path`, and the maps on the way that are not there."""
    root = document.root
    holder = root.nearest(*path)
    depth = next(at for at in range(len(path) + 1) if root.get(*path[:at]) is holder)
    if is_flow(root) or (depth and (is_flow(holder) or not holder.children)):
        message = f"`{path[0]}` in {document.source.path} is not written as a block"
        by_hand = f"write it as a block, a line for each, or add the {noun} by hand"
        raise Refusal("usage", message, by_hand if holder.children else "remove the line; it is written again")
    step, keys = " " * _step(document), [scalar(key) for key in path[depth:]]
    lines = [f"{step * at}{key}:" for at, key in enumerate(keys)]
    lines += [f"{step * (len(keys) + _level(line))}{line.lstrip(' ')}" if line else "" for line in members]
    return (_lines_at_end(holder, ["", *lines] if is_apart and depth else lines),)


def _lines_at_end(mapping: Node, lines: Iterable[str]) -> Splice:
    """The splice that puts `lines` at the end of a block, indented as its members are, or at the end of the file."""
    text, is_root = mapping.source.text, mapping.key_start < 0
    indent = " " * (min((child.key_span.column for child in mapping.children.values()), default=1) - 1)
    return _lines_below(
        text, len(text) if is_root else _content_end(mapping), [f"{indent}{line}" if line else "" for line in lines]
    )


def _level(line: str) -> int:
    return (len(line) - len(line.lstrip(" "))) // len(_STEP)


def _into_braces(
    mapping: Node, path: Sequence[str], value: _Scalar | Mapping[str, str], *, is_own_line: bool = False
) -> Splices:
    """After the last member of a map in braces; where `is_own_line`, on a line of its own if that one has one."""
    text = mapping.source.text
    last = max(mapping.children.values(), key=lambda child: child.key_start)
    style = quote_yaml if text[last.key_start] == '"' else scalar
    entry = f"{style(path[0])}: {in_braces(value, path[1:], style)}"
    end = last.end
    if last.is_empty:
        # It may have its colon behind the key, or none.
        colon = _COLON.match(text, last.key_end)
        end = colon.end() if colon is not None else last.key_end
    lead = text[_line_start(text, last.key_start) : last.key_start]
    rest = _REST_IN_BRACES.match(text, end)
    # A colon needs a space behind it.
    comma = " ," if text[end - 1] == ":" else ","
    if not is_own_line or lead.strip() or rest is None or rest.end() >= mapping.end:
        return (Splice(end, end, f"{comma} {entry}"),)
    at = _next_line(text, end)
    below = Splice(at, at, f"{lead}{entry}{rest[1]}{_line_break(text, end)}")
    return (below,) if rest[1] else (Splice(end, end, comma), below)


def _step(document: Document) -> int:
    """How far the file indents: as the first map below another does, else as most files do."""
    for node in document.root.walk():
        if not is_flow(node):
            for child in node.children.values():
                if child.children and not is_flow(child):
                    inner = next(iter(child.children.values()))
                    return inner.key_span.column - child.key_span.column
    return len(_STEP)


def _lines_below(text: str, offset: int, lines: Iterable[str]) -> Splice:
    """The splice that puts `lines` below the line of `offset`, broken as that one is."""
    at = _next_line(text, offset)
    end = _line_break(text, at)
    opened = end if at and text[at - 1] != "\n" else ""
    return Splice(at, at, opened + "".join(line + end for line in lines))


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _next_line(text: str, offset: int) -> int:
    """Where the line after `offset` begins, or the text ends; a literal block ends there already."""
    if text[offset - 1 : offset] == "\n":
        return offset
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


def _line_break(text: str, offset: int) -> str:
    """The line break to write at `offset`: that of the line there, else that of the line before."""
    at = text.find("\n", offset)
    if at < 0:
        at = text.rfind("\n", 0, offset)
    return "\r\n" if text[max(at - 1, 0) : at + 1] == "\r\n" else "\n"


def _indent(mapping: Node) -> str:
    return " " * (mapping.span.column - 1 if mapping.children else 0)


def _content_end(node: Node) -> int:
    """Where the last thing written in a node ends; the parser ends a block only where the next one begins."""
    return max(_end(each) for each in node.walk())


def _end(node: Node) -> int:
    braced = node.source.text[node.start : node.start + 1] in ("{", "[")
    return node.end if braced or not isinstance(node.value, dict | tuple) else -1
