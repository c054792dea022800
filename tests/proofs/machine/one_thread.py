"""Makes pools and threads of the program do their work at once, in the caller: a walk is then the same each time."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Self

import pytest

from compiler.change import apply
from compiler.live import observation


class Pool:
    """A ThreadPoolExecutor without threads."""

    def __init__(self, *_given: object, **_more: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *given: Any) -> Future[Any]:  # noqa: ANN401 - any work
        future: Future[Any] = Future()
        try:
            future.set_result(work(*given))
        except BaseException as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future

    def map(self, work: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
        return map(work, items)

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = False) -> None:
        del wait, cancel_futures

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Thread:
    """A thread that is over when it was started."""

    def __init__(self, target: Callable[..., object], args: tuple[object, ...], **_more: object) -> None:
        self._work = target, args

    def start(self) -> None:
        target, given = self._work
        target(*given)


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (apply, observation):
        monkeypatch.setattr(module, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(observation, "Thread", Thread)
