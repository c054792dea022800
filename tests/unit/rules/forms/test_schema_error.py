from typing import Any

import pytest
from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend

from compiler.model.diagnostic import Diagnostic
from compiler.model.document import Node
from compiler.rules.forms.schema_error import InputPlace, broken_path, explained, node_at
from compiler.stages.validate import _OWN_CHECKS
from tests.unit.stages.conftest import load

SCHEMA: dict[str, Any] = {
    "properties": {
        "secrets": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$", "description": "An id."}},
        "store": {"enum": ["vault", "azurekv"]},
        "waves": {"items": {"type": "integer", "maximum": 9}},
    },
    "additionalProperties": False,
}


def errors_of(root: Node) -> list[ValidationError]:
    validator = extend(Draft7Validator, _OWN_CHECKS)  # type: ignore[no-untyped-call]
    return [*validator(SCHEMA).iter_errors(root.plain_data())]


def diagnostics_of(root: Node) -> list[Diagnostic]:
    return [explained(root, broken_path(error), error, InputPlace("environment")) for error in errors_of(root)]


def found(text: str) -> list[tuple[tuple[str | int, ...], str, str]]:
    """The path, rule and message of each part of `text` that the schema rejects."""
    root = load(text).root
    paths = map(broken_path, errors_of(root))
    return [(path, each.rule, each.message) for path, each in zip(paths, diagnostics_of(root), strict=True)]


@pytest.mark.parametrize(
    ("text", "path", "rule", "message"),
    [
        ("stores: {}", ("stores",), "unknown-key", 'unknown key "stores"'),
        ("secrets: {A1: {}}", ("secrets", "A1"), "invalid-value", "expected an id"),
        ("secrets: [a]", ("secrets",), "wrong-type", "expected a map, found a list"),
        ("store: s3", ("store",), "invalid-value", 'expected "vault" or "azurekv"'),
        ("waves: [1, 10]", ("waves", 1), "invalid-value", "this is more than 9"),
    ],
)
def test_each_error_tells_which_part_is_wrong_and_what_belongs_there(
    text: str, path: tuple[str | int, ...], rule: str, message: str
) -> None:
    assert found(text) == [(path, rule, message)]


def test_what_is_glued_to_a_key_is_shown_only_where_it_is_a_name() -> None:
    root = load("{store:hunter2: 1, store:vault: 2}").root
    secret, name = diagnostics_of(root)
    assert (secret.message, secret.help) == ('unknown key "store:…"', "write a space after the colon: `store: …`")
    assert "store:hunter2" in {span.source.text[span.start : span.end] for span in secret.conceals}
    assert (name.message, name.help) == ('unknown key "store:vault"', "write a space after the colon: `store: vault`")


def test_each_unknown_key_is_one_part() -> None:
    assert [path for path, _, _ in found("a: 1\nb: 2\nstore: vault\n")] == [("a",), ("b",)]


def test_a_node_is_found_by_names_and_places() -> None:
    assert node_at(load("waves: [1, 10]").root, ("waves", 1)).value == 10


def test_the_environment_of_a_command_is_the_documents_own_or_one_that_exists() -> None:
    place = InputPlace("environment", environments=["dev", "prod"])
    assert place._replace(environment="prod").put("a") == "platform-secrets put prod a"
    assert place.put("a") == "platform-secrets put dev a"
    assert place._replace(environments=["eu", "us"]).put("a") == "platform-secrets put eu a"
    assert InputPlace("catalogue").put("a") == "platform-secrets put ENV a"


def test_only_words_of_the_project_and_of_every_example_are_known() -> None:
    place = InputPlace("environment", words=frozenset({"github"}))
    assert place.knows("github")
    assert place.knows("vault")
    assert not place.knows("secret")
