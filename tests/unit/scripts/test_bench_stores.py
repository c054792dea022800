from pathlib import Path

import pytest

from compiler.model.store import Address, StoreAddress
from compiler.stores.http import HttpReply, Transport
from compiler.stores.secret_value import SecretValue
from scripts import bench_stores
from scripts.bench import Figure
from scripts.bench_stores import Meter, Timed, at_most, count_requests, fullest, measure, page, project, quickest
from tests import providers
from tests.memory_store import MemoryStore


@pytest.mark.parametrize(
    ("times", "most"),
    [([], 0), ([1.0], 1), ([0.0, 5.0, 9.9, 10.5], 3), ([float(n) / 30 for n in range(600)], 300)],
)
def test_the_fullest_window_is_found(times: list[float], most: int) -> None:
    assert fullest(times) == most


def test_time_in_an_adapter_is_counted_and_its_answers_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = MemoryStore()
    monkeypatch.setattr(bench_stores, "open_store", lambda _address, _environ: inner)
    meter = Meter()
    store = meter.open(StoreAddress(providers.VAULT, "http://127.0.0.1:1"), {})
    assert store.address == inner.address
    store.write("a", {"K": SecretValue("v")}, None)
    assert store.read("a").properties.keys() == {"K"}
    assert meter.calls == 2
    assert meter.seconds > 0


def test_an_operation_is_timed() -> None:
    done = measure(lambda _opener: sum(range(200_000)))
    assert done.wall >= done.cpu * 0.5 > 0
    assert done.share == 0


def test_of_several_runs_the_quickest_counts_each_after_its_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = iter([Timed(3.0, 1.5, 0.5), Timed(2.0, 1.8, 0.7), Timed(4.0, 1.2, 0.9)])
    seen: list[str] = []

    def run(_action: object) -> Timed:
        seen.append("run")
        return next(runs)

    monkeypatch.setattr(bench_stores, "measure", run)
    assert quickest(lambda _opener: None, lambda: seen.append("prepare")) == Timed(2.0, 1.2, 0.9)
    assert seen == ["prepare", "run"] * 3


def test_the_project_has_as_many_secrets_and_keys_as_asked(tmp_path: Path) -> None:
    environment = project(tmp_path, 3, 2, ("https://bench.vault.azure.net", "http://127.0.0.1:1"))
    assert [len(secret.keys) for secret in environment.secrets.values()] == [2, 2, 2]
    assert set(environment.stores) == {"vault", "second", "azure"}
    assert {secret.store for secret in environment.secrets.values()} == {environment.stores["vault"]}


def test_the_project_may_be_served_by_another_store(tmp_path: Path) -> None:
    environment = project(tmp_path, 2, 1, ("https://bench.vault.azure.net", "http://127.0.0.1:1"), "second")
    assert {secret.store for secret in environment.secrets.values()} == {environment.stores["second"]}


def test_requests_to_stores_are_counted_while_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = HttpReply(204, {}, b"")
    monkeypatch.setattr(Transport, "request", lambda *_: reply)
    transport = Transport(Address("http", "127.0.0.1", None, ""), None, connect_timeout=1, read_timeout=1)
    with count_requests() as sent:
        assert [transport.request(method, "/", {}) for method in ("GET", "POST")] == [reply, reply]
    transport.request("GET", "/", {})
    assert sent() == 2


def test_the_page_shows_the_budget_the_old_way_and_the_share_of_the_clients() -> None:
    text = page([Figure(at_most("verify", "s", 1.0), 0.5, 90.0)], ["verify: 0.40 s of processor time, 80% of it"])
    assert "| one process a secret |" in text
    assert "| 0.50 s" in text
    assert "| 90.00 s" in text
    assert "- verify: 0.40 s of processor time, 80% of it.\n" in text
