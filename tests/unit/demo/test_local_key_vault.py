import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import requests
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.core.pipeline.transport import RequestsTransport
from azure.keyvault.secrets import SecretClient

from tests.faulty_key_vault import Delays, Fault, FaultKind, FaultyKeyVault, Limits, Policy, VaultOptions
from tests.key_vault_program import main
from tests.pace import allowed_wall


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


def call(
    vault: FaultyKeyVault,
    method: str,
    target: str,
    body: object = None,
    *,
    headers: dict[str, str] | None = None,
    token: str | None = None,
) -> tuple[int, dict[str, Any], dict[str, str]]:
    context = ssl.create_default_context(cafile=str(vault.ca_file))
    connection = http.client.HTTPSConnection("localhost", urlsplit(vault.url).port, context=context, timeout=5)
    sent = {"Authorization": f"Bearer {token or vault.issue_token()}"}
    if body is not None:
        sent["Content-Type"] = "application/json"
    try:
        connection.request(method, target, None if body is None else json.dumps(body), sent | (headers or {}))
        reply = connection.getresponse()
        content = reply.read()
        return reply.status, json.loads(content) if content else {}, dict(reply.getheaders())
    finally:
        connection.close()


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
    assert [secret.name for secret in client.list_deleted_secrets()] == ["Github"]
    with pytest.raises(ResourceExistsError, match="deleted but recoverable"):
        client.set_secret("github", "x")
    client.begin_recover_deleted_secret("github").wait()
    assert client.get_secret("github").value == "välue"


def test_without_a_token_the_challenge_names_authority_and_resource(vault: FaultyKeyVault) -> None:
    reply = requests.get(f"{vault.url}/secrets?api-version=7.6", verify=str(vault.ca_file), timeout=5)
    assert reply.status_code == 401
    challenge = reply.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer authorization="https://login.microsoftonline.com/')
    assert challenge.endswith('resource="https://vault.azure.net"')


def test_expired_revoked_foreign_and_forged_tokens_are_refused(vault: FaultyKeyVault) -> None:
    good = vault.issue_token()
    with FaultyKeyVault() as other:
        foreign = other.issue_token()
    tokens = [vault.issue_token(lifetime=-1), foreign, "x", good + "x", good.rpartition(".")[0] + "."]
    for token in tokens:
        status, body, headers = call(vault, "GET", "/secrets?api-version=7.6", token=token)
        assert (status, body["error"]["code"]) == (401, "Unauthorized")
        assert "invalid_token" in headers["WWW-Authenticate"]
    assert call(vault, "GET", "/secrets?api-version=7.6", token=good)[0] == 200
    vault.issuer.revoke_all()
    assert call(vault, "GET", "/secrets?api-version=7.6", token=good)[0] == 401


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/secrets", None, 400),
        ("GET", "/secrets?api-version=1.0", None, 400),
        ("GET", "/secrets/a_b?api-version=7.6", None, 400),
        ("GET", "/secrets/a/xyz?api-version=7.6", None, 400),
        ("GET", "/secrets/%2e%2e/x?api-version=7.6", None, 400),
        ("GET", "/secrets?api-version=7.6&maxresults=26", None, 400),
        ("GET", "/secrets?api-version=7.6&$skiptoken=%21", None, 400),
        ("GET", "/secrets/absent?api-version=7.6", None, 404),
        ("GET", "/keys?api-version=7.6", None, 404),
        ("POST", "/secrets/a?api-version=7.6", {}, 405),
        ("PUT", "/secrets/a?api-version=7.6", {"value": ""}, 400),
        ("PUT", "/secrets/a?api-version=7.6", {"value": "x"}, 200),
        ("GET", "/deletedsecrets/a?api-version=7.6", None, 404),
    ],
)
def test_requests_are_held_to_the_api(
    vault: FaultyKeyVault, method: str, target: str, body: object, status: int
) -> None:
    answered, content, _headers = call(vault, method, target, body)
    assert answered == status
    assert ("error" in content) == (status >= 400)


def test_a_body_that_is_not_declared_as_json_is_415(vault: FaultyKeyVault) -> None:
    headers = {"Content-Type": "text/plain"}
    assert call(vault, "PUT", "/secrets/a?api-version=7.6", {"value": "x"}, headers=headers)[0] == 415


def test_denied_permissions_are_403_with_their_kind(vault: FaultyKeyVault, client: SecretClient) -> None:
    vault.seed("a", "x")
    actions: dict[str, Callable[[], object]] = {
        "get": lambda: client.get_secret("a"),
        "list": lambda: list(client.list_properties_of_secrets()),
        "set": lambda: client.set_secret("a", "x"),
        "delete": lambda: client.begin_delete_secret("a"),
        "recover": lambda: client.begin_recover_deleted_secret("a"),
        "purge": lambda: client.purge_deleted_secret("a"),
    }
    for permission, action in actions.items():
        for inner in ("ForbiddenByRbac", "AccessDenied", "ForbiddenByFirewall"):
            vault.deny(permission, inner)
            with pytest.raises(HttpResponseError) as caught:
                action()
            assert caught.value.status_code == 403
            assert caught.value.error is not None
            assert caught.value.error.innererror["code"] == inner


