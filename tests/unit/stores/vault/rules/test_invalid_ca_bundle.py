import base64
from pathlib import Path

import pytest

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.stores.vault.rules.invalid_ca_bundle import check
from tests.unit.rules.conftest import Judge

PEM = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIBAAAA\n-----END PRIVATE KEY-----\n"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    ["/etc/ssl/ca.pem", "MIIBAAAA", _base64("text"), _base64(KEY), _base64(PEM + KEY), f"{_base64(PEM)} ", "/w=="],
)
def test_finds_what_is_not_certificates(judge: Judge, text: str) -> None:
    found = judge(check, f"stores: {{vault: {{caBundle: '{text}'}}}}")
    assert found.messages == ['the store "vault" has a `caBundle` that is not PEM certificates in Base64']
    assert text not in "".join((*found.messages, *filter(None, found.helps)))


def test_leaves_certificates_and_other_providers_alone(judge: Judge, tmp_path: Path) -> None:
    for text in (PEM * 2, f"\n{PEM}", CertificateAuthority.create(tmp_path).ca_file.read_text("utf-8")):
        assert not judge(check, f"stores: {{vault: {{caBundle: {_base64(text)}}}}}")
    assert not judge(check, "stores: {azure: {caBundle: a}}")
    assert not judge(check, "stores: {vault: {}}")
