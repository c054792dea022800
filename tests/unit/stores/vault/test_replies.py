import ssl
from datetime import UTC, datetime
from typing import Any

import pytest

from compiler.stores.errors import Action, Code, Server, StoreError, StoreLocation, no_answer
from compiler.stores.interface import Dropped, Limit, StoreState
from compiler.stores.secret_value import JsonKind, SecretValue
from compiler.stores.vault.client import form_error
from compiler.stores.vault.replies import (
    RefusedError,
    creation_time,
    error_of_reply,
    losses_of_next,
    mount_settings,
    remote_secret,
    secret_state,
    version_states,
)

PLACE = StoreLocation("https://vault/secret", "a")
SERVER = Server("https", "vault", 443, "VAULT_ADDR", port_advice=": its port, or http:// in place of https://")
SENTINEL = "s3ntinel-4711"


def saying(status: int, *errors: str, **metadata: object) -> RefusedError:
    return RefusedError(status, (*errors, SENTINEL), metadata)


def silent(status: int, **metadata: object) -> RefusedError:
    """A reply without a text, as a Vault tells that a secret is not there."""
    return RefusedError(status, (), metadata)


def error_of(reply: RefusedError) -> StoreError:
    return error_of_reply(reply, PLACE, Action.READ)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (saying(200), "unexpected-reply"),
        (saying(299), "unexpected-reply"),
        (saying(300), "redirect-refused"),
        (silent(301), "redirect-refused"),
        (saying(307), "redirect-refused"),
        (saying(399), "redirect-refused"),
        # A Key Vault's, or that of a proxy that wants a log-in.
        (saying(401), "unexpected-reply"),
        (saying(400), "unexpected-reply"),
        (saying(400, "check-and-set parameter did not match the current version"), "conflict"),
        (saying(400, "Client sent an HTTP request to an HTTPS server."), "tls-failure"),
        (saying(400, "Upgrading from non-versioned to versioned data."), "unavailable"),
        (silent(404), "not-found"),
        (saying(404), "unexpected-reply"),
        (saying(404, version=3), "unexpected-reply"),
        (saying(404, "namespace not found"), "wrong-mount"),
        (saying(404, 'no handler for route "x". route entry not found.'), "wrong-mount"),
        (silent(404, version=3, deletion_time="2026-01-01T00:00:00Z", destroyed=False), "soft-deleted"),
        (silent(404, version=3, deletion_time="", destroyed=True), "version-gone"),
        (saying(405, "unsupported operation"), "unexpected-reply"),
        (saying(412), "unavailable"),
        (saying(413), "too-large"),
        (silent(429), "throttled"),
        (saying(472), "unavailable"),
        (saying(473), "unavailable"),
        (saying(499), "unexpected-reply"),
        (silent(500), "unavailable"),
        (saying(500, "Vault is sealed"), "sealed"),
        (saying(500, "not initialized"), "sealed"),
        (saying(500, "put failed due to value being too large; got 2 bytes, max: 1 bytes"), "too-large"),
        (saying(501), "sealed"),
        (saying(503), "unavailable"),
        (saying(503, "not initialized"), "sealed"),
    ],
)
def test_each_reply_is_the_error_that_it_means_and_shows_none_of_its_text(reply: RefusedError, code: str) -> None:
    error = error_of(reply)
    assert error.code == code
    assert SENTINEL not in str(error)
    assert '"a" in https://vault/secret' in str(error)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 405, 418])
def test_a_page_that_is_not_in_a_vaults_json_is_another_servers(status: int) -> None:
    error = error_of_reply(RefusedError(status, (), is_vaults=False), PLACE, Action.READ)
    assert (error.code, error.retryable) == ("unexpected-reply", False)
    foreign = f"the server that answered is not Vault: status {status} without"
    assert str(error).startswith(f'cannot read "a" in https://vault/secret: {foreign}')


@pytest.mark.parametrize(
    ("status", "code"), [(412, "unavailable"), (413, "too-large"), (429, "throttled"), (501, "unavailable")]
)
def test_a_gateways_trouble_stays_trouble_and_seals_no_vault(status: int, code: str) -> None:
    error = error_of_reply(RefusedError(status, ("Vault is sealed",), is_vaults=False), PLACE, Action.WRITE)
    assert error.code == code


