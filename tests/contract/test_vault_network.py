"""What the network, proxies and a failing server do to the Vault adapter; retries run on virtual time."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from compiler.stores.errors import Code, StoreError
from compiler.stores.interface import SecretWriter, StoreOptions
from compiler.stores.secret_value import SecretValue
from tests.faulty_gateway import FaultyGateway, GatewayFault, ReceivedRequest, Rule
from tests.pace import allowed_wall
from tests.refusals import is_refused
from tests.virtual_clock import VirtualClock

OpenVault = Callable[..., SecretWriter]

JSON = {"Content-Type": "application/json"}


def refused(status: int, text: str, **headers: str) -> GatewayFault:
    return GatewayFault(status, {**JSON, **headers}, json.dumps({"errors": [text]}).encode())


def on_data(fault: GatewayFault | None, method: str = "GET", times: int = 1_000_000) -> Rule:
    left = [times]

    def rule(seen: ReceivedRequest) -> GatewayFault | None:
        if seen.method != method or "/data/" not in seen.path or left[0] <= 0:
            return None
        left[0] -= 1
        return fault

    return rule


@pytest.fixture
def name() -> str:
    return f"network/{uuid.uuid4().hex}"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def store(openbao: LocalOpenBao, gateway: FaultyGateway, open_vault: OpenVault, clock: VirtualClock) -> SecretWriter:
    opened = open_vault(gateway.url, {"VAULT_TOKEN": openbao.token}, StoreOptions(clock=clock, connect_timeout=2))
    opened.whoami()
    return opened


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("moment", ["log-in", "read", "write"])
def test_a_redirect_to_another_host_sends_no_token(
    openbao: LocalOpenBao, gateway: FaultyGateway, open_vault: OpenVault, name: str, status: int, moment: str
) -> None:
    with FaultyGateway() as other:
        fault = GatewayFault(status, {"Location": f"{other.url}/v1/secret/data/x"})
        store = open_vault(gateway.url, {"VAULT_TOKEN": openbao.token})
        if moment == "log-in":
            gateway.rule = lambda _seen: fault
        else:
            store.whoami()
            gateway.rule = on_data(fault, "GET" if moment == "read" else "POST")
        with pytest.raises(StoreError, check=is_refused(Code.REDIRECT_REFUSED)):
            store.write(name, {"A": SecretValue("1")}, None) if moment == "write" else store.read(name)
        assert other.seen == []


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"", b"[]", b'"text"', b"{"])
def test_a_success_that_is_no_json_object_is_told_as_such(
    store: SecretWriter, gateway: FaultyGateway, name: str, body: bytes
) -> None:
    gateway.rule = on_data(GatewayFault(200, {"Content-Type": "text/html"}, body))
    started = time.monotonic()
    with pytest.raises(StoreError, match="is not Vault", check=is_refused(Code.UNEXPECTED_REPLY)):
        store.read(name)
    assert time.monotonic() - started < allowed_wall(2, below=10)
    assert gateway.count("GET", "/data/") == 1


@pytest.mark.parametrize("body", [b"{}", b'{"data": null}', b'{"data": {"data": [], "metadata": {}}}'])
def test_a_success_of_another_shape_is_told_as_such(
    store: SecretWriter, gateway: FaultyGateway, name: str, body: bytes
) -> None:
    gateway.rule = on_data(GatewayFault(200, JSON, body))
    with pytest.raises(StoreError, match="lacks fields", check=is_refused(Code.UNEXPECTED_REPLY)):
        store.read(name)


def test_a_success_of_another_shape_is_settled_by_reading_back(
    store: SecretWriter, gateway: FaultyGateway, name: str
) -> None:
    gateway.rule = on_data(GatewayFault(rewrite=lambda _body: b"{}"), "POST")
    assert store.write(name, {"A": SecretValue("1")}, None).version == "1"
    assert gateway.count("POST", "/data/") == 1


@pytest.mark.parametrize("drops", [1, 3])
def test_a_reply_dropped_after_the_write_was_stored_makes_one_version(
    store: SecretWriter, gateway: FaultyGateway, name: str, drops: int
) -> None:
    gateway.rule = on_data(GatewayFault(drop_after=True), "POST", drops)
    assert store.write(name, {"A": SecretValue("1")}, None).version == "1"
    assert store.read(name).version == "1"
    assert gateway.count("POST", "/data/") == 1
    gateway.rule = on_data(GatewayFault(drop_after=True), "POST", drops)
    assert store.write(name, {"A": SecretValue("2")}, store.read(name)).version == "2"
    assert store.read(name).version == "2"


def test_a_write_that_was_lost_before_the_store_saw_it_is_sent_again(
    store: SecretWriter, gateway: FaultyGateway, name: str
) -> None:
    gateway.rule = on_data(GatewayFault(drop_before=True), "POST", 2)
    assert store.write(name, {"A": SecretValue("1")}, None).version == "1"
    assert gateway.count("POST", "/data/") == 3


def test_an_oversize_500_is_not_sent_again(store: SecretWriter, gateway: FaultyGateway, name: str) -> None:
    gateway.rule = on_data(refused(500, "put failed due to value being too large; got 9 bytes, max: 8 bytes"), "POST")
    with pytest.raises(StoreError, check=is_refused(Code.TOO_LARGE)):
        store.write(name, {"A": SecretValue("1")}, None)
    assert gateway.count("POST", "/data/") == 1


def test_deleting_and_recovering_stand_a_lost_reply(store: SecretWriter, gateway: FaultyGateway, name: str) -> None:
    store.write(name, {"A": SecretValue("1")}, None)
    for part, act in (("/delete/", lambda: store.soft_delete(name, "1")), ("/undelete/", lambda: store.recover(name))):
        done = threading.Event()

        def rule(seen: ReceivedRequest, part: str = part, done: threading.Event = done) -> GatewayFault | None:
            if part in seen.path and not done.is_set():
                done.set()
                return GatewayFault(drop_after=True)
            return None

        gateway.rule = rule
        act()
    assert store.read(name).version == "1"


def test_a_rough_network_loses_and_doubles_nothing(
    openbao: LocalOpenBao, gateway: FaultyGateway, open_vault: OpenVault
) -> None:
    workers, secrets = 8, 100
    clock = VirtualClock()
    store = open_vault(gateway.url, {"VAULT_TOKEN": openbao.token}, StoreOptions(clock=clock))
    store.whoami()
    turn = [0]
    faults = (GatewayFault(drop_before=True), GatewayFault(drop_after=True), refused(500, "x"), refused(503, "y"))

    def rule(_seen: ReceivedRequest) -> GatewayFault | None:
        turn[0] += 1
        return faults[turn[0] // 10 % len(faults)] if turn[0] % 10 == 0 else None

    gateway.rule = rule
    prefix = f"soak/{uuid.uuid4().hex}"

    def move(number: int) -> str:
        name = f"{prefix}/{number}"
        store.write(name, {"A": SecretValue(name)}, None)
        return store.read(name).version

    with ThreadPoolExecutor(workers) as pool:
        versions = list(pool.map(move, range(secrets)))
    assert versions == ["1"] * secrets
    assert len(gateway.seen) <= 1.3 * (2 * secrets) + 5
