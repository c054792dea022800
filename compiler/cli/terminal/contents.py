"""Prepares a renderer's text for printing: conceals secrets, escapes control characters, keeps it well-formed.

Text is concealed before JSON or a workflow command escapes it, so that no escape hides a credential from the
search. Excerpts of source lines conceal on their own.
CI runners look for commands in whatever a step prints: GitHub's for `::name::` at the beginning of a line, after
blanks, and for `##[name]` anywhere (actions/runner, src/Runner.Common/ActionCommand.cs), Azure Pipelines' for
`##vso[name]` anywhere in any case (azure-pipelines-agent, src/Agent.Worker/WorkerCommandManager.cs), TeamCity for
`##teamcity[name]`. Quoted text gives none, wherever it is printed: no variable says for sure who reads a log.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from compiler.text.characters import cells, printable
from compiler.text.credential import CONCEALED, conceal
from compiler.text.wording import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from compiler.render.content import Content, Fingerprint, Fitted, Line, Piece, WorkflowCommands, Wrapped

# What Key Vault calls the versions of a secret looks like a key: 32 hexadecimal digits. Under these names in a report
# it is one, and in text after the word "version"; people need it to find the version.
_VERSIONS = frozenset({"version", "otherVersions"})
_VERSION = re.compile("[0-9a-f]{32}")
_MARKS = re.compile(r"[\\|`_*\[]")
# What makes a command of two signs, `#` and a name before a bracket, wherever it stands.
_SECOND_SIGN = re.compile(r"(?<=#)#(?=[A-Za-z]*\[)")
_COMMAND = re.compile(r"(?m)^[^\S\n]*:(?=:)|##(?=[A-Za-z]*\[)")
# One that is whole: `::1` in a file of hosts is none.
_WHOLE_COMMAND = re.compile(r"(?m)^[^\S\n]*::[^\n]*?::|##[A-Za-z]*\[")
# As Helm writes above each manifest.
_ORIGIN = "\n# Source: "
# A word of a line that is fitted, with the code in it; or the space between two.
_WORD = re.compile(r"(?:`[^`]*`|[^ ])+| ")
_STYLED = re.compile(r"\x1b\[[0-9;]*m")
# Characters of a wrapped line: what a terminal has where nobody made it wider.
WIDTH = 80
# No longer text is likely to occur twice.
_REPEATED = 64


def text_of(content: Content, *, colour: bool = False, width: int | None = None) -> str:
    """The whole of `content` as anyone may see it; `width` is the terminal's, if there is one."""
    return "".join(parts_of(content, colour=colour, width=width))


def parts_of(content: Content, *, colour: bool = False, width: int | None = None) -> Iterator[str]:
    """The same text in parts: JSON of many environments is printed one after the other, and never whole in memory."""
    writer = _Writer(colour=colour, width=width)
    if isinstance(content, Mapping):
        yield from writer.json(content)
    else:
        yield writer.text(content)


def line_text(line: Line, *, colour: bool = False, width: int | None = None) -> str:
    """One line; whatever it holds, it stays one, but for what a terminal of `width` breaks."""
    return _harmless(_Writer(colour=colour, width=width).line(line))


def block_text(text: str) -> str:
    """Several lines that belong together, with secrets concealed and control characters escaped."""
    concealed = conceal(text)
    if concealed.isascii() and concealed.replace("\n", "").isprintable():
        return _harmless(concealed)
    return _harmless("\n".join(map(printable, concealed.split("\n"))))


def command_place(text: str) -> str | None:
    """Where a CI runner would take a part of `text` for a command, without that text; None for nowhere."""
    found = _WHOLE_COMMAND.search(text.replace("\r", "\n"))
    if found is None:
        return None
    at = found.end()
    begin = f"\n{text}".rfind(_ORIGIN, 0, at)
    origin = text[begin + len(_ORIGIN) - 1 :].partition("\n")[0] if begin >= 0 else ""
    return f"line {text.count(chr(10), 0, at) + 1}{f', from {quote(origin)}' if origin else ''}"


def terminal_text(text: str) -> str:
    """`text` for a terminal, which shows what a program would be given and obeys none of it."""
    return _harmless("\n".join(map(printable, text.split("\n"))))


def _harmless(text: str) -> str:
    """Printed lines in which no runner of CI finds a command."""
    return _COMMAND.sub(r"\g<0> ", text)


