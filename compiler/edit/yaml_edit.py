"""Changes single members of an input file and leaves every other byte as it is; the only module that imports ruamel.

The text is spliced where the loader found the member, because a dump by any YAML library re-spaces lines that nobody
touched. The proof comes afterwards: both readers see exactly the intended change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from compiler.model.document import Document, Node
from compiler.refusal import Refusal
from compiler.stages.emit import quote, read_values
from compiler.stages.load import load_text
from compiler.text.command_line import command_line


@dataclass(frozen=True, slots=True)
class Splice:
    """`text` in place of what stands from `start` up to `end` (not included) of the old text."""

    start: int
    end: int
    text: str


def spliced(text: str, splices: Sequence[Splice]) -> str:
    """`text` with each of `splices`, which are in the order of their places and do not overlap."""
    parts, at = [], 0
    for splice in splices:
        parts += [text[at : splice.start], splice.text]
        at = splice.end
    return "".join((*parts, text[at:]))


def lines_after(text: str, offset: int, lines: Sequence[str]) -> Splice:
    """The splice that puts `lines` below the line of `offset`, broken as that one is."""
    at = next_line(text, offset)
    end = line_break(text, at)
    opened = end if at and text[at - 1] != "\n" else ""
    return Splice(at, at, opened + "".join(line + end for line in lines))


def offset_before(splices: Sequence[Splice], offset: int) -> int | None:
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


def line_start(text: str, offset: int) -> int:
    """Where the line of `offset` begins."""
    return text.rfind("\n", 0, offset) + 1


def next_line(text: str, offset: int) -> int:
    """Where the line after `offset` begins, the end of the text where there is none.

    A literal block ends at the beginning of the next line already.
    """
    if text[offset - 1 : offset] == "\n":
        return offset
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


def rest_of_line(node: Node) -> tuple[int, int]:
    """From where to where the line of a node goes on behind it, without the line break."""
    text = node.source.text
    end = text.find("\n", node.end)
    end = len(text) if end < 0 else end
    return node.end, end - 1 if text[node.end : end].endswith("\r") else end


def line_break(text: str, offset: int) -> str:
    """The line break to write at `offset`: that of the line there, else that of the line before."""
    at = text.find("\n", offset)
    if at < 0:
        at = text.rfind("\n", 0, offset)
    return "\r\n" if text[max(at - 1, 0) : at + 1] == "\r\n" else "\n"


def is_flow(node: Node) -> bool:
    """Whether a map is written in braces."""
    return node.source.text[node.start : node.start + 1] == "{"


def content_end(node: Node) -> int:
    """Where the last thing written in a node ends; the parser ends a block only where the next one begins."""
    return max(_end(each) for each in node.walk())


def _end(node: Node) -> int:
    braced = node.source.text[node.start : node.start + 1] in ("{", "[")
    return node.end if braced or not isinstance(node.value, dict | tuple) else -1


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*", re.ASCII)


def scalar(text: str) -> str:
    """The text without quotes where YAML 1.1 and 1.2 both read it as it is, else in double quotes."""
    # PyYAML takes `y` and `n` for text, other readers of YAML 1.1 do not.
    is_text = text.lower() not in ("y", "n") and read_values(text) == text
    return text if _PLAIN.fullmatch(text) and is_text else quote(text)


def second_reading(text: str) -> object:
    """The plain data of a text, or None where it cannot be parsed.

    The compiler's own parser reads YAML 1.1, editors and other tools YAML 1.2: an edit is safe where both parsers
    see the same change.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError):
        return None


def refuse_unproven(old: Document, new_text: str, secret: str) -> None:
    """Raises Refusal where `new_text` is more or less than `old` with `secret` at the end of `secrets`."""
    shown = old.source.path
    document, found = load_text(shown, new_text)
    if document is None:
        # The place would be one of a file that does not exist.
        way_out = "use letters, digits, _ and - in names, or add it by hand"
        raise Refusal("usage", f"{shown} would not be readable: {found[0].message}", way_out)
    added = _added(old.root.plain_data(), document.root.plain_data())
    agrees = added is not None and added == _added(second_reading(old.source.text), second_reading(new_text))
    if added is None or not agrees or added[0] != secret:
        raise Refusal("usage", f"{shown} has a form that no secret can be added to", "add it by hand")


