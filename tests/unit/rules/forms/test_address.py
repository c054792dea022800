import pytest

from compiler.rules.forms.names import is_cluster_internal


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "::1"])
def test_loopback_is_each_machines_own(host: str) -> None:
    assert is_cluster_internal(host)


@pytest.mark.parametrize("host", ["vault.vault.svc", "vault.vault.svc.cluster.local", "vault.vault.svc.corp.example"])
def test_a_service_is_each_clusters_own_whatever_the_clusters_domain(host: str) -> None:
    assert is_cluster_internal(host)


@pytest.mark.parametrize(
    "host",
    [
        *("vault.example.com", "10.0.0.1", "2001:db8::1", "vault.vault"),
        *("vault.svc", "vault.svc.example.com", "vault.vault.svcs", "a.b.c.svc.d"),
    ],
)
def test_everything_else_is_the_same_for_all(host: str) -> None:
    assert not is_cluster_internal(host)


def test_a_name_without_a_dot_is_the_clusters_own() -> None:
    assert is_cluster_internal("vault")
