import base64
from pathlib import Path

import pytest

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.model.store import StoreAddress
from compiler.stores.errors import Code, StoreError
from compiler.stores.interface import StoreOptions
from compiler.stores.vault.client import open_transport
from compiler.stores.vault.rules.stores import find_insecure_address, find_invalid_ca_bundle, find_missing_audience
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
    found = judge(find_insecure_address, f'stores: {{vault: {{server: "{server}"}}}}')
    assert found.messages == ['the store "vault" is reached over http']
    assert found.marked == [f'"{server}"']
    assert found.scopes == [("stores", "vault")]


@pytest.mark.parametrize("server", ["http://vault:8200", "http://vault.vault:8200", "http://v.v.svc.corp.example.com"])
def test_asks_for_the_full_name_of_a_service(judge: Judge, server: str) -> None:
    found = judge(find_insecure_address, f'stores: {{vault: {{server: "{server}"}}}}')
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
    assert not judge(find_insecure_address, f'stores: {{vault: {{server: "{server}"}}}}')


def test_leaves_key_vaults_to_another_rule(judge: Judge) -> None:
    assert not judge(find_insecure_address, "stores: {azure: {vaultUrl: http://a.example.com}}")


def test_can_be_waived() -> None:
    assert find_insecure_address.waivable


def test_finds_exactly_what_live_commands_refuse(judge: Judge) -> None:
    assert [url for url in (*NEAR, *FAR) if is_refused(url) is not (url in FAR)] == []
    found = [url for url in (*NEAR, *FAR) if judge(find_insecure_address, f'stores: {{vault: {{server: "{url}"}}}}')]
    assert found == list(FAR)


def is_refused(url: str) -> bool:
    try:
        open_transport(StoreAddress(providers.VAULT, url), {}, StoreOptions())
    except StoreError as error:
        return error.code == Code.TLS_FAILURE
    return False


def test_judges_where_live_commands_reach_it_too(judge: Judge) -> None:
    found = judge(find_insecure_address, 'stores: {vault: {reachableAt: "http://vault.example.com:8200"}}')
    assert found.marked == ['"http://vault.example.com:8200"']
    assert judge(find_insecure_address, 'stores: {vault: {reachableAt: "http://127.0.0.1:8201"}}').messages == []


PEM = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIBAAAA\n-----END PRIVATE KEY-----\n"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    ["/etc/ssl/ca.pem", "MIIBAAAA", _base64("text"), _base64(KEY), _base64(PEM + KEY), f"{_base64(PEM)} ", "/w=="],
)
def test_finds_what_is_not_certificates(judge: Judge, text: str) -> None:
    found = judge(find_invalid_ca_bundle, f"stores: {{vault: {{caBundle: '{text}'}}}}")
    assert found.messages == ['the store "vault" has a `caBundle` that is not PEM certificates in Base64']
    assert text not in "".join((*found.messages, *filter(None, found.helps)))


def test_leaves_certificates_and_other_providers_alone(judge: Judge, tmp_path: Path) -> None:
    for text in (PEM * 2, f"\n{PEM}", CertificateAuthority.create(tmp_path).ca_file.read_text("utf-8")):
        assert not judge(find_invalid_ca_bundle, f"stores: {{vault: {{caBundle: {_base64(text)}}}}}")
    assert not judge(find_invalid_ca_bundle, "stores: {azure: {caBundle: a}}")
    assert not judge(find_invalid_ca_bundle, "stores: {vault: {}}")


def _vault(account: str, render: str = "true", way: str = "kubernetes") -> str:
    return f"stores: {{vault: {{render: {render}, auth: {{{way}: {{role: a, serviceAccount: {account}}}}}}}}}"


def test_finds_a_kubernetes_login_without_audience(judge: Judge) -> None:
    for account in ("{name: a}", "{name: a, audiences: []}"):
        found = judge(find_missing_audience, _vault(account))
        assert found.messages == ['the store "vault" logs in to Vault without an audience']
        assert found.marked == ["serviceAccount"]


def test_leaves_others_alone(judge: Judge) -> None:
    assert not judge(find_missing_audience, _vault("{name: a, audiences: [vault]}"))
    assert not judge(find_missing_audience, _vault("{name: a}", render="false"))
    assert not judge(find_missing_audience, _vault("{name: a}", way="jwt"))
