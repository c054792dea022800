import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, ForbiddenError, NotFoundError, StoreError, StoreLocation
from compiler.stores.http import StrictResponse
from compiler.stores.interface import Cluster, StoreOptions
from compiler.stores.pacing import RequestClass, RetryPolicy
from compiler.stores.secret_value import SecretValue
from compiler.stores.vault.access import Request
from compiler.stores.vault.store import VaultStore
from tests import providers
from tests.refusals import is_refused
from tests.unit.stores.scripted_vault import (
    CAPABILITIES,
    CUT,
    HEALTH,
    LOGIN,
    LOOKUP,
    MOUNT,
    RENEWAL,
    ROLE,
    TOKEN,
    Answer,
    Asked,
    ScriptedVault,
    data,
    denied,
    health,
    logged_in,
    refused,
    token_facts,
    version,
)
from tests.virtual_clock import VirtualClock

READ = "secret/data/github"
SENTINEL = "s3ntinel-4711"


@pytest.fixture
def vault(scripted_vault: ScriptedVault) -> ScriptedVault:
    scripted_vault.on("GET", READ, version(1, TOKEN="x"))
    return scripted_vault


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def options(clock: VirtualClock) -> StoreOptions:
    return StoreOptions(clock=clock, read_timeout=5)


@pytest.fixture
def store(vault: ScriptedVault, options: StoreOptions) -> VaultStore:
    """It has met its server."""
    store = vault.open(options=options)
    store.whoami()
    return store


def with_role(vault: ScriptedVault, *log_ins: Answer) -> VaultStore:
    """A store that has logged in once."""
    vault.on("POST", LOGIN, *log_ins)
    store = vault.open(ROLE)
    store.whoami()
    return store


def tokens_of_reads(vault: ScriptedVault) -> list[str | None]:
    return [asked.token for asked in vault.asked if asked.path == READ]


def renewals_by(vault: ScriptedVault, clock: VirtualClock, store: VaultStore, *moments: float) -> list[int]:
    """How often the token was renewed by each of these moments, at which something is read."""
    counts = []
    for moment in moments:
        clock.sleep(moment - clock.now())
        store.read("github")
        counts.append(len(vault.paths("POST", RENEWAL)))
    return counts


def failure(store: VaultStore) -> StoreError:
    with pytest.raises(StoreError) as caught:
        store.read("github")
    seen: BaseException | None = caught.value
    while seen is not None:
        # The chain that a log handler would follow: what lies in it might hold the reply.
        assert isinstance(seen, StoreError)
        assert SENTINEL not in f"{seen!r}{seen}"
        seen = seen.__context__
    return caught.value


def test_token_and_mount_are_looked_at_before_the_first_secret_and_never_again(vault: ScriptedVault) -> None:
    store = vault.open()
    assert vault.asked == []
    for _ in range(3):
        store.read("github")
    paths = vault.paths("GET")
    assert (paths[0], sorted(paths[1:3]), paths[3:]) == (HEALTH, sorted([LOOKUP, MOUNT]), [READ] * 3)
    assert [asked.token for asked in vault.asked] == [None, *[TOKEN] * 5]


def met(vault: ScriptedVault, **given: Any) -> tuple[VaultStore, list[Cluster | None]]:  # noqa: ANN401 - options
    told: list[Cluster | None] = []
    return vault.open(options=StoreOptions(clock=VirtualClock(), read_timeout=5, on_contact=told.append), **given), told


@pytest.mark.parametrize("status", [200, 429, 472, 473, 474])
def test_who_the_server_is_is_asked_first_without_token_or_namespace(vault: ScriptedVault, status: int) -> None:
    vault.on("GET", HEALTH, health("c1", status))
    store, told = met(vault, environ={"VAULT_TOKEN": TOKEN, "VAULT_NAMESPACE": "team"})
    assert store.cluster() == Cluster("c1", "vault-cluster-1")
    assert [(asked.path, asked.token, asked.namespace) for asked in vault.asked] == [(HEALTH, None, None)]
    store.read("github")
    assert {(asked.token, asked.namespace) for asked in vault.asked[1:]} == {(TOKEN, "team")}
    assert store.cluster() == told[0]
    assert (len(told), vault.paths("GET").count(HEALTH)) == (1, 1)


