import errno
import inspect
import socket
import ssl
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected

import pytest

from compiler.stores import errors
from compiler.stores.errors import (
    Action,
    ConflictError,
    ConnectionDeniedError,
    ForbiddenError,
    Server,
    StoreError,
    StoreLocation,
    UnknownHostError,
    no_answer,
)
from tests.refusals import refusal

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, StoreError) and kind is not StoreError
]
# Those that have no class.
BARE = [code for code in errors.Code if code not in {kind.code for kind in KINDS}]
CODES = [*(kind.code for kind in KINDS), *BARE]


@pytest.mark.parametrize("kind", [*KINDS, *BARE], ids=CODES)
def test_every_error_names_place_action_reason_and_remedy(kind: type[StoreError] | errors.Code) -> None:
    extra = {
        "forbidden": {"permission": "secrets/get"},
        "conflict": {"found": "2"},
        "version-gone": {"version": "3"},
        "unverified": {"version": "3"},
    }.get(kind if isinstance(kind, errors.Code) else kind.code, {})
    error = refusal(kind, StoreLocation("https://store", "a/b"), Action.WRITE, "the reason", "the remedy", **extra)
    assert (error.kind, error.message) == ("cannot run", 'cannot write "a/b" in https://store: the reason')
    assert (error.help, error.remedy) == ("the remedy", "the remedy")
    assert str(error) == 'cannot write "a/b" in https://store: the reason; the remedy'
    assert (error.place.name, error.action) == ("a/b", Action.WRITE)


def test_every_code_is_its_own() -> None:
    assert len(set(CODES)) == len(CODES) == len(errors.Code) >= 29


def test_every_code_says_whose_failure_it_is() -> None:
    listed = [code for codes in errors._SIDE_CODES.values() for code in codes]
    assert sorted(listed) == sorted(errors.Code)
    assert {side: code for code, side in errors.FAILURE_SIDES.items()}.keys() == set(errors.FailureSide)


def test_errors_without_a_secret_name_the_store_alone() -> None:
    for action in (Action.CONNECT, Action.LOG_IN):
        assert str(
            errors.StoreError(StoreLocation("https://store"), action, "r", "m", errors.Code.UNAUTHENTICATED)
        ).startswith(f"cannot {action} to https://store: ")
    assert str(
        errors.StoreError(StoreLocation("https://store"), Action.LIST, "r", "m", errors.Code.WRONG_MOUNT)
    ).startswith("cannot list https://store: ")


def test_a_name_cannot_forge_a_second_line() -> None:
    shown = str(
        errors.StoreError(
            StoreLocation("https://store", 'a"\nerror: \ud800é'), Action.READ, "r", "m", errors.Code.INVALID_NAME
        )
    )
    assert shown.startswith('cannot read "a\\"\\nerror: \\ud800\\xe9" in https://store')
    shown.encode("ascii")


def test_errors_carry_what_a_program_needs() -> None:
    place = StoreLocation("https://store", "a")
    conflict = ConflictError(place, Action.WRITE, "r", "m", found=None)
    assert conflict.found is None
    denied = ForbiddenError(place, Action.READ, "r", "m", permission="read on x")
    assert denied.permission == "read on x"


def test_of_several_refusals_one_has_the_rules_of_all() -> None:
    def refused(name: str, *rules: str) -> ForbiddenError:
        place = StoreLocation("https://store", name)
        words = "add to a policy:"
        return ForbiddenError(place, Action.READ, f"no {name}", words, permission=name, rules=rules)

    first, second = refused("a", "rule a", "shared"), refused("b", "shared", "rule b")
    assert first.remedy == "add to a policy: rule a shared"
    merged = first.with_rules_of((first, second))
    assert (merged.remedy, merged.rules) == ("add to a policy: rule a shared rule b", ("rule a", "shared", "rule b"))
    assert (merged.place, merged.reason, merged.permission) == (first.place, "no a", "a")


PLACE = StoreLocation("https://store")
SENTINEL = "s3ntinel-4711"


def told(problem: BaseException, host: str = "store", port: int = 8200) -> tuple[str, str, str]:
    error = no_answer(problem, Server("http", host, port, "VAULT_ADDR"), PLACE, Action.READ)
    return error.code, error.reason, error.remedy


