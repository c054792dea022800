import ssl
import stat
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from compiler.demo.certificates import CertificateAuthority


def test_a_server_certificate_is_trusted_by_its_authority_alone(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path)
    certificate_file, key_file = authority.issue(("localhost", "127.0.0.1", "*.vault.azure.net"))
    certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.ca_file.read_bytes()))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "*.vault.azure.net"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    ssl.create_default_context(cafile=str(authority.ca_file)).load_cert_chain(certificate_file, key_file)


def test_an_expired_certificate_began_and_ended_before_now(tmp_path: Path) -> None:
    certificate_file, _ = CertificateAuthority.create(tmp_path).issue(("localhost",), file_stem="old", expired=True)
    certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    assert certificate.not_valid_before_utc < certificate.not_valid_after_utc < datetime.now(UTC)


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    _, key_file = CertificateAuthority.create(tmp_path).issue(("localhost",))
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert not list(tmp_path.glob("ca*.key"))
