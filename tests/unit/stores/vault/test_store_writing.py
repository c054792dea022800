from collections.abc import Callable

import pytest

from compiler.stores.errors import (
    Action,
    Code,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    StoreLocation,
    VersionGoneError,
)
from compiler.stores.interface import Attributes, RemoteSecret, StoreState
from compiler.stores.secret_value import JsonKind, SecretValue
from compiler.stores.vault.store import VaultStore
from tests.refusals import is_refused
from tests.unit.stores.scripted_vault import (
    CAPABILITIES,
    CUT,
    LOGIN,
    LOOKUP,
    NOTHING,
    ROLE,
    TIME,
    Answer,
    ScriptedVault,
    data,
    denied,
    gone,
    logged_in,
    metadata,
    refused,
    token_facts,
    version,
)

DATA, METADATA = "secret/data/github", "secret/metadata/github"
DELETE, UNDELETE = "secret/delete/github", "secret/undelete/github"
ABSENT = refused(404)
MISMATCH = refused(400, "check-and-set parameter did not match the current version")
NEW = {"A": SecretValue("ours")}


@pytest.fixture
def vault(scripted_vault: ScriptedVault) -> ScriptedVault:
    """A first version is stored, with its tags, where a test says nothing else."""
    scripted_vault.on("POST", CAPABILITIES, data())
    scripted_vault.on("GET", METADATA, ABSENT)
    scripted_vault.on("POST", DATA, stored(1))
    scripted_vault.on("POST", METADATA, NOTHING)
    return scripted_vault


@pytest.fixture
def store(vault: ScriptedVault) -> VaultStore:
    return vault.open()


@pytest.fixture
def that_runs_out(vault: ScriptedVault) -> VaultStore:
    """A store whose first token ends before it is used."""
    vault.on("POST", LOGIN, logged_in("old"), logged_in("new"))
    vault.on("GET", LOOKUP, token_facts(), denied(policy=False), token_facts())
    return vault.open(ROLE)


def base(number: int, tags: dict[str, str] | None = None, /, **properties: SecretValue) -> RemoteSecret:
    return RemoteSecret("github", str(number), properties or {"A": SecretValue("theirs")}, Attributes(tags=tags or {}))


def stored(number: int) -> Answer:
    return data(version=number)


def conflict(act: Callable[[], object], action: Action = Action.WRITE) -> ConflictError:
    with pytest.raises(ConflictError) as caught:
        act()
    error = caught.value
    assert error.place.name == "github"
    assert (error.action, error.remedy) == (action, "plan again")
    assert error.__context__ is None
    return error


def test_a_new_name_is_written_only_where_there_is_none(vault: ScriptedVault, store: VaultStore) -> None:
    written = store.write("github", {"A": SecretValue("x"), "B": SecretValue("ü\n")}, None)
    assert (written.version, written.slipped) == ("1", ())
    assert vault.bodies(DATA) == [{"options": {"cas": 0}, "data": {"A": "x", "B": "ü\n"}}]


def test_a_whole_value_is_always_a_problem(vault: ScriptedVault, store: VaultStore) -> None:
    (problem,) = store.check("github", SecretValue("x"), None)
    assert (problem.code, problem.name) == (Code.INVALID_VALUE, "github")
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_VALUE)) as caught:
        store.write("github", SecretValue("x"), base(7))
    assert (caught.value.reason, caught.value.remedy) == (problem.reason, problem.remedy)
    assert vault.paths("POST") == []


def test_a_change_is_written_over_what_was_read_with_everything_else_as_it_was(
    vault: ScriptedVault, store: VaultStore
) -> None:
    vault.on("POST", DATA, stored(8))
    kept = {
        "PORT": SecretValue("17", JsonKind.NUMBER),
        "ON": SecretValue("true", JsonKind.BOOLEAN),
        "NO": SecretValue("true"),
    }
    listed = SecretValue('[1,{"a":null}]', JsonKind.ARRAY)
    read = base(7, A=SecretValue("a"), B=SecretValue("b"), L=listed, **kept)
    assert store.write("github", {"B": SecretValue("new")}, read).version == "8"
    data_sent = {"A": "a", "B": "new", "L": [1, {"a": None}], "PORT": 17, "ON": True, "NO": "true"}
    assert vault.bodies(DATA) == [{"options": {"cas": 7}, "data": data_sent}]
    # A write is not preceded by a look: the store itself refuses it where another version is the newest.
    assert [path for path in vault.paths("GET") if "github" in path] == []


