from typing import get_args, get_origin

from compiler.cli.terminal.contents import text_of
from compiler.render.content import Content, Element, Painted, Piece, Style, WorkflowCommands


def test_every_content_has_a_text() -> None:
    contents = ({"a": 1}, Element("a", {}), WorkflowCommands(()), ["a"])
    kinds = [get_origin(kind) or kind for kind in get_args(Content)]
    assert [next(kind for kind in kinds if isinstance(content, kind)) for content in contents] == kinds
    assert all(text_of(content).endswith("\n") for content in contents if not isinstance(content, WorkflowCommands))


def test_every_piece_can_stand_in_a_line() -> None:
    pieces = [Painted("a", Style.RED) if kind is Painted else kind("a") for kind in get_args(Piece)]
    assert text_of([tuple(pieces)]) == "aa`a`a\n"
