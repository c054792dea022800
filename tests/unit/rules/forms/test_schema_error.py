import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend

from compiler.model.document import Diagnostic, Node
from compiler.rules.forms.schema_error import (
    SETTINGS,
    Advice,
    InputPlace,
    as_id,
    broken_path,
    duration_help,
    explain_error,
    node_at,
    of_form,
    of_number,
    of_type,
    of_unknown_key,
)
from compiler.stages.load import load_text
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
    return [explain_error(root, broken_path(error), error, InputPlace("environment")) for error in errors_of(root)]


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


NAMED = {"additionalProperties": {"type": "object"}}
CLOSED: dict[str, Any] = {"properties": {"vault": {}, "azurekv": {}}}
PROJECT = InputPlace("environment", (), ["dev", "prod"], None, frozenset({"github", "pat", "GITHUB_TOKEN", "prod"}))


def node_of(text: str, *path: str) -> Node:
    document, found = load_text("environments/prod.yaml", text)
    assert document is not None, found
    return document.root.nearest(*path)


def place(*path: str | int, schema: str = "environment", known: InputPlace = PROJECT) -> InputPlace:
    return known._replace(schema=schema, path=path)


TEXT = node_of("a: b\n", "a")


def advice(text: str, wanted: str, schema: Mapping[str, Any] | None = None, where: str = "environment") -> Advice:
    """The advice for the value under the first key of a text, or the one below where there is only one."""
    path = text.split(":", maxsplit=1)[0].split(".")
    written = f"{path[-1]}:{text.split(':', maxsplit=1)[1]}\n"
    return of_type(place(*path, schema=where), node_of(written, path[-1]), [wanted], schema or {})


def hidden(text: str, found: Advice) -> list[str]:
    return [span.source.text[span.start : span.end] for span in found.conceals]


@pytest.mark.parametrize(
    ("text", "wanted", "way_out", "conceals"),
    [
        ("extends: base", "array", "write a list: `extends: [base]`", []),
        ("extends: bse", "array", "did you mean `extends: [base]`?", []),
        ("extends: prd", "array", "did you mean `extends: [prod]`?", []),
        ("extends: hunter2", "array", "write a list: `extends: [name]`", ["hunter2"]),
        ("use: pat", "array", "write a list: `use: [pat]`", []),
        ("use: other", "array", "write a list: `use: [name]`", ["other"]),
        ("use: {pat: true}", "array", "write a list: `use: [pat]`", []),
        ("use: {other: 1}", "array", "write a list: `use: [name]`", ["{other: 1}"]),
        ("use:", "array", "write `[]` for an empty list", []),
        ("use: null", "array", None, []),
        ("enabled: 'false'", "boolean", "write `enabled: false`, without quotes", []),
        ("render: Yes", "boolean", "write `render: true`, without quotes", []),
        ("render: maybe", "boolean", None, ["maybe"]),
        ("syncWave: '-49'", "integer", "write `syncWave: -49`, without quotes", []),
        ("syncWave: '1234567'", "integer", None, ["'1234567'"]),
        ("store: [vault]", "string", "write `store: vault`", []),
        ("store: [hunter2]", "string", None, ["[hunter2]"]),
        ("labels:", "object", "write `labels: {}` for an empty map", []),
    ],
)
def test_what_to_write_instead(text: str, wanted: str, way_out: str | None, conceals: list[str]) -> None:
    found = advice(text, wanted)
    assert (found.help, hidden(text, found)) == (way_out, conceals)


@pytest.mark.parametrize(
    ("text", "shown", "conceals"),
    [
        ("secrets: [github]", "github: {}", []),
        ("secrets: [github, hunter2]", "github: {}, …", ["hunter2"]),
        ("secrets: [hunter2]", "name: {}", ["hunter2"]),
        ("secrets: [{github: hunter2}]", "github: {}", ["hunter2"]),
        ("secrets: [{other: a}]", "name: {}", ["{other: a}"]),
        ("secrets: [github, github, github, github]", "github: {}, github: {}, github: {}, …", []),
        ("stores: [{name: vault, provider: vault}]", "vault: {…}", []),
        ("keys: [API_KEY, hunter2]", "API_KEY: {}, …", ["hunter2"]),
        ("labels: [github]", "github: …", []),
        ("secrets: [7, true, null]", "name: {}, …", ["7"]),
    ],
)
def test_a_list_becomes_a_map_and_only_known_words_are_shown(text: str, shown: str, conceals: list[str]) -> None:
    found = advice(text, "object", NAMED)
    key = text.split(":", maxsplit=1)[0]
    assert found.help == f"write a map, with the names as keys: `{key}: {{{shown}}}`"
    assert hidden(text, found) == conceals


