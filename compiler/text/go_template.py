"""Reads a Go template of External Secrets Operator's engine v2: the keys and functions it names, and its plain text.

It executes nothing and parses no expression. What may read any key, such as a definition, is said, never guessed. The
functions that each version of the operator has are listed as its sources have them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


# A text with an action, or what may be one.
OPENING = "{{"
# So many texts of a catalogue are read once for all environments of a run.
_KNOWN = 1024
# As Go's lexer: `{{-` and `-}}` need a space on their inner side, and nothing stands beside a comment but these.
_COMMENT, _COMMENT_END = re.compile(r"\{\{(?:-\s)?/\*"), re.compile(r"\*/(?:\s-)?\}\}")
_TEXT = r"""(?:"(?:[^"\\\n]|\\.)*+"|`[^`]*+`)"""
_CHAR = r"'(?:[^'\\\n]|\\.)*+'"
_ACTION = re.compile(
    rf"\{{\{{(?:-(?=\s))?(?P<body>(?:{_TEXT}|{_CHAR}|(?!\}}\}}|(?<=\s)-\}}\}})[^\"`'])*+)-?\}}\}}", re.DOTALL
)
# A key that begins with a digit is no field: it is read as a dot and a number.
_TOKEN = re.compile(
    rf"(?P<text>{_TEXT})|(?P<char>{_CHAR})|(?P<variable>\$\w*(?:\.[^\W\d]\w*)*)|(?P<field>(?:\.[^\W\d]\w*)+)"
    r"|(?P<number>[+-]?(?:\.[0-9]+|[0-9][\w.]*)(?![\w.]))|(?P<word>[^\W\d]\w*)|(?P<sign>[|(]|\)(?:\.[^\W\d]\w*)*)"
    r"|(?P<assignment>:?=|,)|(?P<dot>\.)|(?P<other>[\"'`][\s\S]*|[^ \t\r\n])"
)
# Words of the language that are not functions.
_CONSTANTS = frozenset({"true", "false", "nil"})
_BLOCKS, _DEFINITIONS = frozenset({"if", "range", "with"}), frozenset({"define", "block", "template"})
_KEYWORD = re.compile("if|range|with|define|block|template|end|break|continue")


class TemplateNames(NamedTuple):
    """What a template names."""

    keys: Mapping[str, int]  # each key of the fetched data that it reads, and the first offset in the text
    functions: Mapping[str, int]  # each function that it calls, likewise
    texts: tuple[str, ...]  # what is printed as it is written: the text between the actions, and that in quotes
    mistake: tuple[str, int] | None = None  # an action, a comment or a block that is not closed, and where
    unread: str = ""  # what may read other keys too, in words; empty where all was understood
    reads_all: bool = False  # it goes through all keys, whatever they are

    @property
    def may_read_all(self) -> bool:
        """Whether it may read keys that it does not name."""
        return self.reads_all or bool(self.unread or self.mistake)


@lru_cache(_KNOWN)
def read_template(text: str) -> TemplateNames:
    """What `text` names; with a mistake, what was found before it."""
    scan, texts, at = _Scan(), list[str](), 0
    mistake: tuple[str, int] | None = None
    unread = ""
    while (start := text.find(OPENING, at)) >= 0:
        texts.append(text[at:start])
        if comment := _COMMENT.match(text, start):
            end = _COMMENT_END.match(text, text.find("*/", comment.end()))
            if end is None:
                mistake, at = ("a comment is not closed", start), start
                break
            at = end.end()
            continue
        found = _ACTION.match(text, start)
        if found is None:
            mistake, at = ("an action is not closed", start), start
            break
        at = found.end()
        if not scan.read(found["body"], found.start("body")):
            unread = "an action that may read any key"
            # Whatever it prints, it may print as it is written.
            texts.append(found["body"])
    texts.append(text[at:])
    if mistake is None and len(scan.dots) > 1:
        mistake = "an `end` is missing", len(text)
    return TemplateNames(scan.keys, scan.functions, (*texts, *scan.texts), mistake, unread, reads_all=scan.reads_all)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Scan:
    """Collects the names of one template; the dot is the fetched data, except within `range` and `with`."""

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}
        self.functions: dict[str, int] = {}
        self.texts: list[str] = []
        self.reads_all = False
        self.dots = [True]  # whether the dot is the data: outside of blocks, and in each that is open

    def read(self, body: str, offset: int) -> bool:
        """Notes the names of an action; whether it was understood."""
        tokens = [_Token(str(each.lastgroup), each[0], offset + each.start()) for each in _TOKEN.finditer(body)]
        is_else = bool(tokens) and tokens[0].text == "else"
        if is_else:
            del tokens[0]
            self.dots[-1] = self.dots[-2:][0]
        keyword = tokens.pop(0).text if tokens and _KEYWORD.fullmatch(tokens[0].text) else ""
        if keyword == "end" and len(self.dots) > 1:
            self.dots.pop()
        is_assignment = False
        while len(tokens) > 1 and tokens[0].kind == "variable" and tokens[1].kind == "assignment":
            del tokens[:2]
            is_assignment = True
        # Alone, the whole data is printed or looped over.
        is_understood = self._note_names(tokens, is_list=keyword == "range" or not (keyword or is_assignment))
        if keyword in _BLOCKS | {"define", "block"}:
            dot = keyword == "if" and self.dots[-1]
            if is_else:
                self.dots[-1] = dot
            else:
                self.dots.append(dot)
        return is_understood and keyword not in _DEFINITIONS

    def _note_names(self, tokens: list[_Token], *, is_list: bool) -> bool:
        is_understood = True
        for position, (kind, text, at) in enumerate(tokens):
            if text == "$" or (kind == "dot" and self.dots[-1]):
                before, *behind = tokens[max(position - 1, 0)].text, *tokens[position + 1 : position + 2]
                if before == "index" and behind and behind[0].kind == "text" and "\\" not in behind[0].text:
                    self.keys.setdefault(behind[0].text[1:-1], behind[0].at)
                elif len(tokens) == 1 and is_list:
                    self.reads_all = True
                else:
                    is_understood = False
            elif kind == "field" and self.dots[-1]:
                self.keys.setdefault(text.split(".")[1], at)
            elif kind == "variable" and text.startswith("$."):
                self.keys.setdefault(text.split(".")[1], at + 1)
            elif kind == "text":
                self.texts.append(text[1:-1])
            elif kind == "word" and text not in _CONSTANTS:
                self.functions.setdefault(text, at)
            elif kind in ("assignment", "other"):
                is_understood = False
        return is_understood


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