@pytest.mark.parametrize(
    ("changes", "attributes", "code"),
    [
        ({"A": SecretValue("")}, None, Code.INVALID_VALUE),
        ({}, None, Code.INVALID_VALUE),
        ({"A": SecretValue("x")}, Attributes(tags={"k": "v" * 513}), Code.TOO_LARGE),
    ],
)
def test_what_check_tells_write_refuses_before_the_log_in(
    vault: ScriptedVault,
    store: VaultStore,
    changes: dict[str, SecretValue],
    attributes: Attributes | None,
    code: Code,
) -> None:
    (problem,) = store.check("github", changes, None, attributes)
    with pytest.raises(StoreError, check=is_refused(code)) as caught:
        store.write("github", changes, None, attributes)
    assert (caught.value.code, caught.value.reason, caught.value.remedy) == (
        problem.code,
        problem.reason,
        problem.remedy,
    )
    assert (caught.value.place, caught.value.action) == (StoreLocation(f"{vault.url}/secret", "github"), Action.WRITE)
    assert vault.asked == []


@pytest.mark.parametrize(
    ("read", "answer", "expected", "found", "words"),
    [
        (base(2), metadata(3), "2", "3", "version 2 was read, and the newest is version 3"),
        (None, metadata(3), None, "3", "no version was read, and the newest is version 3"),
        (base(2), metadata(2, destroyed=True), "2", "2", "version 2 was read"),
        (base(2), ABSENT, "2", None, "the newest is version unknown"),
    ],
)
def test_another_writers_version_is_not_written_over(
    vault: ScriptedVault,
    store: VaultStore,
    read: RemoteSecret | None,
    answer: Answer,
    expected: str | None,
    found: str | None,
    words: str,
) -> None:
    vault.on("POST", DATA, MISMATCH)
    vault.on("GET", METADATA, answer)
    error = conflict(lambda: store.write("github", NEW, read))
    was = f"version {expected}" if expected else "no version"
    assert error.found == found
    assert f"{was} was read" in error.reason
    assert words in error.reason
    assert len(vault.bodies(DATA)) == 1


@pytest.mark.parametrize("read", [None, base(4)])
def test_over_a_deleted_version_the_way_out_is_to_recover_it(
    vault: ScriptedVault, store: VaultStore, read: RemoteSecret | None
) -> None:
    vault.on("POST", DATA, MISMATCH)
    vault.on("GET", METADATA, metadata(4, deleted=True))
    with pytest.raises(SoftDeletedError) as caught:
        store.write("github", NEW, read)
    assert (caught.value.version, caught.value.action) == ("4", Action.WRITE)
    assert "recover it (`bao kv undelete`), or plan again with `--recover`" in caught.value.remedy
    assert len(vault.bodies(DATA)) == 1


