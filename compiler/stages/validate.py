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


def validate(document: Document, schema: str) -> tuple[Document, tuple[Diagnostic, ...]]:
    """The document with every offending part taken out and `damaged` set, and all errors of the schema `schema`.

    Taking parts out lets later stages trust every type they see and still report the other errors of the same run.
    """
    diagnostics: list[Diagnostic] = []
    broken: set[_Path] = set()
    unlisted: list[Span] = []
    for error in _validator(schema).iter_errors(document.root.plain_data()):
        for path, explain in _explain(document.root, error):
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


def _explain(root: Node, error: ValidationError) -> Iterator[tuple[_Path, Callable[[], Diagnostic]]]:
    """The places that one error spoils, and what makes its diagnostic: looking for words alike takes time."""
    path: _Path = tuple(error.absolute_path)
    node = _at(root, path)
    expected: Any = error.validator_value
    if error.validator == "additionalProperties":
        known = _subschema(error).get("properties", {})
        for key in (key for key in node.children if key not in known):
            yield (*path, key), partial(_unknown_key, node.children[key], key, known)
    elif "propertyNames" in error.absolute_schema_path:
        key = str(error.instance)
        form = _form(error) or "this is not a valid id"
        yield (*path, key), partial(_broken, "invalid-value", form, node.children[key], at_key=True)
    elif error.validator == "type":
        yield path, partial(_wrong_type, node, expected)
    elif error.validator == "enum":
        yield path, partial(_not_listed, node, [str(word) for word in expected if word is not None])
    else:
        yield path, partial(_broken, "invalid-value", _bound(error), node)


def _at(root: Node, path: _Path) -> Node:
    node = root
    for part in path:
        node = node.children[part] if isinstance(part, str) else node.items[part]
    return node


def _unknown_key(node: Node, key: str, known: Iterable[str]) -> Diagnostic:
    return Diagnostic(
        "unknown-key",
        Severity.ERROR,
        f"unknown key {quoted(key)}",
        node.key_span,
        help=suggest(key, known, "keys here"),
        conceals=(node.span,),
    )


def _wrong_type(node: Node, expected: str | list[str]) -> Diagnostic:
    wanted = [expected] if isinstance(expected, str) else [name for name in expected if name != "null"]
    if "string" in wanted and isinstance(node.value, int | float) and node.plain:
        return Diagnostic(
            "ambiguous-scalar",
            Severity.ERROR,
            "expected a string; unquoted, YAML reads another type",
            node.span,
            help="put it in double quotes",
        )
    found = "null" if node.value is None else _NAMES[type(node.value)]
    message = f"expected {' or '.join(_TYPES[name] for name in wanted)}, found {found}"
    # What stands where something else belongs may be a secret, alone or in a list, that somebody put in a wrong place.
    conceals = () if node.value is None or isinstance(node.value, bool) else (node.span,)
    help_text = "write `{}` for an empty map" if node.is_empty and "object" in wanted else None
    return Diagnostic("wrong-type", Severity.ERROR, message, node.span, help=help_text, conceals=conceals)


def _not_listed(node: Node, allowed: list[str]) -> Diagnostic:
    word = str(node.value)
    conceals = () if closest(word, allowed) else (node.span,)
    return Diagnostic(
        "invalid-value",
        Severity.ERROR,
        "expected " + " or ".join(f'"{choice}"' for choice in allowed),
        node.span,
        help=suggest(word, allowed, "values here"),
        conceals=conceals,
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
    return f"this does not match {error.validator_value}" if error.validator == "pattern" else None


def _broken(rule: str, message: str, node: Node, *, at_key: bool = False) -> Diagnostic:
    return Diagnostic(rule, Severity.ERROR, message, node.key_span if at_key else node.span)


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
