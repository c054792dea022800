"""Checks a document against its schema, removes each part that breaks it, and reports it."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.model.document import MOST_OF_A_KIND, and_more
from compiler.model.environment import TARGET
from compiler.stores.registry import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from jsonschema import Draft7Validator, ValidationError

    from compiler.model.document import Diagnostic, Document, Node, Span
    from compiler.rules.forms.schema_error import InputPlace

_PACKAGED = Path(__file__).parent.parent / "schemas"
_CHECKED_OUT = Path(__file__).parent.parent.parent / "schemas"

_Path = tuple[str | int, ...]


def read_schema(name: str) -> dict[str, Any]:
    """The schema `environment`, `catalogue` or `values`, with every provider of the registry."""
    return with_every_provider(name, json.loads(schema_text(name)))


def schema_text(name: str) -> str:
    """The shipped text of a schema, from the installed package or the checkout."""
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKED_OUT
    return (folder / f"{name}.schema.json").read_text(encoding="utf-8")


def with_every_provider(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as it is where it has all providers of the registry: the shipped files have all shipped ones."""
    by_provider = _BY_PROVIDER.get(name)
    is_complete = by_provider is None or at(schema, by_provider).keys() >= PROVIDERS.keys()
    return schema if is_complete else with_providers(name, schema)


# The map of each schema that has the providers' ids as its keys, and no others.
_BY_PROVIDER = {
    "environment": "definitions.secretRemote.properties",
    "catalogue": "definitions.entry.properties.remote.properties",
    "values": "definitions.provider.properties",
    "manifests": "definitions.provider.properties",
}
# The settings of a store of any provider.
_OF_EVERY_STORE = ("provider", "name", "kind", "prefix", "render", "auth", "conditions", "waive")