def test_a_destroyed_version_leaves_only_the_numbering_to_go_on_from(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("POST", DATA, MISMATCH, stored(5))
    vault.on("GET", METADATA, metadata(4, destroyed=True))
    assert store.write("github", NEW, None).version == "5"
    assert [body["options"]["cas"] for body in vault.bodies(DATA)] == [0, 4]


@pytest.mark.parametrize(
    ("was", "given", "sent"),
    [
        ({"a": "1"}, None, []),
        ({"a": "1"}, {"a": "1"}, []),
        ({"a": "1"}, {"a": "2"}, [{"a": "2"}]),
        ({"a": "1"}, {}, [{}]),
        (None, {}, []),
        (None, {"a": "1"}, [{"a": "1"}]),
    ],
)
def test_tags_are_written_after_the_value_and_only_where_they_change(
    vault: ScriptedVault,
    store: VaultStore,
    was: dict[str, str] | None,
    given: dict[str, str] | None,
    sent: list[dict[str, str]],
) -> None:
    vault.on("POST", DATA, stored(1 if was is None else 3))
    read = None if was is None else base(2, was)
    store.write("github", NEW, read, None if given is None else Attributes(tags=given))
    assert [body["custom_metadata"] for body in vault.bodies(METADATA)] == sent
    assert [path for path in vault.paths("POST") if path in {DATA, METADATA}] == [DATA] + [METADATA] * len(sent)


def test_tags_leave_the_rest_of_the_metadata_to_its_owner(vault: ScriptedVault, store: VaultStore) -> None:
    # hvac would send "0s", which takes away the time after which versions delete themselves.
    store.write("github", NEW, None, Attributes(tags={"a": "1"}))
    (body,) = vault.bodies(METADATA)
    assert {name: value for name, value in body.items() if value is not None} == {"custom_metadata": {"a": "1"}}


@pytest.mark.parametrize("answer", [metadata(0), metadata(4, destroyed=True)])
def test_metadata_of_a_name_without_a_version_stays_beside_the_tags(
    vault: ScriptedVault, store: VaultStore, answer: Answer
) -> None:
    answer.body["data"]["custom_metadata"] = {"a": "theirs", "b": "2"}
    vault.on("GET", METADATA, answer)
    store.write("github", NEW, None, Attributes(tags={"a": "1", "c": "3"}))
    assert [body["custom_metadata"] for body in vault.bodies(METADATA)] == [{"a": "theirs", "b": "2", "c": "3"}]


def test_the_date_of_new_values_takes_the_place_of_that_of_values_that_are_gone(
    vault: ScriptedVault, store: VaultStore
) -> None:
    gone = metadata(0)
    gone.body["data"]["custom_metadata"] = {"value-since": "2026-11-01", "b": "2"}
    vault.on("GET", METADATA, gone)
    store.write("github", NEW, None, Attributes(tags={"value-since": "2020-01-01"}))
    assert [body["custom_metadata"] for body in vault.bodies(METADATA)] == [
        {"value-since": "2020-01-01 from version 1", "b": "2"}
    ]


def test_more_metadata_than_vault_takes_is_refused_before_anything_is_stored(
    vault: ScriptedVault, store: VaultStore
) -> None:
    vault.on("GET", METADATA, metadata(0, custom_metadata={f"k{number}": "x" for number in range(64)}))
    with pytest.raises(StoreError, check=is_refused(Code.TOO_LARGE), match="65 tags, and Vault allows 64"):
        store.write("github", NEW, None, Attributes(tags={"a": "1"}))
    assert vault.bodies(DATA) == vault.bodies(METADATA) == []


def test_a_conflict_leaves_the_tags_alone(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("POST", DATA, MISMATCH)
    vault.on("GET", METADATA, metadata(3))
    conflict(lambda: store.write("github", NEW, base(2), Attributes(tags={"a": "1"})))
    assert vault.bodies(METADATA) == []


def test_tags_whose_reply_was_lost_are_sent_again(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("POST", METADATA, CUT, NOTHING)
    assert store.write("github", NEW, None, Attributes(tags={"a": "1"})).version == "1"
    assert len(vault.bodies(METADATA)) == 2


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.write("github", NEW, None, Attributes(tags={"a": "1"})),
        lambda store: store.restore(base(4, {"a": "1"}), base(9, {"a": "2"})),
    ],
    ids=["write", "restore"],
)
def test_tags_that_may_not_be_written_refuse_the_write_before_anything_is_stored(
    vault: ScriptedVault, store: VaultStore, act: Callable[[VaultStore], object]
) -> None:
    vault.on("POST", CAPABILITIES, data(**{METADATA: ["read"]}))
    with pytest.raises(ForbiddenError) as caught:
        act(store)
    assert caught.value.permission == f"update on {METADATA}"
    assert caught.value.place == StoreLocation(f"{vault.url}/secret", "github")
    assert (caught.value.action, caught.value.maybe_done) == (Action.WRITE, False)
    assert vault.bodies(DATA) == vault.bodies(METADATA) == []


def test_only_a_write_of_tags_asks_whether_it_may(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("POST", CAPABILITIES, data(**{METADATA: ["create", "update"]}))
    vault.on("POST", DATA, stored(3))
    store.write("github", NEW, base(2, {"a": "1"}), Attributes(tags={"a": "1"}))
    assert vault.bodies(CAPABILITIES) == []
    store.write("github", NEW, base(2, {"a": "1"}), Attributes(tags={"a": "2"}))
    assert vault.bodies(CAPABILITIES) == [{"paths": [METADATA]}]
    assert len(vault.bodies(METADATA)) == 1


def test_a_question_about_permissions_that_meets_trouble_is_asked_again(
    vault: ScriptedVault, store: VaultStore
) -> None:
    vault.on("POST", CAPABILITIES, CUT, refused(503, "x"), data(**{METADATA: ["update"]}))
    assert store.write("github", NEW, None, Attributes(tags={"a": "1"})).version == "1"
    assert len(vault.bodies(DATA)) == 1


def test_tags_that_may_not_be_written_are_told_with_the_permission_beside_the_version_that_is_stored(
    vault: ScriptedVault, store: VaultStore
) -> None:
    vault.on("POST", METADATA, denied())
    with pytest.raises(
        StoreError,
        match="version 1 is stored, but its tags are not: no policy",
        check=is_refused(Code.UNFINISHED_WRITE),
    ) as caught:
        store.write("github", NEW, None, Attributes(tags={"a": "1"}))
    # A refusal would say that nothing was stored.
    assert caught.value.maybe_done
    assert f'path "{METADATA}"' in caught.value.remedy


@pytest.mark.parametrize(("read", "wanted"), [(None, "create"), (base(2), "update")])
def test_a_refused_write_names_the_capability_that_it_needed(
    vault: ScriptedVault, store: VaultStore, read: RemoteSecret | None, wanted: str
) -> None:
    vault.on("POST", DATA, denied())
    with pytest.raises(ForbiddenError) as caught:
        store.write("github", NEW, read)
    assert caught.value.permission == f"{wanted} on {DATA}"


LOST = (CUT, refused(500, "x"), refused(503, "x"), Answer(200, {}), Answer(200, {"data": None}))


@pytest.mark.parametrize("answer", LOST)
def test_a_write_of_unknown_outcome_that_was_stored_is_found_and_not_sent_again(
    vault: ScriptedVault, store: VaultStore, answer: Answer
) -> None:
    vault.on("POST", DATA, answer)
    vault.on("GET", DATA, version(3, A="ours", B=1))
    read = base(2, A=SecretValue("theirs"), B=SecretValue("1", JsonKind.NUMBER))
    assert store.write("github", NEW, read).version == "3"
    assert len(vault.bodies(DATA)) == 1


@pytest.mark.parametrize(("read", "shown", "cas"), [(None, ABSENT, 0), (base(2), version(2, A="theirs"), 2)])
def test_a_write_that_the_store_never_saw_is_sent_again_as_it_was(
    vault: ScriptedVault, store: VaultStore, read: RemoteSecret | None, shown: Answer, cas: int
) -> None:
    vault.on("POST", DATA, CUT, stored(cas + 1))
    vault.on("GET", DATA, shown)
    assert store.write("github", NEW, read).version == str(cas + 1)
    assert vault.bodies(DATA) == [{"options": {"cas": cas}, "data": {"A": "ours"}}] * 2


def test_a_write_that_was_refused_for_now_is_sent_again_without_reading_back(
    vault: ScriptedVault, store: VaultStore
) -> None:
    vault.on("POST", DATA, refused(429, "slow down"), refused(503, "Vault is sealed"), stored(1))
    assert store.write("github", NEW, None).version == "1"
    assert DATA not in vault.paths("GET")


@pytest.mark.parametrize(
    "shown",
    [version(3, A="others"), version(3, A="ours", B="x"), version(3, B="ours"), version(3), version(3, A=["ours"])],
)
def test_another_value_under_our_version_is_another_writers(
    vault: ScriptedVault, store: VaultStore, shown: Answer
) -> None:
    vault.on("POST", DATA, CUT)
    vault.on("GET", DATA, shown)
    vault.on("GET", METADATA, metadata(3))
    error = conflict(lambda: store.write("github", NEW, base(2)))
    assert error.found == "3"
    assert "version 2 was read" in error.reason


def test_the_same_text_of_another_kind_is_not_the_same(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("POST", DATA, CUT)
    vault.on("GET", DATA, version(3, A=1))
    vault.on("GET", METADATA, metadata(3))
    conflict(lambda: store.write("github", {"A": SecretValue("1")}, base(2)))


def test_our_version_is_looked_for_below_those_that_others_made_meanwhile(
    vault: ScriptedVault, store: VaultStore
) -> None:
    vault.on("POST", DATA, CUT)
    vault.on("GET", DATA, version(6, A="others"), version(3, A="ours"))
    assert store.write("github", NEW, base(2)).version == "3"
    assert [asked.query for asked in vault.asked if (asked.method, asked.path) == ("GET", DATA)] == [
        {},
        {"version": "3"},
    ]


@pytest.mark.parametrize(
    "answers", [(version(6, A="others"), ABSENT), (version(6, A="others"), gone(3)), (gone(3),), (denied(),), (ABSENT,)]
)
def test_a_write_that_cannot_be_read_back_is_unknown_and_not_sent_again(
    vault: ScriptedVault, store: VaultStore, answers: tuple[Answer, ...]
) -> None:
    vault.on("POST", DATA, CUT)
    vault.on("GET", DATA, *answers)
    with pytest.raises(StoreError, check=is_refused(Code.OUTCOME_UNKNOWN)) as caught:
        store.write("github", NEW, base(2))
    error = caught.value
    assert (error.place, error.action) == (StoreLocation(f"{vault.url}/secret", "github"), Action.WRITE)
    assert error.remedy == "run the same command again: it compares first"
    assert error.__context__ is None
    assert len(vault.bodies(DATA)) == 1


def test_a_first_attempt_that_is_stored_after_its_reading_back_is_found_by_the_seconds_refusal(
    vault: ScriptedVault, store: VaultStore
) -> None:
    vault.on("POST", DATA, CUT, MISMATCH)
    vault.on("GET", DATA, version(2, A="theirs"), version(3, A="ours"))
    assert store.write("github", NEW, base(2)).version == "3"
    assert len(vault.bodies(DATA)) == 2


def test_the_first_attempts_refusal_is_not_looked_into(vault: ScriptedVault, store: VaultStore) -> None:
    # Another writer's equal value is no reason to say that ours was stored.
    vault.on("POST", DATA, MISMATCH)
    vault.on("GET", DATA, version(3, A="ours"))
    vault.on("GET", METADATA, metadata(3))
    conflict(lambda: store.write("github", NEW, base(2)))
    assert DATA not in vault.paths("GET")


def test_a_write_whose_token_ran_out_is_sent_again_as_it_was_after_one_log_in(
    vault: ScriptedVault, that_runs_out: VaultStore
) -> None:
    vault.on("POST", DATA, denied(policy=False), stored(3))
    assert that_runs_out.write("github", NEW, base(2)).version == "3"
    assert vault.bodies(DATA) == [{"options": {"cas": 2}, "data": {"A": "ours"}}] * 2
    assert len(vault.paths("POST", LOGIN)) == 2


def test_a_lost_reply_is_settled_even_when_the_token_ran_out_with_it(
    vault: ScriptedVault, that_runs_out: VaultStore
) -> None:
    vault.on("POST", DATA, CUT)
    vault.on("GET", DATA, denied(policy=False), version(3, A="ours"))
    assert that_runs_out.write("github", NEW, base(2)).version == "3"
    assert len(vault.bodies(DATA)) == 1


def test_throttling_without_end_says_so_and_is_not_an_unknown_outcome(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("POST", DATA, refused(429, "slow down"))
    with pytest.raises(StoreError, check=is_refused(Code.THROTTLED)):
        store.write("github", NEW, None)
    assert DATA not in vault.paths("GET")


def test_a_restored_version_is_the_earlier_one_alone_with_its_tags(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("POST", DATA, stored(10))
    earlier = base(4, {"a": "1"}, A=SecretValue("old"), N=SecretValue("17", JsonKind.NUMBER))
    assert store.restore(earlier, base(9, {"a": "2"}, A=SecretValue("new"), B=SecretValue("more"))).version == "10"
    assert vault.bodies(DATA) == [{"options": {"cas": 9}, "data": {"A": "old", "N": 17}}]
    assert [body["custom_metadata"] for body in vault.bodies(METADATA)] == [{"a": "1"}]


def test_a_restore_leaves_equal_tags_alone_and_others_versions_too(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("POST", DATA, stored(10), MISMATCH)
    vault.on("GET", METADATA, metadata(11))
    store.restore(base(4, {"a": "1"}), base(9, {"a": "1"}))
    assert vault.bodies(METADATA) == []
    assert conflict(lambda: store.restore(base(4), base(9))).found == "11"


LATER = "2999-01-01T00:00:00Z"


def several(**states: str) -> Answer:
    """The metadata of versions `v1=…`: readable, later (deletes itself then), deleted or destroyed."""
    times = {"readable": "", "later": LATER, "deleted": TIME, "destroyed": ""}
    versions = {
        name.removeprefix("v"): {
            "created_time": TIME,
            "deletion_time": times[state],
            "destroyed": state == "destroyed",
        }
        for name, state in states.items()
    }
    newest = max(map(int, versions))
    return data(current_version=newest, versions=versions, created_time=TIME, updated_time=TIME)


def test_a_delete_names_the_version_so_that_a_later_one_is_not_touched(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, metadata(4))
    vault.on("POST", DELETE, CUT, NOTHING)
    store.soft_delete("github", "4")
    assert vault.bodies(DELETE) == [{"versions": [4]}] * 2


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (metadata(5), "5"),
        (metadata(5, deleted=True), "5"),
        (metadata(4, destroyed=True), "4"),
        (ABSENT, None),
    ],
)
def test_a_delete_of_what_is_not_the_newest_is_a_conflict(
    vault: ScriptedVault, store: VaultStore, answer: Answer, found: str | None
) -> None:
    vault.on("GET", METADATA, answer)
    error = conflict(lambda: store.soft_delete("github", "4"), Action.DELETE)
    assert error.found == found
    assert "version 4 was read" in error.reason
    assert [path for path in vault.paths("POST") if "github" in path] == []


def test_recovering_brings_back_the_newest_version_and_tells_it(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, metadata(4, deleted=True, custom_metadata={"a": "1"}))
    vault.on("POST", UNDELETE, CUT, NOTHING)
    vault.on("GET", DATA, version(4, A="x"))
    state = store.recover("github")
    assert (state.state, state.version, dict(state.attributes.tags)) == (StoreState.PRESENT, "4", {"a": "1"})
    assert vault.bodies(UNDELETE) == [{"versions": [4]}] * 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [(ABSENT, "it is absent, not soft-deleted"), (metadata(4, destroyed=True), "it is destroyed, not soft-deleted")],
)
def test_what_cannot_be_recovered_is_told_with_what_it_is(
    vault: ScriptedVault, store: VaultStore, answer: Answer, words: str
) -> None:
    vault.on("GET", METADATA, answer)
    with pytest.raises(NotFoundError) as caught:
        store.recover("github")
    assert (caught.value.reason, caught.value.action) == (words, Action.RECOVER)
    assert vault.bodies(UNDELETE) == []


def test_a_deletion_takes_all_versions_that_can_be_read_in_one_request(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, several(v9="later", v10="readable", v7="destroyed", v8="deleted"))
    vault.on("POST", DELETE, CUT, NOTHING)
    store.delete_versions("github", ["9", "10"])
    assert vault.bodies(DELETE) == [{"versions": [9, 10]}] * 2


@pytest.mark.parametrize(
    ("answer", "words", "found"),
    [
        (several(v1="readable", v2="readable", v3="readable"), "versions 1, 2, 3", "3"),
        (several(v1="readable", v2="deleted"), "version 1", "1"),
        (several(v1="deleted", v2="destroyed"), "none can", None),
        (ABSENT, "none can", None),
    ],
    ids=["one more", "one fewer", "one is destroyed", "absent"],
)
def test_a_deletion_of_other_versions_than_were_planned_is_a_conflict(
    vault: ScriptedVault, store: VaultStore, answer: Answer, words: str, found: str | None
) -> None:
    vault.on("GET", METADATA, answer)
    error = conflict(lambda: store.delete_versions("github", ["1", "2"]), Action.DELETE)
    assert error.reason == f"another writer changed it: versions 1, 2 could be read before, and now {words}"
    assert error.found == found
    assert vault.bodies(DELETE) == []


def test_whoever_may_not_see_the_versions_deletes_none(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, denied())
    with pytest.raises(ForbiddenError) as caught:
        store.delete_versions("github", ["1"])
    assert caught.value.permission == f"read on {METADATA}"
    assert vault.bodies(DELETE) == []


def test_exactly_the_deleted_versions_are_brought_back(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, several(v1="deleted", v2="deleted", v3="readable", v4="deleted"))
    vault.on("POST", UNDELETE, CUT, NOTHING)
    store.recover_versions("github", ["2", "3", "4"])
    assert vault.bodies(UNDELETE) == [{"versions": [2, 4]}] * 2


def test_nothing_is_brought_back_below_another_writers_version(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, several(v1="deleted", v2="readable"))
    assert conflict(lambda: store.recover_versions("github", ["1"]), Action.RECOVER).found == "2"
    assert vault.bodies(UNDELETE) == []


@pytest.mark.parametrize("answer", [several(v2="destroyed"), several(v3="deleted"), ABSENT])
def test_a_version_that_is_lost_for_good_is_told(vault: ScriptedVault, store: VaultStore, answer: Answer) -> None:
    vault.on("GET", METADATA, answer)
    with pytest.raises(VersionGoneError) as caught:
        store.recover_versions("github", ["2"])
    assert (caught.value.version, caught.value.action) == ("2", Action.RECOVER)
    assert caught.value.reason == "version 2 is destroyed or evicted for good"
    assert vault.bodies(UNDELETE) == []
