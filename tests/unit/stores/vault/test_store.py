import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from compiler.live.observation import is_of_store
from compiler.model.store import StoreAddress
from compiler.stores.errors import (
    Action,
    Code,
    ForbiddenError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    StoreLocation,
    VersionGoneError,
)
from compiler.stores.http import HttpReply, Transport
from compiler.stores.interface import Attributes, Dropped, Limit, Problem, RemoteSecret, StoreOptions, StoreState
from compiler.stores.secret_value import JsonKind, SecretValue
from compiler.stores.vault.client import _TLS_ONLY, JsonAdapter
from compiler.stores.vault.replies import RefusedError
from compiler.stores.vault.store import VaultStore, error_of_problem, problems_of_write
from tests import providers
from tests.refusals import is_refused
from tests.unit.stores.scripted_vault import (
    CAPABILITIES,
    HEALTH,
    LOOKUP,
    MOUNT,
    Answer,
    ScriptedVault,
    data,
    denied,
    gone,
    metadata,
    refused,
    version,
)


class FakeTransport:
    def __init__(self, *replies: HttpReply) -> None:
        self.replies = list(replies)
        self.sent: list[tuple[object, ...]] = []

    def request(self, *sent: object) -> HttpReply:
        self.sent.append(sent)
        return self.replies.pop(0)


def reply(status: int, content: bytes, retry_after: str | None = None) -> HttpReply:
    return HttpReply(status, {} if retry_after is None else {"Retry-After": retry_after}, content)


def adapter(*replies: HttpReply, namespace: str | None = "team") -> tuple[JsonAdapter, FakeTransport]:
    transport = FakeTransport(*replies)
    opened = JsonAdapter(cast("Transport", transport), "/below", namespace)
    opened.token = "t0ken"
    return opened, transport


def test_path_token_and_namespace_go_with_each_request() -> None:
    opened, transport = adapter(reply(200, b'{"a": 1}'), reply(204, b""))
    assert opened.get("/v1/x", params={"version": 3}) == {"a": 1}
    assert opened.post("/v1/x", json={"b": 2}) is None
    headers = {"X-Vault-Request": "true", "X-Vault-Token": "t0ken", "X-Vault-Namespace": "team"}
    assert transport.sent == [
        ("GET", "/below/v1/x?version=3", headers, None),
        ("POST", "/below/v1/x", {**headers, "Content-Type": "application/json"}, b'{"b": 2}'),
    ]


def test_without_token_and_namespace_their_headers_are_absent() -> None:
    opened, transport = adapter(reply(200, b"{}"), namespace=None)
    opened.token = ""
    opened.get("/v1/x")
    assert transport.sent[0][2] == {"X-Vault-Request": "true"}


@pytest.mark.parametrize(
    ("status", "content", "errors", "metadata", "is_vaults"),
    [
        (400, b'{"errors": ["bad", 7]}', ("bad", "7"), {}, True),
        (404, b'{"errors": []}', (), {}, True),
        (404, b'{"data": {"metadata": {"version": 2}}}', (), {"version": 2}, True),
        (404, b'{"data": {"metadata": {}}}', (), {}, False),
        (404, b'{"data": {"metadata": {"version": "<html>"}}}', (), {}, False),
        (404, b'{"data": {"metadata": 1}, "errors": "odd"}', (), {}, False),
        (404, b'{"data": 1}', (), {}, False),
        (404, b"{}", (), {}, False),
        (404, b"", (), {}, False),
        (404, b"<html>no such page</html>", (), {}, False),
        (400, _TLS_ONLY + b"\n", (_TLS_ONLY.decode(),), {}, False),
        (400, b"plain \xff text", (), {}, False),
        (503, b"<html>Vault is sealed</html>", (), {}, False),
        (200, b"<html>", (), {}, False),
        (200, b"[" * 100_000, (), {}, False),
        (301, b'{"a": 1}', (), {}, False),
    ],
)
def test_every_other_reply_is_a_refusal_with_its_safe_parts(
    status: int, content: bytes, errors: tuple[str, ...], metadata: dict[str, object], *, is_vaults: bool
) -> None:
    opened, _ = adapter(reply(status, content, "5"))
    with pytest.raises(RefusedError) as caught:
        opened.get("/v1/x")
    found = caught.value
    assert (found.status, found.errors, found.metadata, found.retry_after) == (status, errors, metadata, "5")
    assert found.is_vaults is is_vaults


def test_a_log_ins_token_is_where_hvac_looks_for_it() -> None:
    opened, _ = adapter(reply(200, json.dumps({"auth": {"client_token": "new"}}).encode()))
    opened.login("/v1/auth/approle/login")
    assert opened.token == "new"


