import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from compiler.model.document import MOST_OF_A_KIND, Diagnostic, Document
from compiler.stages import validate as validation
from compiler.stages.validate import at, read_schema, validate, with_providers
from compiler.stores.registry import PROVIDERS
from tests.unit.stages.conftest import load

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"


def judged(text: str, schema: str = "environment") -> tuple[Document, tuple[Diagnostic, ...]]:
    return validate(load(text), schema)


def only(text: str, schema: str = "environment") -> Diagnostic:
    document, (diagnostic,) = judged(text, schema)
    assert document.damaged
    return diagnostic


def marked(diagnostic: Diagnostic) -> str:
    return diagnostic.span.source.text[diagnostic.span.start : diagnostic.span.end]


def hidden(diagnostic: Diagnostic) -> list[str]:
    return [span.source.text[span.start : span.end] for span in diagnostic.conceals]


@pytest.mark.parametrize("name", ["environment", "catalogue", "values"])
def test_a_schema_is_the_file_of_its_name(name: str) -> None:
    assert read_schema(name) == json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))


def test_a_sound_document_is_given_back_as_it_is() -> None:
    document = load("namespace: a\nsecrets: {github: {use: [pat]}}\n")
    assert validate(document, "environment") == (document, ())


def test_an_unknown_key_is_marked_named_and_its_value_hidden() -> None:
    found = only("stroe: {a: b}\n")
    assert (found.rule, found.message, found.help) == ("unknown-key", 'unknown key "stroe"', 'did you mean "store"?')
    assert (marked(found), hidden(found)) == ("stroe", ["{a: b}"])


@pytest.mark.parametrize(
    ("text", "message", "conceals"),
    [
        ("secrets: text", "expected a map, found a string", ["text"]),
        ("secrets: [a]", "expected a map, found a list", ["a"]),
        ("secrets: 7", "expected a map, found a number", ["7"]),
        ("secrets: true", "expected a map, found true or false", []),
        ("namespace: {a: b}", "expected a string, found a map", ["{a: b}"]),
        ("extends: base", "expected a list, found a string", []),
        ("secrets: {github: {enabled: 'true'}}", "expected true or false, found a string", []),
        ("secrets: {github: {enabled: 'often'}}", "expected true or false, found a string", ["'often'"]),
    ],
)
def test_another_type_is_said_and_hidden(text: str, message: str, conceals: list[str]) -> None:
    found = only(text + "\n")
    assert (found.rule, found.message) == ("wrong-type", message)
    assert hidden(found) == conceals


def test_nothing_where_a_map_is_meant() -> None:
    found = only("secrets:\n", "catalogue")
    assert (found.message, found.help) == ("expected a map, found null", "write `secrets: {}` for an empty map")


@pytest.mark.parametrize("text", ["namespace: 7", "namespace: true", "namespace: 1.5", "externalSecretsOperator: 2.9"])
def test_a_text_without_quotes_that_is_none(text: str) -> None:
    found = only(text + "\n")
    written = text.partition(" ")[2]
    assert (found.rule, found.help) == ("ambiguous-scalar", f'write "{written}" in double quotes')


def test_a_word_of_a_list_is_suggested_and_another_hidden() -> None:
    found = only("fetch: per-key\n")
    assert (found.rule, found.message, found.help) == (
        "invalid-value",
        'expected "perKey" or "bundle"',
        'did you mean "perKey"?',
    )
    assert hidden(found) == []
    assert hidden(only("fetch: hunter2\n")) == ["hunter2"]


@pytest.mark.parametrize(
    ("text", "schema", "message"),
    [
        ('namespace: ""', "environment", "this must not be empty"),
        ("namespace: " + "x" * 2049, "environment", "this is longer than 2048 characters"),
        ("secrets: {a: {use: [b, b]}}", "environment", "the list has duplicates"),
        ("secrets: {a: {keys: {B: {variants: []}}}}", "catalogue", "expected at least 1 item"),
        ("secrets: {a: {syncWave: -32769}}", "catalogue", "this is less than -32768"),
        ("secrets: {a: {syncWave: 32768}}", "catalogue", "this is more than 32767"),
        (
            "secrets: {a: {keys: {B: {rotate: 90}}}}",
            "catalogue",
            "a number of days needs its unit",
        ),
        (
            "secrets: {a: {keys: {B: {rotate: 90h}}}}",
            "catalogue",
            "expected a number of days such as `90d`",
        ),
        (
            "secrets: {a: {use: [B]}}",
            "catalogue",
            "expected a lower-case name of letters, digits and inner hyphens, at most 63 characters",
        ),
    ],
)
def test_a_bound_is_said_in_words(text: str, schema: str, message: str) -> None:
    assert only(text + "\n", schema).message == message


