"""Makes and recognises the errors of stores that are told apart by a code, and not by a class."""

from collections.abc import Callable
from typing import Any

from compiler.stores.errors import Action, Code, StoreError, StoreLocation


def is_refused(*codes: str) -> Callable[[StoreError], bool]:
    """What `pytest.raises(StoreError, check=…)` takes for an error with one of these codes."""
    return lambda error: error.code in codes


def refusal(
    kind: type[StoreError] | Code,
    place: StoreLocation,
    action: Action,
    reason: str,
    remedy: str,
    **more: Any,  # noqa: ANN401 - each class has its own
) -> StoreError:
    """An error of that class, or with that code; `more` is what a class takes beside the rest."""
    if isinstance(kind, Code):
        return StoreError(place, action, reason, remedy, kind)
    return kind(place, action, reason, remedy, **more)
