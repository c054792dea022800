import ssl
from http.client import BadStatusLine

import pytest

from compiler.stores.errors import Action, Place, StoreError
from compiler.stores.vault.replies import Reply, error_of_reply, error_of_transport, malformed

PLACE = Place("https://vault/secret", "a")
SENTINEL = "s3ntinel-4711"


def of(status: int, *errors: str, **metadata: object) -> StoreError:
    return error_of_reply(Reply(status, (*errors, SENTINEL), metadata), PLACE, Action.READ)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (of(200), "unexpected-reply"),
        (of(301), "redirect-refused"),
        (of(307), "redirect-refused"),
        (of(400), "unexpected-reply"),
        (of(400, "check-and-set parameter did not match the current version"), "conflict"),
        (of(400, "Client sent an HTTP request to an HTTPS server."), "tls-failure"),
        (of(400, "Upgrading from non-versioned to versioned data. This backend will be unavailable"), "unavailable"),
        (of(404), "not-found"),
        (of(404, "namespace not found"), "wrong-mount"),
        (of(404, 'no handler for route "x". route entry not found.'), "wrong-mount"),
        (of(404, version=3, deletion_time="2026-01-01T00:00:00Z", destroyed=False), "soft-deleted"),
        (of(404, version=3, deletion_time="", destroyed=True), "version-gone"),
        (of(405, "unsupported operation"), "unexpected-reply"),
        (of(412), "unavailable"),
        (of(413), "too-large"),
        (of(429), "throttled"),
        (of(472), "unavailable"),
        (of(473), "unavailable"),
        (of(500), "unavailable"),
        (of(500, "put failed due to value being too large; got 2 bytes, max: 1 bytes"), "too-large"),
        (of(501, "not initialized"), "sealed"),
        (of(503), "unavailable"),
        (of(503, "Vault is sealed"), "sealed"),
    ],
)
def test_each_reply_is_the_error_that_it_means_and_shows_none_of_its_text(error: StoreError, code: str) -> None:
    assert error.code == code
    assert SENTINEL not in str(error)
    assert '"a" in https://vault/secret' in str(error)


def test_a_deleted_secret_is_recovered_by_commands_that_there_are() -> None:
    # What verify, put and restore report too, which have no such option of their own.
    assert of(404, version=3).remedy == "recover it (`bao kv undelete`, or `migrate --recover`)"


def test_an_answer_that_vault_never_gives_is_another_servers() -> None:
    # A Key Vault's, or that of a proxy that wants a log-in.
    error = of(401)
    assert (error.code, error.reason) == ("unexpected-reply", "what answered is no Vault: status 401")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "certificate verify failed: unable to get local issuer certificate [SSL: CERTIFICATE_VERIFY_FAILED]",
            "authority",
        ),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired", "has expired"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate is not yet valid", "not yet valid"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] Hostname mismatch, certificate is not valid for 'x'", "another host"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] IP address mismatch", "another host"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "does not speak TLS"),
        ("something else", "handshake"),
    ],
)
def test_each_tls_failure_has_its_cause(text: str, cause: str) -> None:
    error = error_of_transport(ssl.SSLError(text), PLACE, Action.READ)
    assert (error.code, error.retryable) == ("tls-failure", False)
    assert cause in error.reason


@pytest.mark.parametrize("kind", [ConnectionResetError, TimeoutError, BadStatusLine, ssl.SSLEOFError])
def test_no_answer_may_have_been_stored(kind: type[Exception]) -> None:
    error = error_of_transport(kind(SENTINEL), PLACE, Action.WRITE)
    assert (error.code, error.retryable, error.maybe_done) == ("unavailable", True, True)
    assert SENTINEL not in str(error)


def test_another_shape_is_an_unexpected_reply() -> None:
    assert malformed(PLACE, Action.READ).code == "unexpected-reply"