def test_another_vault_is_refused_before_a_token_or_a_credential_is_sent(vault: ScriptedVault) -> None:
    vault.on("GET", HEALTH, health("c2"))
    for environ in ({"VAULT_TOKEN": TOKEN}, ROLE):
        store, told = met(vault, environ=environ, cluster_ids=("c1",))
        write = partial(store.write, "github", {"A": SecretValue("1")}, None)
        for act in (store.whoami, store.cluster, write):
            with pytest.raises(StoreError, check=is_refused(Code.OTHER_CLUSTER)) as caught:
                act()
            assert 'another Vault answers: "vault-cluster-1" (c2)' in caught.value.reason
            assert "the expected id is c1" in caught.value.reason
            assert "--accept-cluster c2" in caught.value.remedy
        assert told == []
    assert {(asked.path, asked.token, asked.method) for asked in vault.asked} == {(HEALTH, None, "GET")}
    # An id that was accepted, and the one that is meant.
    for ids in (("c1", "c2"), ("c2",)):
        assert met(vault, cluster_ids=ids)[0].read("github").version == "1"


@pytest.mark.parametrize(
    "answer",
    [
        health(None),
        health(7),
        health("two words"),
        health("c2\n"),
        health("x" * 200),
        refused(403, "permission denied"),
        refused(404),
        Answer(200, {"other": "fields"}),
        Answer(403, b"<html>"),
    ],
)
def test_a_server_that_does_not_say_who_it_is_proves_nothing(vault: ScriptedVault, answer: Answer) -> None:
    vault.on("GET", HEALTH, answer)
    store, told = met(vault, cluster_ids=("c1",))
    assert store.read("github").version == "1"
    assert (store.cluster(), told) == (None, [None])


IGNORED = "this Vault ignores namespaces: the operator reads the root today"


@pytest.mark.parametrize(
    ("says", "has"),
    [
        ({"enterprise": False, "version": "1.21.1"}, False),
        ({"enterprise": False, "version": "2.9.0"}, False),
        ({"enterprise": True, "version": "1.21.1+ent"}, True),
        ({"version": "2.7.2"}, True),
        ({"version": "2.3.0-beta20250528"}, True),
        # OpenBao had none before, and an older Vault does not say which edition it is.
        ({"version": "2.2.2"}, None),
        ({"version": "1.13.4"}, None),
        ({"version": "1.13.4+ent"}, None),
        ({"enterprise": None, "version": "2.7.2"}, None),
        ({"enterprise": "false", "version": "2.7.2"}, None),
        ({"version": 2.7}, None),
        ({}, None),
    ],
)
def test_a_namespace_is_refused_before_a_token_is_sent_where_the_server_ignores_it(
    vault: ScriptedVault, *, says: dict[str, Any], has: bool | None
) -> None:
    vault.on("GET", HEALTH, health("c1", **says))
    for environ, remedy in (
        ({"VAULT_TOKEN": TOKEN, "VAULT_NAMESPACE": "nobody"}, "unset VAULT_NAMESPACE"),
        ({"BAO_TOKEN": TOKEN, "BAO_NAMESPACE": "nobody"}, "unset BAO_NAMESPACE"),
    ):
        vault.asked.clear()
        store, _ = met(vault, environ=environ)
        if has is not False:
            assert store.read("github").version == "1"
            assert store.cluster() == Cluster("c1", "vault-cluster-1", has)
            continue
        for act in (lambda store=store: store.read("github"), store.cluster, store.whoami):
            with pytest.raises(StoreError, check=is_refused(Code.WRONG_MOUNT)) as caught:
                act()
            assert (caught.value.reason, caught.value.remedy) == (IGNORED, remedy)
        assert {(asked.path, asked.token) for asked in vault.asked} == {(HEALTH, None)}
    for namespace in ("root", "/"):
        store, _ = met(vault, environ={"VAULT_TOKEN": TOKEN, "VAULT_NAMESPACE": namespace})
        assert store.read("github").version == "1"


def test_a_written_namespace_that_the_server_ignores_is_to_be_removed(vault: ScriptedVault) -> None:
    vault.on("GET", HEALTH, health("c1", enterprise=False))
    address = StoreAddress(providers.VAULT, vault.url, vault_namespace="nobody")
    environ = {"VAULT_TOKEN": TOKEN, "VAULT_NAMESPACE": "other"}
    store = VaultStore(address, environ, StoreOptions(clock=VirtualClock(), read_timeout=5))
    with closing(store), pytest.raises(StoreError, check=is_refused(Code.WRONG_MOUNT)) as caught:
        store.read("github")
    assert caught.value.remedy == "remove vaultNamespace"


