import threading
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from compiler.live.observation import (
    Likeness,
    StoredVersion,
    ask_many,
    compare_held,
    compare_value,
    copy_commands,
    end_before,
    is_later,
    is_of_store,
    is_silence,
    keep_command,
    lasting_command,
    read_all,
    read_many,
    version_of,
    version_states,
    when_written,
)
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores import errors
from compiler.stores.errors import Action, Code, ForbiddenError, NotFoundError, StoreError, StoreLocation
from compiler.stores.interface import Attributes, Dropped, Limit, RemoteSecret, SecretReader
from compiler.stores.secret_value import Comparer, JsonKind, SecretValue
from tests import providers
from tests.memory_store import MemoryStore
from tests.refusals import is_refused

PLACE = StoreLocation("https://vault.example.com/secret", "x")


def forbidden(*, is_of_store: bool) -> ForbiddenError:
    return ForbiddenError(PLACE, Action.READ, "no", "ask", permission="read", is_of_store=is_of_store)


class Reader:
    """Answers from `answers`; every other name is there. Counts, and knows how many asked at once."""

    def __init__(self, **answers: StoreError) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.busy = self.most = 0
        self._lock = threading.Lock()
        self.barrier: threading.Barrier | None = None

    def read(self, name: str) -> RemoteSecret:
        with self._lock:
            self.asked.append(name)
            self.busy += 1
            self.most = max(self.most, self.busy)
        if self.barrier is not None and len(self.asked) > 1:
            self.barrier.wait(5)
        with self._lock:
            self.busy -= 1
        if name in self.answers:
            raise self.answers[name]
        return RemoteSecret(name, "1", {}, Attributes())


def as_reader(reader: Reader) -> SecretReader:
    return cast("SecretReader", reader)


def test_each_name_is_read_once_and_one_failure_is_its_own() -> None:
    missing = NotFoundError(PLACE, Action.READ, "no such secret", "create it")
    reader = Reader(b=missing)
    found = read_all((as_reader(reader), name) for name in ("a", "b", "a", "c"))
    assert sorted(reader.asked) == ["a", "b", "c"]
    assert found[as_reader(reader), "b"] is missing
    assert isinstance(found[as_reader(reader), "c"], RemoteSecret)


def test_the_rest_is_read_by_as_many_as_there_are_workers_and_no_more() -> None:
    reader = Reader()
    reader.barrier = threading.Barrier(4)
    read_all([(as_reader(reader), str(number)) for number in range(9)], workers=4)
    assert reader.most == 4


@pytest.mark.parametrize("failing", ["a", "b"])
def test_a_store_that_fails_as_a_whole_is_not_asked_again(failing: str) -> None:
    sealed = StoreError(PLACE, Action.READ, "sealed", "unseal", Code.SEALED)
    broken, sound = Reader(**{failing: sealed}), Reader()
    names = [chr(ord("a") + number) for number in range(20)]
    found = read_all([*((as_reader(broken), name) for name in names), (as_reader(sound), "a")], workers=1)
    assert len(broken.asked) == 1 + names.index(failing)
    assert found[as_reader(broken), "t"] is sealed
    assert isinstance(found[as_reader(sound), "a"], RemoteSecret)


def test_the_stores_are_asked_at_the_same_time() -> None:
    both = threading.Barrier(2)

    class Meeting(Reader):
        def read(self, name: str) -> RemoteSecret:
            both.wait(5)
            return super().read(name)

    stores = [Meeting(), Meeting()]
    found = read_all([(as_reader(store), "a") for store in stores])
    assert list(found) == [(as_reader(store), "a") for store in stores]


def test_a_store_that_is_known_not_to_answer_is_told_before_another_has_answered() -> None:
    over = threading.Event()

    class Slow(Reader):
        def read(self, name: str) -> RemoteSecret:
            over.wait(5)
            return super().read(name)

    sealed = StoreError(PLACE, Action.READ, "sealed", "unseal", Code.SEALED)
    slow = Slow()
    with pytest.raises(StoreError, check=is_refused(Code.SEALED)):
        read_many([(as_reader(slow), "a"), (as_reader(Reader(a=sealed)), "a")], 4)
    assert slow.asked == []
    over.set()


def test_many_questions_are_answered_in_their_order() -> None:
    assert ask_many(lambda number: -number, range(1234)) == [-number for number in range(1234)]


