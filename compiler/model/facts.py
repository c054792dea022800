"""Holds the facts of the field that several parts share: limits, labels, waves, versions, names and durations.

What this program writes keeps the limits too, to be read back; Helm takes no file above 5 MiB in a chart. Argo CD
applies the lowest wave first: the platform's secrets begin at -50, and stores come before all of them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from datetime import timedelta


MAX_BYTES = 4 * 1024 * 1024
MAX_NODES = 100_000
# A values file of 10,000 secrets has 19 characters for each of its values, and none that this program writes has fewer
# than these: as long a file is as quickly read as it was written.
OUTPUT_CHARACTERS_A_VALUE = 8
MAX_DEPTH = 32
# Layers of one environment, in a chain or side by side; each value remembers those that it overrode.
MAX_LAYERS = 64
# Values that all environments of one run resolve to, beside ORDINARY_VALUES of each: 10,000 with the seven secrets of
# CAIPE have none beside them. A second's work has 200,000, and each takes some hundred bytes.
MAX_RESOLVED = 1_000_000
ORDINARY_VALUES = 250
# Bytes of all values files of one run; 10,000 ordinary ones have half.
MAX_WRITTEN = 64 * 1024 * 1024
# Bytes of manifests, which repeat for each key what a values file says once; no cluster is given more at once.
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
MAX_MANIFEST_NODES = 1_000_000
# The schemas of custom resources are nested deeper than anything else that a cluster is given.
MAX_MANIFEST_DEPTH = 128
# What a person may give as values or a key; no store accepts that size.
MAX_INPUT_BYTES = 1024 * 1024
# A text without its end is one to the end, so that each character is looked at once.
_JSON_STRING = re.compile(r'(?s)"(?:[^"\\]++|\\.)*+"?')


def most_values(characters: int) -> int:
    """How many values this program may have written in so many characters of a values file."""
    return max(MAX_NODES, characters // OUTPUT_CHARACTERS_A_VALUE)


def has_more_values(json_text: str, most: int) -> bool:
    """Whether a JSON text may hold more than `most` values, counted before they take memory.

    Each value but the outermost stands after a comma or an opening bracket, so that there are no more than these.
    """
    return _separators(json_text) >= most and _separators(_JSON_STRING.sub("", json_text)) >= most


def _separators(json_text: str) -> int:
    return sum(map(json_text.count, ",[{"))


LABEL = "app.kubernetes.io/part-of"
PART_OF = "ai-platform-engineering"


ANNOTATION: Final = "argocd.argoproj.io/sync-wave"
STORE_WAVE: Final = -60
# Of a secret whose entry names none: behind the stores.
SECRET_WAVE: Final = -49


SYNC_OPTIONS: Final = "argocd.argoproj.io/sync-options"
ASKS_FIRST: Final = "Prune=confirm,Delete=confirm"


def asks_before_pruning(options: str) -> bool:
    """Whether these sync options let nothing that left Git be deleted before a person confirms."""
    return "Prune=confirm" in _each(options)


def lacking(options: str) -> tuple[str, ...]:
    """The options of `ASKS_FIRST` that these sync options lack."""
    given = _each(options)
    return tuple(each for each in _each(ASKS_FIRST) if each not in given)


def _each(options: str) -> list[str]:
    return [each.strip() for each in options.split(",")]


OLDEST = (0, 16)
# The newest whose ExternalSecret schema is known: that of 2.10, 2.11 and 2.12 equals 2.9's (read in the sources).
NEWEST = (2, 12)
KNOWN = "0.16 to 0.20, 1.0 to 1.3 and 2.0 to 2.12"
# The last known minor of each major version.
_LAST = {0: 20, 1: 3, 2: 12}
_FORM = re.compile(r"(0|[1-9]\d?)\.(0|[1-9]\d{0,2})", re.ASCII)


def parse_minor(text: str) -> tuple[int, int] | None:
    """Major and minor number of `MAJOR.MINOR`, or None where the text has another form."""
    match = _FORM.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


def is_released(minor: tuple[int, int]) -> bool:
    """Whether this minor version was released; known up to NEWEST."""
    return minor[1] <= _LAST.get(minor[0], -1)


# The longest DNS label and the longest DNS name that Kubernetes takes.
LONGEST_LABEL = 63
LONGEST_NAME = 253

_DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
_DNS_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.ASCII)
_QUALIFIED = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?", re.ASCII)
_SECRET_KEY = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


def namespace_problem(name: str) -> str | None:
    """The mistake in the name of a namespace (a DNS-1123 label)."""
    return _name_problem(name, _DNS_LABEL, LONGEST_LABEL, "lower-case letters, digits and inner hyphens")


def as_label(text: str) -> str:
    """The DNS-1123 label that comes closest to `text`; empty where nothing of that can stand in one."""
    return re.sub("[^a-z0-9-]+", "-", text.lower())[:LONGEST_LABEL].strip("-")


def object_name_problem(name: str, longest: int = LONGEST_NAME) -> str | None:
    """The mistake in the name of an object (a DNS-1123 subdomain)."""
    return _name_problem(name, _DNS_NAME, longest, "lower-case letters, digits, inner hyphens and dots")


def secret_key_problem(key: str) -> str | None:
    """The mistake in a key of a Secret."""
    if key == "." or key.startswith(".."):
        return 'may not be "." or begin with ".."'
    return _name_problem(key, _SECRET_KEY, LONGEST_NAME, "letters, digits, -, _ and .")


def label_key_problem(key: str) -> str | None:
    """The mistake in the key of a label or annotation: a name, after a domain and `/` where there is one."""
    domain, slash, name = key.rpartition("/")
    if slash and (problem := object_name_problem(domain)):
        return f"has a domain that {problem}"
    return _name_problem(name, _QUALIFIED, LONGEST_LABEL, "letters, digits, and inner -, _ and .")


def label_value_problem(value: str) -> str | None:
    """The mistake in the value of a label; an empty one is allowed."""
    return _name_problem(value, _QUALIFIED, LONGEST_LABEL, "letters, digits, and inner -, _ and .") if value else None


def _name_problem(name: str, form: re.Pattern[str], longest: int, allowed: str) -> str | None:
    if len(name) > longest:
        return f"has {len(name)} characters, and Kubernetes allows {longest}"
    return None if form.fullmatch(name) else f"may only have {allowed}"


# Units of Go's time.ParseDuration, in nanoseconds.
_SECOND = 10**9
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}
_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_WHOLE = re.compile(rf"(?:{_PART})+", re.ASCII)
_PARTS = re.compile(_PART, re.ASCII)
# Go counts nanoseconds in 64 bits: a little over 292 years.
_LONGEST = 2**63 - 1
# Python refuses numbers of some thousand digits, and nobody writes a duration of so many.
_LONGEST_TEXT = 256


_DAY = 24 * 3600
# How people write a length of time; a month has 30 days.
_WORDS = {
    **dict.fromkeys(("second", "sec"), 1),
    **dict.fromkeys(("minute", "min"), 60),
    **dict.fromkeys(("hour", "hr", "h"), 3600),
    **dict.fromkeys(("day", "d"), _DAY),
    **dict.fromkeys(("week", "w"), 7 * _DAY),
    **dict.fromkeys(("month", "mo"), 30 * _DAY),
    **dict.fromkeys(("year", "y"), 365 * _DAY),
}
_EVERY = {"hourly": 3600, "daily": _DAY, "weekly": 7 * _DAY, "monthly": 30 * _DAY, "yearly": 365 * _DAY}
_IN_WORDS = re.compile(r"([0-9]{1,4})[ _-]?([a-z]{1,6}?)s?", re.ASCII | re.IGNORECASE)


@lru_cache  # a project writes few, for thousands of secrets
def parse_duration(text: str) -> int | None:
    """The seconds of a Go duration; None where Go refuses it, it is not positive, or has a fraction of a second."""
    if len(text) > _LONGEST_TEXT or not _WHOLE.fullmatch(text):
        return None
    parts = [(*amount.partition(".")[::2], unit) for amount, unit in _PARTS.findall(text)]
    # Whole numbers only: all fractions are brought to the digits of the longest.
    digits = max(len(fraction) for _, fraction, _ in parts)
    total = sum(int(f"{whole}{fraction:0<{digits}}" or 0) * _UNITS[unit] for whole, fraction, unit in parts)
    second: int = _SECOND * 10**digits
    if total <= 0 or total > _LONGEST * 10**digits or total % second:
        return None
    return total // second


def duration_text(seconds: int) -> str:
    """A duration as Go's `Duration.String()` prints it: `1h0m0s`."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def seconds_in_words(text: str) -> int | None:
    """The seconds of a length of time in words, such as `3 months` or `daily`; None for any other text."""
    word = text.strip().lower()
    if word in _EVERY:
        return _EVERY[word]
    found = _IN_WORDS.fullmatch(word)
    unit = _WORDS.get(found[2]) if found is not None else None
    return int(found[1]) * unit if found is not None and unit is not None and int(found[1]) > 0 else None


def days_in_words(text: str) -> int | None:
    """The whole days of such a length of time."""
    seconds = seconds_in_words(text)
    return seconds // _DAY if seconds is not None and seconds % _DAY == 0 else None


def short_duration(seconds: int) -> str:
    """The shortest form of a number of seconds, as a person writes it: `1h30m`."""
    # After another part, a zero says nothing.
    return re.sub(r"(?<=[hm])0[ms]", "", duration_text(seconds))


def short_age(age: timedelta) -> str:
    """How long ago something was, in its largest unit: `40s`, `5m`, `3h`, `12d`."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


ValuesData: TypeAlias = "dict[str, ValuesData] | list[ValuesData] | str | bool"

# The key of all that the chart prints.
EXTERNAL_SECRETS = "externalSecrets"
# The keys of the stores that it prints.
STORES = ("clusterSecretStores", "secretStores")
# The key of the label that all of it carries.
PART_OF_VALUE = "partOf"
# The key by which the chart prints nothing without an error.
ALLOW_EMPTY = "allowEmpty"
