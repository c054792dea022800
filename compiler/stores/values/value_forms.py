"""Lists the forms in which another program's message may show a value: plain, Base64, URL and JSON."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Iterator

# Anything shorter, or one of these words, is in messages anyway: hiding it would take words out of them.
LEAST: Final = 4
_WORDS: Final = frozenset({"true", "false", "null", "none"})
# A line of a longer value counts by itself from this length on: messages quote single lines, of a PEM text for one.
_LEAST_LINE: Final = 8
_BASE64_GROUP: Final = 3
_ESCAPED: Final = regex(r"%[0-9A-F]{2}")
_GO_ESCAPES: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def forms(text: str) -> frozenset[str]:
    """Every form of `text` to look for; none where it is too short or too common to be told from other words."""
    bare = text.strip()
    if len(bare) < LEAST or bare.lower() in _WORDS:
        return frozenset()
    parts = {text, bare, *(line for each in text.splitlines() if len(line := each.strip()) >= _LEAST_LINE)}
    return frozenset(form for part in parts for form in _forms(part) if len(form) >= LEAST)


def _forms(text: str) -> Iterator[str]:
    yield text
    data = text.encode("utf-8", "surrogatepass")
    yield from _base64(data)
    for quoted in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield quoted
        yield _ESCAPED.sub(lambda found: found[0].lower(), quoted)
    for is_ascii in (True, False):
        once = json.dumps(text, ensure_ascii=is_ascii)[1:-1]
        # Go escapes more than Python does, and a message may hold JSON within JSON.
        for form in (once, once.translate(_GO_ESCAPES), once.replace("/", "\\/")):
            yield form
            yield json.dumps(form, ensure_ascii=is_ascii)[1:-1]


def _base64(data: bytes) -> Iterator[str]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        padded = encode(data).decode()
        yield from (padded, padded.rstrip("="))
        for before in range(_BASE64_GROUP):
            # Inside of a longer text, such as "user:password", it begins at any of three places in a group; at both
            # ends, characters depend on what stands beside it.
            whole = encode(b"\0" * before + data).decode()
            inner = whole[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
            if len(inner) >= _LEAST_LINE:
                yield inner
