"""Shows what the operator, a store or the API server says without secret values, and finds the kind of a failure."""

import json
import re
from collections.abc import Collection, Iterator
from datetime import datetime

from compiler.cluster.view import LiveObject, moment_of, ready_of, writers
from compiler.stores.secret_value import HIDDEN, SecretValue, hide_values
from compiler.text.wording import quote

# More than any event or condition has, and as much as is shown of it.
_LONGEST, _MOST_SHOWN = 32 * 1024, 300
# Text in quotes, up to the end where no quote closes it; an apostrophe within a word opens none.
_QUOTED = re.compile(r"""\"(?:[^\"\\]|\\.)*+\"?|`[^`]*+`?|(?<!\w)'(?:[^'\\]|\\.)*+'?""", re.DOTALL)
# What Entra says begins with its code, deep in a reply of JSON, whose quotes are no part of it.
_ENTRA = re.compile(r"""AADSTS[0-9]{3,9}(?![0-9])[^"'`\\]*""", re.ASCII)
# An error of a template quotes the values that it is given.
_TEMPLATE = re.compile("template", re.IGNORECASE)
_STATUS = re.compile(
    r"(?:code|status|response|HTTP/[0-9.]{1,3})[ =:\"]{1,3}([0-9]{3})(?![0-9])"
    r"|(?<![0-9])([0-9]{3}) (?:Bad Request|Unauthorized|Forbidden|Not Found|Too Many|Internal S|Bad G|Service U|Gate)",
    re.ASCII | re.IGNORECASE,
)
_STATUSES = frozenset({*map(str, (*range(400, 418), 429)), "500", "502", "503", "504"})
_LOG_INS = (
    "invalid role or secret ID",
    "invalid role ID",
    "invalid secret ID",
    "invalid role name",
    "invalid username or password",
    "service account name not authorized",
    "namespace not authorized",
    "invalid audience",
    "missing client token",
    "invalid token",
    "permission denied",
    "ForbiddenByRbac",
    "ForbiddenByPolicy",
    "AccessDenied",
)
_READS = frozenset({"permission denied", "ForbiddenByRbac", "ForbiddenByPolicy", "AccessDenied"})
_CREDENTIALS = (
    "cannot find secret data for key",
    "cannot get Kubernetes secret",
    "cannot get Kubernetes service account",
    "cannot request Kubernetes service account token",
)
# With these a valid credential would not help.
_NO_ANSWERS = (
    "Vault is sealed",
    "VaultNotFound",
    "ForbiddenByFirewall",
    "ForbiddenByConnection",
    "too many requests",
    "Throttled",
    "x509: certificate signed by unknown authority",
    "x509: certificate has expired or is not yet valid",
    "x509: certificate is valid for",
    "x509: cannot validate certificate",
    "x509: certificate relies on legacy Common Name field",
    "server gave HTTP response to HTTPS client",
    "TLS handshake timeout",
    "no endpoints available",
    "connection refused",
    "connection reset by peer",
    "no such host",
    "no route to host",
    "network is unreachable",
    "i/o timeout",
    "context deadline exceeded",
    "unexpected EOF",
)
_WORDS = (*_LOG_INS, *_CREDENTIALS, "SecretDisabled", *_NO_ANSWERS)
_LOG_IN = re.compile(
    r"AADSTS[0-9]|invalid (?:role|secret) ?(?:or secret )?id|invalid vault credentials|unable to log in|oauth2"
    r"|auth/[\w./-]{1,200}/login|refresh the token|acquire a? ?token|authentication failed",
    re.ASCII | re.IGNORECASE,
)
_TROUBLE = frozenset({"429", "500", "502", "503", "504"})
_REFUSED = frozenset({"401", "403"})
# What a rejected write says of a webhook, by the reason that the API server gives.
_WEBHOOK = re.compile(r"failed calling webhook \W{0,4}([a-z0-9.-]{1,253})|conversion webhook for", re.ASCII)
_DENIED = re.compile(r"admission webhook \W{0,4}([a-z0-9.-]{1,253})\W{0,4} denied the request", re.ASCII)
_WEBHOOKS = tuple(
    f"validate.{each}.external-secrets.io" for each in ("externalsecret", "secretstore", "clustersecretstore")
)
_AGE = re.compile(r"\A(?:just now|[0-9]+[dhm] ago): ", re.ASCII)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def show_message(said: str, values: Collection[SecretValue] = (), *, hides_quotes: bool = False) -> str:
    """A message in one line of at most 300 characters, without the `values` that were read; of Entra's, its sentence.

    Text in quotes is left out where no value was read, where a template failed, whose error quotes values, and with
    `hides_quotes`.
    """
    text = hide_values(said[:_LONGEST], values)
    if (found := _ENTRA.search(text)) is not None:
        text = found[0]
    elif hides_quotes or not values or _TEMPLATE.search(text):
        text = _QUOTED.sub(f'"{HIDDEN}"', text)
    text = " ".join(text.split())
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}{HIDDEN}"