def _added(before: object, after: object) -> tuple[str, object] | None:
    """The last secret of `after` with its id, where all else is as `before` has it."""
    secrets = after.get("secrets") if isinstance(after, dict) else None
    if not isinstance(secrets, dict) or not isinstance(after, dict) or not secrets:
        return None
    # A file of comments alone is an empty mapping to one parser and None to the other.
    old = before if isinstance(before, dict) else {}
    kept = dict(secrets)
    last = kept.popitem()
    return last if {**after, "secrets": kept} == {**old, "secrets": old.get("secrets") or {}} else None


_KEY_LINE = re.compile(r"[ \t]*:[ \t]*(?:#[^\n]*|\r)?\n")
# What may stand in quotes of any kind, and in a block, as it is.
_BARE = re.compile(r"[A-Za-z0-9-]+", re.ASCII)
_EXTENDS = "extends"
# The keys of a setting of an entry, below the map of entries, and how far a new map is indented.
_ENTRY = 2
_STEP = "  "


def member_set(root: Node, path: Sequence[str], value: str) -> str | None:
    """The text of the file of `root` with `value` at `path`; None where something on the way is no map."""
    node = root
    for depth, key in enumerate(path):
        child = node.children.get(key)
        if child is None:
            return _with_member(node, path[depth:], value, is_root=node is root)
        if depth < len(path) - 1 and child.value is None:
            return _replaced(child, _braces(path[depth + 1 :], value, scalar))
        if depth < len(path) - 1 and not isinstance(child.value, dict):
            return None
        node = child
    return None if isinstance(node.value, dict | tuple) else _with_value(node, value)


def _with_value(node: Node, value: str) -> str:
    text, old = node.source.text, node.value
    written = text[node.start : node.end]
    is_bare = _BARE.fullmatch(value) and (not node.plain or scalar(value) == value)
    if isinstance(old, str) and old and written.count(old) == 1 and is_bare:
        # The word alone: quotes, a block's header and its comment stay.
        at = node.start + written.index(old)
        return text[:at] + value + text[at + len(old) :]
    return _replaced(node, scalar(value))


def _replaced(node: Node, new: str) -> str:
    text = node.source.text
    before, after = text[: node.start], text[node.end :]
    if node.is_empty:
        return f"{before} {new}{after}"
    is_block = text[node.end - 1 : node.end] == "\n"
    return f"{before}{new}{line_break(text, node.start) if is_block else ''}{after}"


def _with_member(mapping: Node, path: Sequence[str], value: str, *, is_root: bool) -> str:
    if is_flow(mapping):
        return _in_braces(mapping, path, value)
    text = mapping.source.text
    if len(path) > _ENTRY:
        # A map of entries has a line for each, so that the next one is a line of its own too.
        below = f"{' ' * _indent(mapping)}{_STEP}{scalar(path[1])}: {_braces(path[2:], value, scalar)}"
        entry = f"{scalar(path[0])}:{line_break(text, len(text))}{below}"
    else:
        entry = f"{scalar(path[0])}: {_braces(path[1:], value, scalar)}"
    if not mapping.children:
        at = len(text)
    elif len(path) > 1 and not _ends_open(mapping):
        at = _end_of_block(mapping)
    elif is_root:
        first = next(iter(mapping.children))
        if first != _EXTENDS:
            return _before(mapping, entry)
        at = next_line(text, content_end(mapping.children[first]))
    else:
        found = _KEY_LINE.match(text, mapping.key_end)
        if found is None:
            return _before(mapping, entry)
        at = found.end()
    return spliced(text, [lines_after(text, at, [f"{' ' * _indent(mapping)}{entry}"])])