def test_a_name_that_is_none_is_not_repeated(vault: ScriptedVault) -> None:
    vault.on("GET", HEALTH, health("c1", cluster_name='x" (c9); \x1b[1m'))
    assert str(vault.open().cluster()) == "c1"


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (health(None, 503, sealed=True), Code.SEALED, "is sealed"),
        (health(None, 501, initialized=False), Code.SEALED, "not initialised"),
        (Answer(503, b"<html>"), Code.UNAVAILABLE, "answers 503"),
        (refused(503, "Vault is sealed"), Code.SEALED, "is sealed"),
        (refused(429, "slow down"), Code.THROTTLED, "throttling"),
        (CUT, Code.UNAVAILABLE, "closed"),
        (Answer(200, b"<html>"), Code.UNEXPECTED_REPLY, "is not Vault: status 200 without JSON"),
        (Answer(200, ["c2"]), Code.UNEXPECTED_REPLY, "is not Vault"),
        (Answer(302, {}, (("Location", "https://example.com"),)), Code.REDIRECT_REFUSED, "redirects"),
    ],
)
def test_trouble_at_the_first_question_is_told_as_at_any_other(
    vault: ScriptedVault, answer: Answer, code: str, said: str
) -> None:
    vault.on("GET", HEALTH, answer)
    store, _ = met(vault, environ={"VAULT_TOKEN": TOKEN}, cluster_ids=("c1",))
    error = failure(store)
    assert error.code == code
    assert said in error.reason
    # The same again, and no token meanwhile.
    with pytest.raises(StoreError, check=is_refused(code)):
        store.cluster()
    assert {asked.token for asked in vault.asked if asked.path != "sys/seal-status"} == {None}


def test_cold_workers_log_in_once(vault: ScriptedVault) -> None:
    vault.on("POST", LOGIN, logged_in("one"), logged_in("two"))
    store = vault.open(ROLE)
    barrier = threading.Barrier(8)

    def read(_number: int) -> str:
        barrier.wait()
        return store.read("github").version

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(8))) == {"1"}
    assert (len(vault.paths("POST", LOGIN)), len(vault.paths("GET", MOUNT))) == (1, 1)
    assert set(tokens_of_reads(vault)) == {"one"}


def test_a_log_in_is_sent_without_a_token_and_its_own_is_used_from_then_on(vault: ScriptedVault) -> None:
    vault.on("POST", LOGIN, logged_in("own"))
    vault.open(ROLE).read("github")
    (sent,) = [asked for asked in vault.asked if asked.path == LOGIN]
    assert (sent.token, sent.body) == (None, {"role_id": "role", "secret_id": "s3cret-id"})
    assert [asked.token for asked in vault.asked if asked.method == "GET"] == [None, *["own"] * 3]


def test_a_first_failure_is_told_to_everyone_after_without_asking_again(vault: ScriptedVault) -> None:
    vault.on("GET", MOUNT, data(path="secret/", type="kv", options={"version": "1"}))
    store = vault.open()
    first = failure(store)
    assert isinstance(first, StoreError)
    assert first.code == Code.UNSUPPORTED_ENGINE
    asked = len(vault.asked)
    for act in (
        lambda: store.read("other"),
        lambda: store.write("github", {"A": SecretValue("1")}, None),
        lambda: store.describe("github"),
        store.whoami,
    ):
        with pytest.raises(StoreError, check=is_refused(Code.UNSUPPORTED_ENGINE)) as caught:
            act()
        assert str(caught.value) == str(first)
    assert len(vault.asked) == asked


def test_a_failure_that_is_kept_gathers_no_frames_of_those_who_meet_it(vault: ScriptedVault) -> None:
    vault.on("GET", MOUNT, data(path="secret/", type="kv", options={"version": "1"}))
    store = vault.open()
    depths = {len([*traceback.walk_tb(failure(store).__traceback__)]) for _ in range(3)}
    assert len(depths) == 1


@pytest.mark.parametrize(("patience", "longest"), [(120.0, 10.0), (3.0, 3.0)])
def test_a_server_that_never_answered_has_ten_seconds_or_less(
    vault: ScriptedVault, clock: VirtualClock, patience: float, longest: float
) -> None:
    vault.on("GET", LOOKUP, CUT)
    store = vault.open(options=StoreOptions(clock=clock, retry=RetryPolicy(patience=patience), chance=lambda: 0.5))
    error = failure(store)
    assert error.code is Code.UNAVAILABLE
    assert error.place == StoreLocation(f"{vault.url}/secret")
    assert longest / 3 < clock.now() <= longest


def test_a_server_that_has_answered_once_has_the_whole_patience(
    vault: ScriptedVault, store: VaultStore, clock: VirtualClock
) -> None:
    vault.on("GET", READ, refused(503, "x"))
    assert failure(store).code is Code.UNAVAILABLE
    assert 60 < clock.now() <= 120


