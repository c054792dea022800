"""Reads a Go template of External Secrets Operator's engine v2: the keys and functions it names, and its plain text.

It executes nothing. What it does not understand, such as a definition, makes the names unknown, and never a guess. The
functions that each version of the operator has are listed as its sources have them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


# A text with an action, or what may be one.
OPENING = "{{"
# So many texts of a catalogue are read once for all environments of a run.
_KNOWN = 1024
_DEEPEST = 50
# As Go's lexer: `{{-` and `-}}` need a space on their inner side, and nothing stands beside a comment but these.
_COMMENT, _COMMENT_END = re.compile(r"\{\{(?:-\s)?/\*"), re.compile(r"\*/(?:\s-)?\}\}")
# Others, such as that which does not break a line, are no space to Go.
_SPACES = r"[ \t\r\n]*"
_TEXT = r"""(?:"(?:[^"\\\n]|\\.)*+"|`[^`]*+`)"""
_CHAR = r"'(?:[^'\\\n]|\\.)*+'"
_ACTION = re.compile(
    rf"\{{\{{(?:-(?=\s))?(?P<body>(?:{_TEXT}|{_CHAR}|(?!\}}\}}|(?<=\s)-\}}\}})[^\"`'])*+)-?\}}\}}", re.DOTALL
)
_TOKEN = re.compile(
    rf"{_SPACES}(?:(?P<text>{_TEXT})|(?P<char>{_CHAR})|(?P<variable>\$\w*)|(?P<field>\.(?=[^\W\d])\w+)"
    r"|(?P<number>[+-]?\.?[0-9][\w.+-]*)|(?P<word>[^\W\d]\w*)|(?P<sign>:=|[|(),=.]))"
)
_SPACE = re.compile(rf"{_SPACES}\Z")
# Those of base 16 with an exponent, and complex ones, are left to Go.
_NUMBER = re.compile(
    r"[+-]?(?:0[xXbBoO][0-9a-fA-F_]+|\.?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9]+)?)|[+-]?0[xX].*[pP].*|.*i"
)
_OTHER_NAME = re.compile(r"[\w.-]+")
# Words of the language that are not functions; those below `_UNREAD` have names or a dot of their own.
_OPENS, _CONSTANTS = frozenset({"if", "range", "with"}), frozenset({"true", "false", "nil"})
_LEAVES = re.compile("break|continue")
_UNREAD = frozenset({"define", "template", "block"})


class TemplateNames(NamedTuple):
    """What a template names."""

    keys: Mapping[str, int]  # each key of the fetched data that it reads, and the first offset in the text
    functions: Mapping[str, int]  # each function that it calls, likewise
    texts: tuple[str, ...]  # what is printed as it is written: the text between the actions, and that in quotes
    mistake: tuple[str, int] | None = None  # what the operator would refuse, and where
    unread: str = ""  # what was not understood, so that it may read other keys too; empty where all was
    reads_all: bool = False  # it goes through all keys, whatever they are

    @property
    def may_read_all(self) -> bool:
        """Whether it may read keys that it does not name."""
        return self.reads_all or bool(self.unread or self.mistake)


class _UnreadError(Exception):
    """Ends the reading of what is not understood; never leaves this module."""


class _MistakeError(Exception):
    """Ends the reading of what Go does not parse: what and the offset; never leaves this module."""


@lru_cache(_KNOWN)
def read_template(text: str) -> TemplateNames:
    """What `text` names; with a mistake or an unread part, what was found before it."""
    reader, texts, at = _NameReader(), list[str](), 0
    mistake: tuple[str, int] | None = None
    unread = ""
    while (start := text.find(OPENING, at)) >= 0:
        texts.append(text[at:start])
        if comment := _COMMENT.match(text, start):
            end = _COMMENT_END.match(text, text.find("*/", comment.end()))
            if end is None:
                mistake, at = mistake or ("a comment is not closed", start), start
                break
            at = end.end()
            continue
        found = _ACTION.match(text, start)
        if found is None:
            mistake, at = mistake or ("an action is not closed", start), start
            break
        at = found.end()
        if mistake is not None or unread:
            continue
        try:
            reader.action(found["body"], found.start("body"))
        except _MistakeError as error:
            mistake = error.args[0], error.args[1]
        except _UnreadError as error:
            unread = error.args[0]
            # Whatever it prints, it may print as it is written.
            texts.append(found["body"])
    texts.append(text[at:])
    if mistake is None and not unread and reader.depth:
        mistake = "an `end` is missing", len(text)
    return TemplateNames(
        reader.keys, reader.functions, (*texts, *reader.texts), mistake, unread, reads_all=reader.reads_all
    )


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def _tokens(body: str, offset: int) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while not _SPACE.match(body, at):
        found = _TOKEN.match(body, at)
        if found is None:
            raise _explain_character(body, at, offset)
        kind = str(found.lastgroup)
        if kind == "number" and not _NUMBER.fullmatch(found[kind]):
            raise _explain_character(body, found.start(kind), offset)
        tokens.append(_Token(kind, found[kind], offset + found.start(kind)))
        at = found.end()
    return tokens