def is_log_in_failure(said: str, *, is_of_store: bool = False) -> bool:
    """Whether a message says that a credential was refused, rather than a read, or that a server did not answer.

    With `is_of_store` it is from the operator's check of a store, which only logs in.
    """
    text = said[:_LONGEST]
    words, statuses = frozenset(_specific(text)), _statuses(text)
    if words.intersection(_NO_ANSWERS) or _TROUBLE.intersection(statuses) or "x509" in text:
        return False
    is_refused = words.intersection((*_LOG_INS, *_CREDENTIALS)) or _REFUSED.intersection(statuses)
    return _LOG_IN.search(text) is not None or (is_of_store and bool(is_refused))


def is_denied_read(said: str) -> bool:
    """Whether a store let the operator log in, but refused it a read."""
    text = said[:_LONGEST]
    words = frozenset(_specific(text))
    is_refused = words.intersection(_READS) or "403" in _statuses(text)
    return bool(is_refused) and not words.intersection((*_NO_ANSWERS, "SecretDisabled")) and not is_log_in_failure(said)


def describe_failure(
    external_secret: LiveObject,
    warning: LiveObject | None,
    now: datetime,
    store: LiveObject | None = None,
    values: Collection[SecretValue] = (),
) -> str:
    """What the newest warning about an ExternalSecret says, with its age, or else its condition; see `show_message`."""
    text, moment = failure_text(external_secret, warning, store)
    if not text:
        return ""
    denier = webhook_that_denies(text)
    why = f"{denier} denied the operator's write, so --force-sync cannot help: " if denier else ""
    return f"{_age(moment, now)}{why}{show_message(text, values)}"


def webhook_that_denies(said: str) -> str:
    """The admission webhook that denied a write, in words; empty if none did."""
    denied = _DENIED.search(said[:_LONGEST])
    return _webhook(denied[1]) if denied is not None else ""


def failure_text(
    external_secret: LiveObject, warning: LiveObject | None, store: LiveObject | None
) -> tuple[str, datetime | None]:
    """The text that says why an ExternalSecret fails, which may quote values, and the time if it is from a warning."""
    moment = moment_of(warning["moment"]) if warning is not None else None
    changes = (time for each in (external_secret, store) for time, _, _ in writers(each, "f:spec"))
    changed = moment_of(max(changes, default=None))
    is_before = moment is not None and changed is not None and moment < changed
    if warning is None or is_before or not warning["message"].strip():
        # A warning of the spec before, or of the store object as it was, is not about what is there now.
        return str(ready_of(external_secret).get("message") or "").strip(), None
    return warning["message"], moment


def without_age(said: str) -> str:
    """A description without its age."""
    return _AGE.sub("", said, count=1)


def webhook_failure(body: str) -> str:
    """Which webhook kept the API server from a write, and why; empty if none did."""
    text = _message_in(body)[:_LONGEST]
    if (denied := _DENIED.search(text)) is not None:
        said = show_message(text[denied.end() :].lstrip(": "))
        return f"{_webhook(denied[1])} denied it, so --force-sync cannot help{f': {said}' if said else ''}"
    if (failed := _WEBHOOK.search(text)) is None:
        return ""
    said = show_message(text[failed.end() :].lstrip('\\":, '))
    return f"{_webhook(failed[1])} cannot be called{f': {said}' if said else ''}"


def _message_in(body: str) -> str:
    """The message of a Status of the API; the whole text if it is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return str(found.get("message") or "") if isinstance(found, dict) else body


def _webhook(name: str | None) -> str:
    if name in _WEBHOOKS:
        return f"the operator's webhook {quote(name)}"
    return f"the admission webhook {quote(name)}" if name is not None else "the operator's conversion webhook"


def _statuses(text: str) -> list[str]:
    return [each for pair in _STATUS.findall(text) for each in pair if each in _STATUSES]


def _specific(text: str) -> Iterator[str]:
    low = text.casefold()
    yield from (word for word in _WORDS if word.casefold() in low)


def _age(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return ""
    # Clocks differ.
    seconds = max(0, round((now - moment).total_seconds()))
    unit = next((each for each in _UNITS if seconds >= each[0]), None)
    return f"{seconds // unit[0]}{unit[1]} ago: " if unit is not None else "just now: "
