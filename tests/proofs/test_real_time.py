"""The proofs of limits and patience once more without a virtual clock: `make proofs`; they take minutes by nature."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from compiler.demo.local_key_vault import LocalKeyVault, VaultOptions
from compiler.model.store_address import Provider, StoreAddress
from compiler.stores.interface import SecretWriter
from compiler.stores.open import open_store
from compiler.stores.options import StoreOptions
from compiler.stores.secret import Secret

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("PLATFORM_SECRETS_PROOFS") != "1", reason="in real time: `make proofs`"),
]


def opened(vault: LocalKeyVault, workers: int) -> SecretWriter:
    return open_store(StoreAddress(Provider.AZURE_KEY_VAULT, vault.url), vault.environ(), StoreOptions(workers=workers))


def write_many(store: SecretWriter, count: int, workers: int) -> None:
    def write(number: int) -> None:
        store.write(f"secret-{number}", {"KEY": Secret(f"value {number}")}, None)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(write, range(count)))


def test_proof_7_in_real_time_a_thousand_secrets_by_32_workers_stay_below_300_creates_in_any_10_seconds() -> None:
    with LocalKeyVault(VaultOptions()) as vault:
        store = opened(vault, 32)
        started = time.monotonic()
        write_many(store, 1_000, 32)
        took = time.monotonic() - started
        store.close()
        requests = vault.requests()
        created = sorted(one.time for one in requests if one.authorised and one.kind == "create")
        assert len(created) >= 1_000
        # The 301st after any create comes more than ten seconds later.
        assert all(later - first > 10 for first, later in zip(created, created[300:], strict=False))
        assert sum(one.status == 429 for one in requests) < 0.05 * len(requests)
        assert all(len(vault.versions(f"secret-{number}")) == 1 for number in range(1_000))
        assert took < 60


@pytest.mark.parametrize("retry_after", [None, "1", "garbage", "86400"])
def test_proof_6_in_real_time_throttling_of_30_seconds_is_sat_out(retry_after: str | None) -> None:
    with LocalKeyVault(VaultOptions(throttle_retry_after=retry_after)) as vault:
        store = opened(vault, 8)
        now = time.time()
        vault.throttle_between(now, now + 30)
        started = time.monotonic()
        write_many(store, 24, 8)
        took = time.monotonic() - started
        store.close()
        assert len(vault.server.state.names()) == 24
        assert 30 <= took < 150