def test_trouble_at_the_first_contact_that_passes_is_waited_for(vault: ScriptedVault) -> None:
    vault.on("GET", LOOKUP, CUT, refused(503, "no leader"), token_facts())
    vault.on("GET", MOUNT, refused(500, "x"), data(path="secret/", type="kv", options={"version": "2"}))
    assert vault.open().read("github").version == "1"


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_a_refused_log_in_names_its_method_and_shows_nothing_of_the_answer(vault: ScriptedVault, status: int) -> None:
    vault.on("POST", LOGIN, refused(status, f"invalid secret id {SENTINEL}"))
    error = failure(vault.open(ROLE))
    assert error.code == Code.UNAUTHENTICATED
    assert (error.place, error.action) == (StoreLocation(f"{vault.url}/secret"), Action.LOG_IN)
    assert "approle" in error.reason
    assert "PLATFORM_SECRETS_VAULT_AUTH_MOUNT" in error.remedy
    assert vault.paths("GET") == [HEALTH]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refused(503, "Vault is sealed"), Code.SEALED),
        (refused(500, "x"), Code.UNAVAILABLE),
        (refused(429, "slow down"), Code.THROTTLED),
        (Answer(302, {}, (("Location", "https://example.com"),)), Code.REDIRECT_REFUSED),
        (CUT, Code.UNAVAILABLE),
    ],
)
def test_a_log_in_that_a_server_in_trouble_did_not_take_is_no_matter_of_credentials(
    vault: ScriptedVault, answer: Answer, code: str
) -> None:
    vault.on("POST", LOGIN, answer)
    assert failure(vault.open(ROLE)).code == code


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200),
        Answer(200, ["x"]),
        Answer(200, {"ok": True}),
        Answer(401, {}),
        Answer(204),
        *(Answer(status, b"<html>permission denied</html>") for status in (400, 403, 404, 405)),
    ],
)
def test_a_log_in_that_something_else_answers_is_told_to_be_no_vaults(vault: ScriptedVault, answer: Answer) -> None:
    vault.on("POST", LOGIN, answer)
    error = failure(vault.open(ROLE))
    assert error.code is Code.UNEXPECTED_REPLY
    assert error.reason.startswith("the server that answered is not Vault: ")
    assert (error.action, error.remedy) == (Action.LOG_IN, "check the address and the proxy in between")
    assert error.__context__ is None


STANDBY = Answer(307, {}, (("Location", "https://node-2.example.com/v1/secret"),))


@pytest.mark.parametrize("trouble", [refused(503, "Vault is sealed"), refused(500, "local node not active"), CUT])
def test_a_redirect_right_after_trouble_is_waited_out(vault: ScriptedVault, store: VaultStore, trouble: Answer) -> None:
    vault.on("GET", READ, trouble, STANDBY, STANDBY, version(2, TOKEN="x"))
    assert store.read("github").version == "2"
    assert len(vault.paths("GET", READ)) == 4


def test_a_redirect_that_stays_is_refused_within_an_elections_time(
    vault: ScriptedVault, store: VaultStore, clock: VirtualClock
) -> None:
    vault.on("GET", READ, CUT, STANDBY)
    with pytest.raises(StoreError, check=is_refused(Code.REDIRECT_REFUSED)):
        store.read("github")
    assert 30 <= clock.now() < 60


def test_a_write_that_a_standby_did_not_take_is_sent_again_without_looking_for_it(
    vault: ScriptedVault, store: VaultStore
) -> None:
    stored = data(version=1)
    vault.on("POST", READ, refused(503, "Vault is sealed"), STANDBY, stored)
    assert store.write("github", {"TOKEN": SecretValue("x")}, None).version == "1"
    assert vault.paths("GET", READ) == []


def test_a_token_that_ran_out_is_replaced_and_the_request_sent_again_with_the_new_one(vault: ScriptedVault) -> None:
    store = with_role(vault, logged_in("old"), logged_in("new"))
    vault.on("GET", READ, denied(policy=False), version(2, TOKEN="x"))
    vault.on("GET", LOOKUP, denied(policy=False), token_facts(display_name="again"))
    assert store.read("github").version == "2"
    assert tokens_of_reads(vault) == ["old", "new"]
    assert len(vault.paths("POST", LOGIN)) == 2
    assert store.whoami().subject == "again"


def test_a_third_refusal_after_two_new_log_ins_is_the_end(vault: ScriptedVault) -> None:
    store = with_role(vault, *map(logged_in, ("old", "new", "newer", "newest")))
    vault.on("GET", READ, denied(policy=False))
    used_up = denied(policy=False)
    vault.on("GET", LOOKUP, used_up, token_facts(), used_up, token_facts(), used_up)
    error = failure(store)
    assert error.code == Code.EXPIRED_TOKEN
    assert "log in again" in error.remedy
    assert tokens_of_reads(vault) == ["old", "new", "newer"]
    assert len(vault.paths("POST", LOGIN)) == 3


