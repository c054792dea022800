"""Finds the parts of a text that look like credentials, and conceals them.

A credential is known by its form (tokens, private keys, passwords in URLs and beside a name), or looks random as
generated keys do and names of the field do not.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from bisect import bisect_right
from functools import cache
from itertools import chain, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


# The characters of random text: Base64, its URL form, and the few more of generated passwords.
_WORD = re.compile(r"[A-Za-z0-9+/=_.~-]{16,}")
# One word or number, or a word and a number, between separators is how names are built, and no generated value. This
# spares most names the look at each pair of characters.
_BUILT = re.compile(r"[-+/=_.~]*+(?:(?:[A-Z]?[a-z]{0,20}|[A-Z]{1,20})[0-9]{0,10}(?:[-+/=_.~]++|\Z))*+")
_HEX_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?=[0-9]*[A-Fa-f])(?=[A-Fa-f]*[0-9])(?:[0-9a-f]{32,}|[0-9A-F]{32,})(?![A-Za-z0-9])"
)
# Tenants, clients and AppRole ids are UUIDs, and no secrets.
_UUID = re.compile(r"(?<![A-Za-z0-9])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![A-Za-z0-9])")
# The host of a cluster's API server on EKS.
_EKS = ".eks"
_EKS_HOST = re.compile(
    r"//[0-9A-F]{32}(?=\.(?:[a-z0-9]{2,6}\.[a-z0-9-]{4,30}\.eks\.amazonaws\.com|eks-cluster\.[a-z0-9-]{4,30}\.api\.aws))"
)
# `prod01`, `schema-v2/`: no name is random for ending in a number.
_NUMBER_AT_END = re.compile(r"(?<=[A-Za-z])[0-9]+(?![A-Za-z0-9])")
# As `string` has them, which takes a hundredth of a compile to import.
_LOWER_CASE, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"
_UPPER_CASE = _LOWER_CASE.upper()
_LETTERS = _LOWER_CASE + _UPPER_CASE
_NO_UUID = "-" * 36

# The letters that follow each letter in at most 3 % of all pairs within 18,000 words of English and of program source,
# counted by distinct words, but for those in names of the field (azure, jira, qa, vm); of random pairs they are half.
_RARE_AFTER = {
    "a": "ehjoq",
    "b": "fghkmnpqvwxz",
    "c": "bgjqvwxz",
    "d": "ghjkpqvwxz",
    "e": "hjkz",
    "f": "bghjkmnpqvwxz",
    "g": "bcdfjkpqvwxyz",
    "h": "bcdfghjkmnpqvwxz",
    "i": "hijquwy",
    "j": "bcdfghjklmnpqrtvwxyz",
    "k": "bcdfghjkmnopqrtuvwxyz",
    "l": "bghjkmqwxz",
    "m": "cfghjknqrvwxyz",
    "n": "bjqwxz",
    "o": "ehjqyz",
    "p": "bfgjkmnqvwxz",
    "q": "bcdefghijkmnopqrstvwxyz",
    "r": "hjqwxz",
    "s": "bgjvxz",
    "t": "gjkqvxz",
    "u": "hjkquvwxyz",
    "v": "bcdfghjklpqrstuvwxyz",
    "w": "bcdfgjklmpqtuvwxyz",
    "x": "abdfghjklmnoqrsuvwxyz",
    "y": "abdfghjkoqruvwxyz",
    "z": "bcdfghjklmnopqrstvwxyz",
}
_LOWER, _UPPER, _DIGIT = re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]")

# How many surprises within how many neighbouring pairs make a word random. Measured on 50,000 generated values of each
# kind, missed are: of 16 bytes in Base64 1, without padding 1 in 400; of 24 bytes 1 in 8,000; of 32 bytes none. Of
# 52,000 names of packages, models and modules, 11 without a hash are taken for random; half are Base64 or links.
_WINDOW = 20
_WITH_DIGITS = 6
_LETTERS_ONLY = 8
_PADDED = 3  # Base64 says what it is by `=` at its end
_ONE_CASE_WINDOW = 32
_ONE_CASE = 12
# Longer than the 13 characters that Azure's uniqueString() puts into names, and the hashes in names of pods.
_LONG_RUN = re.compile(r"[A-Za-z0-9]{20,}")


def random_words(text: str) -> Iterator[tuple[int, int]]:
    """The bounds of every word of `text` that looks random, in order."""
    for match in _WORD.finditer(text):
        word = match.group()
        if not _BUILT.fullmatch(word) and _is_random(word):
            yield match.span()


def _is_random(word: str) -> bool:
    word = _EKS_HOST.sub("//", word) if _EKS in word else word
    if _HEX_KEY.search(word):
        return True
    word = _NUMBER_AT_END.sub("", _UUID.sub(_NO_UUID, word))
    if not (_LOWER.search(word) and _UPPER.search(word)):
        # Without dots and hyphens: a name between words is not a credential (`kv-5f3ndq2jxkzqe.vault.azure.net`).
        return any(_are_within(_surprises(run), _ONE_CASE, _ONE_CASE_WINDOW) for run in _LONG_RUN.findall(word))
    surprises = _surprises(word)
    if word.endswith("="):
        return _are_within(surprises, _PADDED, _WINDOW)
    needed = _WITH_DIGITS if _DIGIT.search(word) else _LETTERS_ONLY
    return _are_within(surprises, needed, _WINDOW)


# Pairs that names seldom have: a lower-case letter before a capital, a letter beside a digit, rare letters together;
# but not a letter twice, which is how placeholders are made (`xxxx`).
@cache
def _surprising_pairs() -> frozenset[tuple[str, str]]:
    return frozenset(
        [(lower, upper) for lower in _LOWER_CASE for upper in _UPPER_CASE]
        + [pair for letter in _LETTERS for digit in _DIGITS for pair in ((letter, digit), (digit, letter))]
        + [
            pair
            for first, seconds in _RARE_AFTER.items()
            for second in seconds
            if second != first
            for pair in ((first, second), (first.upper(), second), (first.upper(), second.upper()))
        ]
    )


def _surprises(word: str) -> list[int]:
    surprising = _surprising_pairs()
    return [at for at, pair in enumerate(pairwise(word)) if pair in surprising]


def _are_within(places: list[int], count: int, window: int) -> bool:
    return any(last - first < window for first, last in zip(places, places[count - 1 :], strict=False))


_KEY_LABEL = "[A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}"
# How tokens of one form begin, all with one letter, and their rest. With that letter the matcher can skip to the few
# places where one may stand; a boundary to the left is therefore a look-behind over the beginning. Every repetition
# that may fail is bounded by what cannot occur inside it, so that hostile text costs linear time.
_TOKENS = (
    ("ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9]{16,}"),  # GitHub
    ("github_pat_", r"[A-Za-z0-9_]{16,}"),
    # GitLab
    ("glpat- gloas- gldt- glrt- glrtr- glptt- glsoat- glcbt- glft- glffct- glimt- glagent-", r"[A-Za-z0-9_.-]{16,}"),
    ("xox", r"(?:e\.xox)?[a-z]-[A-Za-z0-9-]{10,}"),  # Slack
    ("xapp-", r"[0-9]-[A-Za-z0-9-]{10,}"),
    ("xwfp-", r"[A-Za-z0-9-]{10,}"),
    ("hooks.slack.com/", r"(?:services|workflows)/[A-Za-z0-9/]{10,}"),
    # OpenAI and its like
    ("sk-", r"(?<![A-Za-z0-9]sk-)(?:(?:proj|svcacct|admin|ant|or|lf)-[A-Za-z0-9_-]{16,}|[A-Za-z0-9]{20,})"),
    ("gsk_", r"[A-Za-z0-9]{20,}"),
    ("xai-", r"[A-Za-z0-9]{30,}"),
    ("hf_", r"[A-Za-z0-9]{30,}"),
    ("sk_", r"(?:live|test)_[A-Za-z0-9]{10,}"),  # Stripe
    ("rk_", r"(?:live|test)_[A-Za-z0-9]{10,}"),
    ("whsec_", r"[A-Za-z0-9+/=]{16,}"),
    ("AKIA ASIA AGPA AIDA AROA ABIA ACCA", r"(?<![A-Za-z0-9].{4})[A-Z0-9]{16}(?![A-Za-z0-9_])"),  # AWS
    ("AIza", r"[A-Za-z0-9_-]{20,}"),  # Google
    ("ya29.", r"[A-Za-z0-9_-]{16,}"),
    ("GOCSPX-", r"[A-Za-z0-9_-]{16,}"),
    ("hvs. hvb. hvr.", r"[A-Za-z0-9_-]{16,}"),  # Vault and OpenBao, with their older forms
    ("s.", r"(?<![A-Za-z0-9_.-]s\.)[A-Za-z0-9]{24,}"),
    ("b.", r"(?<![A-Za-z0-9_.-]b\.)[A-Za-z0-9]{24,}"),
    ("r.", r"(?<![A-Za-z0-9_.-]r\.)[A-Za-z0-9]{24,}"),
    ("npm_", r"[A-Za-z0-9]{20,}"),
    ("pypi-", r"[A-Za-z0-9_-]{32,}"),
    ("dckr_pat_", r"[A-Za-z0-9_-]{16,}"),
    ("SG.", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),  # SendGrid
    ("ATATT ATCTT ATSTT ATBB", r"[A-Za-z0-9_=-]{16,}"),  # Atlassian
    ("glsa_", r"[A-Za-z0-9_]{16,}"),  # Grafana
    ("lin_api_", r"[A-Za-z0-9]{16,}"),
    ("dapi", r"[0-9a-f]{32}"),  # Databricks
    ("AGE-SECRET-KEY-1", r"[A-Z0-9]{20,}"),
    ("eyJ", r"(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+)*"),  # JWT: `{"` in Base64
    ("-----BEGIN", rf" {_KEY_LABEL}-----(?s:.*?)(?:-----END {_KEY_LABEL}-----|\Z)"),  # PEM, OpenSSH, PGP
)
# Few texts have any of these, and looking for them takes a hundredth of a millisecond, where the pattern takes two
# milliseconds to compile.
_BEGINNINGS = tuple(each for begun, _ in _TOKENS for each in begun.split())


@cache
def _token() -> re.Pattern[str]:
    forms = (f"(?:{'|'.join(map(re.escape, begun.split()))}){rest}" for begun, rest in _TOKENS)
    return re.compile("|".join(forms))


# Entra client secrets: three characters, a digit, `Q~`.
_ENTRA_SECRET = re.compile(r"[A-Za-z0-9_.~-]{3}[0-9]Q~[A-Za-z0-9_.~-]{16,}")
_URL_START = "://"
_URL_END = re.compile(r"[\s'\"]")
_AFTER_USER = re.compile(r"[/:@]")
_PORT = re.compile(r"\d{1,5}[/?#]")

_WORDS_FOR_SECRETS = (
    "password|passwd|passphrase|pwd|secret|token|authorization|signature|(?<![a-z])sig|"
    "(?:account|access|api|shared|private|master)[_-]?key"
)


# `password=…` of connection strings and query strings, and `password: …` of headers, JSON and comments; the second
# also occurs in prose, so that what follows needs a digit. Placeholders (`<…>`, `${…}`, `{{…}}`, `***`) are none.
@cache  # half a millisecond to compile, and most runs have no such text
def _assignment() -> re.Pattern[str]:
    return re.compile(
        rf"(?i:{_WORDS_FOR_SECRETS})"
        r"(?:=[\"']?(?P<plain>(?!(?i:true|false|null|none)\b)[^\s\"'&;,<$({*\[…][^\s\"'&;,]{5,})"
        r"|[\"']?:[ \t]*[\"']?(?i:(?:bearer|basic|token)[ \t]+)?"
        r"(?P<named>(?=[^\s\"',;]{0,64}\d)[^\s\"',;<$({*\[…][^\s\"',;]{5,}))"
    )


# How each of those words ends, looked for from the sign backwards: the whole form, which begins with none of a few
# characters, is tried at every letter of a text and takes ten times as long.
_ENDS_OF_WORDS = ("ord", "swd", "ase", "pwd", "ret", "ken", "ion", "ure", "sig", "key")
_MAY_BE_ASSIGNMENT = re.compile(
    r"(?:=|:(?=[ \t\"']))(?i:" + "|".join(rf"(?<={end}[=:])|(?<={end}[\"'][=:])" for end in _ENDS_OF_WORDS) + ")"
)


def known_forms(text: str) -> Iterator[tuple[int, int]]:
    """The bounds of every credential of a known form in `text`, in no certain order; some may overlap."""
    if any(beginning in text for beginning in _BEGINNINGS):
        for match in _token().finditer(text):
            yield match.span()
    if "Q~" in text:
        for match in _ENTRA_SECRET.finditer(text):
            yield match.span()
    if _URL_START in text and "@" in text:
        yield from _user_information(text)
    if _MAY_BE_ASSIGNMENT.search(text):
        for match in _assignment().finditer(text):
            yield match.span("plain") if match["plain"] else match.span("named")


def _user_information(text: str) -> Iterator[tuple[int, int]]:
    """User and password of each URL: all of it, as a token may stand in either place. A port and a path are none."""
    # By hand, word for word: a pattern would look ahead for the @ from every one of a million URLs in one word.
    at = text.find(_URL_START)
    while at >= 0:
        white_space = _URL_END.search(text, at)
        end = white_space.start() if white_space else len(text)
        last = text.rfind("@", at, end)
        while 0 <= at < last:
            start = at + len(_URL_START)
            following = _AFTER_USER.search(text, start, last)
            if following and following[0] == ":" and last > following.end() and not _PORT.match(text, following.end()):
                yield start, last
                break
            at = text.find(_URL_START, start, last)
        at = text.find(_URL_START, end)


CONCEALED = "…"
_START = itemgetter(0)

# `pwd=` and six characters: no form is shorter.
_SHORTEST = 10
# Words and small numbers alone are no credential: each form has a capital, a sign or a long number of its own. This
# answers for most names, URLs and sentences.
_WORDS_ONLY = re.compile(
    r"(?:[a-z]{1,20}[0-9]{0,2}|[0-9]{1,4})(?:[-./:]++(?:[a-z]{1,20}[0-9]{0,2}|[0-9]{1,4}))*+"
    r"|[A-Z]{1,20}(?:_[A-Z]{1,20})*+"
    r"|[A-Z]?[a-z]{1,20}(?:[-/, ]++[A-Za-z]{1,20})*+"
    # Sentences and names with abbreviations in them: no word is as long as the shortest token.
    r"|(?:[A-Za-z]{1,15}(?:-[a-z]{1,15})?|[0-9]{1,4})(?:[,:]? (?:[A-Za-z]{1,15}(?:-[a-z]{1,15})?|[0-9]{1,4}))*+"
    r"|[A-Z]{1,15}[0-9]?(?:_[A-Z]{1,15})*+"
    r"|[a-z]{3,15}(?:[A-Z][a-z]{3,15}){1,3}"
)
# The ids of a secret's versions in Key Vault, in a sentence that says so: no more secret than a number.
_VERSION_WORD = "version "
_VERSIONS = re.compile(r"\bversion (?:is )?[0-9a-f]{32}(?:, [0-9a-f]{32})*(?![0-9A-Za-z+/=_-])")
_CERTIFICATES = re.compile(r"\s*(?:-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+")
# A credential wrapped over lines goes on in every following line that is nothing but one such word.
_NEXT_LINE = re.compile(r"[ \t]*\r?\n[ \t]*[A-Za-z0-9+/=_-]+(?=[ \t]*\r?(?:\n|\Z))")


def looks_like_credential(text: str) -> bool:
    """Whether some part of `text` has the form of a known credential or the look of random characters."""
    if len(text) < _SHORTEST or _WORDS_ONLY.fullmatch(text):
        return False
    return any(True for _ in _forms(text)) and not is_ca_bundle(text)


def is_ca_bundle(text: str) -> bool:
    """Whether `text` is PEM certificates in Base64, and no key: they are public."""
    try:
        return _CERTIFICATES.fullmatch(a2b_base64(text, strict_mode=True).decode()) is not None
    except ValueError:
        return False


def credential_parts(text: str) -> list[tuple[int, int]]:
    """Where parts of `text` that look like credentials begin and end, in order, without overlap, over line breaks."""
    parts: list[tuple[int, int]] = []
    if len(text) < _SHORTEST or _WORDS_ONLY.fullmatch(text):
        return parts
    for start, form_end in sorted(_forms(text)):
        if parts and form_end <= parts[-1][1]:
            continue
        begin = parts.pop()[0] if parts and start <= parts[-1][1] else start
        parts.append((begin, _end_of_lines(text, form_end)))
    return parts


def _forms(text: str) -> Iterator[tuple[int, int]]:
    versions = [found.span() for found in _VERSIONS.finditer(text)] if _VERSION_WORD in text else []
    for start, end in chain(known_forms(text), random_words(text)):
        # The one version sentence that begins last before it: they are in order and do not overlap.
        before = bisect_right(versions, start, key=_START) - 1
        if before < 0 or end > versions[before][1]:
            yield start, end


def conceal(text: str) -> str:
    """`text` with every part that looks like a credential shown as `…`."""
    shown: list[str] = []
    position = 0
    for start, end in credential_parts(text):
        shown += (text[position:start], CONCEALED)
        position = end
    return "".join((*shown, text[position:]))


def _end_of_lines(text: str, end: int) -> int:
    while following := _NEXT_LINE.match(text, end):
        end = following.end()
    return end
