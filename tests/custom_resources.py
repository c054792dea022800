"""CustomResourceDefinitions, applied as an API server applies them: what it refuses, and what it stores."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema

Manifest = dict[str, Any]

# What the API server itself knows of every object's metadata; a definition says only that it is an object.
METADATA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


@dataclass(frozen=True)
class Definition:
    """One CustomResourceDefinition's v1 schema, applied as an API server applies it."""

    schema: dict[str, Any]

    def refusals(self, manifest: Manifest) -> list[str]:
        """What strict field validation says: values that do not fit, and fields that it does not know."""
        # Structural schemas use the vocabulary that draft 4 has; `format`s are checked by neither.
        invalid = [error.message for error in jsonschema.Draft4Validator(self.schema).iter_errors(manifest)]
        return invalid + [f"unknown field {path}" for path in _unknown(self.schema, manifest, "")]

    def stored(self, manifest: Manifest) -> Manifest:
        """The object after the API server filled in its defaults."""
        result = copy.deepcopy(manifest)
        _fill(self.schema, result)
        return result


def _unknown(schema: dict[str, Any], value: object, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(schema.get("items", {}), item, f"{path}[{index}]")
    elif isinstance(value, dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, child in value.items():
            if name in known:
                yield from _unknown(known[name], child, f"{path}.{name}")
            elif isinstance(others, dict):
                yield from _unknown(others, child, f"{path}.{name}")
            elif not others:
                yield f"{path}.{name}"


def _fill(schema: dict[str, Any], value: object) -> None:
    if isinstance(value, list):
        for item in value:
            _fill(schema.get("items", {}), item)
    elif isinstance(value, dict):
        for name, child in schema.get("properties", {}).items():
            if name not in value and "default" in child:
                value[name] = copy.deepcopy(child["default"])
            if name in value:
                _fill(child, value[name])
        others = schema.get("additionalProperties")
        if isinstance(others, dict):
            for name in value.keys() - schema.get("properties", {}).keys():
                _fill(others, value[name])
