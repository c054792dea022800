import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from compiler.change.run_files import SharedSync


def test_each_is_waited_for_and_what_is_on_the_disk_already_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    monkeypatch.setattr(os, "fsync", waits.append)
    sync = SharedSync(7)
    first, second = sync.added(), sync.added()
    sync.wait(first)
    sync.wait(second)
    assert waits == [7]
    sync.wait(sync.added())
    assert waits == [7, 7]


def test_what_is_added_during_a_wait_shares_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, waits = threading.Event(), threading.Event(), list[int]()

    def slow(descriptor: int) -> None:
        waits.append(descriptor)
        begun.set()
        assert go_on.wait(10)

    monkeypatch.setattr(os, "fsync", slow)
    sync = SharedSync(7)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(sync.wait, sync.added())]
        assert begun.wait(10)
        futures += [pool.submit(sync.wait, sync.added()) for _ in range(3)]
        go_on.set()
        for future in futures:
            future.result(10)
    assert waits == [7, 7]


def test_after_a_wait_that_failed_nothing_is_taken_to_be_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    monkeypatch.setattr(os, "fsync", waits.append)
    sync = SharedSync(7)
    first = sync.added()
    sync.wait(first)

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    second = sync.added()
    with pytest.raises(OSError, match="Input/output error"):
        sync.wait(second)
    # The kernel would now say that it is, though it has lost it.
    monkeypatch.setattr(os, "fsync", waits.append)
    for later in (second, sync.added()):
        with pytest.raises(OSError, match="Input/output error") as raised:
            sync.wait(later)
        assert raised.value.errno == errno.EIO
    sync.wait(first)
    assert waits == [7]