def test_a_token_file_that_was_refreshed_is_read_again_when_its_token_ran_out(
    vault: ScriptedVault, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("hvs.old")
    store = vault.open({"VAULT_TOKEN_FILE": str(file)})
    store.whoami()
    file.write_text("hvs.new\n")
    vault.on("GET", READ, denied(policy=False), version(3, TOKEN="x"))
    vault.on("GET", LOOKUP, denied(policy=False), token_facts())
    assert store.read("github").version == "3"
    assert tokens_of_reads(vault) == ["hvs.old", "hvs.new"]


def test_a_refusal_of_the_old_token_is_not_explained_by_the_policies_of_the_new(vault: ScriptedVault) -> None:
    other = "secret/data/other"
    store = with_role(vault, logged_in("old"), logged_in("new"))
    asks, renewed = threading.Event(), threading.Event()

    def slow(asked: Asked) -> Answer:
        # The first worker's question is answered only when the second has logged in: by then its token is well.
        assert asked.token == "old"
        asks.set()
        assert renewed.wait(5)
        return token_facts()

    vault.on("GET", READ, denied(policy=False), version(1, TOKEN="x"))
    vault.on("GET", other, denied(policy=False), version(1, TOKEN="x"))
    vault.on("GET", LOOKUP, slow, denied(policy=False), token_facts())
    vault.on("POST", CAPABILITIES, data(**{READ: ["deny"]}))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.read, "github")
        assert asks.wait(5)
        assert store.read("other").version == "1"
        renewed.set()
        assert first.result(5).version == "1"
    assert tokens_of_reads(vault) == ["old", "new"]
    assert len(vault.paths("POST", LOGIN)) == 2


def test_a_policys_refusal_needs_no_new_log_in(vault: ScriptedVault) -> None:
    vault.on("POST", LOGIN, logged_in("own"))
    vault.on("GET", READ, denied())
    vault.on("POST", CAPABILITIES, data(**{READ: ["list"]}))
    error = failure(vault.open(ROLE))
    assert isinstance(error, ForbiddenError)
    assert error.place == StoreLocation(f"{vault.url}/secret", "github")
    assert (len(vault.paths("POST", LOGIN)), len(vault.paths("GET", READ))) == (1, 1)


@pytest.mark.parametrize(
    ("shown", "renewals"),
    [
        (token_facts(90, renewable=True), [0, 0, 1, 1]),
        (token_facts(90, renewable=False), [0, 0, 0, 0]),
        (token_facts(0, renewable=True), [0, 0, 0, 0]),
        (denied(), [0, 0, 0, 0]),
    ],
    ids=["renewable", "not renewable", "without an end", "unknown"],
)
def test_a_token_is_renewed_once_in_the_last_third_of_its_life(
    vault: ScriptedVault, clock: VirtualClock, options: StoreOptions, shown: Answer, renewals: list[int]
) -> None:
    vault.on("GET", LOOKUP, shown)
    vault.on("POST", RENEWAL, logged_in(TOKEN, 90, renewable=True))
    assert renewals_by(vault, clock, vault.open(options=options), 0, 59, 61, 119) == renewals


@pytest.mark.parametrize(
    ("seconds", "moments", "counts"),
    [(30, (0, 61, 80, 82), [0, 1, 1, 2]), (1, (0, 61, 61.5, 61.75), [0, 1, 1, 2])],
    ids=["shorter than the first", "a second"],
)
def test_a_renewal_counts_from_when_it_was_given(
    vault: ScriptedVault,
    clock: VirtualClock,
    options: StoreOptions,
    seconds: int,
    moments: Sequence[float],
    counts: list[int],
) -> None:
    vault.on("GET", LOOKUP, token_facts(90, renewable=True))
    vault.on("POST", RENEWAL, logged_in(TOKEN, seconds, renewable=True), logged_in(TOKEN, seconds, renewable=False))
    store = vault.open(options=options)
    assert renewals_by(vault, clock, store, *moments, 111) == [*counts, counts[-1]]


@pytest.mark.parametrize(
    "answer", [denied(), refused(400, "x"), refused(503, "x"), CUT, Answer(200, {}), Answer(200, {"auth": None})]
)
def test_a_renewal_that_fails_is_not_asked_for_again_and_disturbs_nobody(
    vault: ScriptedVault, clock: VirtualClock, options: StoreOptions, answer: Answer
) -> None:
    vault.on("GET", LOOKUP, token_facts(90, renewable=True))
    vault.on("POST", CAPABILITIES, data())
    vault.on("POST", RENEWAL, answer)
    store = vault.open(options=options)
    store.whoami()
    clock.sleep(80)
    assert [store.read("github").version for _ in range(3)] == ["1"] * 3
    assert len(vault.paths("POST", RENEWAL)) == 1
    # Nor is it asked why: nobody is told.
    assert (len(vault.paths("GET", LOOKUP)), vault.paths("POST", CAPABILITIES)) == (1, [])