def test_the_environments_namespace_is_used_where_the_address_has_none() -> None:
    for given, environ, used in ((None, "env", "env"), ("own", "env", "own"), ("/own/", "", "own"), (None, "", None)):
        address = StoreAddress(providers.VAULT, "https://vault", mount="/kv/", vault_namespace=given)
        store = VaultStore(address, {"VAULT_NAMESPACE": environ}, StoreOptions())
        assert (store.address.vault_namespace, store.address.mount) == (used, "kv")
        store.close()


def test_a_mount_that_leaves_its_place_is_refused() -> None:
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME), match="mount"):
        VaultStore(StoreAddress(providers.VAULT, "https://vault", mount="a/../sys"), {}, StoreOptions())


@pytest.mark.parametrize(
    "method",
    [
        *("read", "read_version", "describe", "version_states", "losses_of_write", "whoami"),
        *("write", "restore", "soft_delete", "recover", "delete_versions", "recover_versions"),
    ],
)
def test_all_requests_of_a_method_share_one_deadline(method: str) -> None:
    assert hasattr(getattr(VaultStore, method), "__wrapped__")


READ, DESCRIBE = "secret/data/github", "secret/metadata/github"
ABSENT = refused(404)


@pytest.fixture
def vault(scripted_vault: ScriptedVault) -> ScriptedVault:
    scripted_vault.on("POST", CAPABILITIES, data())
    return scripted_vault


@pytest.fixture
def store(vault: ScriptedVault) -> VaultStore:
    return vault.open()


def test_a_read_is_one_request_for_the_newest_version(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", READ, version(7, TOKEN="x", PORT=1))
    store.whoami()
    vault.asked.clear()
    found = store.read("github")
    assert (found.name, found.version, sorted(found.properties)) == ("github", "7", ["PORT", "TOKEN"])
    assert found.whole is None
    assert [(asked.path, dict(asked.query)) for asked in vault.asked] == [(READ, {})]


@pytest.mark.parametrize("name", ["deep/er/github", "with space/ü", "a:b@c&d=e+f;g", "data/metadata"])
def test_a_name_arrives_as_it_was_given_whatever_urls_mean_by_its_characters(vault: ScriptedVault, name: str) -> None:
    mount = "team/kv"
    vault.on("GET", f"sys/internal/ui/mounts/{mount}", data(path=f"{mount}/", type="kv", options={"version": "2"}))
    vault.on("GET", f"{mount}/data/{name}", version(1, A="x"))
    found = vault.open(mount=mount).read(name)
    assert found.name == name
    assert vault.asked[-1].query == {}


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (ABSENT, NotFoundError, None),
        (gone(4), SoftDeletedError, "4"),
        (gone(4, destroyed=True), VersionGoneError, "4"),
    ],
)
def test_what_is_not_there_is_told_with_what_was(
    vault: ScriptedVault, store: VaultStore, answer: Answer, kind: type[StoreError], told: str | None
) -> None:
    vault.on("GET", READ, answer)
    with pytest.raises(kind) as caught:
        store.read("github")
    assert type(caught.value) is kind
    assert (caught.value.place, caught.value.action) == (StoreLocation(f"{vault.url}/secret", "github"), Action.READ)
    assert getattr(caught.value, "version", None) == told


def test_an_earlier_version_is_asked_for_by_its_number(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", READ, version(3, TOKEN="x"))
    assert store.read_version("github", "3").version == "3"
    assert vault.asked[-1].query == {"version": "3"}


@pytest.mark.parametrize("number", ["0", "00", "", "-1", "newest", "3&list=true", "\u0663", "9" * 5000])
def test_no_version_that_vault_would_take_for_the_newest_is_asked_for(
    vault: ScriptedVault, store: VaultStore, number: str
) -> None:
    vault.on("GET", READ, version(3, TOKEN="x"))
    with pytest.raises(VersionGoneError) as caught:
        store.read_version("github", number)
    assert (caught.value.version, caught.value.reason) == (number, f'"{number}" is not a version number')
    assert vault.paths("GET", READ) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ABSENT, "version 3 was evicted or never existed"),
        (gone(3), "version 3 is deleted"),
        (gone(3, destroyed=True), "version 3 is destroyed for good"),
    ],
)
def test_an_earlier_version_that_is_gone_is_told_how(
    vault: ScriptedVault, store: VaultStore, answer: Answer, words: str
) -> None:
    vault.on("GET", READ, answer)
    with pytest.raises(VersionGoneError) as caught:
        store.read_version("github", "3")
    error = caught.value
    assert (error.reason, error.version) == (words, "3")
    assert (error.place, error.action) == (StoreLocation(f"{vault.url}/secret", "github"), Action.READ)
    assert error.__context__ is None


