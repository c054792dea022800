import pytest

from compiler.rules.invalid_template import check
from tests.unit.rules.conftest import CATALOGUE, TAKING, Judge

OWN = "    syncWave: -49\n    use: [pat]\n"


def with_text(text: str, catalogue: str = CATALOGUE) -> str:
    return catalogue.replace(OWN, f"{OWN}    template: {{data: {{TEXT: '{text}'}}}}\n")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{{ .GITHUB_TOKEN", "an action is not closed"),
        ("{{ if .GITHUB_TOKEN }}", "an `end` is missing"),
    ],
)
def test_finds_what_is_not_closed(judge: Judge, text: str, what: str) -> None:
    found = judge(check, catalogue=with_text(text))
    assert found.messages == [f'the text of "TEXT" is not a template: {what}']
    assert found.marked == [f"'{text}'"]
    assert found.scopes == [("secrets", "github")]


def test_finds_a_key_that_the_entry_does_not_have(judge: Judge) -> None:
    found = judge(check, catalogue=with_text('{{ .GITHUB_TOKN }}{{ index . "zzz" }}'))
    assert found.messages == [
        'the text of "TEXT" needs the key "GITHUB_TOKN", which "github" does not have',
        'the text of "TEXT" needs the key "zzz", which "github" does not have',
    ]
    assert found.helps == ["did you mean `{{ .GITHUB_TOKEN }}`?", 'add it to the keys of "github", or correct the text']


def test_finds_a_key_of_a_variant_that_is_not_in_use(judge: Judge) -> None:
    text = with_text("{{ .GITHUB_APP_ID }}")
    found = judge(check, catalogue=text)
    assert found.messages == ['the text of "TEXT" needs "GITHUB_APP_ID", which is in no variant in use']
    assert (found.helps[0] or "").startswith('add one of "app" to `use:` of "github"')
    assert not judge(check, "secrets: {github: {use: [app]}}", catalogue=text)


def test_the_variant_of_a_taken_key_is_that_of_its_entry(judge: Judge) -> None:
    own = "remote: {vault: platform/ci, azurekv: platform-ci}\n"
    text = TAKING.replace(own, own + "    template: {data: {TEXT: '{{ .CI_TOKEN }}'}}\n")
    (found,) = judge(check, "secrets: {github: {use: [app]}, ci: {}}", catalogue=text)
    assert 'add one of "pat" to `use:` of "github"' in (found.help or "")


def test_finds_a_function_that_no_version_has(judge: Judge) -> None:
    found = judge(check, catalogue=with_text("{{ .GITHUB_TOKEN | b64encode }}{{ env .GITHUB_TOKEN }}"))
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
    found = judge(check, f'externalSecretsOperator: "{operator}"', catalogue=catalogue)
    assert found.helps == ([says] if says is not None else [])


def test_leaves_what_can_be_read_alone(judge: Judge) -> None:
    assert not judge(check)
    for text in ("no action", "{{ .GITHUB_TOKEN }}", "{{- range $k, $v := . }}{{ $k }}{{ end -}}", "{{/* .x */}}"):
        assert not judge(check, catalogue=with_text(text))
