from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.model.provider import UNKNOWN, unknown_identity, unknown_provider
from compiler.model.store import (
    Sameness,
    StoreAddress,
    StoreIdentity,
    compare_any,
    compare_servers,
    compare_stores,
    found_below,
    is_below,
    remote_places,
    written_place,
)
from compiler.pipeline import compile_project
from compiler.stores.registry import live_identity
from tests import providers
from tests.agents_project import write_agents_project

SERVICE = "http://vault.vault.svc.cluster.local:8200"


def vault(url: str | None, mount: str | None = "secret", namespace: str | None = None, **more: str) -> StoreIdentity:
    """One whose server is not asked whether it has namespaces."""
    fields = {"server": url, "path": mount, "namespace": namespace, **more}
    return providers.VAULT.live_identity({name: value for name, value in fields.items() if value is not None})


def spaced(url: str, mount: str | None = "secret", namespace: str | None = None, **more: str) -> StoreIdentity:
    """One whose server says that it has namespaces."""
    return vault(url, mount, namespace, **more)._replace(has_namespaces=True)


def named(url: str, *ids: str, told: str | None = None) -> StoreIdentity:
    """One that is called by `ids`, and whose server says in this run that it is `told`."""
    return vault(url)._replace(ids=frozenset((*ids, told) if told else ids), server_id=told)


def key_vault(url: str) -> StoreIdentity:
    return StoreAddress(providers.KEY_VAULT, url).identity


@pytest.mark.parametrize(
    "url",
    [
        "http://vault.vault:8200",
        "http://vault.vault.svc:8200",
        "http://vault.vault.svc.:8200/",
        "http://VAULT.vault.svc.cluster.local.:8200",
        "https://vault.vault.svc:8200",
    ],
)
def test_the_forms_of_a_services_name_are_one(url: str) -> None:
    assert compare_stores(vault(url), vault(SERVICE)) is Sameness.SAME
    assert vault(url) == vault(SERVICE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://Vault.example.com", "https://vault.example.com:443/"),
        ("http://v.example.com:80", "http://v.example.com"),
        ("http://127.0.0.1:8200", "http://localhost:8200"),
        ("http://[::1]:8200", "http://127.0.0.1:8200"),
        ("http://my.localhost:8200", "http://LOCALHOST.:8200"),
        ("no url/", "NO URL"),
    ],
)
def test_one_server_is_known_however_it_is_spelt(one: str, other: str) -> None:
    assert compare_stores(vault(one), vault(other)) is Sameness.SAME


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://v:8200", "https://v:8201"),
        ("https://v", "https://v/other"),
        ("http://vault:8200", "http://vault.vault.svc:8200"),
        ("http://vault-0.vault.svc:8200", SERVICE),
        ("http://127.0.0.1:8200", SERVICE),
        ("https://v", None),
        (None, None),
    ],
)
def test_a_vault_whose_address_alone_differs_is_unproven(one: str | None, other: str | None) -> None:
    assert compare_stores(vault(one), vault(other)) is Sameness.UNPROVEN
    assert compare_stores(vault(other), vault(one)) is Sameness.UNPROVEN


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (vault("https://v"), vault("https://v", "kv")),
        (vault("https://v"), vault("https://v", None)),
        (spaced("https://v"), vault("https://v", namespace="team")),
        (vault("https://v"), vault("https://v", version="v1")),
        (vault(None), vault("https://v", "kv")),
        (vault("https://v"), key_vault("https://v")),
        (vault("https://v"), unknown_identity("fake", {"data": []})),
        (vault("https://v"), unknown_identity("webhook", {"url": "https://w/v1/x"})),
        (vault(None), unknown_identity("fake", {"data": []})),
        (key_vault("https://a.vault.azure.net"), key_vault("https://b.vault.azure.net")),
        (key_vault("https://a.vault.azure.net"), key_vault("https://a.vault.azure.cn")),
    ],
)
def test_another_store_is_proven_by_what_no_spelling_changes(one: StoreIdentity, other: StoreIdentity) -> None:
    assert compare_stores(one, other) is Sameness.ANOTHER
    assert compare_stores(other, one) is Sameness.ANOTHER


