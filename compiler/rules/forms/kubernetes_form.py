"""Tells what Kubernetes would refuse of a name; the forms are those of its API conventions and validation."""

from __future__ import annotations

import re

from compiler.text.regex import regex

LONGEST_LABEL = 63
LONGEST_NAME = 253

_LABEL = regex(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
_SUBDOMAIN = regex(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.ASCII)
_QUALIFIED = regex(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?", re.ASCII)
_SECRET_KEY = regex(r"[A-Za-z0-9_.-]+", re.ASCII)


def namespace_problem(name: str) -> str | None:
    """What is wrong with the name of a namespace (a DNS-1123 label)."""
    return _problem(name, _LABEL, LONGEST_LABEL, "lower-case letters, digits and inner hyphens")


def object_name_problem(name: str, longest: int = LONGEST_NAME) -> str | None:
    """What is wrong with the name of an object (a DNS-1123 subdomain)."""
    return _problem(name, _SUBDOMAIN, longest, "lower-case letters, digits, inner hyphens and dots")


def secret_key_problem(key: str) -> str | None:
    """What is wrong with a key of a Secret."""
    if key == "." or key.startswith(".."):
        return 'may not be "." or begin with ".."'
    return _problem(key, _SECRET_KEY, LONGEST_NAME, "letters, digits, -, _ and .")


def label_key_problem(key: str) -> str | None:
    """What is wrong with the key of a label or annotation: a name, after a domain and `/` where there is one."""
    domain, slash, name = key.rpartition("/")
    if slash and (problem := object_name_problem(domain)):
        return f"has a domain that {problem}"
    return _problem(name, _QUALIFIED, LONGEST_LABEL, "letters, digits, and inner -, _ and .")


def label_value_problem(value: str) -> str | None:
    """What is wrong with the value of a label; an empty one is allowed."""
    return _problem(value, _QUALIFIED, LONGEST_LABEL, "letters, digits, and inner -, _ and .") if value else None


def _problem(name: str, form: re.Pattern[str], longest: int, allowed: str) -> str | None:
    if len(name) > longest:
        return f"has {len(name)} characters, and Kubernetes allows {longest}"
    return None if form.fullmatch(name) else f"may only have {allowed}"