def _ends_open(mapping: Node) -> bool:
    """Whether the file ends in a block of text without a line break: one more line would be part of that text."""
    text, end = mapping.source.text, content_end(mapping)
    is_block = any(each.end == end and not each.plain and text[each.start] in "|>" for each in mapping.walk())
    return is_block and end == len(text) and text[end - 1] != "\n"


def _before(mapping: Node, entry: str) -> str:
    """As the first member: on a line of its own, or where the map begins in the line of its key."""
    text, at = mapping.source.text, mapping.start
    end, indent = line_break(text, at), " " * _indent(mapping)
    if not text[line_start(text, at) : at].strip():
        at = line_start(text, at)
        return f"{text[:at]}{indent}{entry}{end}{text[at:]}"
    return f"{text[:at]}{entry}{end}{indent}{text[at:]}"


def _indent(mapping: Node) -> int:
    return mapping.span.column - 1 if mapping.children else 0


def _end_of_block(mapping: Node) -> int:
    """The offset below the last member and the comments that belong to it by their indentation."""
    text = mapping.source.text
    at, indent = next_line(text, content_end(mapping)), _indent(mapping)
    while found := re.compile(r"( *)#[^\n]*(?:\n|\Z)").match(text, at):
        if len(found[1]) <= indent:
            break
        at = found.end()
    return at


def _in_braces(mapping: Node, path: Sequence[str], value: str) -> str:
    text = mapping.source.text
    if not mapping.children:
        at, entry = mapping.start + 1, f"{scalar(path[0])}: {_braces(path[1:], value, scalar)}"
        if text[at : at + 2] == " }":
            return f"{text[:at]} {entry}{text[at:]}"
        return f"{text[:at]}{entry}{text[at:]}"
    last = list(mapping.children.values())[-1]
    style = quote if text[last.key_start] == '"' else scalar
    entry = f"{style(path[0])}: {_braces(path[1:], value, style)}"
    return f"{text[: last.end]}, {entry}{text[last.end :]}"


def _braces(path: Sequence[str], value: str, style: Callable[[str], str]) -> str:
    if not path:
        return style(value)
    return f"{{{style(path[0])}: {_braces(path[1:], value, style)}}}"


_COLON = re.compile(r"[ \t]*:")
# White space and comments, up to what the parser would read next.
_PASSED_OVER = re.compile(r"(?:\s|(?<=\s)#[^\n]*)*")
_SAME_LINE = re.compile(r"[ \t]*")
_COMMENT = re.compile(r"\s*+(?:#.*\n?)?")


def dropped(root: Node, path: Sequence[str]) -> str | None:
    """The text of the file of `root` without the member at `path`; None where it cannot be taken out alone."""
    mapping = root.get(*path[:-1])
    member = root.get(*path)
    if mapping is None or member is None:
        return None
    if is_flow(mapping):
        return _from_braces(mapping, member)
    text = mapping.source.text
    start, end = line_start(text, member.key_start), next_line(text, content_end(member))
    if text[start : member.key_start].strip(" ?"):
        return None
    kept = text[:start] + _comments(text[start:end]) + text[end:]
    if len(mapping.children) > 1 or mapping is root:
        return kept
    colon = _COLON.match(text, mapping.key_end)
    return f"{kept[: colon.end()]} {{}}{kept[colon.end() :]}" if colon is not None else None


def _comments(lines: str) -> str:
    """The lines of comments and blank lines below the first one."""
    _, *below = lines.splitlines(keepends=True)
    return "".join(line for line in below if _COMMENT.fullmatch(line))


def _from_braces(mapping: Node, member: Node) -> str | None:
    text = mapping.source.text
    members = list(mapping.children.values())
    at = members.index(member)
    start, end = member.key_start, member.end
    if len(members) == 1:
        comma = _comma(text, end)
        return text[:start] + (text[end:comma] + text[comma + 1 :] if comma is not None else text[end:])
    if at + 1 < len(members):
        comma = _comma(text, end)
        if comma is None:
            return None
        rest = _SAME_LINE.match(text, comma + 1)
        return text[:start] + text[end:comma] + text[rest.end() if rest is not None else comma + 1 :]
    comma = _comma(text, members[at - 1].end)
    if comma is None:
        return None
    between = text[comma + 1 : start]
    return text[:comma] + (between if between.strip() or "\n" in between else "") + text[end:]