def test_the_identity_is_what_the_token_says_of_itself(vault: ScriptedVault) -> None:
    vault.on("GET", LOOKUP, token_facts(display_name="oidc-ada", expire_time="2026-01-01T12:00:00.123456789+02:00"))
    identity = vault.open().whoami()
    assert (identity.subject, identity.method) == ("oidc-ada", "token")
    assert identity.expires is not None
    assert identity.expires.tzinfo is UTC
    assert identity.expires.replace(microsecond=0) == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert READ not in vault.paths("GET")


@pytest.mark.parametrize("shown", [denied(), token_facts(display_name=""), token_facts(display_name=None)])
def test_an_identity_that_is_not_told_is_unknown_and_no_error(vault: ScriptedVault, shown: Answer) -> None:
    vault.on("GET", LOOKUP, shown)
    vault.on("POST", LOGIN, logged_in("own"))
    identity = vault.open(ROLE).whoami()
    assert (identity.subject, identity.method, identity.expires) == ("unknown", "approle", None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": {}},
        {"data": {"data": {"A": SENTINEL}, "metadata": []}},
        {"data": {"data": {"A": SENTINEL}, "metadata": {"version": float("inf")}}},
        {"data": {"data": {"A": SENTINEL}, "metadata": {"version": 1, "created_time": "0001-01-01T00:00:00+23:59"}}},
        [SENTINEL],
    ],
)
def test_a_reply_of_another_shape_is_told_at_its_place_and_not_asked_for_again(
    vault: ScriptedVault, body: object
) -> None:
    vault.on("GET", READ, Answer(200, body))
    error = failure(vault.open())
    assert error.code is Code.UNEXPECTED_REPLY
    assert (error.place, error.action) == (StoreLocation(f"{vault.url}/secret", "github"), Action.READ)
    assert len(vault.paths("GET", READ)) == 1


@pytest.mark.parametrize(("kind", "waits"), [(RequestClass.CREATE, (True, False)), (RequestClass.OTHER, (False, True))])
def test_writes_and_reads_count_against_their_own_quotas(
    vault: ScriptedVault, clock: VirtualClock, kind: RequestClass, waits: tuple[bool, bool]
) -> None:
    vault.on("POST", READ, data(version=1))
    store = vault.open(options=StoreOptions(clock=clock, quotas={kind: 3}))
    store.whoami()
    clock.sleep(100)
    found = []
    for act in (lambda: store.write("github", {"A": SecretValue("1")}, None), lambda: store.read("github")):
        started = clock.now()
        for _ in range(4):
            act()
        found.append(clock.now() - started > 9)
    assert tuple(found) == waits


@pytest.mark.parametrize("before", [(), (refused(429, "slow down"),)], ids=["nothing", "throttling"])
def test_a_redirect_without_trouble_before_it_ends_at_once(
    vault: ScriptedVault, store: VaultStore, before: tuple[Answer, ...]
) -> None:
    vault.on("GET", READ, *before, STANDBY)
    assert failure(store).code == Code.REDIRECT_REFUSED
    assert len(vault.paths("GET", READ)) == len(before) + 1


@pytest.mark.parametrize(("after", "waited_out"), [(29.5, True), (30.5, False)])
def test_an_election_has_thirty_seconds(
    vault: ScriptedVault, clock: VirtualClock, after: float, *, waited_out: bool
) -> None:
    # Without jitter nothing waits but what the answers make wait.
    store = vault.open(options=StoreOptions(clock=clock, read_timeout=5, chance=lambda: 0.0))
    store.whoami()

    def later(_asked: Asked) -> Answer:
        clock.sleep(after)
        return STANDBY

    vault.on("GET", READ, refused(503, "Vault is sealed"), later, version(2, TOKEN="x"))
    if waited_out:
        assert store.read("github").version == "2"
    else:
        assert failure(store).code == Code.REDIRECT_REFUSED


def test_a_redirect_that_outlasts_a_short_patience_is_told_at_its_place(
    vault: ScriptedVault, clock: VirtualClock
) -> None:
    store = vault.open(options=StoreOptions(clock=clock, read_timeout=5, retry=RetryPolicy(patience=5)))
    store.whoami()
    vault.on("GET", READ, refused(503, "Vault is sealed"), STANDBY)
    error = failure(store)
    assert error.code is Code.LEADERLESS
    assert (error.place, error.action) == (StoreLocation(f"{vault.url}/secret", "github"), Action.READ)
    assert error.reason.startswith("it redirects to another node, as while a leader is elected")
    assert error.remedy == "use the address of the active node or of its load balancer"