@pytest.mark.parametrize("name", ["GitHub", '"a b"', '"github\\n"', "a" * 64, '""'])
def test_an_id_of_another_form_is_marked_at_its_key(name: str) -> None:
    found = only(f"secrets: {{{name}: {{}}}}\n")
    assert found.rule == "invalid-value"
    assert marked(found) == name
    assert found.message.startswith("expected a lower-case name")


@pytest.mark.parametrize("schema", ["environment", "catalogue"])
def test_an_id_that_only_needs_another_form_is_given_in_it(schema: str) -> None:
    found = only("secrets: {Stripe: {}}\n", schema)
    assert found.message.startswith("expected a lower-case name")
    assert found.help == 'write "stripe"'


@pytest.mark.parametrize(
    ("word", "meant"),
    [("keyvault", "azurekv"), ("Azure-Key-Vault", "azurekv"), ("openbao", "vault"), ("vaults", "vault")],
)
def test_a_provider_by_another_name_is_understood(word: str, meant: str) -> None:
    found = only(f"stores: {{a: {{provider: {word}}}}}\n")
    assert (found.help, hidden(found)) == (f'did you mean "{meant}"?', [])


def test_a_key_among_the_settings_of_a_secret_is_put_where_it_belongs() -> None:
    found = only("secrets: {github: {API_KEY: hunter2}}\n")
    assert (found.rule, hidden(found)) == ("unknown-key", ["hunter2"])
    assert found.help == (
        "keys are listed in the catalogue, and values go into the store: `platform-secrets put ENV github API_KEY`"
    )


def test_no_message_is_a_regular_expression() -> None:
    for schema in ("environment", "catalogue"):
        text = (SCHEMAS / f"{schema}.schema.json").read_text("utf-8")
        for part in parts_of(json.loads(text)):
            assert "pattern" not in part or part.get("description"), part


def parts_of(schema: object) -> Iterator[dict[str, object]]:
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from parts_of(part)


def test_what_is_wrong_is_taken_out_and_the_rest_stays() -> None:
    text = "stroe: a\nnamespace: b\nsecrets: {github: {fetch: c, use: [d, 7, e]}, JIRA: {}}\nlabels: {a: {b: c}}\n"
    document, diagnostics = judged(text)
    assert document.root.plain_data() == {
        "namespace": "b",
        "secrets": {"github": {"use": ["d", "e"]}},
        "labels": {},
    }
    assert sorted(each.rule for each in diagnostics) == [
        "ambiguous-scalar",
        "invalid-value",
        "invalid-value",
        "unknown-key",
        "wrong-type",
    ]


@pytest.mark.parametrize("text", ["[a]", "text", "7", "null"])
def test_a_file_that_is_no_map_is_an_empty_one(text: str) -> None:
    document, diagnostics = judged(text + "\n")
    assert document.root.value == {}
    assert document.damaged
    assert len(diagnostics) == 1


def test_of_many_errors_the_first_are_listed_and_all_are_hidden() -> None:
    many = MOST_OF_A_KIND + 50
    document, diagnostics = judged("{" + ", ".join(f"k{index}: v{index}" for index in range(many)) + "}\n")
    assert document.root.value == {}
    assert len(diagnostics) == MOST_OF_A_KIND + 1
    assert diagnostics[-1].message == "there are more like the 100 before; they are not listed"
    assert {text for each in diagnostics for text in hidden(each)} == {f"v{index}" for index in range(many)}


def test_the_errors_that_are_listed_are_those_that_the_file_has_first() -> None:
    _, diagnostics = judged("secrets:\n" + "".join(f"  s{index}: text\n" for index in range(MOST_OF_A_KIND + 50)))
    assert [each.span.line for each in diagnostics] == [*range(2, MOST_OF_A_KIND + 3)]


def test_as_many_as_are_listed_need_no_remark() -> None:
    _, diagnostics = judged("".join(f"k{index}: v\n" for index in range(MOST_OF_A_KIND)))
    assert len(diagnostics) == MOST_OF_A_KIND
    assert diagnostics[-1].message == 'unknown key "k99"'


def test_what_only_the_key_that_has_the_value_may_say_is_taken_out_beside_from() -> None:
    text = "secrets: {a: {keys: {K: {from: b/C, rotate: 9d, remote: {vault: x}, description: d}}}}\n"
    document, found = judged(text, "catalogue")
    assert [(each.rule, marked(each)) for each in found] == [
        ("contradictory-source", "remote"),
        ("contradictory-source", "rotate"),
    ]
    assert found[1].message == '"rotate" cannot be combined with "from"'
    assert hidden(found[1]) == ["9d"]
    key = document.root.get("secrets", "a", "keys", "K")
    assert key is not None
    assert list(key.children) == ["from", "description"]