@pytest.mark.parametrize(
    ("answer", "state", "newest"),
    [
        (metadata(4), StoreState.PRESENT, "4"),
        (metadata(4, deleted=True), StoreState.SOFT_DELETED, "4"),
        (metadata(4, destroyed=True), StoreState.DESTROYED, "4"),
        (metadata(4, deleted=True, destroyed=True), StoreState.DESTROYED, "4"),
        (ABSENT, StoreState.ABSENT, None),
    ],
)
def test_a_state_is_told_by_the_metadata_alone(
    vault: ScriptedVault, store: VaultStore, answer: Answer, state: StoreState, newest: str | None
) -> None:
    vault.on("GET", DESCRIBE, answer)
    found = store.describe("github")
    assert (found.name, found.state, found.version) == ("github", state, newest)
    assert READ not in vault.paths("GET")


def test_a_states_tags_are_the_custom_metadata(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", DESCRIBE, metadata(4, custom_metadata={"team": "platform"}), metadata(4, custom_metadata=None))
    assert [dict(store.describe("github").attributes.tags) for _ in range(2)] == [{"team": "platform"}, {}]


@pytest.mark.parametrize(
    ("answer", "state", "newest"),
    [
        (version(4, TOKEN="x"), StoreState.PRESENT, "4"),
        (gone(4), StoreState.SOFT_DELETED, "4"),
        (gone(4, destroyed=True), StoreState.DESTROYED, "4"),
        (ABSENT, StoreState.ABSENT, None),
    ],
)
def test_whoever_may_not_see_the_metadata_is_told_the_state_by_the_value(
    vault: ScriptedVault, store: VaultStore, answer: Answer, state: StoreState, newest: str | None
) -> None:
    vault.on("GET", DESCRIBE, denied())
    vault.on("GET", READ, answer)
    found = store.describe("github")
    assert (found.name, found.state, found.version) == ("github", state, newest)


def test_whoever_may_see_neither_is_told_which_permission_to_read_is_missing(
    vault: ScriptedVault, store: VaultStore
) -> None:
    vault.on("GET", DESCRIBE, denied())
    vault.on("GET", READ, denied())
    with pytest.raises(ForbiddenError) as caught:
        store.describe("github")
    assert caught.value.permission == f"read on {READ}"


def test_whoami_touches_no_secret(vault: ScriptedVault, store: VaultStore) -> None:
    store.whoami()
    store.whoami()
    assert sorted(asked.path for asked in vault.asked) == sorted([HEALTH, LOOKUP, MOUNT])


def test_the_address_is_told_without_what_names_the_same_place(vault: ScriptedVault) -> None:
    assert vault.open(mount="/team/kv/", prefix="x").address.absolute == f"{vault.url}/team/kv"


CONFIG = "secret/config"
SMALL: dict[str, Any] = {"oldest_version": 0, "max_versions": 1}


def test_what_a_write_drops_is_told_by_the_metadata_and_the_mount_which_is_asked_once(
    vault: ScriptedVault, store: VaultStore
) -> None:
    vault.on("GET", CONFIG, data(max_versions=2))
    vault.on("GET", DESCRIBE, metadata(2, **SMALL), metadata(1, **SMALL), ABSENT)
    # Of the versions only the newest is listed, which two that are kept do not cover.
    assert [store.losses_of_write("github") for _ in range(3)] == [None, None, None]
    vault.on("GET", CONFIG, data(max_versions=0))
    vault.on("GET", DESCRIBE, metadata(2, **SMALL))
    assert vault.open().losses_of_write("github") == Dropped(("2",), 1)
    assert len(vault.paths("GET", CONFIG)) == 2


def test_what_is_written_deletes_itself_by_the_mount_also_under_a_new_name(
    vault: ScriptedVault, store: VaultStore
) -> None:
    vault.on("GET", CONFIG, data(max_versions=0, delete_version_after="1m0s"))
    vault.on("GET", DESCRIBE, ABSENT)
    assert store.losses_of_write("github") == Dropped((), 10, 60, (Limit.MOUNT,))


def test_a_mount_that_does_not_tell_is_asked_once_too(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", CONFIG, denied())
    vault.on("GET", DESCRIBE, metadata(1, **SMALL))
    assert [store.losses_of_write("github") for _ in range(2)] == [Dropped(("1",), 1)] * 2
    assert len(vault.paths("GET", CONFIG)) == 1


def test_metadata_that_may_not_be_read_is_refused_with_the_permission(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", CONFIG, data(max_versions=0))
    vault.on("GET", DESCRIBE, denied())
    with pytest.raises(ForbiddenError):
        store.losses_of_write("github")
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME)):
        store.losses_of_write("../sys")


FOREIGN_404 = [
    Answer(404, b"<html><body>404 Not Found</body></html>"),
    Answer(404, b""),
    Answer(404, {}),
    Answer(404, {"message": "no such page"}),
    Answer(404, {"errors": ["1 error occurred"]}),
]
ASKS: dict[str, Callable[[VaultStore], object]] = {
    "read": lambda store: store.read("github"),
    "version": lambda store: store.read_version("github", "3"),
    "describe": lambda store: store.describe("github"),
}


@pytest.mark.parametrize("answer", FOREIGN_404)
@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_a_404_in_other_words_than_vaults_does_not_make_a_secret_absent(
    vault: ScriptedVault, store: VaultStore, ask: Callable[[VaultStore], object], answer: Answer
) -> None:
    for path in (READ, DESCRIBE):
        vault.on("GET", path, answer)
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)) as caught:
        ask(store)
    assert is_of_store(caught.value)


