"""Takes Key Vault's replies apart: versions of secrets, and errors without the reply's text.

A gateway, a cache or a vault behind the wrong address can answer a request with another secret's value: each reply
carries the id of what it shows, so that such a value is neither compared nor copied.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from azure.core.exceptions import HttpResponseError
from azure.keyvault.secrets import DeletedSecret, KeyVaultSecret, SecretProperties

from compiler.stores.azure_key_vault.log_in import TOKEN_VARIABLE
from compiler.stores.errors import (
    Action,
    Code,
    DisabledError,
    ForbiddenError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    StoreLocation,
)
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.pacing import parse_retry_after
from compiler.stores.secret_value import NotAnObjectError, SecretValue, read_object
from compiler.text.wording import BLANK, shell_line

_VERSION: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of a secret."""

    name: str
    version: str | None
    value: SecretValue | None  # None in lists and of deleted secrets
    attributes: Attributes
    previous: str | None = None  # the version before it, where the reply says that


_PERMISSIONS: Final = {
    Action.READ: "secrets/get",
    Action.DESCRIBE: "secrets/list",
    Action.LIST: "secrets/list",
    Action.WRITE: "secrets/set",
    Action.DELETE: "secrets/delete",
    Action.RECOVER: "secrets/recover",
}
_CHECK: Final = "check the vault's URL and the proxy in between"
_READING: Final = frozenset({Action.READ, Action.DESCRIBE, Action.LIST})
# How Key Vault says that a secret, a version of it or a deleted one is not there.
_ABSENT: Final = "SecretNotFound"
# Characters of a message that are looked at.
_LONGEST_MESSAGE: Final = 4096
# A policy does not say in a code what it wants.
_DENIED: Final = "refused by policy: its expiry date or its content type is missing or not allowed"
_BUSY: Final = frozenset({"ObjectIsBeingDeleted", "ObjectIsBeingRecovered", "ObjectIsBeingPurged"})


# The kinds of ForbiddenByPolicy, which only the beginning of its message tells apart.
BY_ACCESS_POLICY, ON_BEHALF_OF = "access-policy", "on-behalf-of"
# Why no role lets anybody read a version: not every answer has that as its code.
_DISABLED, _EXPIRED, _NOT_YET_VALID = "SecretDisabled", "expired", "not yet valid"
_NOT_ALLOWED: Final = re.compile(
    r"Operation [a-z]{1,20} is not allowed on an? (disabled|expired|not yet valid) secret\b"
)


def denial_of(message: str | None) -> str | None:
    """The kind of refusal with that message of Key Vault, of which nothing is shown; None for any other."""
    if message is None or len(message) > _LONGEST_MESSAGE:
        return None
    if (state := _NOT_ALLOWED.match(message)) is not None:
        return _DISABLED if state[1] == "disabled" else state[1]
    if message.startswith("The policy requires the caller '"):
        return ON_BEHALF_OF
    is_denial = message.startswith("The user, group or application '") and "' does not have secrets" in message
    return BY_ACCESS_POLICY if is_denial else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What may be copied from an error's reply: no body, no message (a proxy may have written it), no request."""

    status: int
    code: str | None = None
    inner: str | None = None
    retry_after: str | None = None
    is_key_vaults: bool = False  # the body had Key Vault's error form
    worked_before: bool = False  # an earlier request was accepted
    credential: str = "the credential"  # where the token comes from
    denial: str | None = None  # what the beginning of its message tells that its code does not


def unexpected_reply(reason: str, place: StoreLocation, action: Action) -> StoreError:
    """Return the error for a reply that is not from this vault."""
    return StoreError(place, action, reason, _CHECK, Code.UNEXPECTED_REPLY)