def test_after_a_failure_no_later_question_is_asked() -> None:
    asked = set[int]()

    def ask(number: int) -> int:
        asked.add(number)
        return 1 // (number - 3)

    with pytest.raises(ZeroDivisionError):
        ask_many(ask, range(1234))
    # Of the next five hundred none.
    assert max(asked) < 500


def test_nothing_wanted_is_nothing_asked() -> None:
    assert read_all([]) == {}
    assert read_many([], 2) == {}


def test_another_exception_is_not_swallowed() -> None:
    class Broken(Reader):
        def read(self, name: str) -> RemoteSecret:
            raise KeyError(name)

    with pytest.raises(KeyError):
        read_all([(as_reader(Broken()), "a")])
    with pytest.raises(KeyError):
        read_all([(as_reader(Broken()), "a"), (as_reader(Reader()), "a")])


@pytest.mark.parametrize(
    ("error", "of_store", "silence"),
    [
        (StoreError(PLACE, Action.READ, "sealed", "unseal", Code.SEALED), True, True),
        (StoreError(PLACE, Action.CONNECT, "no mount", "correct it", Code.WRONG_MOUNT), True, False),
        (NotFoundError(PLACE, Action.READ, "none", "create it"), False, False),
        (forbidden(is_of_store=False), False, False),
        (forbidden(is_of_store=True), True, False),
    ],
)
def test_an_error_is_one_secrets_or_the_stores_and_tells_something_or_not(
    error: StoreError, *, of_store: bool, silence: bool
) -> None:
    assert is_of_store(error) == of_store
    assert is_silence(error) == silence


def forbid(store: MemoryStore, *names: str) -> None:
    def before(_method: str, name: str) -> None:
        if name in names:
            raise ForbiddenError(
                store.place(name),
                Action.READ,
                "no right",
                "add",
                permission="get",
                rules=[f"rule {name}"],
            )

    store.before = before


def test_those_who_need_every_store_hear_of_a_dead_one_at_once() -> None:
    store, other = MemoryStore(), MemoryStore()
    store.silence("read", "0")
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        read_many([(each, str(number)) for number in range(50) for each in (store, other)], 8)
    assert store.calls == [("read", "0")]
    # Both are asked at the same time, and none a second time.
    assert other.calls == [("read", "0")]


def test_one_forbidden_name_is_that_names_matter_and_all_of_them_the_stores() -> None:
    store = MemoryStore()
    forbid(store, "a")
    found = read_many([(store, "a"), (store, "b")], 2)
    assert isinstance(found[store, "a"], ForbiddenError)
    forbid(store, "a", "b")
    with pytest.raises(ForbiddenError) as caught:
        read_many([(store, "a"), (store, "b")], 2)
    assert caught.value.remedy == "add rule a rule b"


@pytest.mark.parametrize("failing", ["a", "b"])
def test_those_who_need_every_store_hear_of_one_that_dies_in_the_middle(failing: str) -> None:
    sealed = StoreError(PLACE, Action.READ, "sealed", "unseal", Code.SEALED)
    sound, broken = Reader(), Reader(**{failing: sealed})
    with pytest.raises(StoreError, check=is_refused(Code.SEALED)):
        read_many([(as_reader(each), name) for each in (sound, broken) for name in ("a", "b", "c")], 2)


HELD = {"TEXT": SecretValue("7"), "NUMBER": SecretValue("7", JsonKind.NUMBER), "EMPTY": SecretValue("")}
REMOTE = RemoteSecret("name", "v1", HELD, Attributes(), SecretValue("whole"))
TEXT, NUMBER, WHOLE = SecretValue("7"), SecretValue("7", JsonKind.NUMBER), SecretValue("whole")


