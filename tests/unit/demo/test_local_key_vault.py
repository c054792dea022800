import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
import requests
from azure.core.credentials import TokenCredential
from azure.core.exceptions import ResourceExistsError
from azure.core.pipeline.transport import RequestsTransport
from azure.keyvault.secrets import SecretClient
from cryptography import x509

from compiler.demo.local_key_vault import (
    CertificateAuthority,
)
from tests.faulty_key_vault import (
    FaultyKeyVault,
)
from tests.key_vault_program import main


@pytest.fixture
def vault() -> Iterator[FaultyKeyVault]:
    with FaultyKeyVault() as running:
        yield running


@pytest.fixture
def client(vault: FaultyKeyVault) -> Iterator[SecretClient]:
    with sdk_client(vault) as opened:
        yield opened


def sdk_client(vault: FaultyKeyVault) -> SecretClient:
    transport = RequestsTransport(connection_verify=str(vault.ca_file))
    # Its annotation names azure's own token class; any named tuple of the same two fields does.
    credential = cast("TokenCredential", vault.credential())
    return SecretClient(vault.url, credential, transport=transport, verify_challenge_resource=False, retry_total=0)


def test_the_sdk_sets_gets_lists_deletes_and_recovers(vault: FaultyKeyVault, client: SecretClient) -> None:
    made = client.set_secret("Github", "välue", tags={"a": "b"}, content_type="text/plain")
    assert client.get_secret("github", made.properties.version).value == "välue"
    client.update_secret_properties("github", content_type="text/other")
    assert client.get_secret("GITHUB").properties.content_type == "text/other"
    for number in range(60):
        vault.seed(f"name-{number}", "x")
        vault.seed("many", str(number))
    assert len(list(client.list_properties_of_secrets())) == 62
    assert len(list(client.list_properties_of_secret_versions("many"))) == 60
    client.begin_delete_secret("github").wait()
    assert client.get_deleted_secret("github").name == "Github"
    with pytest.raises(ResourceExistsError, match="deleted but recoverable"):
        client.set_secret("github", "x")
    client.begin_recover_deleted_secret("github").wait()
    assert client.get_secret("github").value == "välue"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_as_a_program_it_prints_what_to_export_and_cleans_up_when_stopped(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.key_vault_program", "--port", "0", "--no-limits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        lines = [run.stdout.readline().strip() for _ in range(4)]
        exported = dict(line.removeprefix("export ").split("=", 1) for line in lines[:3])
        url = lines[3].removeprefix("# ")
        reply = requests.get(
            f"{url}/secrets?api-version=7.6",
            headers={"Authorization": f"Bearer {exported['AZURE_KEYVAULT_TOKEN']}"},
            verify=exported["AZURE_KEYVAULT_CACERT"],
            timeout=5,
        )
        assert reply.json() == {"value": [], "nextLink": None}
        run.send_signal(number)
        assert run.wait(timeout=10) == 0
    assert not Path(exported["AZURE_KEYVAULT_CACERT"]).exists()


def test_a_port_that_is_taken_is_said_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit) as ended:
        main(["--port", str(taken.getsockname()[1])])
    for number, handler in handlers:
        signal.signal(number, handler)
    assert ended.value.code == 1
    assert "Address already in use; name another with --port\n" in capsys.readouterr().err


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