def test_nothing_but_a_secret_can_be_absent() -> None:
    error = error_of_reply(RefusedError(404), PLACE, Action.READ, is_about_a_secret=False)
    assert (error.code, error.reason) == ("unexpected-reply", "the server answered 404")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "certificate verify failed: unable to get local issuer certificate [SSL: CERTIFICATE_VERIFY_FAILED]",
            "its certificate is signed by an authority that is not trusted",
        ),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired", "its certificate has expired"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate is not yet valid", "its certificate is not yet valid"),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] Hostname mismatch, certificate is not valid for 'x'",
            "its certificate names another host",
        ),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] IP address mismatch", "its certificate names another host"),
        ("hostname mismatch", "its certificate names another host"),
        ("IP ADDRESS MISMATCH", "its certificate names another host"),
        ("certificate doesn't match 'x'", "its certificate names another host"),
        ("[SSL: WRONG_VERSION_NUMBER]", "it does not speak TLS"),
        ("[SSL: RECORD_LAYER_FAILURE]", "it does not speak TLS"),
        ("[SSL: wrong version number]", "it does not speak TLS"),
        ("[SSL: HTTP_REQUEST]", "it does not speak TLS"),
        ("something else", "the TLS handshake failed"),
    ],
)
def test_each_tls_failure_has_its_cause(text: str, cause: str) -> None:
    error = no_answer(ssl.SSLError(text), SERVER, PLACE, Action.READ)
    assert (error.code, error.retryable) == ("tls-failure", False)
    assert error.reason == f"no trusted connection: {cause}"


def test_another_shape_is_an_unexpected_reply() -> None:
    error = form_error(PLACE, Action.READ)
    assert (error.code, error.reason) == ("unexpected-reply", "the reply lacks fields of KV version 2")
    assert error.remedy == "check for a proxy in between, or another engine"


LOG, PROXY = "see the server's log", "check the address and the proxy in between"
GONE = {"version": 3, "deletion_time": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("reply", "reason", "remedy"),
    [
        (saying(204), "the server that answered is not Vault: status 204 without JSON", PROXY),
        (
            saying(307),
            "the server redirects to another address",
            "use the address of the active node or of its load balancer",
        ),
        (
            saying(400, "check-and-set parameter did not match the current version"),
            "another version was written",
            "plan again",
        ),
        (
            saying(400, "Client sent an HTTP request to an HTTPS server."),
            "the server speaks TLS only",
            "use https:// in its address",
        ),
        (
            saying(400, "Upgrading from non-versioned to versioned data."),
            "the mount is being upgraded to version 2",
            "run again in a moment",
        ),
        (saying(400), "the server answered 400", LOG),
        (saying(401), "the server that answered is not Vault: status 401", PROXY),
        (
            saying(404, "namespace not found"),
            "the server has no such namespace",
            "correct vaultNamespace or VAULT_NAMESPACE",
        ),
        (
            saying(404, 'no handler for route "x".'),
            "no engine is mounted there",
            "correct the store's mount, or an address with a path, such as /v1",
        ),
        (silent(404, **GONE, destroyed=True), "version 3 is destroyed for good", "write a new version"),
        (
            silent(404, **GONE, destroyed=False),
            "its version 3 is deleted",
            "recover it (`bao kv undelete`, or `--recover` of put, restore or migrate)",
        ),
        (silent(404), "the store has no such secret", "create it, or correct its name"),
        (saying(404), "the server answered 404", LOG),
        (saying(405), "the server answered 405", LOG),
        (
            saying(413),
            "the document is larger than the server allows",
            "split it, or raise the storage's max_entry_size",
        ),
        (
            saying(500, "put failed due to value being too large"),
            "the document is larger than the server allows",
            "split it, or raise the storage's max_entry_size",
        ),
        (saying(429), "the server is throttling requests", "run again later"),
        (saying(500), "the server answered 500", f"{LOG}, and run again"),
        (
            saying(503, "Vault is sealed"),
            "the server runs, but is sealed: it can read none of its secrets",
            "unseal it (`bao operator unseal`, `vault operator unseal`), then run again",
        ),
        (
            saying(501),
            "the server is not initialised: it is new, and holds nothing yet",
            "initialise it (`bao operator init`, `vault operator init`) and unseal it, or correct the address",
        ),
        (
            saying(500, "local node not active but active cluster node not found"),
            "this node is a standby and knows no active node",
            "wait for the election, then run again",
        ),
        (saying(412), "this node has not caught up with the others", "run again in a moment"),
        (
            saying(472),
            "this node belongs to a cluster for disaster recovery, which serves nobody",
            "use the primary's address",
        ),
        (
            saying(473),
            "this node is a standby, which does not serve this request",
            "use the address of the active node",
        ),
        (
            RefusedError(503, is_vaults=False),
            "what stands before the server answers 503: it reaches no server that is ready",
            "check that the server runs and is unsealed, then run again",
        ),
    ],
)
def test_an_error_says_what_was_done_where_why_not_and_what_to_do(
    reply: RefusedError, reason: str, remedy: str
) -> None:
    assert str(error_of(reply)) == f'cannot read "a" in https://vault/secret: {reason}; {remedy}'