def test_a_map_of_settings_is_shown_by_its_keys() -> None:
    found = advice("remote: some/path", "object", CLOSED)
    assert (found.help, hidden("", found)) == ("write a map of `vault:`, `azurekv:`", ["some/path"])
    assert advice("conditions: [prod]", "object", {"properties": {"namespaces": {}}}).help == (
        "write `conditions: {namespaces: [prod]}`"
    )
    assert advice("conditions: [x]", "object", {"properties": {"namespaces": {}}}).help == (
        "write `conditions: {namespaces: […]}`"
    )
    assert advice("labels: x", "object").help == "write a map, such as `labels: {name: …}`"


def test_a_value_in_place_of_options_is_put_into_the_store() -> None:
    found = advice("secrets.github.keys.TOKEN: hunter2", "object", CLOSED, "catalogue")
    assert found.help == "values go into the store: `platform-secrets put dev github TOKEN`; write `TOKEN: {}` here"
    assert hidden("", found) == ["hunter2"]
    found = advice("secrets.github: hunter2", "object", CLOSED)
    assert found.help == "values go into the store: `platform-secrets put dev github`; write `github: {}` here"
    assert advice("secrets.github: store:hunter2", "object", CLOSED).help == found.help
    assert advice("secrets.github: true", "object", CLOSED) == Advice("write `github: {}`")
    assert advice("secrets.github: false", "object", CLOSED) == Advice("write `github: {enabled: false}`")


def test_a_store_in_place_of_options_is_the_secrets_store() -> None:
    assert advice("secrets.github: azure", "object", CLOSED).help == "write `github: {store: azure}`"
    known = InputPlace("environment", stores=("kv-eu",))
    at = place("secrets", "github", known=known)
    found = of_type(at, node_of("github: kv-eu\n", "github"), ["object"], CLOSED)
    assert found.help == "write `github: {store: kv-eu}`"


@pytest.mark.parametrize("value", ["azure", "hunter2", "true"])
def test_a_setting_among_the_secrets_is_told_its_place_and_put_into_no_store(value: str) -> None:
    found = advice(f"secrets.store: {value}", "object", CLOSED)
    assert found.help == "`store:` is a setting: write it beside `secrets:`, or indent it below one secret"
    # A secret may be called so.
    known = InputPlace("environment", environments=["dev"], secrets=("store",))
    own = of_type(place("secrets", "store", known=known), node_of("store: hunter2\n", "store"), ["object"], CLOSED)
    assert (own.help or "").startswith("values go into the store: `platform-secrets put dev store`")


def test_the_settings_are_those_of_the_schema() -> None:
    schema = json.loads((Path(__file__).resolve().parents[4] / "schemas/environment.schema.json").read_text("utf-8"))
    assert schema["properties"].keys() == SETTINGS


@pytest.mark.parametrize(("written", "days"), [("3 months", 90), ("90 days", 90), ("1 year", 365), ("2w", 14)])
def test_a_length_of_time_in_words_is_one_in_days(written: str, days: int) -> None:
    at = place("secrets", "github", "keys", "TOKEN", "rotate", schema="catalogue")
    assert of_form(at, node_of(f"rotate: {written}\n", "rotate")).help == f"write `rotate: {days}d`"


@pytest.mark.parametrize("written", ["36 hours", "0 days", "soon"])
def test_no_whole_days_are_no_number_of_days(written: str) -> None:
    at = place("secrets", "github", "keys", "TOKEN", "rotate", schema="catalogue")
    assert of_form(at, node_of(f"rotate: {written}\n", "rotate")).help is None


def test_a_key_with_its_value_glued_to_it_lacks_a_space() -> None:
    at, known = place("secrets", "github"), {"store": 1, "fetch": 1}
    assert of_unknown_key(at, "store:vault", TEXT, known) == "write a space after the colon: `store: vault`"
    assert of_unknown_key(at, "fetch:hunter2", TEXT, known) == "write a space after the colon: `fetch: …`"
    assert of_unknown_key(at, "other:vault", TEXT, known) is None


def test_secrets_below_secrets_stand_twice() -> None:
    known = InputPlace("environment", secrets=("jira",))
    found = of_unknown_key(place("secrets", "secrets", known=known), "jira", TEXT)
    assert found == "`secrets:` stands twice: remove the second, and indent what is below it as the first one's"


@pytest.mark.parametrize("path", ["secrets.github", "stores", "secrets.github.remote"])
def test_a_colon_without_a_space_is_told_and_not_what_is_behind_it(path: str) -> None:
    found = advice(f"{path}: vault:hunter2", "object", CLOSED)
    assert found.help == "write a space after the colon: `vault: …`"
    assert hidden("", found) == ["vault:hunter2"]