@pytest.mark.parametrize(
    ("value", "property_", "exactly", "or_its_text"),
    [
        (TEXT, "TEXT", Likeness.EQUAL, Likeness.EQUAL),
        # A migration turns a number into its text, and no text into a number.
        (NUMBER, "TEXT", Likeness.DIFFERENT, Likeness.EQUAL),
        (TEXT, "NUMBER", Likeness.DIFFERENT, Likeness.DIFFERENT),
        # A blank value is none beside another one.
        (TEXT, "EMPTY", Likeness.MISSING, Likeness.MISSING),
        (SecretValue(" "), "EMPTY", Likeness.MISSING, Likeness.MISSING),
        (SecretValue(""), "EMPTY", Likeness.EQUAL, Likeness.EQUAL),
        (SecretValue("\n"), "TEXT", Likeness.ONLY_THERE, Likeness.ONLY_THERE),
        (TEXT, "NONE", Likeness.MISSING, Likeness.MISSING),
        (WHOLE, None, Likeness.EQUAL, Likeness.EQUAL),
        (TEXT, None, Likeness.DIFFERENT, Likeness.DIFFERENT),
    ],
)
def test_what_is_held_is_the_same_or_another_or_missing(
    value: SecretValue, property_: str | None, exactly: Likeness, or_its_text: Likeness
) -> None:
    for takes_text, likeness in ((False, exactly), (True, or_its_text)):
        assert compare_value(value, REMOTE, property_, Comparer(), or_its_text=takes_text) is likeness


WHERE = errors.StoreLocation("https://store", "name"), errors.Action.READ, "the reason", "the remedy"


@pytest.mark.parametrize(
    ("error", "likeness"),
    [
        (errors.NotFoundError(*WHERE), Likeness.MISSING),
        (errors.SoftDeletedError(*WHERE), Likeness.MISSING),
        (errors.VersionGoneError(*WHERE, version="v1"), Likeness.MISSING),
        (errors.DisabledError(*WHERE), Likeness.UNKNOWN),
        (errors.StoreError(*WHERE, errors.Code.UNAVAILABLE), Likeness.UNKNOWN),
    ],
)
def test_a_store_that_does_not_say_what_it_holds_is_no_store_without_it(
    error: errors.StoreError, likeness: Likeness
) -> None:
    assert compare_value(TEXT, error, None, Comparer()) is likeness


def test_what_two_stores_hold_is_equal_or_different_or_in_one_of_them_alone() -> None:
    for there, here, likeness in (
        (TEXT, SecretValue("7"), Likeness.EQUAL),
        (TEXT, NUMBER, Likeness.DIFFERENT),
        (TEXT, None, Likeness.ONLY_THERE),
        (None, TEXT, Likeness.MISSING),
        (None, None, Likeness.MISSING),
    ):
        assert compare_held(there, here, Comparer()) is likeness


MOMENT = datetime(2026, 11, 28, 7, 12, 31, tzinfo=UTC)


def version(store: str, created: datetime | None = MOMENT) -> StoredVersion:
    return StoredVersion(store, f"https://{store}", "a", "1", created)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (timedelta(seconds=1), timedelta(), True),
        (timedelta(), timedelta(seconds=1), False),
        # One of the two may tell whole seconds alone.
        (timedelta(microseconds=900), timedelta(), False),
    ],
)
def test_the_later_one_is_known_by_whole_seconds(one: timedelta, other: timedelta, expected: bool) -> None:  # noqa: FBT001
    assert is_later(version("a", MOMENT + one), version("b", MOMENT + other)) is expected


def test_without_a_date_none_is_later() -> None:
    known, unknown = version("a"), version("b", None)
    assert not is_later(known, unknown)
    assert not is_later(unknown, known)
    assert when_written(unknown, version("c", None)) == ""
    assert when_written(unknown, known) == '"b" was written at an unknown time, "a" 2026-11-28 07:12:31 UTC'


def test_the_later_one_is_named_first() -> None:
    early, late = version("vault"), version("azure", MOMENT + timedelta(minutes=1))
    said = '"azure" was written later, 2026-11-28 07:13:31 UTC, "vault" 2026-11-28 07:12:31 UTC'
    assert when_written(early, late) == when_written(late, early) == said
    assert when_written(early, version("azure")).startswith('"vault" was written 2026-11-28 07:12:31 UTC, "azure" ')


def test_each_direction_has_one_command() -> None:
    early, late = version("vault"), version("azure", MOMENT + timedelta(minutes=1))
    to_vault = "platform-secrets migrate prod --to vault --from azure --only jira --on-conflict overwrite"
    to_azure = "platform-secrets migrate prod --to azure --from vault --only jira --on-conflict overwrite"
    runs = "to see which runs wrote: platform-secrets runs prod"
    assert copy_commands("prod", "jira", early, late) == (
        f'if that of "azure" is right: {to_vault}',
        f'if that of "vault" is right: {to_azure}',
        runs,
    )
    # Another key of the secret is blank in that store, so that a copy from it would be refused.
    assert copy_commands("prod", "jira", early, late, "vault") == (f'if that of "azure" is right: {to_vault}', runs)


