from base64 import b64encode
from pathlib import Path

from compiler.demo.certificates import CertificateAuthority
from compiler.rules.secret_in_config import check
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


def test_leaves_names_alone(judge: Judge) -> None:
    assert not judge(check, BASE)
    assert not judge(check, CATALOGUE)