class _Writer:
    """Writes one content, and looks once at what occurs in it many times: paths, labels, carets."""

    def __init__(self, *, colour: bool, width: int | None) -> None:
        self._colour = colour
        self._width = width
        self._looked_at: dict[str, str] = {}
        self._fingerprints: Counter[str] = Counter()

    def text(self, content: WorkflowCommands | Iterable[Line]) -> str:
        if isinstance(content, tuple):
            from compiler.render.content import WorkflowCommands  # noqa: PLC0415 - plain lines need neither

            if isinstance(content, WorkflowCommands):
                return "".join(f"{self._command(*command)}\n" for command in content.commands)
        return _harmless("".join(f"{self.line(line)}\n" for line in cast("Iterable[Line]", content)))

    def line(self, line: Line) -> str:
        if isinstance(line, str):
            return self._piece(line)
        if type(line) is tuple:
            # Pieces side by side: what is wrapped is a named tuple.
            return "".join(map(self._piece, cast("tuple[Piece, ...]", line)))
        from compiler.render.content import Fitted  # noqa: PLC0415 - as in `text`

        return self._fit(line) if isinstance(line, Fitted) else self._wrap(cast("Wrapped", line))

    def _fit(self, line: Fitted) -> str:
        words = [""]
        for piece in line.pieces:
            if type(piece) is tuple:
                words[-1] += "".join(map(self._piece, cast("tuple[Piece, ...]", piece)))
                continue
            for word in _WORD.findall(self._piece(cast("Piece", piece))):
                if word == " ":
                    words.append("")
                else:
                    words[-1] += word
        if self._width is None:
            return " ".join(words)
        lines = words[:1]
        for word in words[1:]:
            # What only indents is not left alone on a line.
            if lines[-1].strip() and cells(_STYLED.sub("", f"{lines[-1]} {word}")) > self._width:
                lines.append(" " * line.indent + word)
            else:
                lines[-1] += f" {word}"
        return "\n".join(lines)

    def _wrap(self, text: Wrapped) -> str:
        import textwrap  # noqa: PLC0415 - for plans alone

        indent = " " * text.indent
        # A name, an address or a command is copied whole: only spaces may be broken at.
        lines = textwrap.wrap(
            "".join(map(self._piece, text.pieces)),
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        if text.head:
            lines[:1] = ["".join(map(self._piece, text.head)) + "".join(lines[:1])[text.indent :]]
        return "\n".join(lines)

    def _piece(self, piece: Piece) -> str:
        if isinstance(piece, str):
            return printable(self._conceal(piece))
        from compiler.render.content import CodeSpan, Words  # noqa: PLC0415 - plain text needs neither

        text = printable(self._conceal(piece.text))
        if isinstance(piece, CodeSpan):
            return "`" + text.replace("`", "'").replace("|", "\\|") + "`"
        if isinstance(piece, Words):
            return _MARKS.sub(lambda mark: f"\\{mark[0]}", text).replace("<", "&lt;")
        return f"\x1b[{piece.style.value}m{text}\x1b[0m" if self._colour and text else text

    def _conceal(self, text: str) -> str:
        if len(text) > _REPEATED:
            return conceal(text)
        if text not in self._looked_at:
            self._looked_at[text] = conceal(text)
        return self._looked_at[text]

    def json(self, content: Mapping[str, Any]) -> Iterator[str]:
        """The parts of the object: its members, and each item of one that is an iterator."""
        begin = "{"
        for name, value in self._members(content).items():
            if isinstance(value, Iterator):
                yield f"{begin}\n  {json.dumps(name)}: "
                yield from _json_items(value)
            else:
                yield begin + _json_text({name: value})[1:-2]
            begin = ","
        yield "{}\n" if begin == "{" else "\n}\n"

    def _value(self, value: object, name: str) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, str):
            return value if name in _VERSIONS and _VERSION.fullmatch(value) else self._conceal(value)
        if isinstance(value, Mapping):
            return self._members(value)
        if isinstance(value, Iterator):
            return (self._value(item, name) for item in value)
        if not isinstance(value, list | tuple):
            return value
        from compiler.render.content import Fingerprint  # noqa: PLC0415 - as in `text`

        if isinstance(value, Fingerprint):
            return self._fingerprint(value)
        return [self._value(item, name) for item in value]

    def _members(self, members: Mapping[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for name, value in members.items():
            kept = self._conceal(name)
            while kept in shown:
                # Two names of which nothing is left: both stay, and no parser has to choose between equal ones.
                kept += CONCEALED
            shown[kept] = self._value(value, name)
        return shown

    def _fingerprint(self, fingerprint: Fingerprint) -> str:
        import hashlib  # noqa: PLC0415 - for one format

        shown = "\0".join(map(self._conceal, fingerprint.parts))
        digest = hashlib.sha256(shown.encode(errors="surrogatepass")).hexdigest()[:16]
        self._fingerprints[digest] += 1
        return f"{digest}:{self._fingerprints[digest]}"

    def _command(self, name: str, properties: Mapping[str, str], lines: Sequence[str]) -> str:
        shown = ",".join(f"{each}={self._property(value)}" for each, value in properties.items())
        return f"::{name} {shown}::{'%0A'.join(map(self._data, lines))}"

    # The escapes of GitHub's own toolkit (actions/toolkit, packages/core/src/command.ts); line breaks are none here.
    def _data(self, text: str) -> str:
        return _SECOND_SIGN.sub(" #", self._piece(text)).replace("%", "%25")

    def _property(self, text: str) -> str:
        return self._data(text).replace(":", "%3A").replace(",", "%2C")


def _json_items(items: Iterator[Any]) -> Iterator[str]:
    """The list of `items`, as a member of the object."""
    begin = "["
    for item in items:
        yield begin + _json_text([[item]])[len("[\n  [") : -len("\n  ]\n]")]
        begin = ","
    yield "[]" if begin == "[" else "\n  ]"


def _json_text(value: Any) -> str:  # noqa: ANN401 - any JSON
    # Outside of strings there is no such text, and in them the escape means the same.
    return _SECOND_SIGN.sub(r"\\u0023", json.dumps(value, indent=2))
