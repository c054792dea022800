import dataclasses

import pytest

from compiler.stores.interface import StoreOptions
from compiler.stores.pacing import Clock


def test_the_defaults_give_a_minute_of_patience_and_finite_timeouts() -> None:
    options = StoreOptions()
    assert options.retry.patience >= 60
    assert 0 < options.connect_timeout <= options.read_timeout < 60
    assert isinstance(options.clock, Clock)
    assert options.quotas is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.workers = 1  # type: ignore[misc]