def test_a_version_is_named_by_the_place_that_is_the_same_for_everyone() -> None:
    address = StoreAddress(providers.KEY_VAULT, "https://Mine.vault.azure.net/")
    remote = RemoteSecret("a", "7", {}, Attributes(created=MOMENT))
    assert version_of("azure", address.absolute, remote) == StoredVersion(
        "azure", "https://mine.vault.azure.net", "a", "7", MOMENT
    )


EARLY, LATE = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)


class Held:
    """What counts of an environment's store: its provider."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider


VAULT, AZURE = Held(providers.VAULT), Held(providers.KEY_VAULT)


def ending(when: datetime | None) -> RemoteSecret:
    return RemoteSecret("a", "3", {}, Attributes(expires=when))


@pytest.mark.parametrize(
    ("new", "ends", "old", "serving", "expected"),
    [
        (VAULT, EARLY, VAULT, ending(LATE), EARLY),
        (VAULT, EARLY, VAULT, ending(None), EARLY),
        # It is not known to end earlier itself.
        (VAULT, EARLY, VAULT, None, EARLY),
        # A Key Vault serves what is past its date.
        (VAULT, LATE, AZURE, ending(EARLY), LATE),
        (VAULT, LATE, VAULT, ending(EARLY), None),
        (VAULT, EARLY, VAULT, ending(EARLY), None),
        (VAULT, None, VAULT, ending(EARLY), None),
        (AZURE, EARLY, VAULT, ending(None), None),
    ],
)
def test_only_a_version_in_vault_that_ends_before_the_other_does_not_stay(
    new: Any,  # noqa: ANN401 - a store
    ends: datetime | None,
    old: Any,  # noqa: ANN401 - a store
    serving: RemoteSecret | None,
    expected: datetime | None,
) -> None:
    assert end_before(new, ending(ends), old, serving) == expected


def test_the_lines_that_have_it_stay_are_those_of_the_settings_and_of_the_version() -> None:
    address = StoreAddress(providers.VAULT, "https://vault", mount="kv/", vault_namespace="team a")
    assert lasting_command(address, "x y", tuple(Limit), "3") == (
        "bao write '-namespace=team a' kv/config delete_version_after=0s"
        " && bao kv metadata put '-namespace=team a' -mount=kv -delete-version-after=0s 'x y'"
        " && bao kv undelete '-namespace=team a' -mount=kv -versions=3 'x y'"
    )
    plain = StoreAddress(providers.VAULT, "https://vault", mount="kv")
    assert lasting_command(plain, "x", [Limit.MOUNT]) == "bao write kv/config delete_version_after=0s"
    assert lasting_command(plain, "x", [Limit.NAME]) == "bao kv metadata put -mount=kv -delete-version-after=0s x"


def test_the_settings_that_say_so_are_asked_for_and_all_are_named_where_that_is_denied() -> None:
    store = MemoryStore(StoreAddress(providers.VAULT, "https://vault", mount="kv"))
    undelete = "bao kv undelete -mount=kv -versions=3 x"
    # It was set then, and is not any more.
    assert keep_command(store, "x", "3") == undelete
    store.drops = {"x": Dropped((), 10, 60, (Limit.NAME,))}
    own = "bao kv metadata put -mount=kv -delete-version-after=0s x"
    assert keep_command(store, "x", "3") == f"{own} && {undelete}"
    store.failures["losses_of_write", "x"] = ForbiddenError(
        store.place("x"), Action.DESCRIBE, "no policy", "add one", permission="read"
    )
    assert keep_command(store, "x", "3") == f"bao write kv/config delete_version_after=0s && {own} && {undelete}"


MEMORY_PLACE = StoreLocation("https://memory", "a")


def test_an_error_of_one_name_stands_for_it_and_one_of_the_store_is_raised() -> None:
    store = MemoryStore()
    denied = ForbiddenError(MEMORY_PLACE, Action.DESCRIBE, "no policy", "add one", permission="p")
    store.failures["version_states", "a"] = denied
    assert version_states([(store, "a"), (store, "b")]) == {(store, "a"): denied, (store, "b"): {}}
    store.silence("version_states", "b")
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        version_states([(store, "a"), (store, "b")])