def test_the_root_namespace_is_none_and_a_mount_may_begin_with_a_namespace() -> None:
    plain = spaced("https://v")
    for namespace in ("root", "/root/", "", "/"):
        assert compare_stores(vault("https://v", "/secret/", namespace), plain) is Sameness.SAME
    inside = spaced("https://v", "secret", "/team//a/")
    assert compare_stores(vault("https://v", "team/a/secret"), inside) is Sameness.SAME
    assert compare_stores(vault("https://v", "secret", "root/team/a"), inside) is Sameness.SAME
    assert compare_stores(vault("https://v", "secret", "rooted"), plain) is Sameness.ANOTHER


def test_two_ids_that_servers_say_prove_two_and_equal_ones_prove_nothing() -> None:
    one, other = "https://v", "https://w"
    assert compare_servers(named(one, told="a"), named(one, told="b")) is Sameness.ANOTHER
    assert compare_stores(named(one, told="a"), named(other, told="b")) is Sameness.ANOTHER
    assert compare_stores(named(one, told="a"), named(other, told="a")) is Sameness.UNPROVEN
    assert compare_stores(named(one, told="a"), named(one)) is Sameness.SAME


@pytest.mark.parametrize("url", ["https://vault.example.com", "http://vault.example.com:8200", "http://10.0.0.1:8200"])
def test_what_means_one_server_everywhere_is_one_whatever_ids_are_written(url: str) -> None:
    assert compare_servers(named(url, "a"), named(url, "b")) is Sameness.SAME
    assert compare_servers(named(url, told="a"), named(url, "b")) is Sameness.SAME
    assert compare_servers(named(url, told="a"), named(url, told="b")) is Sameness.SAME


@pytest.mark.parametrize("url", [SERVICE, "http://vault.vault:8200", "http://127.0.0.1:8200", "http://vault:8200"])
def test_what_each_cluster_has_its_own_of_is_not_proven_where_the_ids_differ(url: str) -> None:
    assert compare_servers(named(url, "a"), named(url, "b")) is Sameness.UNPROVEN
    assert compare_servers(named(url, told="a"), named(url, "b")) is Sameness.UNPROVEN
    assert compare_servers(named(url, told="a"), named(url, told="b")) is Sameness.ANOTHER
    for one in (named(url), named(url, "a"), named(url, "b", told="a")):
        assert compare_servers(one, named(url, "a")) is Sameness.SAME


def test_a_written_id_proves_no_other_server_at_any_address() -> None:
    one, other = "https://one.example.com", "https://two.example.com"
    assert compare_servers(named(one, "a"), named(other, "b")) is Sameness.UNPROVEN
    assert compare_servers(named(one, told="a"), named(other, "b")) is Sameness.UNPROVEN
    assert compare_servers(named(one, told="a"), named(other, told="b")) is Sameness.ANOTHER


def test_a_namespace_proves_nothing_unless_the_server_has_namespaces() -> None:
    root, team = vault("https://v.example.com"), vault("https://v.example.com", namespace="team")
    for compare in (compare_stores, compare_servers):
        assert compare(root, team) is Sameness.UNPROVEN
    ignoring = team._replace(has_namespaces=False)
    assert compare_stores(root, ignoring) is Sameness.SAME
    assert remote_places(ignoring, "jira") == remote_places(root, "jira")
    assert remote_places(team, "jira") == {"secret/data/jira", "team/secret/data/jira"}
    assert remote_places(team._replace(has_namespaces=True), "jira") == {"team/secret/data/jira"}
    # What differs beside it is another place in either case.
    kv = vault("https://v.example.com", "kv", "team")
    assert compare_stores(root, kv) is compare_stores(root, kv._replace(has_namespaces=False)) is Sameness.ANOTHER


@pytest.mark.parametrize("namespace", [" team", "team\t", "\r\n team ", "/team/"])
def test_a_namespace_is_trimmed_as_go_trims_a_header(namespace: str) -> None:
    assert spaced("https://v", namespace=namespace) == spaced("https://v", namespace="team")
    header = {"server": "https://v", "path": "secret", "headers": {"X-Vault-Namespace": namespace}}
    assert providers.VAULT.live_identity(header) == vault("https://v", namespace="team")


