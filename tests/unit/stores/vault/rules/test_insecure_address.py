import pytest

from compiler.model.store import StoreAddress
from compiler.stores.errors import Code, StoreError
from compiler.stores.interface import StoreOptions
from compiler.stores.vault.client import open_transport
from compiler.stores.vault.rules.insecure_address import check
from tests import providers
from tests.plain_http import FAR, NEAR
from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize(
    "server",
    [
        "http://vault.example.com:8200",
        "HTTP://vault.example.com",
        "http://10.0.0.1:8200",
        "http://vault.svc.example.com",
        "http://vault.svc",
        "http://vault.examplesvc",
        "http://a.b.examplesvc",
        "http://notlocalhost",
        "http://128.0.0.1",
        "http://evil.svc",
        "http://a.b.c.svc",
    ],
)
def test_finds_http_across_a_network(judge: Judge, server: str) -> None:
    found = judge(check, f'stores: {{vault: {{server: "{server}"}}}}')
    assert found.messages == ['the store "vault" is reached over http']
    assert found.marked == [f'"{server}"']
    assert found.scopes == [("stores", "vault")]


@pytest.mark.parametrize("server", ["http://vault:8200", "http://vault.vault:8200", "http://v.v.svc.corp.example.com"])
def test_asks_for_the_full_name_of_a_service(judge: Judge, server: str) -> None:
    found = judge(check, f'stores: {{vault: {{server: "{server}"}}}}')
    assert "the full name of a Service" in (found.helps[0] or "")


@pytest.mark.parametrize(
    "server",
    [
        "https://vault.example.com",
        "HTTPS://vault.example.com",
        "http://vault.vault.svc:8200",
        "http://vault.vault.svc.cluster.local:8200",
        "http://vault.localhost",
        "http://127.0.0.1:8200",
        "http://127.8.8.8:8200",
        "http://localhost:8200",
        "http://[::1]:8200",
        "not an address",
    ],
)
def test_leaves_https_and_the_clusters_own_names_alone(judge: Judge, server: str) -> None:
    assert not judge(check, f'stores: {{vault: {{server: "{server}"}}}}')


def test_leaves_key_vaults_to_another_rule(judge: Judge) -> None:
    assert not judge(check, "stores: {azure: {vaultUrl: http://a.example.com}}")


def test_can_be_waived() -> None:
    assert check.waivable


def test_finds_exactly_what_live_commands_refuse(judge: Judge) -> None:
    assert [url for url in (*NEAR, *FAR) if is_refused(url) is not (url in FAR)] == []
    found = [url for url in (*NEAR, *FAR) if judge(check, f'stores: {{vault: {{server: "{url}"}}}}')]
    assert found == list(FAR)


def is_refused(url: str) -> bool:
    try:
        open_transport(StoreAddress(providers.VAULT, url), {}, StoreOptions())
    except StoreError as error:
        return error.code == Code.TLS_FAILURE
    return False


def test_judges_where_live_commands_reach_it_too(judge: Judge) -> None:
    found = judge(check, 'stores: {vault: {reachableAt: "http://vault.example.com:8200"}}')
    assert found.marked == ['"http://vault.example.com:8200"']
    assert judge(check, 'stores: {vault: {reachableAt: "http://127.0.0.1:8201"}}').messages == []