def _comma(text: str, offset: int) -> int | None:
    """Where the comma after a member stands, None where there is none."""
    passed = _PASSED_OVER.match(text, offset)
    at = passed.end() if passed is not None else offset
    return at if text[at : at + 1] == "," else None


# Of a `store:` that stood before a switch: the store, and where it shares its line with others, the secrets.
MARK = re.compile(r"  # before: (\S+)(?: for ([^#\n]*))?$")


@dataclass(frozen=True, slots=True)
class Edit:
    """One member, by its keys from the top of the file: `value` is its new text, None takes the member out.

    `mark` is a comment to put at the end of its line, in place of the mark there; an empty one takes that out. None: as
    it is.
    """

    path: tuple[str, ...]
    value: str | None
    mark: str | None = None


def edited(document: Document, edits: Iterable[Edit]) -> str:
    """The text of `document` after all `edits`, in their order.

    Maps on the way to a new member are made; a map that loses its only member stays as `{}`. Comments stay, but for
    one on the line of a member that is taken out. Raises Refusal for a text in which a member cannot be changed alone.
    """
    before, path, every = document.source.text, document.source.path, tuple(edits)
    # The other reader takes a thousand times as long as the edit: it proves all of them at once.
    text = _spliced(path, before, every)
    if text is not None and _proved(path, before, text, every):
        return text
    text = before
    for edit in every:
        new = _spliced(path, text, [edit])
        if new is None or not _proved(path, text, new, [edit]):
            name = ".".join(edit.path)
            message = f"{path} cannot be edited in the form that it has: `{name}`"
            way_out = f"set it to {edit.value} by hand" if edit.value is not None else "take it out by hand"
            raise Refusal("found", message, f"{way_out}, then run `{command_line('compile')}`")
        text = new
    return text


def _spliced(path: str, text: str, edits: Iterable[Edit]) -> str | None:
    """`text` after all edits, unproved; None where one cannot be made, or leaves what cannot be read."""
    for edit in edits:
        document, _ = load_text(path, text)
        if document is None:
            return None
        root = document.root
        new = dropped(root, edit.path) if edit.value is None else member_set(root, edit.path, edit.value)
        if new is None:
            return None
        text = new if edit.mark is None else _marked(path, new, edit)
    return text


def _marked(path: str, text: str, edit: Edit) -> str:
    document, _ = load_text(path, text)
    member = document.root.get(*edit.path) if document is not None else None
    if member is None:
        return text
    start, end = rest_of_line(member)
    rest = MARK.sub("", text[start:end])
    return f"{text[:start]}{rest}{f'  # {edit.mark}' if edit.mark else ''}{text[end:]}"


def _loaded(path: str, text: str) -> Document:
    document, _ = load_text(path, text)
    if document is None:
        raise ValueError("only what was loaded and proved is edited")
    return document


def _proved(path: str, before: str, after: str, edits: Sequence[Edit]) -> bool:
    """Whether either reader sees those changes and no other."""
    document, _ = load_text(path, after)
    if document is None or document.root.plain_data() != _all_changed(_loaded(path, before).root.plain_data(), edits):
        return False
    # A file of comments alone is None to the other reader.
    return (second_reading(after) or {}) == _all_changed(second_reading(before) or {}, edits)


def _all_changed(data: object, edits: Iterable[Edit]) -> object:
    for edit in edits:
        data = _changed(data, edit)
    return data


def _changed(data: object, edit: Edit) -> object:
    """What `data` is to be after the edit."""
    key, *rest = edit.path
    members = dict(data) if isinstance(data, dict) else {}
    if rest:
        members[key] = _changed(members.get(key), Edit(tuple(rest), edit.value))
    elif edit.value is None:
        members.pop(key, None)
    else:
        members[key] = edit.value
    return members


_REST = re.compile(r"[ \t]*+(,?)[ \t]*+(?=#|\r?\n)")
_USUAL_STEP = 2


