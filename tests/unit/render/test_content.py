from typing import get_args

from compiler.cli.terminal.contents import text_of
from compiler.render.content import Content, Data, Element, Lines, Painted, Piece, Style, WorkflowCommands


def test_every_content_has_a_text() -> None:
    contents = (Lines(["a"]), Data({"a": 1}), Element("a", {}), WorkflowCommands(()))
    assert {type(content) for content in contents} == set(get_args(Content))
    assert all(text_of(content).endswith("\n") for content in contents if not isinstance(content, WorkflowCommands))


def test_every_piece_can_stand_in_a_line() -> None:
    pieces = [Painted("a", Style.RED) if kind is Painted else kind("a") for kind in get_args(Piece)]
    assert text_of(Lines([tuple(pieces)])) == "aa`a`a\n"