def test_a_store_of_a_provider_that_is_not_known_may_be_the_one_whose_host_it_names() -> None:
    for url in ("https://Vault.example.com/v1/secret/data/{{ .remoteRef.key }}", "https://u:p@vault.example.com."):
        webhook = unknown_identity("webhook", {"headers": {"a": "b"}, "url": url})
        assert compare_servers(vault("https://vault.example.com:8200"), webhook) is Sameness.UNPROVEN
        assert compare_servers(webhook, vault("https://other.example.com:8200")) is Sameness.ANOTHER
        assert compare_servers(webhook, vault(None)) is Sameness.UNPROVEN
    service = unknown_identity("openbao", {"a": [{"server": "http://vault.vault.svc:8200"}]})
    assert compare_servers(vault(SERVICE), service) is Sameness.UNPROVEN
    # Each key has a host of its own, and the compatible form of a letter is that letter.
    for url in ("https://{{ .remoteRef.key }}.example.com", "https://\uff56ault.example.com"):
        assert (
            compare_servers(unknown_identity("webhook", url), vault("https://vault.example.com")) is Sameness.UNPROVEN
        )
    assert compare_servers(StoreIdentity(UNKNOWN, None), vault("https://v")) is Sameness.UNPROVEN


def test_two_that_are_one_by_what_is_written_have_one_written_place() -> None:
    many = [
        named(url, *ids)
        for url in ("https://v.example.com", SERVICE, "https://w.example.com")
        for ids in ("", "a", "b")
    ]
    many += [vault(None), vault("https://v.example.com", "kv"), spaced("https://v.example.com", namespace="team")]
    pairs = [(one, other) for one in many for other in many if written_place(one) is not None]
    assert [pair for pair in pairs if written_place(pair[0]) == written_place(pair[1])] == [
        pair for pair in pairs if compare_stores(*pair) is Sameness.SAME and written_place(pair[1]) is not None
    ]
    assert written_place(vault(SERVICE)) is written_place(vault(None)) is None


def test_a_key_vault_is_known_by_its_name_and_cloud() -> None:
    one = key_vault("https://Agents.vault.azure.net/")
    assert compare_stores(one, key_vault("https://agents.vault.azure.net.:443")) is Sameness.SAME
    assert compare_stores(one, key_vault("https://agents.privatelink.vaultcore.azure.net")) is Sameness.UNPROVEN
    assert compare_stores(key_vault("https://localhost:1"), key_vault("https://127.0.0.1:1")) is Sameness.SAME
    # A host of another domain, or in other letters, may be a second name of the vault.
    for url in ("https://secrets.example.com", "https://localhost:1", "https://\uff41gents.vault.azure.net"):
        assert compare_stores(one, key_vault(url)) is Sameness.UNPROVEN


def test_of_several_identities_the_nearest_counts() -> None:
    here, there = vault("http://127.0.0.1:8200"), vault(SERVICE)
    assert compare_any([here, there], vault("http://vault.vault:8200")) is Sameness.SAME
    assert compare_any([here], there) is Sameness.UNPROVEN
    assert compare_any([here, there], key_vault("https://v")) is Sameness.ANOTHER


