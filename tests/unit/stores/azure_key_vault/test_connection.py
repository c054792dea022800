import ssl
from pathlib import Path

import pytest

from compiler.stores.azure_key_vault.connection import connection_error, verified
from compiler.stores.errors import Action, StoreLocation, TlsFailureError

PLACE = StoreLocation("https://v.vault.azure.net")


def test_https_is_a_must_and_a_named_authority_must_be_readable(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.touch()
    assert verified(PLACE, "https://v", None) is True
    assert verified(PLACE, "HTTPS://v", file) == str(file)
    for url, ca in [("http://v", None), ("v", None), ("https://v", tmp_path / "absent")]:
        with pytest.raises(TlsFailureError):
            verified(PLACE, url, ca)


def test_a_cause_is_found_however_deep_it_is_wrapped() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "x")
    untrusted.verify_message = "certificate has expired"
    outer = OSError(OSError("pool", ValueError(untrusted)))
    outer.args[0].__cause__ = outer
    error = connection_error(outer, PLACE, Action.READ)
    assert isinstance(error, TlsFailureError)
    assert "certificate has expired" in str(error)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("NameResolutionError", "does not resolve"),
        ("ReadTimeoutError", "did not answer in time"),
        ("ConnectTimeout", "did not answer in time"),
        ("ProxyError", "the proxy refused"),
        ("ProtocolError", "was closed"),
    ],
)
def test_a_broken_connection_says_how(kind: str, reason: str) -> None:
    error = connection_error(OSError(type(kind, (Exception,), {})("s3ntinel")), PLACE, Action.READ)
    assert error.code == "unavailable"
    assert reason in str(error)
    assert "s3ntinel" not in str(error)


def test_plain_http_at_the_port_is_a_tls_failure() -> None:
    plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    plain.reason = "WRONG_VERSION_NUMBER"
    assert "does not speak TLS" in str(connection_error(plain, PLACE, Action.READ))