@pytest.mark.parametrize("answer", [ABSENT, *FOREIGN_404])
@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("path", [LOOKUP, MOUNT, CAPABILITIES])
def test_a_404_to_a_question_beside_it_does_so_neither(
    vault: ScriptedVault, path: str, ask: Callable[[VaultStore], object], answer: Answer
) -> None:
    for where in (READ, DESCRIBE):
        vault.on("GET", where, denied())
    vault.on("POST" if path == CAPABILITIES else "GET", path, answer)
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)):
        ask(vault.open())


@pytest.mark.parametrize("path", [READ, LOOKUP, CAPABILITIES])
def test_a_proxys_403_is_neither_a_dead_token_nor_a_policy(vault: ScriptedVault, path: str) -> None:
    vault.on("GET", READ, denied())
    page = Answer(403, b"<html>permission denied</html>")
    vault.on("POST" if path == CAPABILITIES else "GET", path, page)
    with pytest.raises(
        StoreError, match="the server that answered is not Vault: status 403", check=is_refused(Code.UNEXPECTED_REPLY)
    ):
        vault.open().read("github")


SENTINEL = "s3ntinel-4711"


def problems(
    name: str, changes: dict[str, SecretValue], base: RemoteSecret | None = None, attributes: Attributes | None = None
) -> list[tuple[str, str | None]]:
    found = list(problems_of_write(name, changes, base, attributes))
    assert all(SENTINEL not in f"{problem}" for problem in found)
    return [(problem.code, problem.property) for problem in found]


def test_a_sound_write_has_no_problem() -> None:
    assert problems("a/b", {"A": SecretValue(SENTINEL), "tls.crt": SecretValue("\n-----\n")}) == []


def test_all_problems_are_told_at_once() -> None:
    changes = {
        "A": SecretValue(""),
        "": SecretValue("x"),
        "B": SecretValue(SENTINEL + "\0"),
        "N": SecretValue("1", JsonKind.NUMBER),
    }
    assert problems("../a", changes) == [
        (Code.INVALID_NAME, None),
        (Code.INVALID_VALUE, "A"),
        (Code.INVALID_NAME, ""),
        (Code.INVALID_VALUE, "B"),
        (Code.INVALID_VALUE, "N"),
    ]


def test_the_size_is_that_of_the_merged_document() -> None:
    half = SecretValue("x" * 600_000)
    base = RemoteSecret("a", "1", {"OLD": half}, Attributes())
    assert problems("a", {"NEW": half}) == []
    assert problems("a", {"NEW": half}, base) == [(Code.TOO_LARGE, None)]
    assert problems("a", {"OLD": half}, base) == []


@pytest.mark.parametrize(
    ("character", "bytes_each"), [("x", 1), ("\u00e9", 2), ("\x01", 6), ("\n", 2), ('"', 2), ("\U0001f600", 4)]
)
def test_the_size_is_that_of_the_json_to_the_byte(character: str, bytes_each: int) -> None:
    room = 1024 * 1024 - 4096 - len('{"A": ""}')
    fits, spare = divmod(room, bytes_each)
    assert problems("a", {"A": SecretValue(character * fits + "x" * spare)}) == []
    assert problems("a", {"A": SecretValue(character * fits + "x" * (spare + 1))}) == [(Code.TOO_LARGE, None)]


def test_tags_are_measured_in_bytes() -> None:
    for tags, count in (({"k": "ü" * 256}, 0), ({"k": "ü" * 257}, 1), ({"ü" * 65: "v"}, 1)):
        assert len(problems("a", {"A": SecretValue("1")}, None, Attributes(tags=tags))) == count


@pytest.mark.parametrize("code", [Code.INVALID_NAME, Code.INVALID_VALUE, Code.TOO_LARGE])
def test_a_problem_becomes_the_error_that_a_write_raises(code: Code) -> None:
    error = error_of_problem(Problem(code, "a", "why", "what"), StoreLocation("https://vault", "a"))
    assert error.code is code
    assert (error.reason, error.remedy) == ("why", "what")
