import pytest

from compiler.rules.templates import (
    find_invalid_template,
    find_templated_annotation,
    find_unread_template,
    find_unused_key,
)
from tests.unit.rules.conftest import CATALOGUE, TAKING, Judge

OWN = "    syncWave: -49\n    use: [pat]\n"


def with_text(text: str, catalogue: str = CATALOGUE) -> str:
    return catalogue.replace(OWN, f"{OWN}    template: {{data: {{TEXT: '{text}'}}}}\n")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{{ .GITHUB_TOKEN", "an action is not closed"),
        ("{{ if .GITHUB_TOKEN }}", "an `end` is missing"),
        ("{{ end }}", "an `end` ends nothing"),
        ("{{ else }}", "an `else` belongs to nothing"),
        ("{{}}", "an action is empty"),
        ("{{ $token }}", "the variable $token is not defined"),
        ("{{ (.GITHUB_TOKEN }}", "a parenthesis is not closed"),
        ("{{ break }}", "`break` is outside of a `range`"),
    ],
)
def test_finds_what_go_does_not_parse(judge: Judge, text: str, what: str) -> None:
    found = judge(find_invalid_template, catalogue=with_text(text))
    assert found.messages == [f'the text of "TEXT" is not a template: {what}']
    assert found.marked == [f"'{text}'"]
    assert found.scopes == [("secrets", "github")]


def test_finds_a_key_that_the_entry_does_not_have(judge: Judge) -> None:
    found = judge(find_invalid_template, catalogue=with_text('{{ .GITHUB_TOKN }}{{ index . "zzz" }}'))
    assert found.messages == [
        'the text of "TEXT" needs the key "GITHUB_TOKN", which "github" does not have',
        'the text of "TEXT" needs the key "zzz", which "github" does not have',
    ]
    assert found.helps == ["did you mean `{{ .GITHUB_TOKEN }}`?", 'add it to the keys of "github", or correct the text']


def test_finds_a_key_of_a_variant_that_is_not_in_use(judge: Judge) -> None:
    text = with_text("{{ .GITHUB_APP_ID }}")
    found = judge(find_invalid_template, catalogue=text)
    assert found.messages == ['the text of "TEXT" needs "GITHUB_APP_ID", which is in no variant in use']
    assert (found.helps[0] or "").startswith('add one of "app" to `use:` of "github"')
    assert not judge(find_invalid_template, "secrets: {github: {use: [app]}}", catalogue=text)


def test_the_variant_of_a_taken_key_is_that_of_its_entry(judge: Judge) -> None:
    own = "remote: {vault: platform/ci, azurekv: platform-ci}\n"
    text = TAKING.replace(own, own + "    template: {data: {TEXT: '{{ .CI_TOKEN }}'}}\n")
    (found,) = judge(find_invalid_template, "secrets: {github: {use: [app]}, ci: {}}", catalogue=text)
    assert 'add one of "pat" to `use:` of "github"' in (found.help or "")


def test_finds_a_function_that_no_version_has(judge: Judge) -> None:
    found = judge(find_invalid_template, catalogue=with_text("{{ .GITHUB_TOKEN | b64encode }}{{ env .GITHUB_TOKEN }}"))
    assert found.messages == [
        'the text of "TEXT" calls "b64encode", which is not a function of the operator',
        'the text of "TEXT" calls "env", which is not a function of the operator',
    ]
    assert found.helps[0] == "did you mean `b64enc`?"


@pytest.mark.parametrize(
    ("operator", "function", "says"),
    [
        ("2.6", "hexdec", "External Secrets Operator has it from 2.7 on: use another"),
        ("2.12", "fail", "External Secrets Operator had it up to 2.11: use another"),
        ("2.7", "hexdec", None),
        ("2.11", "fail", None),
    ],
)
def test_functions_are_those_of_the_environments_operator(
    judge: Judge, operator: str, function: str, says: str | None
) -> None:
    catalogue = with_text(f"{{{{ {function} .GITHUB_TOKEN }}}}")
    found = judge(find_invalid_template, f'externalSecretsOperator: "{operator}"', catalogue=catalogue)
    assert found.helps == ([says] if says is not None else [])