@pytest.mark.parametrize("host", ["vault.vault.svc", "vault.vault.svc.cluster.local"])
def test_a_service_that_is_known_in_the_cluster_alone_is_told_how_to_be_reached(host: str) -> None:
    assert told(UnknownHostError(host, socket.EAI_NONAME), host) == (
        "unreachable",
        f"the host name {host} does not resolve here: it is the cluster's own",
        "forward its port (`kubectl port-forward -n vault svc/vault 8200`) and set VAULT_ADDR=http://127.0.0.1:8200",
    )


def test_a_name_that_there_is_not_is_told_with_what_says_it() -> None:
    assert told(UnknownHostError("Store", socket.EAI_NONAME)) == (
        "unreachable",
        "the host name store does not resolve here",
        "correct VAULT_ADDR, or join the network that knows the name (VPN, DNS)",
    )


@pytest.mark.parametrize("number", [socket.EAI_AGAIN, socket.EAI_FAIL])
def test_a_name_server_that_does_not_answer_may_do_so_later(number: int) -> None:
    code, reason, _ = told(UnknownHostError("vault.vault.svc", number), "vault.vault.svc")
    assert (code, reason) == (
        "unavailable",
        "the name server gives no answer for the host name vault.vault.svc",
    )


@pytest.mark.parametrize(
    ("host", "code", "reason"),
    [
        ("127.0.0.1", "unreachable", "nothing listens at 127.0.0.1:8200"),
        ("localhost", "unreachable", "nothing listens at localhost:8200"),
        ("vault.example.com", "unavailable", "vault.example.com:8200 refuses the connection"),
    ],
)
def test_a_refused_port_is_final_on_this_machine_alone(host: str, code: str, reason: str) -> None:
    found, said, remedy = told(ConnectionDeniedError(host, 8200), host)
    assert (found, said) == (code, reason)
    assert "VAULT_ADDR" in remedy


def test_a_proxy_is_not_taken_for_the_store() -> None:
    code, reason, remedy = told(UnknownHostError("proxy.corp", socket.EAI_NONAME))
    # Not by its name, which may be a password in the wrong place.
    assert (code, reason) == ("unreachable", "the proxy's host name does not resolve here")
    assert "NO_PROXY" in remedy
    assert told(UnknownHostError("proxy.corp", socket.EAI_AGAIN))[:2] == ("unavailable", reason)
    assert told(ConnectionDeniedError("127.0.0.1", 3128))[:2] == ("unreachable", "the proxy refuses the connection")
    assert told(ConnectionDeniedError("proxy.corp", 3128))[0] == "unavailable"


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (TimeoutError(SENTINEL), "it does not answer"),
        (OSError(errno.EHOSTUNREACH, SENTINEL), "no network route leads to it"),
        (OSError(errno.ENETUNREACH, SENTINEL), "no network route leads to it"),
        (OSError(f"Tunnel connection failed: 403 {SENTINEL}"), "the proxy refuses the connection"),
        (BadStatusLine(SENTINEL), "what answers there does not speak HTTP"),
        (RemoteDisconnected(SENTINEL), "the connection was closed without an answer"),
        (IncompleteRead(SENTINEL.encode()), "the connection was closed without an answer"),
        (ConnectionResetError(SENTINEL), "the connection was closed without an answer"),
        (ssl.SSLEOFError(SENTINEL), "the connection was closed without an answer"),
        (ssl.SSLZeroReturnError(SENTINEL), "the connection was closed without an answer"),
        (ssl.SSLSyscallError(SENTINEL), "the connection was closed without an answer"),
    ],
)
def test_every_other_trouble_has_words_of_its_own_and_none_of_the_errors(problem: Exception, reason: str) -> None:
    error = no_answer(problem, Server("http", "store", 8200, "VAULT_ADDR"), PLACE, Action.WRITE)
    assert (error.code, error.reason) == ("unavailable", reason)
    # It may have been stored.
    assert (error.retryable, error.maybe_done) == (True, True)
    assert error.remedy
    assert SENTINEL not in str(error)
