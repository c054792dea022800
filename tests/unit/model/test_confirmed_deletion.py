import pytest

from compiler.model.facts import ASKS_FIRST, asks_before_pruning, lacking


@pytest.mark.parametrize(
    ("options", "lacks", "asks"),
    [
        (ASKS_FIRST, (), True),
        ("Replace=true, Delete=confirm , Prune=confirm", (), True),
        ("Prune=confirm", ("Delete=confirm",), True),
        ("Prune=false,Delete=confirm", ("Prune=confirm",), False),
        ("XPrune=confirm", ("Prune=confirm", "Delete=confirm"), False),
        ("", ("Prune=confirm", "Delete=confirm"), False),
    ],
)
def test_what_options_lack_is_told(options: str, lacks: tuple[str, ...], asks: bool) -> None:  # noqa: FBT001
    assert lacking(options) == lacks
    assert asks_before_pruning(options) == asks