def test_a_whole_document_of_another_type() -> None:
    found = of_type(place(), node_of("hello\n"), ["object"], {})
    assert (found.help, hidden("", found)) == ("write a map, such as `secrets: {github: {}}`", ["hello"])
    found = of_type(place(), node_of("vault:x\n"), ["object"], CLOSED)
    assert (found.help, hidden("", found)) == ("write a space after the colon: `vault: …`", ["vault:x"])
    assert of_type(place(0), node_of("a:\n", "a"), ["object"], {}).help == "write `{}` for an empty map"
    assert of_type(place(0), node_of("a: b\n", "a"), ["object"], {}).help is None


@pytest.mark.parametrize(
    ("key", "written", "rule", "way_out"),
    [
        ("refreshInterval", "3600", "invalid-duration", "write 1h, if seconds are meant"),
        ("refreshInterval", "0", "ambiguous-scalar", 'write "0" in double quotes'),
        ("refreshInterval", "true", "ambiguous-scalar", 'write "true" in double quotes'),
        ("rotate", "90", "invalid-value", "write `rotate: 90d`"),
        ("namespace", "2.9", "ambiguous-scalar", 'write "2.9" in double quotes'),
        ("namespace", "2.10", "ambiguous-scalar", 'write "2.10" in double quotes; unquoted, it is read as 2.1'),
        ("namespace", "1" * 18 + "." + "1" * 9, "ambiguous-scalar", "put it in double quotes"),
    ],
)
def test_a_number_where_a_text_belongs(key: str, written: str, rule: str, way_out: str) -> None:
    found = of_number(place(key), node_of(f"{key}: {written}\n", key))
    assert (found[0], found[2]) == (rule, way_out)


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (30, "write 30h, 30m or 30s"),
        (60, "write 1m, if seconds are meant"),
        (3600, "write 1h, if seconds are meant"),
        (5400, "write 1h30m, if seconds are meant"),
        (90, "write 1m30s, if seconds are meant"),
    ],
)
def test_a_number_of_seconds_is_written_with_its_units(number: int, way_out: str) -> None:
    assert duration_help(number) == way_out


def test_a_key_of_a_secret_among_its_settings() -> None:
    at = place("secrets", "github")
    assert of_unknown_key(at, "API_KEY", TEXT) == (
        "keys are listed in the catalogue, and values go into the store: `platform-secrets put dev github API_KEY`"
    )
    assert of_unknown_key(at._replace(schema="catalogue"), "API_KEY", TEXT) == (
        "keys stand under `keys:`: write `keys: {API_KEY: {}}`"
    )
    assert of_unknown_key(at, "stroe", TEXT) is None
    assert of_unknown_key(place("stores", "vault"), "API_KEY", TEXT) is None
    assert of_unknown_key(place("secrets", "Not An Id"), "API_KEY", TEXT) is None


def test_a_secret_that_is_not_indented() -> None:
    indent = "did you mean to indent it under `secrets:`?"
    known = InputPlace("environment", secrets=("jira",))
    assert of_unknown_key(place(known=known), "jira", TEXT) == indent
    assert of_unknown_key(place(known=known), "slack", TEXT) is None
    assert of_unknown_key(place("stores", known=known), "jira", TEXT) is None
    entry = node_of("slack: {target: agent-slack}\n", "slack")
    assert of_unknown_key(place(schema="catalogue"), "slack", entry) == indent
    assert of_unknown_key(place(), "slack", entry) is None


@pytest.mark.parametrize("written", ["value", "default", "secret", "data", "stringData"])
def test_a_value_among_the_settings_of_a_key_goes_into_the_store(written: str) -> None:
    at = place("secrets", "github", "keys", "TOKEN", schema="catalogue")
    assert of_unknown_key(at, written, TEXT) == (
        "values go into the store: `platform-secrets put dev github TOKEN`; write `TOKEN: {}` here"
    )
    assert of_unknown_key(at, "rotates", TEXT) is None
    assert of_unknown_key(at._replace(path=("secrets", "Not An Id", "keys", "TOKEN")), written, TEXT) is None
    assert of_unknown_key(at._replace(path=("secrets", "github", "keys", "a b")), written, TEXT) is None


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Stripe", "stripe"),
        ("stripe_payments", "stripe-payments"),
        ("My Secret", "my-secret"),
        ("github", None),
        ("über", None),
        ("___", None),
        ("A" * 64, None),
        ("ghp_0123456789abcdefghijABCDEFGHIJKLMNOP", None),
    ],
)
def test_a_name_in_the_form_of_an_id(name: str, form: str | None) -> None:
    assert as_id(name) == form


def test_a_strange_key_is_no_part_of_an_example() -> None:
    assert place("labels", "ghp_0123456789abcdefghijABCDEFGHIJKLMNOP").key == ""
    assert place("labels", "a b").key == ""
    assert place("use", 0).key == ""
