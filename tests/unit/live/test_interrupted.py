import pytest

from compiler.refusal import follows_interrupt


def failure(first: BaseException, then: Exception | None = None) -> BaseException:
    try:
        try:
            raise first
        finally:
            if then is not None:
                raise then
    except BaseException as error:  # noqa: BLE001 - whatever it is
        return error


@pytest.mark.parametrize(
    ("error", "follows"),
    [
        (failure(KeyboardInterrupt()), True),
        (failure(KeyboardInterrupt(), RuntimeError("release unlocked lock")), True),
        (failure(KeyError(), RuntimeError()), False),
        (failure(KeyError()), False),
        (None, False),
    ],
)
def test_what_comes_while_an_interrupt_is_handled_follows_it(
    error: BaseException | None,
    follows: bool,  # noqa: FBT001
) -> None:
    assert follows_interrupt(error) is follows