def test_a_lease_that_only_the_log_in_told_is_renewed_too(
    vault: ScriptedVault, clock: VirtualClock, options: StoreOptions
) -> None:
    vault.on("POST", LOGIN, logged_in("own", 90, renewable=True))
    vault.on("GET", LOOKUP, denied())
    vault.on("POST", RENEWAL, logged_in("own", 90, renewable=True))
    # A third is left at the sixtieth second, and that is soon enough.
    assert renewals_by(vault, clock, vault.open(ROLE, options=options), 0, 59, 60) == [0, 0, 1]


def test_a_renewal_keeps_nobody_waiting(vault: ScriptedVault, clock: VirtualClock, options: StoreOptions) -> None:
    asked, others = threading.Event(), threading.Event()

    def slow(_asked: Asked) -> Answer:
        asked.set()
        assert others.wait(10)
        return logged_in(TOKEN, 90, renewable=True)

    vault.on("GET", LOOKUP, token_facts(90, renewable=True))
    vault.on("POST", RENEWAL, slow)
    store = vault.open(options=options)
    store.whoami()
    clock.sleep(70)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store.read, "github")
        try:
            assert asked.wait(10)
            assert pool.submit(store.read, "github").result(10).version == "1"
        finally:
            others.set()
        assert first.result(10).version == "1"
    assert len(vault.paths("POST", RENEWAL)) == 1


def test_a_renewed_token_that_ran_out_all_the_same_is_replaced(
    vault: ScriptedVault, clock: VirtualClock, options: StoreOptions
) -> None:
    vault.on("POST", LOGIN, logged_in("old", 90, renewable=True), logged_in("new", 90, renewable=True))
    vault.on("GET", LOOKUP, token_facts(90, renewable=True))
    vault.on("POST", RENEWAL, logged_in("old", 90, renewable=True))
    store = vault.open(ROLE, options=options)
    store.whoami()
    clock.sleep(70)
    vault.on("GET", READ, denied(policy=False), version(2, TOKEN="x"))
    vault.on("GET", LOOKUP, denied(policy=False), token_facts(90, renewable=True))
    assert store.read("github").version == "2"
    assert len(vault.paths("POST", RENEWAL)) == 1
    assert tokens_of_reads(vault) == ["old", "new"]


def test_a_token_that_other_workers_used_up_is_replaced_again(vault: ScriptedVault) -> None:
    store = with_role(vault, logged_in("first"), logged_in("second"), logged_in("third"))

    def used_up(_asked: Asked) -> Answer:
        # Another worker reads with the second token, and that was its last use.
        assert store.read("jira").version == "1"
        return denied(policy=False)

    vault.on("GET", "secret/data/jira", version(1, TOKEN="x"))
    vault.on("GET", READ, denied(policy=False), used_up, version(2, TOKEN="x"))
    vault.on("GET", LOOKUP, denied(policy=False), token_facts(90), denied(policy=False), token_facts(90))
    assert store.read("github").version == "2"
    assert tokens_of_reads(vault) == ["first", "second", "third"]


@pytest.mark.parametrize("answer", [version(1, TOKEN="x"), refused(404)], ids=["a-value", "nothing"])
def test_tokens_of_few_uses_are_replaced_as_long_as_requests_end(vault: ScriptedVault, answer: Answer) -> None:
    left = dict[str, int]()

    def log_in(_asked: Asked) -> Answer:
        name = f"t{len(left)}"
        left[name] = 4
        return logged_in(name)

    def takes_a_use(answer: Answer) -> Callable[[Asked], Answer]:
        def reply(asked: Asked) -> Answer:
            left[str(asked.token)] -= 1
            return answer if left[str(asked.token)] >= 0 else denied(policy=False)

        return reply

    vault.on("POST", LOGIN, log_in)
    vault.on("GET", LOOKUP, takes_a_use(token_facts(3600)))
    vault.on("GET", READ, takes_a_use(answer))
    store = vault.open(ROLE)
    for _ in range(20):
        with suppress(NotFoundError):
            store.read("github")
    assert len(left) > 5


def test_a_token_that_ends_before_the_question_about_its_capabilities_is_replaced(vault: ScriptedVault) -> None:
    store = with_role(vault, logged_in("first"), logged_in("second"))
    vault.on("GET", READ, denied(), version(2, TOKEN="x"))
    vault.on("GET", LOOKUP, token_facts(90))
    vault.on("POST", CAPABILITIES, refused(400, "1 error occurred:\n\t* invalid token\n\n"))
    assert store.read("github").version == "2"