def test_leaves_what_can_be_read_alone(judge: Judge) -> None:
    assert not judge(find_invalid_template)
    for text in ("no action", "{{ .GITHUB_TOKEN }}", "{{- range $k, $v := . }}{{ $k }}{{ end -}}", "{{/* .x */}}"):
        assert not judge(find_invalid_template, catalogue=with_text(text))


@pytest.mark.parametrize("text", ["{{ .TOKEN }}", "a {{", "{{{{", "a\\n{{ .TOKEN }}"])
def test_finds_what_the_operator_would_execute(judge: Judge, text: str) -> None:
    found = judge(find_templated_annotation, f'secretAnnotations: {{example.com/a: "{text}"}}')
    way = "is a template, which the operator would execute"
    assert found.messages == [f'the Secret\'s annotation "example.com/a" {way}']
    assert found.marked == [f'"{text}"']
    assert found.helps == ["write it without `{{`"]
    own = judge(find_templated_annotation, f'secrets: {{github: {{secretAnnotations: {{a: "{text}"}}}}}}')
    assert own.scopes == [("secrets", "github")]


@pytest.mark.parametrize(
    "text",
    [
        'secretAnnotations: {a: "{ x }"}',
        'secretAnnotations: {a: "}} { {"}',
        # The ExternalSecret's own are plain text to the operator.
        'annotations: {a: "{{ .TOKEN }}"}',
        "secretAnnotations: null",
        "secrets: null",
    ],
)
def test_leaves_plain_text_alone(judge: Judge, text: str) -> None:
    assert not judge(find_templated_annotation, text)


def test_cannot_be_waived() -> None:
    assert not find_templated_annotation.waivable


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{{ define "x" }}{{ end }}', "`define`"),
        ("{{ . | toJson }}", "what is done with all keys at once"),
        ('{{ get . "GITHUB_TOKEN" }}', "what is done with all keys at once"),
        ("{{ index . .GITHUB_TOKEN }}", "an `index` whose name is not written there"),
    ],
)
def test_names_what_is_not_read(judge: Judge, text: str, what: str) -> None:
    found = judge(find_unread_template, with_text(text))
    assert found.messages == [f'the keys that the text of "TEXT" needs are not checked, as it has {what}']
    assert found.scopes == [("secrets", "github")]


def test_leaves_what_is_read_alone(judge: Judge) -> None:
    assert not judge(find_unread_template, with_text("{{ with $x := .GITHUB_TOKEN }}{{ $x }}{{ end }}"))


def test_finds_each_key_that_no_text_uses(judge: Judge) -> None:
    found = judge(find_unused_key, with_text("{{ .GITHUB_TOKEN }}{{ .GITHUB_APP_ID }}"))
    assert found.messages == [
        'no text of the template of "github" uses "GITHUB_APP_KEY": the Secret does not have it',
    ]
    assert found.marked == ["GITHUB_APP_KEY"]
    assert (found.helps[0] or "").startswith("add `GITHUB_APP_KEY: '{{ .GITHUB_APP_KEY }}'` to `template.data`")


@pytest.mark.parametrize("text", ["{{ range . }}{{ . }}{{ end }}", "{{ . }}", "{{ . | toJson }}", "{{ .x"])
def test_says_nothing_where_a_text_may_use_any_key(judge: Judge, text: str) -> None:
    assert not judge(find_unused_key, with_text(text))


def test_leaves_an_entry_without_a_template_alone(judge: Judge) -> None:
    assert not judge(find_unused_key, CATALOGUE)


def test_a_key_that_keeps_the_value_before_need_not_be_used(judge: Judge) -> None:
    kept = CATALOGUE.replace(
        "GITHUB_TOKEN: {variants: [pat]}",
        "GITHUB_TOKEN: {overlap: previous, previousKey: GITHUB_APP_KEY}",
    )
    assert not judge(find_unused_key, with_text("{{ .GITHUB_TOKEN }}{{ .GITHUB_APP_ID }}", kept))
