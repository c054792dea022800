import threading
from typing import cast

import pytest

from compiler.live.read_many import ask_many, is_of_store, is_silence, read_all, read_many
from compiler.stores.errors import Action, Code, ForbiddenError, NotFoundError, StoreError, StoreLocation
from compiler.stores.interface import Attributes, RemoteSecret, SecretReader
from tests.refusals import is_refused
from tests.unit.memory_store import MemoryStore

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


def test_those_who_need_every_store_get_each_name_of_each_store_once() -> None:
    one, other = MemoryStore(), MemoryStore()
    one.seed("a", KEY="1")
    found = read_many([(one, "a"), (other, "a"), (one, "a"), (one, "b")], 4)
    assert found.keys() == {(one, "a"), (one, "b"), (other, "a")}
    assert not isinstance(found[one, "a"], StoreError)
    assert isinstance(found[other, "a"], NotFoundError)
    assert sorted(one.calls) == [("read", "a"), ("read", "b")]


def test_those_who_need_every_store_hear_of_a_dead_one_at_once() -> None:
    store, other = MemoryStore(), MemoryStore()

    def dead(_method: str, name: str) -> None:
        raise StoreError(store.place(name), Action.READ, "no answer", "wait", Code.UNAVAILABLE)

    store.before = dead
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