def test_a_new_log_in_that_is_refused_is_told_and_not_tried_by_each_worker(vault: ScriptedVault) -> None:
    store = with_role(vault, logged_in("old"), refused(400, "invalid secret id"))
    vault.on("GET", READ, denied(policy=False))
    vault.on("GET", LOOKUP, denied(policy=False))
    for _ in range(3):
        assert failure(store).code == Code.UNAUTHENTICATED
    assert (len(vault.paths("GET", READ)), len(vault.paths("POST", LOGIN))) == (1, 2)


def test_a_token_without_an_end_is_not_renewed_although_it_could_be(
    vault: ScriptedVault, clock: VirtualClock, options: StoreOptions
) -> None:
    vault.on("POST", LOGIN, logged_in("own", 0, renewable=True))
    vault.on("GET", LOOKUP, denied())
    vault.on("POST", RENEWAL, logged_in("own", 90, renewable=True))
    store = vault.open(ROLE, options=options)
    for _ in range(3):
        store.read("github")
        clock.sleep(100)
    assert vault.paths("POST", RENEWAL) == []


def test_a_dead_token_is_told_as_a_matter_of_the_log_in(vault: ScriptedVault) -> None:
    vault.on("GET", LOOKUP, denied(policy=False))
    error = failure(vault.open())
    assert (error.code, error.action) == (Code.EXPIRED_TOKEN, Action.LOG_IN)


def test_a_given_token_that_could_not_be_renewed_is_not_tried_twice_when_it_ran_out(
    vault: ScriptedVault, clock: VirtualClock, options: StoreOptions
) -> None:
    vault.on("GET", LOOKUP, token_facts(90, renewable=True))
    vault.on("POST", RENEWAL, refused(400, "x"))
    store = vault.open(options=options)
    store.whoami()
    clock.sleep(80)
    store.read("github")
    vault.on("GET", READ, denied(policy=False))
    vault.on("GET", LOOKUP, denied(policy=False))
    vault.asked.clear()
    assert failure(store).code == Code.EXPIRED_TOKEN
    assert vault.paths("GET") == [READ, LOOKUP]


def test_a_connection_that_breaks_off_is_told_with_what_was_done_and_how_it_broke(
    vault: ScriptedVault, options: StoreOptions
) -> None:
    vault.on("GET", READ, CUT)
    assert str(failure(vault.open(options=options))).startswith(
        f'cannot read "github" in {vault.url}/secret: the connection was closed without an answer'
    )


def test_a_reply_that_is_too_large_is_told_as_such(
    vault: ScriptedVault, store: VaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StrictResponse, "largest", 2000)
    vault.on("GET", READ, version(1, TOKEN="x" * 2000))
    assert "its reply is larger than any that a store sends" in str(failure(store))


def test_a_wait_is_as_long_as_chance_has_it(vault: ScriptedVault, clock: VirtualClock) -> None:
    store = vault.open(options=StoreOptions(clock=clock, read_timeout=5, chance=lambda: 1.0))
    store.whoami()
    vault.on("GET", READ, refused(503, "x"), version(2, TOKEN="x"))
    store.read("github")
    assert clock.now() == 0.25


def test_a_refusal_of_a_token_that_was_replaced_meanwhile_says_so(vault: ScriptedVault) -> None:
    # It is shown where the token that replaced it is replaced in its turn, at that very moment.
    store = with_role(vault, logged_in("own"))
    place = StoreLocation(f"{vault.url}/secret", "github")
    vault.on("POST", CAPABILITIES, data(**{READ: ["read"]}))
    error = store._connection._explain_denied(Request(Action.READ, "github", READ, "read"), place, generation=0)
    assert error.code == Code.EXPIRED_TOKEN
    assert str(error) == f'cannot read "github" in {vault.url}/secret: the token expired; run again'


def test_a_log_in_under_way_is_waited_for_no_longer_than_an_answer(vault: ScriptedVault, clock: VirtualClock) -> None:
    store = vault.open(options=StoreOptions(clock=clock, read_timeout=5, retry=RetryPolicy(patience=0.2)))
    # As by another worker that is logging in.
    with store._connection._lock, pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)) as caught:
        store.read("github")
    assert str(caught.value) == (
        f"cannot log in to {vault.url}/secret: it does not answer; "
        "check the network between (VPN, firewall, proxy) and that the server runs, then run again"
    )
    assert caught.value.__suppress_context__
    assert vault.asked == []


@pytest.mark.parametrize("hours", [1, -2, 0])
def test_its_time_is_that_of_its_last_answer(vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    there = (datetime.now(UTC) + timedelta(hours=hours)).timestamp()
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: formatdate(there, usegmt=True))
    store = vault.open()
    store.read("github")
    assert abs(store.now() - datetime.now(UTC) - timedelta(hours=hours)) < timedelta(minutes=1)
