"""Finds credentials of a known form in a text: tokens, private keys, and passwords in URLs and beside a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY_LABEL = "[A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}"
# Each begins with a literal, so that the matcher can skip to the few places where one may stand; a boundary to the
# left is therefore a look-behind after it. Every repetition that may fail is bounded by what cannot occur inside it,
# so that hostile text costs linear time.
_TOKENS = (
    r"gh[pousr]_[A-Za-z0-9]{16,}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{16,}",
    r"gl(?:pat|oas|dt|rt|rtr|ptt|soat|cbt|ft|ffct|imt|agent)-[A-Za-z0-9_.-]{16,}",  # GitLab
    r"xox[a-z]-[A-Za-z0-9-]{10,}",  # Slack
    r"xoxe\.xox[a-z]-[A-Za-z0-9-]{10,}",
    r"xapp-[0-9]-[A-Za-z0-9-]{10,}",
    r"xwfp-[A-Za-z0-9-]{10,}",
    r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{10,}",
    r"sk-(?<![A-Za-z0-9]sk-)(?:proj|svcacct|admin|ant|or|lf)-[A-Za-z0-9_-]{16,}",  # OpenAI and its like
    r"sk-(?<![A-Za-z0-9]sk-)[A-Za-z0-9]{20,}",
    r"gsk_[A-Za-z0-9]{20,}",
    r"xai-[A-Za-z0-9]{30,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"sk_(?:live|test)_[A-Za-z0-9]{10,}",  # Stripe
    r"rk_(?:live|test)_[A-Za-z0-9]{10,}",
    r"whsec_[A-Za-z0-9+/=]{16,}",
    *(  # AWS
        rf"{prefix}(?<![A-Za-z0-9]{prefix})[A-Z0-9]{{16}}(?![A-Za-z0-9_])"
        for prefix in ("AKIA", "ASIA", "AGPA", "AIDA", "AROA", "ABIA", "ACCA")
    ),
    r"AIza[A-Za-z0-9_-]{20,}",  # Google
    r"ya29\.[A-Za-z0-9_-]{16,}",
    r"GOCSPX-[A-Za-z0-9_-]{16,}",
    r"hv[sbr]\.[A-Za-z0-9_-]{16,}",  # Vault and OpenBao, with their older forms
    r"s\.(?<![A-Za-z0-9_.-]s\.)[A-Za-z0-9]{24,}",
    r"b\.(?<![A-Za-z0-9_.-]b\.)[A-Za-z0-9]{24,}",
    r"r\.(?<![A-Za-z0-9_.-]r\.)[A-Za-z0-9]{24,}",
    r"npm_[A-Za-z0-9]{20,}",
    r"pypi-[A-Za-z0-9_-]{32,}",
    r"dckr_pat_[A-Za-z0-9_-]{16,}",
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    r"AT(?:ATT|CTT|STT|BB)[A-Za-z0-9_=-]{16,}",  # Atlassian
    r"glsa_[A-Za-z0-9_]{16,}",  # Grafana
    r"lin_api_[A-Za-z0-9]{16,}",
    r"dapi[0-9a-f]{32}",  # Databricks
    r"AGE-SECRET-KEY-1[A-Z0-9]{20,}",
    r"eyJ(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+)*",  # JWT: `{"` in Base64
    rf"-----BEGIN {_KEY_LABEL}-----(?s:.*?)(?:-----END {_KEY_LABEL}-----|\Z)",  # PEM, OpenSSH, PGP
)
_TOKEN = regex("|".join(_TOKENS))
# One of these begins each. Few texts have any of these, and looking for them takes a hundredth of a millisecond,
# where the pattern takes two of them to compile.
_BEGINNINGS = (
    *(f"gh{kind}_" for kind in "pousr"),
    "github_pat_",
    *(f"gl{kind}" for kind in ("pat", "oas", "dt", "rt", "ptt", "soat", "cbt", "ft", "ffct", "imt", "agent")),
    *("xox", "xapp-", "xwfp-", "hooks.slack.com/"),
    *("sk-", "gsk_", "xai-", "hf_", "sk_", "rk_", "whsec_"),
    *("AKIA", "ASIA", "AGPA", "AIDA", "AROA", "ABIA", "ACCA"),
    *("AIza", "ya29.", "GOCSPX-"),
    *("hvs.", "hvb.", "hvr.", "s.", "b.", "r."),
    *("npm_", "pypi-", "dckr_pat_", "SG.", "ATATT", "ATCTT", "ATSTT", "ATBB"),
    *("glsa_", "lin_api_", "dapi", "AGE-SECRET-KEY-1", "eyJ", "-----BEGIN "),
)
# Entra client secrets: three characters, a digit, `Q~`.
_ENTRA_SECRET = regex(r"[A-Za-z0-9_.~-]{3}[0-9]Q~[A-Za-z0-9_.~-]{16,}")
_URL_START = "://"
_URL_END = regex(r"[\s'\"]")
_AFTER_USER = regex(r"[/:@]")
_PORT = regex(r"\d{1,5}[/?#]")

_WORDS_FOR_SECRETS = (
    "password|passwd|passphrase|pwd|secret|token|authorization|signature|(?<![a-z])sig|"
    "(?:account|access|api|shared|private|master)[_-]?key"
)
# `password=…` of connection strings and query strings, and `password: …` of headers, JSON and comments; the second
# also occurs in prose, so that what follows needs a digit. Placeholders (`<…>`, `${…}`, `{{…}}`, `***`) are none.
_ASSIGNMENT = regex(
    rf"(?i:{_WORDS_FOR_SECRETS})"
    r"(?:=[\"']?(?P<plain>(?!(?i:true|false|null|none)\b)[^\s\"'&;,<$({*\[…][^\s\"'&;,]{5,})"
    r"|[\"']?:[ \t]*[\"']?(?i:(?:bearer|basic|token)[ \t]+)?"
    r"(?P<named>(?=[^\s\"',;]{0,64}\d)[^\s\"',;<$({*\[…][^\s\"',;]{5,}))"
)
# How each of those words ends, looked for from the sign backwards: the whole form, which begins with none of a few
# characters, is tried at every letter of a text and takes ten times as long.
_ENDS_OF_WORDS = ("ord", "swd", "ase", "pwd", "ret", "ken", "ion", "ure", "sig", "key")
_MAY_BE_ASSIGNMENT = regex(
    r"(?:=|:(?=[ \t\"']))(?i:" + "|".join(rf"(?<={end}[=:])|(?<={end}[\"'][=:])" for end in _ENDS_OF_WORDS) + ")"
)


def known_forms(text: str) -> Iterator[tuple[int, int]]:
    """The bounds of every credential of a known form in `text`, in no certain order; some may overlap."""
    if any(beginning in text for beginning in _BEGINNINGS):
        for match in _TOKEN.finditer(text):
            yield match.span()
    if "Q~" in text:
        for match in _ENTRA_SECRET.finditer(text):
            yield match.span()
    if _URL_START in text and "@" in text:
        yield from _user_information(text)
    if _MAY_BE_ASSIGNMENT.search(text):
        for match in _ASSIGNMENT.finditer(text):
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
