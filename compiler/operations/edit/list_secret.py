"""Adds a secret to the `secrets:` of an environment's file or a layer, in the style that the file has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.edit.proof import refuse_unproven
from compiler.operations.edit.scalar import scalar
from compiler.operations.edit.splice import Splice, lines_after, spliced
from compiler.operations.edit.text_lines import content_end, is_flow, line_break, line_start, next_line
from compiler.refusal import Refusal
from compiler.text.regex import regex

if TYPE_CHECKING:
    from compiler.model.document import Document, Node

_REST = regex(r"[ \t]*+(,?)[ \t]*+(?=#|\r?\n)")
_COLON = regex(r"\s*+:")
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