def error_of(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    """Return the error for an answer that is no success."""
    status = answer.status
    if 300 <= status < 400:  # noqa: PLR2004 - the redirects
        reason = f"it answered with a redirect (status {status}), which is not followed, as the token would go there"
        return StoreError(place, action, reason, _CHECK, Code.REDIRECT_REFUSED)
    if status == 429:  # noqa: PLR2004
        reason = "the vault is throttling requests"
        remedy = "run again later, or name fewer secrets: all clients of a vault share its limits"
        return StoreError(
            place, action, reason, remedy, Code.THROTTLED, retry_after=parse_retry_after(answer.retry_after)
        )
    if status >= 500 or status == 408:  # noqa: PLR2004
        return StoreError(place, action, f"it answered with status {status}", "run again later", Code.UNAVAILABLE)
    if status == 401:  # noqa: PLR2004
        return _explain_unauthenticated(answer, place, action)
    if not answer.is_key_vaults:
        reason = f"a server that is not Key Vault answered with status {status}"
        return unexpected_reply(reason, place, action)
    if status == 403:  # noqa: PLR2004
        return _explain_forbidden(answer, place, action)
    if status == 404:  # noqa: PLR2004
        return _missing(answer, place, action)
    if status == 409:  # noqa: PLR2004
        return _conflict(answer, place, action)
    reason = f'Key Vault refused the request with status {status} and code "{_word(answer.code)}"'
    return StoreError(
        place, action, reason, "check the value, tags, content type and dates against its limits", Code.INVALID_VALUE
    )


def _explain_unauthenticated(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    log_in = shell_line("az", "login")
    # No log-in replaces a token in the variable while that is set.
    match answer.credential == TOKEN_VARIABLE, answer.worked_before:
        case True, True:
            reason, remedy = "expired or was revoked", f"renew {TOKEN_VARIABLE}, then run the same command again"
        case True, False:
            way = f"with a token of the vault's own tenant, or unset it to log in otherwise (`{log_in}`)"
            reason, remedy = "was rejected", f"renew {TOKEN_VARIABLE} {way}"
        case False, True:
            reason = "expired or was revoked, and a new one was rejected"
            remedy = f"log in again (`{log_in}`), then run the same command again"
        case _:
            log_in = shell_line("az", "login", "--tenant", BLANK)
            reason = "was rejected"
            remedy = f"log in to the vault's own tenant (`{log_in}`) or name another credential"
    code = Code.EXPIRED_TOKEN if answer.worked_before else Code.UNAUTHENTICATED
    return StoreError(place, action, f"the token of {answer.credential} {reason}", remedy, code)


def _missing(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    if answer.code == _ABSENT and place.name is not None:
        return NotFoundError(place, action, "the store has no such secret", "create it, or correct its name")
    reason = f'status 404 with code "{_word(answer.code)}" does not mean that the secret is missing'
    return unexpected_reply(reason, place, action)


def _explain_forbidden(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    permission = _PERMISSIONS.get(action, "secrets/get")
    if answer.inner == "ForbiddenByPolicy" and answer.denial is None and action is Action.WRITE:
        # Not a ForbiddenError: no right is missing, and the next secret may be allowed.
        # Nor is it certain: an access policy's denial may have come in other words.
        way = "set requireExpiry, maxValidity and minValidity as the policy has them and run again"
        remedy = f"{way}, or ask for {permission}"
        return StoreError(place, action, _DENIED, remedy, Code.REFUSED_BY_POLICY)
    kind = answer.inner if answer.inner not in (None, "ForbiddenByPolicy") or answer.denial is None else answer.denial
    is_of_store = False
    match kind:
        case "SecretDisabled" | "expired" | "not yet valid":
            return _explain_unreadable(kind, place, action)
        case "ForbiddenByRbac":
            reason = f"no role assignment of the caller grants {permission}"
            # Not "Key Vault Secrets Officer" for writing: it may purge, which this program never does.
            role = '"Key Vault Secrets User"' if action in _READING else "a custom role that cannot purge"
            remedy = f"assign {role}, with {permission}, and wait some minutes until it takes effect"
        case "AccessDenied" | "access-policy":
            reason = f"the vault's access policy does not grant the caller {permission}"
            word = permission.partition("/")[2]
            command = shell_line("az", "keyvault", "set-policy", "--secret-permissions", word)
            remedy = f"add it (`{command}`)"
        case "ForbiddenByFirewall":
            is_of_store, reason = True, "the vault's firewall blocks this network"
            remedy = "add this address to the vault's network rules, or run from an allowed network"
        case "on-behalf-of":
            reason = "the vault's access policy grants it only to an application that acts on behalf of the caller"
            remedy = f"add an access policy with {permission} for the caller alone, without an application"
        case _:
            reason = f'the vault denies it with code "{_word(answer.inner or answer.code)}"'
            remedy = f"ask the vault's owner for {permission}"
            if action is Action.WRITE:
                remedy += "; a policy of the vault may want an expiry date"
    return ForbiddenError(place, action, reason, remedy, permission=permission, is_of_store=is_of_store)


def _explain_unreadable(kind: str, place: StoreLocation, action: Action) -> StoreError:
    """The error for a newest version that nobody may read, whatever role he has."""
    is_disabled = kind == _DISABLED
    option = {
        _DISABLED: ("--enabled", "true"),
        _EXPIRED: ("--expires", "DATE"),
        _NOT_YET_VALID: ("--not-before", "DATE"),
    }
    words = ("set-attributes", "--id", _id(place, "secrets"), *option[kind])
    command = shell_line("az", "keyvault", "secret", *words)
    remedy = f"enable its newest version (`{command}`)" if is_disabled else f"set another date (`{command}`)"
    reason = f"its newest version is {'disabled' if is_disabled else f'{kind}, and the vault does not return it'}"
    return DisabledError(place, action, reason, remedy)


def _conflict(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    if answer.inner == "ObjectIsDeletedButRecoverable":
        return soft_deleted(place, action)
    if answer.inner in _BUSY:
        return StoreError(
            place, action, "the name is still being deleted or recovered", "run again in a minute", Code.BUSY
        )
    reason = f'Key Vault reports a conflict with code "{_word(answer.inner or answer.code)}"'
    return StoreError(place, action, reason, "run again when nobody else is changing this secret", Code.BUSY)


def soft_deleted(place: StoreLocation, action: Action, version: str | None = None) -> SoftDeletedError:
    """Return the error for a name that is deleted and recoverable; `version` is the deleted one."""
    command = shell_line("az", "keyvault", "secret", "recover", "--id", _id(place, "deletedsecrets"))
    remedy = f"recover it (`{command}`, or `--recover` of put, restore or migrate)"
    return SoftDeletedError(place, action, "it is soft-deleted", remedy, version=version)


def _id(place: StoreLocation, kind: str) -> str:
    return f"{place.store}/{kind}/{place.name}"


def _word(code: str | None) -> str:
    # A code is one word in Key Vault's answers; whatever else a stranger sends is not shown.
    return code if code is not None and code.isascii() and code.isalnum() and len(code) <= 64 else "unknown"  # noqa: PLR2004


def bundle_of(shown: KeyVaultSecret | DeletedSecret | SecretProperties) -> Bundle:
    properties = shown if isinstance(shown, SecretProperties) else shown.properties
    value = shown.value if isinstance(shown, KeyVaultSecret) else None
    level = properties.recovery_level
    attributes = Attributes(
        enabled=properties.enabled is not False,
        expires=_time(properties.expires_on),
        not_before=_time(properties.not_before),
        content_type=properties.content_type,
        tags=dict(properties.tags or {}),
        created=_time(properties.created_on),
        updated=_time(properties.updated_on),
        managed=bool(properties.managed),
        # No level is what an emulator says; a level without the word means that a delete destroys.
        is_recoverable=level is None or "recoverable" in str(getattr(level, "value", level)).lower(),
    )
    previous: object = properties.previous_version
    is_known = isinstance(previous, str) and is_version(previous) and previous != properties.version
    return Bundle(
        name=properties.name or "",
        version=properties.version,
        value=None if value is None else SecretValue(value),
        attributes=attributes,
        previous=properties.previous_version if is_known else None,
    )


def _time(told: object) -> datetime | None:
    # A number without bounds is no date, and the SDK hands it on as it came.
    if told is None or isinstance(told, datetime):
        return told
    raise TypeError


def answer_of(error: HttpResponseError, *, worked_before: bool, credential: str) -> Answer:
    parsed = error.error
    code = parsed.code if parsed is not None and isinstance(parsed.code, str) else None
    inner = parsed.innererror.get("code") if parsed is not None and isinstance(parsed.innererror, Mapping) else None
    headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
    return Answer(
        status=error.status_code or 0,
        code=code,
        inner=inner if isinstance(inner, str) else None,
        denial=denial_of(parsed.message if parsed is not None and isinstance(parsed.message, str) else None),
        retry_after=headers.get("Retry-After"),
        is_key_vaults=code is not None,
        worked_before=worked_before,
        credential=credential,
    )


def is_version(version: str) -> bool:
    """Whether this is the form of a version's id; anything else would be read as another path."""
    return _VERSION.fullmatch(version) is not None


def require_version(bundle: Bundle, place: StoreLocation, action: Action) -> Bundle:
    """The bundle, if it has the id of a version. Raises a StoreError, unexpected-reply."""
    if bundle.version is None or not is_version(bundle.version):
        raise unexpected_reply("the reply has no valid version id", place, action)
    return bundle


def remote_secret(name: str, bundle: Bundle) -> RemoteSecret:
    """Return a version that was read, its properties taken from its text where that is a JSON object."""
    whole = bundle.value if bundle.value is not None else SecretValue("")
    try:
        properties, is_object = read_object(whole.reveal()), True
    except NotAnObjectError:
        properties, is_object = {}, False
    return RemoteSecret(name, bundle.version or "", properties, bundle.attributes, whole, is_object)
