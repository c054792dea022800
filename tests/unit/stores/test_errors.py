import inspect

import pytest

from compiler.stores import errors
from compiler.stores.errors import Action, ConflictError, ForbiddenError, StoreError, StoreLocation
from tests.refusals import refusal

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, StoreError) and kind is not StoreError
]
# Those that have no class.
BARE = [code for code in errors.Code if code not in {kind.code for kind in KINDS}]
CODES = [*(kind.code for kind in KINDS), *BARE]


@pytest.mark.parametrize("kind", [*KINDS, *BARE], ids=CODES)
def test_every_error_names_place_action_reason_and_remedy(kind: type[StoreError] | errors.Code) -> None:
    extra = {
        "forbidden": {"permission": "secrets/get"},
        "conflict": {"found": "2"},
        "version-gone": {"version": "3"},
        "unverified": {"version": "3"},
    }.get(kind if isinstance(kind, errors.Code) else kind.code, {})
    error = refusal(kind, StoreLocation("https://store", "a/b"), Action.WRITE, "the reason", "the remedy", **extra)
    assert (error.kind, error.message) == ("cannot run", 'cannot write "a/b" in https://store: the reason')
    assert (error.help, error.remedy) == ("the remedy", "the remedy")
    assert str(error) == 'cannot write "a/b" in https://store: the reason; the remedy'
    assert (error.place.name, error.action) == ("a/b", Action.WRITE)


def test_every_code_is_its_own() -> None:
    assert len(set(CODES)) == len(CODES) == len(errors.Code) >= 29


def test_every_code_says_whose_failure_it_is() -> None:
    listed = [code for codes in errors._SIDE_CODES.values() for code in codes]
    assert sorted(listed) == sorted(errors.Code)
    assert {side: code for code, side in errors.FAILURE_SIDES.items()}.keys() == set(errors.FailureSide)


def test_errors_without_a_secret_name_the_store_alone() -> None:
    for action in (Action.CONNECT, Action.LOG_IN):
        assert str(
            errors.StoreError(StoreLocation("https://store"), action, "r", "m", errors.Code.UNAUTHENTICATED)
        ).startswith(f"cannot {action} to https://store: ")
    assert str(
        errors.StoreError(StoreLocation("https://store"), Action.LIST, "r", "m", errors.Code.WRONG_MOUNT)
    ).startswith("cannot list https://store: ")


def test_a_name_cannot_forge_a_second_line() -> None:
    shown = str(
        errors.StoreError(
            StoreLocation("https://store", 'a"\nerror: \ud800é'), Action.READ, "r", "m", errors.Code.INVALID_NAME
        )
    )
    assert shown.startswith('cannot read "a\\"\\nerror: \\ud800\\xe9" in https://store')
    shown.encode("ascii")


def test_errors_carry_what_a_program_needs() -> None:
    place = StoreLocation("https://store", "a")
    conflict = ConflictError(place, Action.WRITE, "r", "m", found=None)
    assert conflict.found is None
    denied = ForbiddenError(place, Action.READ, "r", "m", permission="read on x")
    assert denied.permission == "read on x"


def test_of_several_refusals_one_has_the_rules_of_all() -> None:
    def refused(name: str, *rules: str) -> ForbiddenError:
        place = StoreLocation("https://store", name)
        words = "add to a policy:"
        return ForbiddenError(place, Action.READ, f"no {name}", words, permission=name, rules=rules)

    first, second = refused("a", "rule a", "shared"), refused("b", "shared", "rule b")
    assert first.remedy == "add to a policy: rule a shared"
    merged = first.with_rules_of((first, second))
    assert (merged.remedy, merged.rules) == ("add to a policy: rule a shared rule b", ("rule a", "shared", "rule b"))
    assert (merged.place, merged.reason, merged.permission) == (first.place, "no a", "a")