def with_listed(document: Document, secret: str, namespace: str | None = None) -> tuple[Splice, ...]:
    """The edits that add `secret`, in `namespace` where one is given and else as `{}`, every other byte kept.

    Raises Refusal where the text has no place for it.
    """
    member = listing(secret, namespace)
    secrets = document.root.get("secrets")
    if secrets is None:
        splices = _with_secrets(document, member)
    elif secrets.children:
        splices = _into_flow(secrets, member) if is_flow(secrets) else _into_block(secrets, member)
    else:
        splices = _into_empty(document, secrets, member)
    refuse_unproven(document, spliced(document.source.text, splices), secret)
    return splices


def listing(secret: str, namespace: str | None) -> str:
    """What stands under `secrets:` of a file that lists `secret`, in a namespace of its own where it has one."""
    said = f"namespace: {scalar(namespace)}" if namespace is not None else ""
    return f"{scalar(secret)}: {{{said}}}"


def _with_secrets(document: Document, member: str) -> tuple[Splice, ...]:
    """`secrets:` at the end of a file that has none."""
    root, text = document.root, document.source.text
    if root.children and is_flow(root):
        return _into_flow(root, f"secrets: {{{member}}}")
    indent = " " * (min((child.key_span.column for child in root.children.values()), default=1) - 1)
    lines = [f"{indent}secrets:", f"{indent}{' ' * _step(document)}{member}"]
    return (lines_after(text, len(text), lines),)


def _into_block(secrets: Node, member: str) -> tuple[Splice, ...]:
    indent = next(iter(secrets.children.values())).key_span.column - 1
    return (lines_after(secrets.source.text, content_end(secrets), [f"{' ' * indent}{member}"]),)


def _into_empty(document: Document, secrets: Node, member: str) -> tuple[Splice, ...]:
    """In place of `{}`, or after nothing: a block below, unless the whole file is in braces."""
    text = secrets.source.text
    if secrets.value is None and not secrets.is_empty:
        message = f"`secrets` is null in {document.source.path}, which takes out all secrets of the layers below"
        raise Refusal("usage", message, "remove the line, or list the secret elsewhere")
    if is_flow(document.root):
        return (Splice(secrets.start, secrets.end, f"{{{member}}}"),)
    start = secrets.start
    while text[start - 1] in " \t" and not secrets.is_empty:
        start -= 1
    indent = secrets.key_span.column - 1 + _step(document)
    below = lines_after(text, secrets.end, [f"{' ' * indent}{member}"])
    return (below,) if secrets.is_empty else (Splice(start, secrets.end, ""), below)


def _into_flow(node: Node, member: str) -> tuple[Splice, ...]:
    """After the last member of a map in braces; on a line of its own where that one is."""
    text = node.source.text
    last = max(node.children.values(), key=lambda child: child.key_start)
    end = _end_in_flow(last)
    lead = text[line_start(text, last.key_start) : last.key_start]
    rest = _REST.match(text, end)
    # A colon needs a space behind it.
    comma = " ," if text[end - 1] == ":" else ","
    if lead.strip() or rest is None or rest.end() >= node.end:
        return (Splice(end, end, f"{comma} {member}"),)
    at = next_line(text, end)
    below = Splice(at, at, f"{lead}{member}{rest[1]}{line_break(text, end)}")
    return (below,) if rest[1] else (Splice(end, end, comma), below)


def _end_in_flow(node: Node) -> int:
    """Where a member ends: one without a value may have its colon behind the key, or none."""
    if not node.is_empty:
        return node.end
    colon = _COLON.match(node.source.text, node.key_end)
    return colon.end() if colon else node.key_end


def _step(document: Document) -> int:
    """How far the file indents: as the first map below another does, else as most files do."""
    for node in document.root.walk():
        if not is_flow(node):
            for child in node.children.values():
                if child.children and not is_flow(child):
                    inner = next(iter(child.children.values()))
                    return inner.key_span.column - child.key_span.column
    return _USUAL_STEP