@pytest.mark.parametrize(
    ("problem", "reason", "remedy"),
    [
        (
            ConnectionResetError(SENTINEL),
            "the connection was closed without an answer",
            "check the network between (VPN, firewall, proxy) and that the server runs, then run again",
        ),
        (
            ssl.SSLError("wrong version number"),
            "no trusted connection: it does not speak TLS",
            "correct VAULT_ADDR: its port, or http:// in place of https://",
        ),
        (
            ssl.SSLError("something else"),
            "no trusted connection: the TLS handshake failed",
            "set VAULT_CACERT to its CA, or correct VAULT_ADDR",
        ),
    ],
)
def test_an_exchange_without_a_reply_says_the_same(problem: Exception, reason: str, remedy: str) -> None:
    error = no_answer(problem, SERVER, PLACE, Action.READ)
    assert str(error) == f'cannot read "a" in https://vault/secret: {reason}; {remedy}'


def test_a_log_in_without_a_vaults_fields_was_answered_by_something_else() -> None:
    error = form_error(StoreLocation("https://vault/secret"), Action.LOG_IN)
    reason = "the server that answered is not Vault: its success lacks Vault's fields"
    assert str(error) == f"cannot log in to https://vault/secret: {reason}; {PROXY}"


def test_a_deleted_version_is_named_where_the_server_does() -> None:
    for destroyed in (True, False):
        told = error_of(silent(404, **GONE, destroyed=destroyed))
        assert getattr(told, "version", None) == "3"
        untold = error_of(silent(404, deletion_time="2026-01-01T00:00:00Z", destroyed=destroyed))
        assert getattr(untold, "version", None) == ""


def test_a_refusal_on_its_way_shows_its_status_alone() -> None:
    assert str(RefusedError(503, (SENTINEL,))) == "503"


def test_the_wait_that_a_server_asks_for_is_kept() -> None:
    error = error_of_reply(RefusedError(429, retry_after="7"), PLACE, Action.READ)
    assert error.code is Code.THROTTLED
    assert error.retry_after == 7


CREATED = "2026-11-25T11:12:14.487050773Z"


def body(**metadata: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    properties = {"A": SecretValue("1"), "N": SecretValue("1.50", JsonKind.NUMBER)}
    return {"data": {"data": properties, "metadata": {"version": 4, "created_time": CREATED, **metadata}}}


def test_a_read_becomes_a_remote_secret() -> None:
    found = remote_secret("a/b", body(custom_metadata={"owner": "x"}, deletion_time="2027-01-01T00:00:00Z"))
    assert (found.name, found.version, found.whole, found.is_object) == ("a/b", "4", None, True)
    assert {name: (value.kind, value.reveal()) for name, value in found.properties.items()} == {
        "A": (JsonKind.STRING, "1"),
        "N": (JsonKind.NUMBER, "1.50"),
    }
    assert found.attributes.tags == {"owner": "x"}
    assert found.attributes.created == datetime(2026, 11, 25, 11, 12, 14, 487050, tzinfo=UTC)
    assert found.attributes.expires == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("bad", [{}, {"data": None}, {"data": {"data": None, "metadata": {}}}, {"data": {"data": {}}}])
def test_another_shape_is_an_error_of_the_caller_to_translate(bad: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError, ValueError)):
        remote_secret("a", bad)


@pytest.mark.parametrize(
    ("current", "newest", "state"),
    [
        (0, None, StoreState.ABSENT),
        (2, {"deletion_time": "", "destroyed": False}, StoreState.PRESENT),
        (2, {"deletion_time": "2999-01-01T00:00:00Z", "destroyed": False}, StoreState.PRESENT),
        (2, {"deletion_time": "2020-01-01T00:00:00Z", "destroyed": False}, StoreState.SOFT_DELETED),
        (2, {"deletion_time": "", "destroyed": True}, StoreState.DESTROYED),
    ],
)
def test_metadata_becomes_a_state(current: int, newest: dict[str, Any] | None, state: StoreState) -> None:
    versions = {} if newest is None else {"2": newest}
    data = {"current_version": current, "versions": versions, "created_time": CREATED, "updated_time": CREATED}
    found = secret_state("a", {"data": {**data, "custom_metadata": None}})
    assert (found.state, found.version) == (state, None if newest is None else "2")


def history(current: int, oldest: int, own: int, **states: dict[str, Any]) -> dict[str, Any]:
    numbers = range(max(oldest, 1), current + 1)
    versions = {str(number): {"deletion_time": "", "destroyed": False} for number in numbers}
    versions |= {version.removeprefix("v"): state for version, state in states.items()}
    return {"data": {"current_version": current, "oldest_version": oldest, "max_versions": own, "versions": versions}}


