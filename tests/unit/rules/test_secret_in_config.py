from base64 import b64encode
from pathlib import Path

import pytest

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.rules.secret_in_config import check
from compiler.stages.load import load_text
from tests.unit.rules.conftest import BASE, CATALOGUE, Judge

TOKEN = "ghp_" + "0123456789abcdefghij" + "ABCDEFGHIJKLMNOP"


def test_finds_a_credential_as_a_value_and_hides_it(judge: Judge) -> None:
    found = judge(check, f"stores: {{vault: {{auth: {{token: {{name: {TOKEN}}}}}}}}}")
    assert found.messages == ["this value looks like a credential"]
    assert found.marked == [TOKEN]
    assert found[0].conceals == (found[0].span,)
    assert found.scopes == [("stores", "vault")]


def test_finds_a_credential_as_a_key_and_hides_it(judge: Judge) -> None:
    found = judge(check, f"secrets: {{github: {{labels: {{{TOKEN}: x}}}}}}")
    assert found.messages == ["this key looks like a credential"]
    assert found.marked == [TOKEN]
    assert found[0].conceals == (found[0].span,)
    assert found.scopes == [("secrets", "github")]


def test_says_nothing_of_the_credential(judge: Judge) -> None:
    found = judge(check, f"namespace: {TOKEN}\nlabels: {{{TOKEN}: x}}")
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
        assert bool(judge(check, f"stores: {{vault: {{caBundle: {b64encode(pem).decode()}}}}}")) is is_found


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
    assert bool(list(check.check(document))) is is_found


def test_leaves_names_alone(judge: Judge) -> None:
    assert not judge(check, BASE)
    assert not judge(check, CATALOGUE)
