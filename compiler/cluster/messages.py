"""Finds listed words in what the operator, a store or the API server says: no other text of theirs is ever shown.

Such text may quote a secret's value. The words that are printed stand in this module; of a message that has none of
them nothing is shown.
"""

import re
from collections.abc import Container, Iterator
from datetime import datetime

from compiler.cluster.view import LiveObject, moment_of, ready_of, writers
from compiler.model.values import child
from compiler.text.wording import kubectl_line, list_names, quote

# More than any event or condition has.
_LONGEST = 32 * 1024
# Two codes and one sentence say it.
_MOST = 3
_ENTRA = re.compile(r"\bAADSTS([0-9]{3,9})(?![0-9])", re.ASCII)
# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_ENTRA_CODES = {
    "53003": "Conditional Access refuses the log-in",
    "70021": "no federated credential matches the service account",
    "700016": "the tenant has no such application",
    "700024": "the assertion is not valid now",
    "700211": "no federated credential matches the issuer",
    "700212": "no federated credential matches the audience",
    "700213": "no federated credential matches the service account",
    "7000112": "the application is disabled",
    "7000215": "invalid client secret",
    "7000222": "the client secret has expired",
    "7000229": "the application has no service principal in the tenant",
    "90002": "there is no such tenant",
}
_STATUS = re.compile(
    r"(?:code|status|response|HTTP/[0-9.]{1,3})[ =:\"]{1,3}([0-9]{3})(?![0-9])"
    r"|(?<![0-9])([0-9]{3}) (?:Bad Request|Unauthorized|Forbidden|Not Found|Too Many|Internal S|Bad G|Service U|Gate)",
    re.ASCII | re.IGNORECASE,
)
_STATUSES = frozenset({*map(str, (*range(400, 418), 429)), "500", "502", "503", "504"})
# In the order in which they are printed.
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
_OBJECTS = (
    "no handler for route",
    "SecretDisabled",
    "SecretNotFound",
    "Secret does not exist",
    "map has no entry for key",
    "secret deleted due to DeletionPolicy=Delete",
    "secret name collision during conversion",
    "a valid config key must consist of",
    "invalid secret keys",
    "could not execute template",
    "contains null bytes",
    "denied by spec.condition",
    "can not reference unmanaged store",
    "could not get ClusterSecretStore",
    "could not get SecretStore",
    "secret is owned by another ExternalSecret",
    "secret is immutable",
    "target is immutable",
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
_WORDS = (*_LOG_INS, *_CREDENTIALS, *_OBJECTS, *_NO_ANSWERS)
# Printed where nothing else is; all but the first the operator says from 2.14 on in place of its cause.
_GENERAL = (
    "x509",
    "could not get secret data from provider",
    "could not update secret",
    "could not delete secret",
    "unable to create client",
    "unable to validate store",
)
# With a name in their midst.
_NO_PROPERTY = re.compile(r"property \S{1,300} does not exist", re.IGNORECASE)
_STORE_NOT_READY = re.compile(r"Store \S{1,300} is not ready")
_LOG_IN = re.compile(
    r"AADSTS[0-9]|invalid (?:role|secret) ?(?:or secret )?id|invalid vault credentials|unable to log in|oauth2"
    r"|auth/[\w./-]{1,200}/login|refresh the token|acquire a? ?token|authentication failed",
    re.ASCII | re.IGNORECASE,
)
_TROUBLE = frozenset({"429", "500", "502", "503", "504"})
_REFUSED = frozenset({"401", "403"})
# A name that the operator quotes.
_NAMED = re.compile(r"\b(?:property|keys?)[:=]? ?\"?([^\s\",()]{1,512})", re.ASCII)
# What a rejected write says of a webhook, by the reason that the API server gives.
_WEBHOOK = re.compile(r"failed calling webhook \W{0,4}([a-z0-9.-]{1,253})|conversion webhook for", re.ASCII)
_DENIED = re.compile(r"admission webhook \W{0,4}([a-z0-9.-]{1,253})\W{0,4} denied the request", re.ASCII)
_WEBHOOKS = tuple(
    f"validate.{each}.external-secrets.io" for each in ("externalsecret", "secretstore", "clustersecretstore")
)
_AGE = re.compile(r"\A(?:just now|[0-9]+[dhm] ago): ", re.ASCII)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def find_words(said: str, names: Container[str] = ()) -> str:
    """The listed words in `said`, the most specific first, with those of `names` that it mentions.

    Empty if it has none.
    """
    text = said[:_LONGEST]
    words = list(dict.fromkeys((*_entra(text), *_specific(text))))[:_MOST]
    if statuses := _statuses(text):
        words = [*words[:-1], f"{words[-1]} (HTTP {statuses[-1]})"] if words else [f"HTTP {statuses[-1]}"]
    found = ", ".join(words) or next((each for each in _GENERAL if each in text), "")
    named = [each for each in dict.fromkeys(found.rstrip(":") for found in _NAMED.findall(text)) if each in names]
    return f"{found}: {list_names(named)}" if found and named else found


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
    names: Container[str] = (),
    store: LiveObject | None = None,
) -> str:
    """What the newest warning about an ExternalSecret says in listed words, with its age, or else its condition.

    If neither has a listed word, the command that shows them.
    """
    text, moment = failure_text(external_secret, warning, store)
    metadata = child(external_secret, "metadata")
    where, name = str(metadata.get("namespace")), str(metadata.get("name"))
    if not text:
        return ""
    line = kubectl_line("-n", where, "describe", "externalsecret", name)
    return _age(moment, now) + (find_words(text, names) or f"its message is not shown here: {line}")


def failure_text(
    external_secret: LiveObject, warning: LiveObject | None, store: LiveObject | None
) -> tuple[str, datetime | None]:
    """The text that says why an ExternalSecret fails, never to be shown, and the time if it is from a warning."""
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
    """Which webhook kept the API server from a write, and why, in listed words; empty if none did."""
    text = body[:_LONGEST]
    if (denied := _DENIED.search(text)) is not None:
        return f"{_webhook(denied[1])} refused it"
    if (failed := _WEBHOOK.search(text)) is None:
        return ""
    words = [*_specific(text)][:_MOST]
    return ": ".join((f"{_webhook(failed[1])} cannot be called", *([", ".join(words)] if words else ())))


def _webhook(name: str | None) -> str:
    if name in _WEBHOOKS:
        return f"the operator's webhook {quote(name)}"
    return "a webhook that is not the operator's" if name is not None else "the operator's conversion webhook"


def _statuses(text: str) -> list[str]:
    return [each for pair in _STATUS.findall(text) for each in pair if each in _STATUSES]


def _entra(text: str) -> Iterator[str]:
    for code in _ENTRA.findall(text):
        meaning = _ENTRA_CODES.get(code)
        yield f"AADSTS{code} ({meaning})" if meaning else f"AADSTS{code}"


def _specific(text: str) -> Iterator[str]:
    low = text.casefold()
    yield from (word for word in _WORDS if word.casefold() in low)
    if _NO_PROPERTY.search(text):
        yield "property does not exist"
    if _STORE_NOT_READY.search(text):
        yield "the store is not ready"


def _age(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return ""
    # Clocks differ.
    seconds = max(0, round((now - moment).total_seconds()))
    unit = next((each for each in _UNITS if seconds >= each[0]), None)
    return f"{seconds // unit[0]}{unit[1]} ago: " if unit is not None else "just now: "