def with_providers(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with all that the providers of the registry add to it, and nothing of any other provider."""
    schema = deepcopy(schema)
    said = {each.id: each.schema for each in PROVIDERS.values()}
    if name == "environment":
        store, auth = at(schema, "definitions.store.properties"), at(schema, "definitions.auth")
        described = " or ".join(f"`{each.id}` ({each.described})" for each in PROVIDERS.values())
        store["provider"].update(description=f"{described}.", enum=[*PROVIDERS, None])
        settings = _forms_of(said.values(), "settings")
        at(schema, "definitions.store")["properties"] = {key: store[key] for key in _OF_EVERY_STORE} | settings
        auth["properties"] = _forms_of(said.values(), "auth")
        _fill(at(schema, "definitions.secretRemote"), said, "remote", "optionalText")
    elif name == "catalogue":
        naming = schema["properties"]["naming"]
        kept = {key: naming["properties"][key] for key in ("name", TARGET)}
        _fill(naming, said, "naming", "text")
        naming["properties"] = kept | naming["properties"]
        _fill(at(schema, "definitions.entry.properties.remote"), said, "remote", "text")
        _fill(at(schema, "definitions.key.properties.remote"), said, "keyRemote", "keyRemote")
    else:
        known = at(schema, _BY_PROVIDER[name]).keys()
        kept = {key: value for key, value in schema["definitions"].items() if key not in known}
        schema["definitions"] = kept | {key: own["spec"] for key, own in said.items()}
        at(schema, "definitions.provider")["properties"] = {key: {"$ref": f"#/definitions/{key}"} for key in said}
    return schema


def _forms_of(said: Iterable[Mapping[str, Any]], part: str) -> dict[str, Any]:
    """What the providers say of each key of `part`; where they differ in one, the forms of all of them."""
    forms: dict[str, list[Any]] = {}
    for own in said:
        for key, value in own[part].items():
            found = forms.setdefault(key, [])
            found += [value] if value not in found else []
    return {key: found[0] if len(found) == 1 else {"anyOf": found} for key, found in forms.items()}


def _fill(node: dict[str, Any], said: Mapping[str, Any], part: str, definition: str) -> None:
    reference = f"#/definitions/{definition}"
    node["properties"] = {key: {**own[part], "$ref": reference} for key, own in said.items()}


def at(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """The part of the schema at a path of keys with dots between them."""
    for key in path.split("."):
        schema = schema[key]
    return schema


def _pattern(
    _validator: Draft7Validator, pattern: str, instance: object, _schema: dict[str, Any]
) -> Iterator[ValidationError]:
    from jsonschema import ValidationError  # noqa: PLC0415 - as in `_validator`

    # To JSON Schema and to Helm `$` is the end; to Python a line break may still follow it.
    if isinstance(instance, str) and (instance.endswith("\n") or not re.search(pattern, instance)):
        yield ValidationError("has another form")


def _additional_properties(
    validator: Draft7Validator,
    wanted: bool | dict[str, Any],  # noqa: FBT001 - a schema has either
    instance: object,
    schema: dict[str, Any],
) -> Iterator[ValidationError]:
    from jsonschema import ValidationError  # noqa: PLC0415 - as in `_validator`

    # In the order of the file; jsonschema's own takes them from a set, whose order is another in each run.
    known = schema.get("properties", ())
    for key, value in instance.items() if isinstance(instance, dict) else ():
        if key not in known and wanted is False:
            yield ValidationError("is unknown", instance=key)
        elif key not in known:
            yield from validator.descend(value, wanted, path=key)


_OWN_CHECKS = {"pattern": _pattern, "additionalProperties": _additional_properties}


@cache
def _validator(name: str) -> Draft7Validator:
    # Completing a name in a shell reads a project and validates nothing; this import is most of that time.
    from jsonschema import Draft7Validator  # noqa: PLC0415
    from jsonschema.validators import extend  # noqa: PLC0415

    # Without format checkers: nothing here uses `format`, and looking for them imports a dozen optional packages.
    schema = read_schema(name)
    validator = extend(Draft7Validator, _OWN_CHECKS)  # type: ignore[no-untyped-call]
    made: Draft7Validator = validator(_resolve_references(schema, schema["definitions"]))
    return made


def _resolve_references(schema: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any part of a schema
    # jsonschema looks a reference up again for every value, which costs as much as all the rest. No definition here
    # contains itself.
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _resolve_references(definitions[schema["$ref"].removeprefix("#/definitions/")], definitions)
        return {key: _resolve_references(part, definitions) for key, part in schema.items() if key != "definitions"}
    return [_resolve_references(part, definitions) for part in schema] if isinstance(schema, list) else schema


def first_error(schema: str, data: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Where `data` first breaks a schema, as a JSON path; None where it fits. Nothing of the data is in it."""
    error = next(_validator(schema).iter_errors(data), None)
    return None if error is None else str(error.json_path)


def validate(
    document: Document, schema: str, surroundings: Callable[[], InputPlace] | None = None
) -> tuple[Document, tuple[Diagnostic, ...]]:
    """The document without its offending parts, and with `damaged` set, and all errors of the schema `schema`.

    So later stages trust every type and still report other errors of the run. `surroundings` gives what ways out may
    name of the project.
    """
    errors = _validator(schema).iter_errors(document.root.plain_data())
    first = next(errors, None)
    if first is None:
        return document, ()
    # Most files are as the schema wants them, and need no words for what is not.
    from compiler.rules.forms import schema_error  # noqa: PLC0415

    place = surroundings() if surroundings is not None else schema_error.InputPlace(schema)
    at_paths: list[tuple[_Path, Diagnostic]] = []
    broken: set[_Path] = set()
    unlisted: list[Span] = []
    for error in chain((first,), errors):
        path = schema_error.broken_path(error)
        broken.add(path)
        if len(at_paths) <= MOST_OF_A_KIND:
            at_paths.append((path, schema_error.explain_error(document.root, path, error, place)))
        if len(at_paths) > MOST_OF_A_KIND:
            unlisted.append(schema_error.node_at(document.root, path).span)
    # So many mistakes are of another kind.
    read = frozenset[_Path]() if unlisted else frozenset(broken)
    for diagnostic, paths in schema_error.misplaced_lines(document.root, _validator(schema).schema, read, place):
        broken |= paths
        at_paths = [each for each in at_paths if not any(each[0][: len(path)] == path for path in paths)]
        at_paths.append(((), diagnostic))
    diagnostics = [diagnostic for _, diagnostic in at_paths]
    if unlisted:
        # What is not listed may share its line with what is, and is a secret as likely.
        diagnostics[-1] = and_more(diagnostics[-1])._replace(conceals=tuple(unlisted))
    root = _without(document.root, (), broken)
    if not isinstance(root.value, dict):
        root = replace(root, value={})
    return replace(document, root=root, damaged=True), tuple(diagnostics)


def _without(node: Node, path: _Path, broken: set[_Path]) -> Node:
    def keep(parts: Iterable[tuple[Any, Node]]) -> Iterator[tuple[Any, Node]]:
        for part, child in parts:
            if (*path, part) not in broken:
                yield part, _without(child, (*path, part), broken)

    if isinstance(node.value, dict):
        return replace(node, value=dict(keep(node.value.items())))
    if isinstance(node.value, tuple):
        return replace(node, value=tuple(child for _, child in keep(enumerate(node.value))))
    return node
