"""Turns what a store returned, or its error, into diagnostics that name the keys, the place and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.catalogue import VAULT
from compiler.model.diagnostic import Related
from compiler.model.record import dataclass
from compiler.operations.live.lasting import lasting_command
from compiler.operations.live.stores import AddressError
from compiler.operations.verify.eso_resolution import Absence
from compiler.operations.verify.remedies import date_command, put_command, way_out_of
from compiler.rules.interface import Finding
from compiler.rules.live_rules import BY_ID
from compiler.stores.errors import (
    DisabledError,
    ForbiddenError,
    InvalidNameError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    UnauthenticatedError,
    UnsupportedEngineError,
    VersionGoneError,
    WrongMountError,
)
from compiler.stores.interface import Limit
from compiler.stores.values.traits import Trait, traits
from compiler.text.wording import counted, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.environment import Store
    from compiler.operations.verify.references import Reference
    from compiler.stores.interface import RemoteSecret
    from compiler.stores.values.secret import SecretValue

# The first class that an error is an instance of decides; any other error means that the store did not answer.
_RULES: tuple[tuple[type[StoreError], str], ...] = (
    (NotFoundError, "missing-secret"),
    (SoftDeletedError, "soft-deleted-secret"),
    (VersionGoneError, "soft-deleted-secret"),
    (DisabledError, "disabled-secret"),
    (ForbiddenError, "forbidden"),
    (UnauthenticatedError, "unauthenticated"),
    (WrongMountError, "wrong-mount"),
    (UnsupportedEngineError, "wrong-mount"),
    (InvalidNameError, "invalid-reference"),
)
_VALUE_RULES = (
    (Trait.NOT_A_STRING, "not-a-string"),
    (Trait.EMPTY, "blank-value"),
    (Trait.NUL, "invalid-character"),
    (Trait.LONE_SURROGATE, "invalid-character"),
    (Trait.PLACEHOLDER, "placeholder-value"),
    (Trait.SPACE_AT_END, "surrounding-white-space"),
    (Trait.QUOTED, "surrounding-quotes"),
)
_VALUE_MESSAGES = {
    Trait.NOT_A_STRING: "is a JSON {kind}, not a string",
    Trait.EMPTY: "is empty",
    Trait.NUL: "contains a NUL character, which no environment variable can hold",
    Trait.LONE_SURROGATE: "is not valid Unicode text: it contains half of a surrogate pair",
    Trait.PLACEHOLDER: "is still a placeholder",
    Trait.SPACE_AT_END: "begins or ends with white space",
    Trait.QUOTED: "has quotes around it",
}
_VALUE_HELP = {
    "not-a-string": "{put} stores it as a JSON string",
    "invalid-character": "{put} sets the intended value; write it as Base64 where it is not text",
    "blank-value": "{put} sets it; or leave the key out with `use:`",
    "placeholder-value": "{put} sets the real value",
    "surrounding-white-space": "{put} stores it again without the white space, unless it belongs there",
    "surrounding-quotes": "{put} stores it again without the quotes, unless they belong there",
}

_NOT_CHECKED = " not checked"


@dataclass(frozen=True, slots=True)
class KeyFinding:
    """A finding about one key; `message` continues after the key's name."""

    rule: str
    message: str
    help: str | None = None

    def diagnostic(self, reference: Reference, others: Sequence[Reference] = ()) -> Diagnostic:
        """At the key's line, with the secret's line where that is another one, and `others` that have the value too."""
        subject = f"{quoted(reference.key)} of {quoted(reference.secret)}"
        related: tuple[Related, ...] = ()
        if reference.secret_at != reference.key_at:
            related = (Related("the secret is used here", reference.secret_at),)
        related += tuple(
            Related(f"{quoted(each.key)} of {quoted(each.secret)} has this value too", each.key_at) for each in others
        )
        finding = Finding(f"{subject} {self.message}", reference.key_at, help=self.help, related=related)
        return BY_ID[self.rule].diagnostic(finding)


def value_findings(reference: Reference, value: SecretValue | Absence) -> Iterator[KeyFinding]:
    """What is wrong with the value that a key gets. A document asked for as a whole may be any JSON."""
    if value is Absence.NOT_JSON:
        yield KeyFinding("not-json", "needs a JSON object, which the remote secret is not")
    elif value is Absence.NO_PROPERTY:
        wanted = reference.property or ""
        lacking = "is not" if wanted == reference.key else f"needs the property {quoted(wanted)}, which is not"
        message = f"{lacking} in {quoted(reference.remote_key)} of the store {quoted(reference.store.id)}"
        way_out = f"{put_command([reference])} adds it; or leave it out with `use:`"
        yield KeyFinding("missing-property", message, way_out)
    elif not isinstance(value, Absence):
        found = traits(value)
        for trait, rule in _VALUE_RULES:
            if trait in found and not (trait is Trait.NOT_A_STRING and reference.property is None):
                message = _VALUE_MESSAGES[trait].format(kind=value.kind.value)
                yield KeyFinding(rule, message, _VALUE_HELP[rule].format(put=put_command([reference])))