@pytest.mark.parametrize("wait", [None, "7"])
def test_the_301st_create_of_ten_seconds_is_429_with_retry_after_as_scripted(wait: str | None) -> None:
    with FaultyKeyVault(VaultOptions(limits=Limits(creates=3), throttle_retry_after=wait)) as vault:
        replies = [call(vault, "PUT", f"/secrets/a{n}?api-version=7.6", {"value": "x"}) for n in range(4)]
        assert [reply[0] for reply in replies] == [200, 200, 200, 429]
        assert replies[-1][2].get("Retry-After") == wait
        assert vault.versions("a3") == []


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (FaultKind.DROP_REQUEST, 0),
        (FaultKind.RESET, 0),
        (FaultKind.DROP_REPLY, 1),
        (FaultKind.RESET_REPLY, 1),
        (FaultKind.TRUNCATE_REPLY, 1),
    ],
)
def test_a_broken_connection_comes_before_or_after_the_storing(
    vault: FaultyKeyVault, kind: FaultKind, stored: int
) -> None:
    vault.add_fault(Fault(kind, method="PUT"))
    with pytest.raises((OSError, http.client.HTTPException)):
        call(vault, "PUT", "/secrets/a?api-version=7.6", {"value": "x"})
    assert len(vault.versions("a")) == stored


@pytest.mark.parametrize(
    ("fault", "status", "stored"),
    [
        (Fault(FaultKind.STATUS, status=500), 500, None),
        (Fault(FaultKind.STATUS_AFTER, status=503), 503, "x"),
        (Fault(FaultKind.REDIRECT, status=307, location="https://other/"), 307, None),
        (Fault(FaultKind.FORBID), 403, None),
        (Fault(FaultKind.LIE, value="other"), 200, "other"),
    ],
    ids=lambda part: part.kind.name if isinstance(part, Fault) else str(part),
)
def test_a_scripted_answer(vault: FaultyKeyVault, fault: Fault, status: int, stored: str | None) -> None:
    vault.add_fault(fault)
    answered, body, _headers = call(vault, "PUT", "/secrets/a?api-version=7.6", {"value": "x"})
    assert answered == status
    assert [version.value for version in vault.versions("a")] == ([] if stored is None else [stored])
    if fault.kind is FaultKind.LIE:
        assert body["value"] == "x"


def test_the_log_tells_what_was_asked_and_holds_no_value(vault: FaultyKeyVault, client: SecretClient) -> None:
    client.set_secret("a", "s3ntinel")
    client.get_secret("a")
    log = vault.requests()
    assert [(entry.method, entry.path, entry.status, entry.kind, entry.authorised) for entry in log] == [
        ("PUT", "/secrets/a", 401, "create", False),
        ("PUT", "/secrets/a", 200, "create", True),
        ("GET", "/secrets/a/", 200, "other", True),
    ]
    assert [entry.writes for entry in log] == [True, True, False]
    assert "s3ntinel" not in repr(log)
    vault.forget_requests()
    assert vault.requests() == []


def test_the_sdk_waits_out_a_slow_recovery() -> None:
    with FaultyKeyVault(VaultOptions(delays=Delays(recover=0.2))) as vault, sdk_client(vault) as client:
        vault.seed_deleted("a", "x")
        client.begin_recover_deleted_secret("a", _polling_interval=0.05).wait()
        assert client.get_secret("a").value == "x"


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


def test_as_a_program_it_can_deny_by_policy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    policies: list[Policy] = []

    def refuse(options: VaultOptions) -> FaultyKeyVault:
        policies.append(options.policy)
        raise OSError(98, "Address already in use")

    monkeypatch.setattr("tests.key_vault_program.FaultyKeyVault", refuse)
    monkeypatch.setattr(signal, "signal", lambda *_given: None)
    with pytest.raises(SystemExit):
        main(["--require-expiry", "--max-validity", "90", "--min-validity", "30", "--require-content-type"])
    assert policies == [Policy(True, 90, 30, True)]
    capsys.readouterr()


def test_what_a_policy_denies_is_an_error_of_the_sdk_with_its_code(vault: FaultyKeyVault, client: SecretClient) -> None:
    client.set_secret("a", "before")
    vault.set_policy(Policy(requires_expiry=True))
    for call_ in (lambda: client.set_secret("a", "x"), lambda: client.update_secret_properties("a", tags={"b": "c"})):
        with pytest.raises(HttpResponseError) as caught:
            call_()
        assert caught.value.status_code == 403
        assert caught.value.error is not None
        assert (caught.value.error.code, caught.value.error.innererror) == ("Forbidden", {"code": "ForbiddenByPolicy"})
    assert vault.value("a") == "before"
    client.set_secret("a", "x", expires_on=datetime.now(UTC) + timedelta(days=1))
    assert vault.value("a") == "x"


def test_a_port_that_is_taken_is_said_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit) as ended:
        main(["--port", str(taken.getsockname()[1])])
    for number, handler in handlers:
        signal.signal(number, handler)
    assert ended.value.code == 1
    assert "Address already in use; name another with --port\n" in capsys.readouterr().err


def test_closing_does_not_wait_for_idle_clients() -> None:
    with FaultyKeyVault() as vault, sdk_client(vault) as client:
        client.set_secret("a", "x")
        started = time.monotonic()
        vault.close()
        assert time.monotonic() - started < allowed_wall(2, below=30)
