"""Turns a property that is not a string into its text: the only rule by which a migration may change a value."""

from compiler.stores.values.secret import JsonKind, SecretValue

RULE = (
    "a number or a boolean becomes its JSON token, an object or an array its JSON text, as the source returns it; "
    "null has no text and is refused"
)


def stringified(value: SecretValue) -> SecretValue | None:
    """Return the value as a string by RULE, itself when it is one, None when it has no text."""
    if value.is_string:
        return value
    return None if value.kind is JsonKind.NULL else SecretValue(value.reveal())