def date_finding(
    group: Sequence[Reference], remote: RemoteSecret, address: str, now: datetime, within: timedelta
) -> KeyFinding | None:
    """What is wrong with the dates of a remote secret of the store at `address`; `message` is a sentence of its own.

    Key Vault serves what is expired. A Vault deletes it.
    """
    is_vault = group[0].store.provider == VAULT
    attributes, name = remote.attributes, quoted(remote.name)
    if (expired := attributes.past_expires(now)) is not None:
        message = f"{name} expired on {expired:%Y-%m-%d}"
        new_value = f"{put_command(group)} sets a new value"
        dated = f"{new_value}; then {date_command(remote.name, address, '--expires')} sets its date"
        return KeyFinding("expired-secret", message, new_value if is_vault else dated)
    if (ahead := attributes.not_before_ahead(now)) is not None:
        message = f"{name} is not valid before {ahead:%Y-%m-%d}"
        corrected = f"{date_command(remote.name, address, '--not-before')} sets another date"
        return KeyFinding("not-yet-valid", message, f"{corrected}; or write a version that is valid now")
    if (soon := attributes.past_expires(now + within)) is not None:
        if is_vault:
            message = f"version {remote.version} of {name} deletes itself on {soon:%Y-%m-%d}"
            keeps = lasting_command(group[0].store, remote.name, tuple(Limit), remote.version)
            return KeyFinding("expires-soon", message, f"rotate it before then; or `{keeps}` keeps it")
        message = f"{name} expires on {soon:%Y-%m-%d}"
        new_value = f"before then, {put_command(group)} sets a new value"
        new_date = f"then {date_command(remote.name, address, '--expires')} its date"
        return KeyFinding("expires-soon", message, f"{new_value}, {new_date}")
    return None


def of_remote(rule: str, group: Sequence[Reference], message: str, help_text: str | None = None) -> Diagnostic:
    """A finding about a remote secret that keys of one secret share, and others that take theirs, at its line."""
    first = group[0]
    notes = [
        Related(f"{quoted(each.key)} {about}", each.key_at, about, each.key)
        for each in group
        for about in (f"of {quoted(each.secret)}",)
    ]
    related = tuple(note for note in notes if note.span != first.secret_at)
    if not related:
        # A values file has one place for a secret and all its keys.
        message = f"{message}; {', '.join(quoted(each.key) for each in group)} of {quoted(first.secret)}"
    return BY_ID[rule].diagnostic(Finding(message, first.secret_at, help=help_text, related=related, brief=True))


def of_store_error(group: Sequence[Reference], error: StoreError) -> Diagnostic:
    """A finding about a remote secret that the store did not return."""
    name = error.place.name or ""
    message = f"cannot {error.action} {quoted(name)} in {error.place.store}: {error.reason}"
    if isinstance(error, NotFoundError):
        message = f"{quoted(name)} is not in {quoted(group[0].store.id)}"
    return of_remote(_rule_of(error), group, message, way_out_of(group, error))


def of_store(store: Store, asking: Sequence[Reference], failure: StoreError | AddressError) -> Diagnostic:
    """A finding about a whole store: once, at the line that describes it, with the number of unchecked keys."""
    count = _unchecked(len(asking))
    if isinstance(failure, AddressError):
        return BY_ID["no-answer"].diagnostic(Finding(f"{failure}; {count}", store.node.key_span, help=failure.help))
    said = f"the store {quoted(store.id)} ({failure.place.store}) cannot be read: {failure.reason}"
    finding = Finding(f"{said}; {count}", store.node.key_span, help=failure.remedy)
    # Here the store's own address is wrong, and not a reference to a secret in it.
    rule = "no-answer" if isinstance(failure, InvalidNameError) else _rule_of(failure)
    return BY_ID[rule].diagnostic(finding)


def with_own_count(message: str, keys: int) -> str:
    """A finding about a whole store, said of some of its `keys` alone; any other message as it is."""
    said, _, count = message.rpartition("; ")
    return f"{said}; {_unchecked(keys)}" if said and count.endswith(_NOT_CHECKED) else message


def _unchecked(keys: int) -> str:
    return f"{counted(keys, 'key')}{_NOT_CHECKED}"


def _rule_of(error: StoreError) -> str:
    return next((rule for kind, rule in _RULES if isinstance(error, kind)), "no-answer")
