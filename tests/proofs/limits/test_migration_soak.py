from collections.abc import Callable
from typing import Any

import pytest

from tests.faulty_key_vault import Fault, FaultKind
from tests.proofs.conftest import ALL_PROOFS, on_stores
from tests.proofs.limits.conftest import Ends

# `make proofs` takes what makes chance even out more.
MANY = 2_000 if ALL_PROOFS else 250
# What one secret costs without any fault. Key Vault as destination: two reads of the plan (a name that is not there is
# looked for among the deleted), the last look, the write, the look for other writers, the reading back. Vault: the plan
# reads the value and the metadata, which says when what is written will delete itself.
IDEAL = {"azure": {"vault": 1, "azure": 6}, "vault": {"azure": 1, "vault": 4}}
RESETS = frozenset({FaultKind.RESET, FaultKind.RESET_REPLY})
ERRORS = frozenset({FaultKind.STATUS, FaultKind.STATUS_AFTER})
# 5 % resets and 5 % server errors, half of each after the request was handled; later ones see fewer requests.
STORM = (
    Fault(FaultKind.RESET, times=None, rate=0.026),
    Fault(FaultKind.RESET_REPLY, times=None, rate=0.026),
    Fault(FaultKind.STATUS, times=None, rate=0.027, status=503),
    Fault(FaultKind.STATUS_AFTER, times=None, rate=0.028, status=500),
)


def share(requests: list[Any], kinds: frozenset[FaultKind]) -> float:
    return sum(request.fault in kinds for request in requests) / len(requests)


SOURCE = {"azure": "vault", "vault": "azure"}


@pytest.mark.parametrize("to", ["azure", "vault"])
def test_a_secret_costs_the_ideal_number_of_requests_where_nothing_fails(
    make_ends: Callable[..., Ends], to: str
) -> None:
    some = 60
    ends = make_ends(some)
    ends.fill(SOURCE[to])
    code, said = ends.migrate(to)
    assert code == 0, said
    ends.assert_whole(to)
    # Once a run, or once a worker at most: logging in, looking at token and mount, the first write's look for others.
    more = {store: len(ends.requests(store)) - each * some for store, each in IDEAL[to].items()}
    assert all(0 <= each <= 20 for each in more.values()), more


@pytest.mark.parametrize("to", on_stores(["azure"], ["vault"]))
def test_many_secrets_through_a_storm_are_verified_without_duplicate_at_130_percent_of_the_requests(
    make_ends: Callable[..., Ends], to: str
) -> None:
    ends = make_ends(MANY)
    ends.fill(SOURCE[to])
    ends.weather.latency = 0.1
    for fault in STORM:
        ends.azure.add_fault(fault)
        ends.vault.faults.add(fault)
    code, said = ends.migrate(to)
    assert code == 0, said
    assert f"{MANY} of {MANY} done and verified" in said
    ends.assert_whole(to)
    ends.assert_whole(SOURCE[to])
    for store, each in IDEAL[to].items():
        requests = ends.requests(store)
        assert share(requests, RESETS) > 0.04
        assert share(requests, ERRORS) > 0.04
        assert len(requests) <= 1.3 * each * MANY
    assert len(ends.journals()) == 1
