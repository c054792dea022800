"""Checks which names Vault may be given, because a client would resolve `..` and send another path."""

import re
from typing import Final

from compiler.text.regex import regex

_FORBIDDEN: Final = regex(r"[\x00-\x1f\x7f-\x9f%\\?#*\ud800-\udfff]")
_LONGEST: Final = 512
# Nearly every name has this form; the causes are looked for only in the others.
_PLAIN: Final = regex(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*", re.ASCII)


def name_problem(name: str) -> str | None:
    """Return why a remote name, mount, namespace or user name cannot be used in a path; None when it can."""
    if len(name) <= _LONGEST and _PLAIN.fullmatch(name):
        return None
    parts = name.split("/")
    causes = (
        (not name, "it is empty"),
        (len(name) > _LONGEST, f"it is longer than {_LONGEST} characters"),
        (_FORBIDDEN.search(name), "it contains a control character, a lone surrogate or one of % \\ ? # *"),
        (name.startswith("/") or name.endswith("/"), "it starts or ends with /"),
        ("" in parts, "it contains //"),
        ("." in parts or ".." in parts, "one of its parts is . or .."),
        (any(part != part.strip() for part in parts), "one of its parts starts or ends with white space"),
    )
    return next((cause for is_so, cause in causes if is_so), None)


def property_problem(name: str) -> str | None:
    """Return why a property's name cannot be used; None when it can."""
    if not name:
        return "a property's name is empty"
    if re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", name):
        return "a property's name contains a control character or a lone surrogate"
    return None
