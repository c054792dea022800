"""A throttle that closes on order, and what a throttled store's log is judged by: writes and times in and out."""

from tests.faulty_key_vault import ClosableThrottle
from tests.strict_key_vault import RequestKind

# What a Retry-After may say, and the seconds of it that are obeyed.
ASKED = {None: 0, "1": 1, "0": 0, "garbage": 0, "86400": 30}


class Closing(ClosableThrottle):
    """Refuses everything for `seconds` once it has let so many writes pass."""

    def __init__(self, writes: int, seconds: float) -> None:
        super().__init__(None, None)
        self._writes = writes
        self._seconds = seconds

    def admits(self, kind: RequestKind, now: float) -> bool:
        if self._writes == 0:
            self.close_between(now, now + self._seconds)
        if self._writes >= 0 and (kind == "create" or self._writes == 0):
            self._writes -= 1
        return super().admits(kind, now)


def most_in_any_window(times: list[float], window: float = 10.0) -> int:
    times = sorted(times)
    start = most = 0
    for end, time in enumerate(times):
        while time - times[start] > window:
            start += 1
        most = max(most, end - start + 1)
    return most