@pytest.mark.parametrize(
    ("body", "mount", "expected"),
    [
        (history(9, 0, 0), 0, None),
        (history(10, 0, 0), 0, Dropped(("1",), 10)),
        (history(14, 5, 0), 0, Dropped(("5",), 10)),
        (history(1, 0, 1), 0, Dropped(("1",), 1)),
        # The larger one of the secret's own and the mount's.
        (history(3, 0, 2), 3, Dropped(("1",), 3)),
        (history(3, 0, 5), 3, None),
        (history(12, 3, 2), 12, None),
        # A number that was lowered takes all above it at once; in the order of numbers, not of their text.
        (history(11, 0, 2), 0, Dropped(tuple(str(number) for number in range(1, 11)), 2)),
        # What the mount does not tell, the secret's own past does, where it has one.
        (history(14, 12, 0), None, Dropped(("12",), 3)),
        (history(10, 0, 0), None, Dropped(("1",), 10)),
        (history(10, 1, 12), None, None),
        (history(0, 0, 0), 0, None),
    ],
)
def test_what_one_more_version_drops(body: dict[str, Any], mount: int | None, expected: Dropped | None) -> None:
    assert losses_of_next(body, (mount, 0)) == expected


@pytest.mark.parametrize(
    ("own", "mount", "lives", "limits"),
    [
        ("0s", "0s", None, ()),
        ("", None, None, ()),
        ("10m0s", "0s", 600, (Limit.NAME,)),
        ("0s", "1h0m0s", 3600, (Limit.MOUNT,)),
        # The shorter one counts, and both have to go for a version to stay.
        ("3h0m0s", "1h0m0s", 3600, (Limit.NAME, Limit.MOUNT)),
        ("10m0s", "1h0m0s", 600, (Limit.NAME, Limit.MOUNT)),
        # A mount may forbid it to all its secrets.
        ("10m0s", "-1s", None, ()),
    ],
)
def test_what_is_written_deletes_itself_after_the_shorter_time(
    own: str, mount: str | None, lives: int | None, limits: tuple[Limit, ...]
) -> None:
    settings = mount_settings({"data": {"max_versions": 0, "delete_version_after": mount}})
    body = history(1, 0, 0)
    body["data"]["delete_version_after"] = own
    assert losses_of_next(body, settings) == (Dropped((), 10, lives, limits) if lives else None)


def test_a_name_that_is_not_there_yet_has_the_time_of_the_mount() -> None:
    assert losses_of_next(None, (0, 60)) == Dropped((), 10, 60, (Limit.MOUNT,))
    assert losses_of_next(None, (None, 0)) is None


@pytest.mark.parametrize(
    ("state", "is_readable"),
    [
        ({"deletion_time": "2020-01-01T00:00:00Z", "destroyed": False}, False),
        ({"deletion_time": "2999-01-01T00:00:00Z", "destroyed": False}, True),
        ({"deletion_time": "", "destroyed": True}, False),
    ],
)
def test_a_version_that_cannot_be_read_any_more_is_no_loss(state: dict[str, Any], is_readable: bool) -> None:  # noqa: FBT001
    found = losses_of_next(history(2, 0, 2, v1=state), (0, 0))
    assert found == (Dropped(("1",), 2) if is_readable else None)


def test_each_version_has_a_state_in_the_order_of_the_numbers() -> None:
    past, ahead = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    told = {
        "10": {"created_time": past, "deletion_time": "", "destroyed": False},
        "9": {"deletion_time": ahead, "destroyed": False},
        "8": {"deletion_time": past, "destroyed": False},
        "7": {"deletion_time": past, "destroyed": True},
    }
    found = version_states({"data": {"versions": told}})
    assert found.made == {"10": datetime(2020, 1, 1, tzinfo=UTC)}
    assert list(found.items()) == [
        ("7", StoreState.DESTROYED),
        ("8", StoreState.SOFT_DELETED),
        ("9", StoreState.PRESENT),
        ("10", StoreState.PRESENT),
    ]


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ({"data": {"created_time": "2026-01-01T00:00:00.123456789Z"}}, "2026-01-01T00:00:00.123456+00:00"),
        ({"data": {"version": 1}}, None),
        ({"data": {"version": 1, "created_time": 7}}, None),
        ({"data": {"version": 1, "created_time": "yesterday"}}, None),
        ({"data": {"version": 1, "created_time": "0001-01-01T00:00:00+23:59"}}, None),
        ({"data": []}, None),
    ],
)
def test_a_write_that_does_not_tell_its_time_is_stored_all_the_same(body: dict[str, Any], made: str | None) -> None:
    found = creation_time(body)
    assert (found.isoformat() if found is not None else None) == made