def test_an_environments_store_and_the_address_from_here_have_one_form(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    (tmp_path / "environments/prod.yaml").write_text("store: vault\n", "utf-8")
    project = compile_project(tmp_path, ["prod"]).project
    assert project is not None
    stores = project.environments[0].stores
    address = StoreAddress(providers.VAULT, "https://vault.example.com:8200", "secret", None)
    assert stores["vault"].identity == address.identity
    assert stores["azure"].identity == key_vault("https://agents.vault.azure.net")
    assert replace(stores["vault"], address=None).identity.server is None


@pytest.mark.parametrize(
    ("spec", "identity"),
    [
        ({"provider": {"vault": {"server": "https://v/", "path": "secret", "version": "v2"}}}, vault("https://v")),
        ({"provider": {"vault": {"server": "https://v"}}}, vault("https://v", None)),
        ({"provider": {"vault": {"server": 1, "path": ["x"]}}}, vault(None, None)),
        ({"provider": {"vault": "x"}}, vault(None, None)),
        ({"provider": {"azurekv": {"vaultUrl": "https://V.vault.azure.net"}}}, key_vault("https://v.vault.azure.net")),
        ({"provider": {"fake": {"data": []}}}, StoreIdentity(unknown_provider("fake"), "")),
        ({"provider": {"webhook": {"url": "https://a.b/c"}}}, StoreIdentity(unknown_provider("webhook"), "a.b")),
        ({"provider": "x"}, StoreIdentity(UNKNOWN, "")),
        ("x", StoreIdentity(UNKNOWN, "")),
        (None, StoreIdentity(UNKNOWN, "")),
    ],
)
def test_a_live_store_leads_where_its_provider_says(spec: Any, identity: StoreIdentity) -> None:  # noqa: ANN401 - any JSON
    assert live_identity({"spec": spec}) == identity


@pytest.mark.parametrize(
    "name",
    [
        *("platform/jira", "platform//jira", "platform/jira/", "./platform/jira", "/platform/jira"),
        *("x/../platform/jira", "secret/platform/jira", "secret/data/platform/jira", "data/platform/jira"),
        *("secret/data//platform/jira", "secret//data/platform/jira", "../data/platform/jira", "platform/./jira"),
    ],
)
def test_a_vaults_names_mean_what_the_operator_reads(name: str) -> None:
    own = remote_places(vault("https://v"), "platform/jira")
    assert remote_places(vault("https://v"), name) & own


@pytest.mark.parametrize("name", ["platform/Jira", "platform/jira-2", "jira", "kv/platform/jira", "platform", ""])
def test_another_name_is_another_place(name: str) -> None:
    assert not remote_places(vault("https://v"), name) & remote_places(vault("https://v"), "platform/jira")


def test_an_engine_of_version_1_reads_the_paths_of_version_2_as_they_are() -> None:
    own = remote_places(vault("https://v"), "platform/jira")
    old = vault("https://v", "secret/data", version="v1")
    assert remote_places(old, "platform/jira") == own
    assert remote_places(vault("https://v", "secret", version="v1"), "data/platform/jira") & own
    assert not remote_places(vault("https://v", "secret", version="v1"), "platform/jira") & own
    assert remote_places(vault("https://v", None, version="v1"), "secret/data/platform/jira") == own
    # Without a path each name begins with the mount, with and without `data/`.
    assert remote_places(vault("https://v", None), "secret/platform/jira") & own
    assert remote_places(vault("https://v", None), "secret/data/platform/jira") & own
    inside = spaced("https://v", "secret", "team")
    assert not remote_places(inside, "platform/jira") & own
    assert remote_places(vault("https://v", "team/secret"), "platform/jira") == remote_places(inside, "platform/jira")


@pytest.mark.parametrize(
    "name",
    [
        "agents-jira",
        "AGENTS-jira",
        "secret/agents-jira",
        "secret/agents-jira/4f",
        "secret/Agents-Jira/",
        "cert/agents-jira",
    ],
)
def test_a_key_vaults_name_is_the_part_after_the_first_slash(name: str) -> None:
    assert providers.KEY_VAULT.remote_name(name) == "agents-jira"
    assert remote_places(key_vault("https://v"), name) == {"agents-jira"}


def test_a_search_finds_whatever_lies_below_its_path() -> None:
    (place,) = remote_places(vault("https://v"), "platform/jira")

    def finds(path: str, store: StoreIdentity | None = None) -> bool:
        return any(is_below(place, above) for above in found_below(store or vault("https://v"), path))

    assert all(finds(path) for path in ("", "./", "/", "platform", "platform/", "secret/data/platform", "x/..", ".."))
    assert not any(finds(path) for path in ("plat", "platform/jira-2", "other"))
    assert finds("platform", vault("https://v", "secret/data", version="v1"))
    assert finds("", vault("https://v", None))
    assert not finds("", vault("https://v", "kv"))
    # The operator passes over the path of a Key Vault's search.
    assert all(is_below("agents-jira", above) for above in found_below(key_vault("https://v"), "other"))


def test_a_namespace_may_come_as_a_header_that_the_operator_adds() -> None:
    provider = {"server": SERVICE, "path": "secret", "headers": {"x-vault-NAMESPACE": "team"}}
    assert live_identity({"spec": {"provider": {"vault": provider}}}) == vault(SERVICE, namespace="team")
    assert providers.VAULT.live_identity({**provider, "namespace": "/team"}) == vault(SERVICE, namespace="team")
    # Which of two counts is not proven, nor are the mount and the version then.
    for two in ({"namespace": "own"}, {"headers": {"X-Vault-Namespace": "a", "x-vault-namespace": "b"}}):
        assert providers.VAULT.live_identity({**provider, **two}) == StoreIdentity(UNKNOWN, None)
    assert providers.VAULT.live_identity({**provider, "headers": {"X-Vault-Namespace": 1}}) == vault(SERVICE)


@pytest.mark.parametrize(
    "url", ["https://[fd00::1]:8200/v1/x", "https://vault..svc/x", "{{ .remoteRef.key }}", "https://{{ .host }}/x"]
)
def test_a_webhook_whose_host_is_not_understood_may_lead_anywhere(url: str) -> None:
    webhook = unknown_identity("webhook", {"url": url})
    assert compare_servers(vault("https://[fd00::1]:8200"), webhook) is Sameness.UNPROVEN