def _explain_character(body: str, at: int, offset: int) -> _MistakeError:
    """What is wrong with a character that begins nothing; most often it is of a key's name."""
    at += body[at] == "."
    name = _OTHER_NAME.search(body, max(body.rfind(each, 0, at) for each in ". (|") + 1)
    if name is not None and name.start() <= at < name.end() and body[name.start() - 1 : name.start()] == ".":
        return _MistakeError(f'the key {name[0]} is read by `index . "{name[0]}"`', offset + name.start())
    shown = body[at:].lstrip(" \t\r\n")[:1]
    at = body.index(shown, at)
    shown = f"`{shown}`" if shown.isprintable() else f"the character U+{ord(shown):04X}"
    return _MistakeError(f"{shown} is not expected there", offset + at)


class _Block(NamedTuple):
    kind: str  # empty behind its `else`
    is_data: bool  # whether the dot outside is the data
    outside: dict[str, bool]  # the variables in sight there, and whether each is the data
    within: dict[str, bool]  # with those that it begins with


class _NameReader:
    """Collects names of one template; the dot is the fetched data, but within `range` and `with`."""

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}
        self.functions: dict[str, int] = {}
        self.texts: list[str] = []
        self.reads_all = False
        self._blocks: list[_Block] = []
        self._is_data = True
        self._variables = {"$": True}

    @property
    def depth(self) -> int:
        return len(self._blocks)

    def action(self, body: str, offset: int) -> None:
        tokens = _tokens(body, offset)
        if not tokens:
            raise _MistakeError("an action is empty", offset)
        first, rest = tokens[0], tokens[1:]
        if first.kind != "word":
            self._pipeline(tokens)
        elif first.text in _UNREAD:
            raise _UnreadError(f"`{first.text}`")
        elif first.text in _OPENS:
            self._open(first, rest)
        elif first.text == "else":
            self._else(first, rest)
        elif first.text == "end":
            if not self._blocks or rest:
                raise _MistakeError("an `end` ends nothing", first.at)
            _, self._is_data, self._variables, _ = self._blocks.pop()
        elif _LEAVES.fullmatch(first.text):
            if rest or not any(each.kind == "range" for each in self._blocks):
                raise _MistakeError(f"`{first.text}` is outside of a `range`", first.at)
        else:
            self._pipeline(tokens)

    def _open(self, first: _Token, rest: list[_Token]) -> None:
        if not rest:
            raise _MistakeError(f"`{first.text}` has no value", first.at)
        outside, was_data = self._variables, self._is_data
        self._variables = dict(outside)
        is_data = self._pipeline(rest, first.text)
        self._blocks.append(_Block(first.text, was_data, outside, dict(self._variables)))
        if first.text != "if":
            # The whole data is no list: its values are what a range over it gives.
            self._is_data = is_data and first.text == "with"

    def _else(self, first: _Token, rest: list[_Token]) -> None:
        if not self._blocks or not self._blocks[-1].kind:
            raise _MistakeError("an `else` belongs to nothing", first.at)
        block = self._blocks[-1]
        self._is_data, self._variables = block.is_data, dict(block.within)
        if not rest:
            self._blocks[-1] = block._replace(kind="")
        elif rest[0].kind == "word" and rest[0].text == block.kind != "range":
            is_data = self._pipeline(rest[1:], block.kind)
            self._blocks[-1] = block._replace(within=dict(self._variables))
            self._is_data = is_data if block.kind == "with" else self._is_data
        else:
            raise _MistakeError(f"an `else` of this `{block.kind}` has no value", first.at)

    def _pipeline(self, tokens: list[_Token], opens: str = "") -> bool:
        """Notes the names of a pipeline, and its variables; whether its value is the whole data.

        `opens` is the block that begins with its value, empty where it is printed.
        """
        is_range = opens == "range"
        names, tokens = _split_declaration(tokens, is_range=is_range)
        if not tokens:
            raise _UnreadError("an action")
        is_data = self._value(tokens)
        # A list of all keys, or what prints them.
        self.reads_all |= is_data and (is_range or not (opens or names))
        for name, is_new in names:
            if not is_new and name not in self._variables:
                raise _MistakeError(f"the variable {name} is not defined", tokens[0].at)
            if not is_new and is_data != self._variables[name]:
                raise _UnreadError(f"an assignment to {name}")
            self._variables[name] = is_data and not is_range
        return is_data

    def _value(self, tokens: list[_Token], level: int = 0) -> bool:
        if level > _DEEPEST:
            raise _UnreadError("so many parentheses")
        depth, commands = 0, [list[_Token]()]
        for token in tokens:
            depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "sign" else 0
            if depth < 0:
                raise _MistakeError("a parenthesis is not opened", token.at)
            if token.kind == "sign" and token.text == "|" and depth == 0:
                commands.append([])
            else:
                commands[-1].append(token)
        if depth:
            raise _MistakeError("a parenthesis is not closed", tokens[0].at)
        if len(commands) > 1 and not commands[-1]:
            # Go takes a pipe at the end for nothing.
            commands.pop()
        found = [self._command(each, tokens[0].at, level) for each in commands]
        if found[0] and len(found) > 1:
            raise _UnreadError("what is done with all keys at once")
        return found[0]

    def _command(self, tokens: list[_Token], at: int, level: int) -> bool:
        """Notes the names of one command; whether its value is the whole data."""
        operands = list(self._operands(tokens, level))
        if not operands:
            raise _MistakeError("a command is missing", at)
        first, *arguments = operands
        if first.kind == "word" and first.text not in _CONSTANTS:
            if first.text == "index" and arguments and arguments[0].kind == "data":
                self._index(arguments[1:])
            elif any(each.kind == "data" for each in arguments):
                raise _UnreadError("what is done with all keys at once")
        elif any(each.kind == "data" for each in arguments):
            raise _UnreadError("what is done with all keys at once")
        return first.kind == "data"

    def _index(self, names: list[_Token]) -> None:
        if not names:
            raise _UnreadError("what is done with all keys at once")
        if names[0].kind != "text" or "\\" in names[0].text:
            raise _UnreadError("an `index` whose name is not written there")
        self.keys.setdefault(names[0].text[1:-1], names[0].at)

    def _operands(self, tokens: list[_Token], level: int) -> Iterator[_Token]:
        """The operands of a command: a parenthesis, with what it names noted, is one value."""
        at = 0
        while at < len(tokens):
            token, is_data, fields = tokens[at], False, list[_Token]()
            if at and _touch(tokens[at - 1], token):
                raise _MistakeError("a space is missing", token.at)
            at += 1
            if token.text == "(" and token.kind == "sign":
                end = _closing(tokens, at)
                if end == at:
                    raise _MistakeError("a parenthesis is empty", token.at)
                is_data, at = self._value(tokens[at:end], level + 1), end + 1
            elif token.kind == "field":
                is_data, fields = self._is_data, [token]
            else:
                is_data = self._is_data_of(token)
            while at < len(tokens) and tokens[at].kind == "field" and _touch(tokens[at - 1], tokens[at]):
                if token.kind in ("text", "char", "number") or token.text in (".", *_CONSTANTS):
                    raise _MistakeError("a space is missing", tokens[at].at)
                fields.append(tokens[at])
                at += 1
            if fields and is_data:
                self.keys.setdefault(fields[0].text[1:], fields[0].at)
            yield _Token("data" if is_data and not fields else token.kind, token.text, token.at)

    def _is_data_of(self, token: _Token) -> bool:
        """Whether a token alone is the whole data; notes the text of one in quotes."""
        if token.kind == "variable":
            if token.text not in self._variables:
                raise _MistakeError(f"the variable {token.text} is not defined", token.at)
            return self._variables[token.text]
        if token.kind == "text":
            self.texts.append(token.text[1:-1])
        elif token.kind == "word" and token.text not in _CONSTANTS:
            self.functions.setdefault(token.text, token.at)
        elif token.kind == "sign" and token.text != ".":
            raise _MistakeError(f"`{token.text}` is not expected there", token.at)
        return token.kind == "sign" and self._is_data


