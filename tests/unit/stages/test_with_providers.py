from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from jsonschema import Draft7Validator

from compiler.stages import validate
from compiler.stages.validate import at, read_schema, with_providers
from compiler.stores.registry import PROVIDERS


@pytest.mark.parametrize("name", ["environment", "catalogue", "values", "manifests"])
def test_the_shipped_schemas_say_what_the_shipped_providers_say(name: str) -> None:
    schema = read_schema(name)
    assert with_providers(name, schema) == schema


@dataclass
class Other:
    """One provider more, with a log-in and a setting of the names that Vault has."""

    id = "other"
    described = "another one"
    schema: dict[str, Any]


def test_a_log_in_of_one_provider_does_not_take_the_place_of_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: dict[str, Any] = {key: {"description": "Its name."} for key in ("remote", "naming", "keyRemote")}
    own = {"auth": {"jwt": {"type": "string"}}, "settings": {"mount": {"type": "integer"}}, "spec": {}, **parts}
    monkeypatch.setattr(validate, "PROVIDERS", {**PROVIDERS, "other": Other(own)})
    schema = with_providers("environment", read_schema("environment"))
    validator = Draft7Validator(schema)
    reference = {"name": "a", "namespace": "b", "audiences": ["vault"]}
    for store, is_valid in (
        ({"provider": "vault", "auth": {"jwt": {"role": "a", "serviceAccount": reference}}, "mount": "secret"}, True),
        ({"provider": "other", "auth": {"jwt": "a word"}, "mount": 1}, True),
        ({"provider": "other", "auth": {"jwt": 1}}, False),
        ({"provider": "other", "mount": True}, False),
    ):
        assert validator.is_valid({"stores": {"a": store}}) == is_valid
    assert at(schema, "definitions.auth.properties")["token"] == PROVIDERS["vault"].schema["auth"]["token"]
