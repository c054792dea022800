from __future__ import annotations

from compiler.text.command_line import command_line


def test_a_command_line_can_be_pasted() -> None:
    assert command_line("put", "dev", "github") == "platform-secrets put dev github"
    assert command_line("put", "dev", "a b; id") == "platform-secrets put dev 'a b; id'"
