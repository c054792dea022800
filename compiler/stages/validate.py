"""Checks a document against its schema, takes out every part that breaks it, and reports each of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend

from compiler.model.diagnostic import MOST_OF_A_KIND, Diagnostic, Severity, and_more
from compiler.rules.forms.expected import Place, Surroundings, as_id, of_number, of_type, of_unknown_key
from compiler.text.suggestion import closest, suggest
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from compiler.model.document import Document, Node
    from compiler.model.source import Span

_PACKAGED = Path(__file__).parent.parent / "schemas"
_CHECKED_OUT = Path(__file__).parent.parent.parent / "schemas"
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


def read_schema(name: str) -> dict[str, Any]:
    """The schema `environment`, `catalogue` or `values`, from the installed package or the checkout."""
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKED_OUT
    schema: dict[str, Any] = json.loads((folder / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def _pattern(
    validator: Draft7Validator, pattern: str, instance: object, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    # To JSON Schema and to Helm `$` is the end; to Python a line break may still follow it.
    del validator, schema
    if isinstance(instance, str) and (instance.endswith("\n") or not re.search(pattern, instance)):
        yield ValidationError("has another form")


_Validator = extend(Draft7Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


@cache
def _validator(name: str) -> Draft7Validator:
    # Without format checkers: nothing here uses `format`, and looking for them imports a dozen optional packages.
    schema = read_schema(name)
    validator: Draft7Validator = _Validator(_resolved(schema, schema["definitions"]))
    return validator


def _resolved(schema: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any part of a schema
    # jsonschema looks a reference up again for every value, which costs as much as all the rest. No definition here
    # contains itself.
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _resolved(definitions[schema["$ref"].removeprefix("#/definitions/")], definitions)
        return {key: _resolved(part, definitions) for key, part in schema.items() if key != "definitions"}
    return [_resolved(part, definitions) for part in schema] if isinstance(schema, list) else schema


def validate(
    document: Document, schema: str, surroundings: Surroundings | None = None
) -> tuple[Document, tuple[Diagnostic, ...]]:
    """The document with every offending part taken out and `damaged` set, and all errors of the schema `schema`.

    Taking parts out lets later stages trust every type they see and still report the other errors of the same run.
    `surroundings` are what ways out may name of the project.
    """
    whole = Place(schema, (), surroundings or Surroundings())
    diagnostics: list[Diagnostic] = []
    broken: set[_Path] = set()
    unlisted: list[Span] = []
    for error in _validator(schema).iter_errors(document.root.plain_data()):
        for path, explain in _explain(document.root, error, whole):
            broken.add(path)
            if len(diagnostics) <= MOST_OF_A_KIND:
                diagnostics.append(explain())
            if len(diagnostics) > MOST_OF_A_KIND:
                unlisted.append(_at(document.root, path).span)
    if not broken:
        return document, ()
    if unlisted:
        # What is not listed may share its line with what is, and is a secret as likely.
        diagnostics[-1] = replace(and_more(diagnostics[-1]), conceals=tuple(unlisted))
    root = _without(document.root, (), broken)
    if not isinstance(root.value, dict):
        root = replace(root, value={})
    return replace(document, root=root, damaged=True), tuple(diagnostics)


def _explain(root: Node, error: ValidationError, whole: Place) -> Iterator[tuple[_Path, Callable[[], Diagnostic]]]:
    """The places that one error spoils, and what makes its diagnostic: looking for words alike takes time."""
    path: _Path = tuple(error.absolute_path)
    node, place = _at(root, path), whole._replace(path=path)
    expected: Any = error.validator_value
    if error.validator == "additionalProperties":
        known = _subschema(error).get("properties", {})
        for key in (key for key in node.children if key not in known):
            yield (*path, key), partial(_unknown_key, node.children[key], key, known, place)
    elif "propertyNames" in error.absolute_schema_path:
        key = str(error.instance)
        yield (*path, key), partial(_broken_name, key, _form(error), node.children[key])
    elif error.validator == "type":
        yield path, partial(_wrong_type, node, expected, place, _subschema(error))
    elif error.validator == "enum":
        yield path, partial(_not_listed, node, [str(word) for word in expected if word is not None])
    else:
        yield path, partial(_broken, "invalid-value", _bound(error), node)


def _at(root: Node, path: _Path) -> Node:
    node = root
    for part in path:
        node = node.children[part] if isinstance(part, str) else node.items[part]
    return node


def _unknown_key(node: Node, key: str, known: Iterable[str], place: Place) -> Diagnostic:
    return Diagnostic(
        "unknown-key",
        Severity.ERROR,
        f"unknown key {quoted(key)}",
        node.key_span,
        help=of_unknown_key(place, key) or suggest(key, known, "keys here"),
        conceals=(node.span,),
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


def _bound(error: ValidationError) -> str:
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


def _subschema(error: ValidationError) -> dict[str, Any]:
    return dict(error.schema) if isinstance(error.schema, Mapping) else {}


def _form(error: ValidationError) -> str | None:
    description = _subschema(error).get("description")
    if isinstance(description, str):
        return "expected " + description[0].lower() + description[1:].rstrip(".")
    return None


def _broken_name(name: str, form: str | None, node: Node) -> Diagnostic:
    return Diagnostic(
        "invalid-value", Severity.ERROR, form or "this is not a valid id", node.key_span, help=_as_id(name)
    )


def _as_id(name: str) -> str | None:
    form = as_id(name)
    return f'write "{form}"' if form is not None else None


def _broken(rule: str, message: str, node: Node) -> Diagnostic:
    return Diagnostic(rule, Severity.ERROR, message, node.span)


def _without(node: Node, path: _Path, broken: set[_Path]) -> Node:
    if isinstance(node.value, dict):
        kept = {
            key: _without(child, (*path, key), broken)
            for key, child in node.value.items()
            if (*path, key) not in broken
        }
        return replace(node, value=kept)
    if isinstance(node.value, tuple):
        items = tuple(
            _without(child, (*path, index), broken)
            for index, child in enumerate(node.value)
            if (*path, index) not in broken
        )
        return replace(node, value=items)
    return node
