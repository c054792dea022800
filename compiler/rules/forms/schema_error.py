"""Explains each error of a schema: which part of the document it spoils, what belongs there, and the way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.rules.forms.expected import Advice, Place, as_id, of_form, of_number, of_type, of_unknown_key
from compiler.rules.forms.surroundings import Surroundings
from compiler.text.foreign_character import foreign_character
from compiler.text.suggestion import closest, suggest
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Iterator

    from compiler.model.document import Node

_NAMES = {dict: "a map", tuple: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
_TYPES = {
    "object": "a map",
    "array": "a list",
    "string": "a string",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
}

# What people call the providers that the schema calls otherwise.
_OTHER_NAMES = dict.fromkeys(("azure", "akv", "keyvault", "azurekeyvault"), "azurekv") | dict.fromkeys(
    ("bao", "openbao", "hashicorp", "hashicorpvault", "hcp"), "vault"
)

_Path = tuple[str | int, ...]


class SchemaError(Protocol):
    """What the validator says: the keyword that is broken its value, what breaks it, and where both are."""

    validator: Any
    validator_value: Any
    instance: Any
    schema: Any

    @property
    def absolute_path(self) -> Iterable[str | int]: ...
    @property
    def absolute_schema_path(self) -> Container[str | int]: ...


def whole(schema: str, surroundings: Surroundings | None) -> Place:
    """The place of a whole document that the schema of that name is for."""
    return Place(schema, (), surroundings or Surroundings())


def explained(root: Node, error: SchemaError, place: Place) -> Iterator[tuple[_Path, Callable[[], Diagnostic]]]:
    """The places that one error spoils, and what makes its diagnostic: looking for words alike takes time."""
    path: _Path = tuple(error.absolute_path)
    node, place = node_at(root, path), place._replace(path=path)
    expected: Any = error.validator_value
    if error.validator == "additionalProperties":
        known = _subschema(error).get("properties", {})
        for key in (key for key in node.children if key not in known):
            yield (*path, key), partial(_unknown_key, node.children[key], key, known, place)
    elif "propertyNames" in error.absolute_schema_path:
        key = str(error.instance)
        yield (*path, key), partial(_broken_name, key, _form(error), node.children[key])
    elif error.validator == "not" and expected == {}:
        # What refuses everything is under `dependencies`: another key of the same map forbids this one.
        yield path, partial(_contradiction, node, str(path[-1]))
    elif error.validator == "type":
        yield path, partial(_wrong_type, node, expected, place, _subschema(error))
    elif error.validator == "enum":
        yield path, partial(_not_listed, node, [str(word) for word in expected if word is not None])
    else:
        yield path, partial(_broken, _bound(error), node, _in_ascii(error, of_form(place, node), node))


def node_at(root: Node, path: _Path) -> Node:
    """The node at `path` below `root`."""
    node = root
    for part in path:
        node = node.children[part] if isinstance(part, str) else node.items[part]
    return node


def _unknown_key(node: Node, key: str, known: Collection[str], place: Place) -> Diagnostic:
    word, _, glued = key.partition(":")
    # What stands behind a colon without a space may be a value.
    is_glued = bool(glued) and word in known and not place.knows(glued)
    return Diagnostic(
        "unknown-key",
        Severity.ERROR,
        f"unknown key {quoted(f'{word}:…' if is_glued else key)}",
        node.key_span,
        help=of_unknown_key(place, key, node, known) or suggest(key, known, "keys here"),
        conceals=(node.span, *((node.key_span,) if is_glued else ())),
    )


def _wrong_type(node: Node, expected: str | list[str], place: Place, schema: Mapping[str, Any]) -> Diagnostic:
    wanted = [expected] if isinstance(expected, str) else [name for name in expected if name != "null"]
    if "string" in wanted and isinstance(node.value, int | float) and node.plain:
        rule, message, help_text = of_number(place, node)
        return Diagnostic(rule, Severity.ERROR, message, node.span, help=help_text)
    found = "null" if node.value is None else _NAMES[type(node.value)]
    message = f"expected {' or '.join(_TYPES[name] for name in wanted)}, found {found}"
    advice = of_type(place, node, wanted, schema)
    return Diagnostic("wrong-type", Severity.ERROR, message, node.span, help=advice.help, conceals=advice.conceals)


def _not_listed(node: Node, allowed: list[str]) -> Diagnostic:
    word = str(node.value)
    other = _OTHER_NAMES.get(re.sub(r"[^a-z]", "", word.lower()), "")
    meant = f'did you mean "{other}"?' if other in allowed else suggest(word, allowed, "values here")
    return Diagnostic(
        "invalid-value",
        Severity.ERROR,
        "expected " + " or ".join(f'"{choice}"' for choice in allowed),
        node.span,
        help=meant,
        conceals=() if other in allowed or closest(word, allowed) else (node.span,),
    )


def _bound(error: SchemaError) -> str:
    limit = error.validator_value
    match error.validator:
        case "minLength":
            return "this must not be empty"
        case "maxLength":
            return f"this is longer than {limit} characters"
        case "minItems":
            return f"expected at least {limit} item"
        case "uniqueItems":
            return "the list has duplicates"
        case "minimum":
            return f"this is less than {limit}"
        case "maximum":
            return f"this is more than {limit}"
        case _:
            return _form(error) or "this has the wrong form"


def _subschema(error: SchemaError) -> dict[str, Any]:
    return dict(error.schema) if isinstance(error.schema, Mapping) else {}


def _form(error: SchemaError) -> str | None:
    description = _subschema(error).get("description")
    if isinstance(description, str):
        return "expected " + description[0].lower() + description[1:].rstrip(".")
    return None


def _broken_name(name: str, form: str | None, node: Node) -> Diagnostic:
    return Diagnostic(
        "invalid-value",
        Severity.ERROR,
        form or "this is not a valid id",
        node.key_span,
        help=foreign_character(name) or _as_id(name),
    )


def _in_ascii(error: SchemaError, advice: Advice, node: Node) -> Advice:
    """The advice, or where it is none for a name, which of its characters is not one of those that names have."""
    if advice.help is not None or error.validator != "pattern" or not isinstance(node.value, str):
        return advice
    return advice._replace(help=foreign_character(node.value))


def _as_id(name: str) -> str | None:
    form = as_id(name)
    return f'write "{form}"' if form is not None else None


def _contradiction(node: Node, key: str) -> Diagnostic:
    return Diagnostic(
        "contradictory-source",
        Severity.ERROR,
        f'{quoted(key)} cannot be combined with "from"',
        node.key_span,
        help="remove it: what the key that `from` names says of it holds for both",
        conceals=(node.span,),
    )


def _broken(message: str, node: Node, advice: Advice) -> Diagnostic:
    return Diagnostic("invalid-value", Severity.ERROR, message, node.span, help=advice.help, conceals=advice.conceals)