@pytest.mark.parametrize("written", ["b.C", "b", "/C", "b/", "b/C/D", "B/C", "b/C D"])
def test_a_key_that_is_named_in_another_form_is_hidden_and_its_form_told(written: str) -> None:
    found = only(f"secrets: {{a: {{keys: {{K: {{from: {written}}}}}}}}}\n", "catalogue")
    assert found.message.startswith("expected a key of an entry as `ENTRY/KEY`, such as ")
    assert found.help == "write the id of an entry, a slash and one of its keys"
    assert hidden(found) == [written]


@pytest.mark.parametrize(
    ("schema", "text", "message", "lines"),
    [
        (
            "catalogue",
            "secrets:\n  db:\n    target: a\n  remote:\n    vault: b\n  keys:\n    A: {}\n  # of c\n  c: {target: c}\n",
            '"remote", "keys" stand beside "db", and not below it',
            range(4, 8),
        ),
        (
            "catalogue",
            "secrets:\n  db:\n  target: a\n  syncWave: 1\n  remote: {vault: b}\n  keys: {A: {}}\n",
            '"target", "syncWave", "remote", "keys" stand beside "db", and not below it',
            range(3, 7),
        ),
        (
            "catalogue",
            "secrets:\n  db:\n    target: a\n    keys:\n    API_KEY: {}\n    OTHER_KEY: {description: b}\n",
            '"API_KEY", "OTHER_KEY" stand beside "keys", and not below it',
            range(5, 7),
        ),
        (
            "catalogue",
            "secrets:\n    db:\n        remote:\n        vault: a\n        target: b\n",
            '"vault" stands beside "remote", and not below it',
            range(4, 5),
        ),
        (
            "environment",
            "secrets:\n  db:\n  remote: {vault: a}\n  jira: {}\n",
            '"remote" stands beside "db", and not below it',
            range(3, 4),
        ),
        (
            "environment",
            "stores:\n  vault:\n  provider: vault\n  server: https://vault.example.com\n",
            '"provider", "server" stand beside "vault", and not below it',
            range(3, 5),
        ),
    ],
)
def test_lines_beside_what_they_belong_to_are_one_finding_that_mends_them(
    schema: str, text: str, message: str, lines: range
) -> None:
    found = only(text, schema)
    assert (found.rule, found.message, found.span.line) == ("unknown-key", message, lines[0])
    said = f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"
    assert (found.help or "").startswith(f"indent {said} by ")
    indent = " " * int((found.help or "").split()[-2])
    mended = [indent + line if number in lines else line for number, line in enumerate(text.splitlines(), 1)]
    assert judged("\n".join(mended), schema)[1] == ()


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        # A secret that is named as a setting is, a typo, lines in braces, and a setting that may belong elsewhere.
        ("catalogue", "secrets:\n  db:\n    target: a\n  owner:\n    target: b\n    stroe: c\n"),
        ("catalogue", "secrets:\n  db:\n    keys:\n    taget: a\n"),
        ("catalogue", "secrets: {db: {target: a}, remote: {vault: b}}\n"),
        ("environment", "secrets:\n  db:\n  store: azure\n"),
    ],
)
def test_lines_that_need_not_belong_to_those_above_are_explained_each_by_itself(schema: str, text: str) -> None:
    assert not any("stand" in each.message for each in judged(text, schema)[1])


def test_what_stands_on_misplaced_lines_is_hidden() -> None:
    found = only("secrets:\n  db:\n  remote: hunter2\n")
    assert hidden(found) == ["hunter2"]


@pytest.mark.parametrize("word", ["off", "no", "disabled", "'false'", "False", "N"])
def test_a_secret_that_is_switched_off_in_words_is_said_to_be_false(word: str) -> None:
    assert only(f"secrets: {{github: {word}}}").help == "write `github: {enabled: false}`"
    assert only(f"secrets: {{github: {{enabled: '{word.strip(chr(39))}'}}}}").help == (
        "write `enabled: false`, without quotes"
    )


@pytest.mark.parametrize("word", ["on", "yes", "enabled", "true"])
def test_a_secret_that_is_switched_on_in_words_needs_none(word: str) -> None:
    assert only(f"secrets: {{github: {word}}}").help == "write `github: {}`"


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
    monkeypatch.setattr(validation, "PROVIDERS", {**PROVIDERS, "other": Other(own)})
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
