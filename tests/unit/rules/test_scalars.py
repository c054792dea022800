from base64 import b64encode
from pathlib import Path

import pytest

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.rules.scalars import find_ambiguous_scalar, find_empty_value, find_secret_in_config
from compiler.stages.load import load_text
from tests.unit.rules.conftest import BASE, CATALOGUE, Judge


def test_finds_a_secret_with_nothing_behind_it(judge: Judge) -> None:
    found = judge(find_empty_value, "secrets:\n  slack:\n  github: {}\n")
    assert found.messages == ['"slack" has no value']
    assert found.marked == ["slack"]
    assert "`{}`" in (found.helps[0] or "")
    assert found.scopes == [("secrets", "slack")]


@pytest.mark.parametrize("member", ["labels", "annotations", "secretLabels", "secretAnnotations"])
def test_an_empty_map_of_labels_is_offered_braces(judge: Judge, member: str) -> None:
    found = judge(find_empty_value, f"{member}:\n")
    assert found.marked == [member]
    assert "`{}`" in (found.helps[0] or "")


def test_finds_a_scalar_with_nothing_behind_it(judge: Judge) -> None:
    found = judge(find_empty_value, "secrets:\n  github:\n    store:\n")
    assert found.marked == ["store"]
    assert "`{}`" not in (found.helps[0] or "")
    assert "`null`" in (found.helps[0] or "")


def test_a_value_that_is_a_comment_needs_quotes(judge: Judge) -> None:
    said = 'what follows " #" is a comment: put the whole value in quotes'
    assert judge(find_empty_value, "labels:\n  team: #platform\n").helps == [said]
    assert judge(find_empty_value, 'labels:\n  "team":  #platform\n').helps == [said]
    # A remark is none.
    assert said not in judge(find_empty_value, "labels:\n  team: # of the platform\n").helps


@pytest.mark.parametrize(
    "text", ["", "secrets: {slack: null}", "secrets: {slack: ~}", "secrets: {slack: {}}", "store: ''"]
)
def test_leaves_what_is_written_alone(judge: Judge, text: str) -> None:
    assert not judge(find_empty_value, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no", 'unquoted "no" is a boolean in YAML 1.1'),
        ("On", 'unquoted "On" is a boolean in YAML 1.1'),
        ("08", "this unquoted string is a number in YAML 1.1"),
        ("1e3", "this unquoted string is a number in YAML 1.1"),
        ("0o17", "this unquoted string is a number in YAML 1.1"),
        ("12:30", "this unquoted string is a number in base 60 in YAML 1.1"),
        ("2024-01-01", "this unquoted string is a date in YAML 1.1"),
    ],
)
def test_finds_what_two_versions_of_yaml_read_differently(judge: Judge, text: str, message: str) -> None:
    found = judge(find_ambiguous_scalar, f"secrets: {{github: {{labels: {{a: {text}}}}}}}")
    assert found.messages == [message]
    assert found.marked == [text]
    assert found.scopes == [("secrets", "github")]


@pytest.mark.parametrize("text", ['"no"', "'08'", "north", "v1.2", "1h"])
def test_leaves_quoted_and_plain_texts_alone(judge: Judge, text: str) -> None:
    assert not judge(find_ambiguous_scalar, f"labels: {{a: {text}}}")


def test_leaves_to_the_schema_what_the_schema_refused(judge: Judge) -> None:
    assert not judge(find_ambiguous_scalar, "secrets: {github: {enabled: no}}")


TOKEN = "ghp_" + "0123456789abcdefghij" + "ABCDEFGHIJKLMNOP"


def test_finds_a_credential_as_a_value_and_hides_it(judge: Judge) -> None:
    found = judge(find_secret_in_config, f"stores: {{vault: {{auth: {{token: {{name: {TOKEN}}}}}}}}}")
    assert found.messages == ["this value looks like a credential"]
    assert found.marked == [TOKEN]
    assert found[0].conceals == (found[0].span,)
    assert found.scopes == [("stores", "vault")]


def test_finds_a_credential_as_a_key_and_hides_it(judge: Judge) -> None:
    found = judge(find_secret_in_config, f"secrets: {{github: {{labels: {{{TOKEN}: x}}}}}}")
    assert found.messages == ["this key looks like a credential"]
    assert found.marked == [TOKEN]
    assert found[0].conceals == (found[0].span,)
    assert found.scopes == [("secrets", "github")]


def test_says_nothing_of_the_credential(judge: Judge) -> None:
    found = judge(find_secret_in_config, f"namespace: {TOKEN}\nlabels: {{{TOKEN}: x}}")
    assert len(found) == 2
    assert TOKEN not in repr([(d.message, d.help, d.related) for d in found])


def test_certificates_in_base64_are_public_and_keys_are_not(judge: Judge, tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path)
    _, key = authority.issue(("vault.example.com",))
    certificate, private = authority.ca_file.read_bytes(), key.read_bytes()
    for pem, is_found in (
        (certificate, False),
        (certificate * 2, False),
        (private, True),
        (certificate + private, True),
    ):
        assert (
            bool(judge(find_secret_in_config, f"stores: {{vault: {{caBundle: {b64encode(pem).decode()}}}}}"))
            is is_found
        )


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ('{"auths": {"ghcr.io": {"username": "{{ .user }}", "password": "{{ .password | toJson }}"}}}', False),
        ("postgres://{{ .user }}:{{ .password }}@db.example.com/app", False),
        ("{{ .user }}:" + TOKEN, True),
        ('{{ .password | default "' + TOKEN + '" }}', True),
        ('{{ dict "token" (get . "' + TOKEN + '") }}', True),
        ("{{ .user " + TOKEN, True),
        (TOKEN, True),
    ],
)
def test_of_a_template_the_text_beside_its_keys_is_judged(
    text: str,
    is_found: bool,  # noqa: FBT001 - a case's verdict
) -> None:
    lines = f"secrets:\n  github:\n    template:\n      data:\n        URL: >-\n          {text}\n"
    document, _ = load_text("environments/catalogue.yaml", lines)
    assert document is not None
    assert bool(list(find_secret_in_config.check(document))) is is_found


def test_leaves_names_alone(judge: Judge) -> None:
    assert not judge(find_secret_in_config, BASE)
    assert not judge(find_secret_in_config, CATALOGUE)