def _split_declaration(tokens: list[_Token], *, is_range: bool) -> tuple[list[tuple[str, bool]], list[_Token]]:
    """The variables that a pipeline sets, each with whether it is new, and the rest of it."""
    signs = [each.text for each in tokens[:4]]
    if len(tokens) > 1 and tokens[0].kind == "variable" and signs[1] in (":=", "="):
        return [(tokens[0].text, signs[1] == ":=")], tokens[2:]
    if is_range and signs[1:2] == [","] and signs[3:4] == [":="] and tokens[2].kind == "variable":
        return [(tokens[0].text, True), (tokens[2].text, True)], tokens[4:]
    return [], tokens


def _closing(tokens: list[_Token], at: int) -> int:
    depth = 1
    for end in range(at, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[end].text, 0) if tokens[end].kind == "sign" else 0
        if depth == 0:
            return end
    raise _MistakeError("a parenthesis is not closed", tokens[at - 1].at)


def _touch(one: _Token, other: _Token) -> bool:
    return one.at + len(one.text) == other.at


# A version's minor, as its major and minor number.
_Minor = tuple[int, int]

# Of Go itself, of the operator, and of the sprig library without what looks at the operator's own surroundings.
_ALWAYS = frozenset(
    """
and call html index slice js len not or print printf println urlquery eq ne lt le gt ge
pkcs12key pkcs12keyPass pkcs12cert pkcs12certPass pemToPkcs12 pemToPkcs12Pass fullPemToPkcs12
fullPemToPkcs12Pass filterPEM filterCertChain jwkPublicKeyPem jwkPrivateKeyPem toYaml fromYaml
abbrev abbrevboth add add1 add1f addf adler32sum ago all any append atoi b32dec b32enc b64dec b64enc base bcrypt
biggest buildCustomCert camelcase cat ceil chunk clean coalesce compact concat contains date dateInZone
dateModify date_in_zone date_modify decryptAES deepCopy deepEqual default derivePassword dict dig dir div divf
duration durationRound empty encryptAES ext first float64 floor fromJson genCA genCAWithKey genPrivateKey
genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey get has hasKey hasPrefix hasSuffix
hello htmlDate htmlDateInZone htpasswd indent initial initials int int64 isAbs join kebabcase keys kindIs kindOf
last list lower max maxf merge mergeOverwrite min minf mod mul mulf mustAppend mustChunk mustCompact
mustDateModify mustDeepCopy mustFirst mustFromJson mustHas mustInitial mustLast mustMerge mustMergeOverwrite
mustPrepend mustPush mustRegexFind mustRegexFindAll mustRegexMatch mustRegexReplaceAll
mustRegexReplaceAllLiteral mustRegexSplit mustRest mustReverse mustSlice mustToDate mustToJson mustToPrettyJson
mustToRawJson mustUniq mustWithout must_date_modify nindent nospace now omit osBase osClean osDir osExt osIsAbs
pick pluck plural prepend push quote randAlpha randAlphaNum randAscii randBytes randInt randNumeric regexFind
regexFindAll regexMatch regexQuoteMeta regexReplaceAll regexReplaceAllLiteral regexSplit repeat replace rest
reverse round semver semverCompare seq set sha1sum sha256sum sha512sum shuffle slice snakecase sortAlpha split
splitList splitn squote sub subf substr swapcase ternary title toDate toDecimal toJson toPrettyJson toRawJson
toString toStrings trim trimAll trimPrefix trimSuffix trimall trunc tuple typeIs typeIsLike typeOf uniq
unixEpoch unset until untilStep untitle upper urlJoin urlParse uuidv4 values without wrap wrapWith
""".split()  # noqa: SIM905 - a list of 230 quoted names takes as many lines
)
# The first version that has each of these.
_SINCE = {
    "pemTruststoreToPKCS12": (0, 20),
    "pemTruststoreToPKCS12Pass": (0, 20),
    "rsaDecrypt": (1, 0),
    "certSANs": (2, 2),
    "hexdec": (2, 7),
}
# The last version that had each of these.
_UNTIL = {"fail": (2, 11)}


def functions_of(minor: _Minor) -> frozenset[str]:
    """The functions that templates of this minor version of the operator may call."""
    since = {name for name, first in _SINCE.items() if first <= minor}
    return _ALWAYS | since | {name for name, last in _UNTIL.items() if minor <= last}


def versions_of(function: str) -> str:
    """Which versions have a function, in words; empty for one that all or none have."""
    if (first := _SINCE.get(function)) is not None:
        return f"External Secrets Operator has it from {first[0]}.{first[1]} on"
    last = _UNTIL.get(function)
    return f"External Secrets Operator had it up to {last[0]}.{last[1]}" if last is not None else ""
