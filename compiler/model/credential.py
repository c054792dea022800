"""Whether a text looks like a credential, and a text with everything that does taken out."""

from __future__ import annotations

import math
import re
from collections import Counter

CONCEALED = "…"

# Prefixes and forms that the issuers document: GitHub, GitLab, Slack, OpenAI and Anthropic, AWS, Google, Vault, npm,
# PyPI, SendGrid, Stripe, JWT, PEM, Azure storage keys, and user information in a URL.
_FORMS = re.compile(
    r"""
      gh[pousr]_[A-Za-z0-9]{16,} | github_pat_[A-Za-z0-9_]{16,} | gl(?:pat|dt|rt|ptt|soat|cbt|ft|imt|agent)-[A-Za-z0-9_.-]{16,}
    | xox[a-z]-[A-Za-z0-9-]{10,} | xapp-[A-Za-z0-9-]{10,} | xwfp-[A-Za-z0-9-]{10,}
    | sk-[A-Za-z0-9_-]{16,} | [sr]k_(?:live|test)_[A-Za-z0-9]{10,}
    | (?:AKIA|ASIA|AGPA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]{12,} | AIza[A-Za-z0-9_-]{20,} | ya29\.[A-Za-z0-9_-]{16,}
    | hv[sbr]\.[A-Za-z0-9_-]{16,} | [sbr]\.[A-Za-z0-9]{24,}
    | npm_[A-Za-z0-9]{20,} | pypi-[A-Za-z0-9_-]{20,} | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}
    | ATATT[A-Za-z0-9_=-]{16,} | AGE-SECRET-KEY-1[A-Z0-9]{20,}
    | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----[\s\S]*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    | (?<=://)[^/\s:@'"]*:[^/\s@'"]+(?=@)
    """,
    re.VERBOSE,
)
_WORDS = re.compile(r"[A-Za-z0-9+/=_.~-]{20,}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DIGEST_OR_KEY = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")
# Random Base64 text of 20 characters has about 4 bits a character; names of the field stay below this.
_RANDOM_BITS = 3.6
_SHORTEST = 12


def looks_like_credential(text: str) -> bool:
    """Whether some part of `text` has the form of a known credential or the look of random characters."""
    if len(text) < _SHORTEST:
        return False
    return bool(_FORMS.search(text)) or any(_is_random(match.group()) for match in _WORDS.finditer(text))


def conceal(text: str) -> str:
    """`text` with every part that looks like a credential shown as `…`."""
    if len(text) < _SHORTEST:
        return text
    text = _FORMS.sub(CONCEALED, text)
    return _WORDS.sub(lambda match: CONCEALED if _is_random(match.group()) else match.group(), text)


def _is_random(word: str) -> bool:
    if _UUID.fullmatch(word):
        return False
    if _DIGEST_OR_KEY.fullmatch(word):
        return True
    # Names of the field are words between separators; random text mixes cases and digits within one run.
    return any(len(run) >= 16 and _is_mixed(run) for run in re.split(r"[-_./=~]", word)) or (  # noqa: PLR2004
        _is_mixed(word) and _bits(word) > 4.2 and not re.search(r"[A-Za-z]{7,}", word)  # noqa: PLR2004
    )


def _is_mixed(word: str) -> bool:
    kinds = (any(c.islower() for c in word), any(c.isupper() for c in word), any(c.isdigit() for c in word))
    return (
        kinds[2]
        and (kinds[0] or kinds[1])
        and sum(c.isdigit() for c in word) >= 2
        and _bits(word) > _RANDOM_BITS - 0.4 * (sum(kinds) == 2)
    )  # noqa: E501, PLR2004


def _bits(word: str) -> float:
    counts = Counter(word)
    return -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values())
