import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.model.document import Node, Source, extent
from compiler.model.environment import UNLIMITED, CatalogueKey, Entry, KeyRemote
from compiler.model.provider import UNKNOWN, unknown_identity, unknown_provider
from compiler.model.store import (
    Address,
    Place,
    Sameness,
    StoreAddress,
    StoreIdentity,
    compare_any,
    compare_servers,
    compare_stores,
    identity_from_files,
    is_below,
    is_everywhere,
    is_loopback,
    is_near,
    one_spelling,
    parse_address,
    place_of,
    places_below,
    remote_of,
    remote_places,
    store_object,
    way_to_place,
)
from compiler.pipeline import compile_project
from compiler.stages.load import load_text
from compiler.stages.resolve import store_of
from compiler.stores.registry import live_identity
from tests import providers
from tests.plain_http import FAR, NEAR
from tests.platforms import write_agents_project


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://vault.example.com", Address("https", "vault.example.com", None, "")),
        ("http://vault:8200/", Address("http", "vault", 8200, "")),
        ("HTTPS://Vault.Example.com/team/", Address("https", "vault.example.com", None, "/team")),
        ("https://[::1]:8200", Address("https", "::1", 8200, "")),
        ("https://u:p@a.b", Address("https", "a.b", None, "", ("user",))),
        ("https://a.b?x#y", Address("https", "a.b", None, "", ("query", "fragment"))),
    ],
)
def test_takes_an_address_apart(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "a.b", "ftp://a.b", "https://", "https://:1", "https://u@:1", "https://[::1"),
        *("https://a.b:0", "https://a.b:65536", "https://a.b:x"),
        *("https://a b", "https://a.b\n", "https://a\\b", "https://a..b", "https://.a"),
    ],
)
def test_refuses_what_is_none(text: str) -> None:
    assert parse_address(text) is None


def test_a_host_and_its_port_are_written_as_in_a_url() -> None:
    for text in ("http://[::1]:8200", "http://vault.example.com:8200", "http://[::1]", "http://vault"):
        address = parse_address(text)
        assert address is not None
        assert f"http://{address.authority}" == text


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"])
def test_knows_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "127.0.0.1.nip.io", "10.0.0.1", "vault.vault.svc", ""])
def test_a_service_or_any_other_host_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_plain_http_goes_to_this_machine_and_the_cluster_alone() -> None:
    hosts = {url: address.host for url in (*NEAR, *FAR) if (address := parse_address(url)) is not None}
    assert [url for url in (*NEAR, *FAR) if url not in hosts] == []
    assert [url for url in NEAR if not is_near(hosts[url])] == []
    assert [url for url in FAR if is_near(hosts[url])] == []


@pytest.mark.parametrize("url", ["http://localhost@evil.example.com", "http://vault.vault.svc@evil.example.com"])
def test_a_user_name_that_looks_like_a_near_host_is_none(url: str) -> None:
    address = parse_address(url)
    assert address is not None
    assert (is_near(address.host), address.extra) == (False, ("user",))


@pytest.mark.parametrize(
    "url",
    [
        *("http://localhost:1", "http://a.localhost", "http://127.0.0.1", "http://[::1]:8200", "http://vault:8200"),
        *("https://vault.vault.svc", "https://vault.vault.svc.cluster.local", "https://vault.vault.svc.corp.example"),
        # As search domains complete them.
        *("http://vault.vault:8200", "http://vault.svc"),
    ],
)
def test_loopback_and_a_service_are_each_machines_or_clusters_own(url: str) -> None:
    assert not is_everywhere(one_spelling(url))


@pytest.mark.parametrize(
    "host",
    [
        *("vault.example.com", "10.0.0.1", "[2001:db8::1]", "vault.svc.example.com", "vault.vault.svcs"),
        *("a.b.c.svc.d", "agents.vault.azure.net"),
    ],
)
def test_every_other_host_is_the_same_for_all_clusters(host: str) -> None:
    for url in (f"https://{host}", f"http://{host}:8200", f"https://{host}/team"):
        assert is_everywhere(one_spelling(url))


def test_the_absolute_address_of_a_vault_has_namespace_and_mount() -> None:
    assert StoreAddress(providers.VAULT, "https://v:8200/").absolute == "https://v:8200/secret"
    address = StoreAddress(providers.VAULT, "https://v:8200", mount="/kv/", vault_namespace="a/b/")
    assert address.absolute == "https://v:8200/a/b/kv"


def test_the_absolute_address_of_a_key_vault_is_its_url_whatever_the_case() -> None:
    one = StoreAddress(providers.KEY_VAULT, "https://Prod.vault.azure.net/", prefix="team-")
    assert one.absolute == "https://prod.vault.azure.net"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user@v:8200", "https://…@v:8200"),
        ("https://user:pass@word@v/below", "https://…@v/below"),
        ("https://user:pa/ss?w#d@v", "https://…@v"),
        ("https://user@v?query#fragment", "https://…@v?…"),
        ("https://v/?token", "https://v?…"),
        ("https://v#token", "https://v#…"),
        ("user:password@v:8200", "…"),
        ("hvs.token", "…"),
        ("", "…"),
        ("HTTPS://u\nser@v", "HTTPS://…@v"),
        ("@v", "…"),
    ],
)
def test_no_user_of_a_url_is_shown(url: str, shown: str) -> None:
    assert StoreAddress(providers.VAULT, url, mount="a@b").absolute == f"{shown}/a@b"
    assert StoreAddress(providers.KEY_VAULT, url).absolute == shown.lower()


def test_a_prefix_does_not_make_another_store() -> None:
    one, other = (StoreAddress(providers.VAULT, "https://v", prefix=prefix) for prefix in ("a/", "b/"))
    assert one.absolute == other.absolute


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
    pairs = [(one, other) for one in many for other in many if identity_from_files(one) is not None]
    assert [pair for pair in pairs if identity_from_files(pair[0]) == identity_from_files(pair[1])] == [
        pair for pair in pairs if compare_stores(*pair) is Sameness.SAME and identity_from_files(pair[1]) is not None
    ]
    assert identity_from_files(vault(SERVICE)) is identity_from_files(vault(None)) is None


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
        return any(is_below(place, above) for above in places_below(store or vault("https://v"), path))

    assert all(finds(path) for path in ("", "./", "/", "platform", "platform/", "secret/data/platform", "x/..", ".."))
    assert not any(finds(path) for path in ("plat", "platform/jira-2", "other"))
    assert finds("platform", vault("https://v", "secret/data", version="v1"))
    assert finds("", vault("https://v", None))
    assert not finds("", vault("https://v", "kv"))
    # The operator passes over the path of a Key Vault's search.
    assert all(is_below("agents-jira", above) for above in places_below(key_vault("https://v"), "other"))


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


ACCOUNT = "serviceAccount: {name: eso, namespace: ns, audiences: [vault]}"
REFERENCE = {"name": "eso", "namespace": "ns", "audiences": ["vault"]}


def rendered(text: str, operator: tuple[int, int] = (2, 9)) -> Any:  # noqa: ANN401 - plain data
    document, refused = load_text("environments/prod.yaml", text + "\n")
    assert document is not None, refused
    return store_object(store_of("id", document.root), "ai-platform", operator)


def vault_spec(more: str) -> Any:  # noqa: ANN401 - plain data
    return rendered(f'{{provider: vault, name: v, server: "https://v.example.com", {more}}}')["provider"]["vault"]


def key_vault_spec(more: str, operator: tuple[int, int] = (2, 9)) -> Any:  # noqa: ANN401 - plain data
    text = f'{{provider: azurekv, name: a, vaultUrl: "https://a.vault.azure.net", {more}}}'
    return rendered(text, operator)["provider"]["azurekv"]


def test_a_cluster_store_has_conditions_and_a_store_a_namespace() -> None:
    cluster = rendered("{provider: vault, name: v, conditions: {namespaces: [a, b]}}")
    assert (cluster["name"], cluster["syncWave"]) == ("v", "-60")
    assert cluster["conditions"] == [{"namespaces": ["a", "b"]}]
    assert "namespace" not in cluster
    own = rendered("{provider: vault, name: v, kind: SecretStore}")
    assert own["namespace"] == "ai-platform"
    assert "conditions" not in own


def test_a_vault_says_where_it_is() -> None:
    assert vault_spec("mount: kv") == {"server": "https://v.example.com", "path": "kv", "version": "v2"}
    assert vault_spec("vaultNamespace: n")["namespace"] == "n"
    ca = "caProvider: {type: ConfigMap, name: ca, key: ca.crt, namespace: ns}"
    assert vault_spec("caBundle: LS0t")["caBundle"] == "LS0t"
    assert vault_spec(ca)["caProvider"] == {"type": "ConfigMap", "name": "ca", "key": "ca.crt", "namespace": "ns"}


@pytest.mark.parametrize(
    ("auth", "data"),
    [
        ("token: {name: a, key: b}", {"tokenSecretRef": {"name": "a", "key": "b"}}),
        (
            f"kubernetes: {{role: r, {ACCOUNT}}}",
            {"kubernetes": {"mountPath": "kubernetes", "role": "r", "serviceAccountRef": REFERENCE}},
        ),
        ("kubernetes: {mountPath: k8s, role: r}", {"kubernetes": {"mountPath": "k8s", "role": "r"}}),
        (
            "appRole: {roleId: r, secretId: {name: a, key: b, namespace: c}}",
            {"appRole": {"path": "approle", "roleId": "r", "secretRef": {"name": "a", "key": "b", "namespace": "c"}}},
        ),
        (
            f"jwt: {{path: j, role: r, {ACCOUNT}}}",
            {"jwt": {"path": "j", "role": "r", "kubernetesServiceAccountToken": {"serviceAccountRef": REFERENCE}}},
        ),
    ],
)
def test_each_way_into_a_vault(auth: str, data: dict[str, object]) -> None:
    assert vault_spec(f"auth: {{{auth}}}")["auth"] == data


def test_a_key_vault_says_where_it_is() -> None:
    assert key_vault_spec("tenantId: t, environmentType: ChinaCloud") == {
        "vaultUrl": "https://a.vault.azure.net",
        "environmentType": "ChinaCloud",
        "useAzureSDK": False,
        "tenantId": "t",
    }
    assert key_vault_spec("render: true")["environmentType"] == "PublicCloud"
    endpoints = "activeDirectoryEndpoint: https://a, resourceManagerEndpoint: https://b, keyVaultDNSSuffix: c"
    china = key_vault_spec(f"useAzureSDK: true, customCloudConfig: {{{endpoints}, keyVaultEndpoint: https://d}}")
    assert china["useAzureSDK"] is True
    assert china["customCloudConfig"] == {
        "activeDirectoryEndpoint": "https://a",
        "resourceManagerEndpoint": "https://b",
        "keyVaultEndpoint": "https://d",
        "keyVaultDNSSuffix": "c",
    }


@pytest.mark.parametrize(("operator", "written"), [((0, 19), False), ((0, 20), True), ((1, 0), True), ((2, 9), True)])
def test_the_sdk_is_named_since_the_minor_that_defaults_it(operator: tuple[int, int], *, written: bool) -> None:
    assert ("useAzureSDK" in key_vault_spec("render: true", operator)) == written


@pytest.mark.parametrize(
    ("auth", "data"),
    [
        (
            f"workloadIdentity: {{{ACCOUNT}}}",
            {"authType": "WorkloadIdentity", "serviceAccountRef": REFERENCE},
        ),
        ("workloadIdentity: {}", {"authType": "WorkloadIdentity"}),
        ("managedIdentity: {}", {"authType": "ManagedIdentity"}),
        ("managedIdentity: {clientId: c}", {"authType": "ManagedIdentity", "identityId": "c"}),
        (
            "servicePrincipal: {clientId: {name: a, key: b}, clientSecret: {name: a, key: c}}",
            {
                "authType": "ServicePrincipal",
                "authSecretRef": {"clientId": {"name": "a", "key": "b"}, "clientSecret": {"name": "a", "key": "c"}},
            },
        ),
    ],
)
def test_each_way_into_a_key_vault(auth: str, data: dict[str, object]) -> None:
    found = key_vault_spec(f"auth: {{{auth}}}")
    assert {name: found[name] for name in found if name not in {"vaultUrl", "environmentType", "useAzureSDK"}} == data


def key(own: KeyRemote | None) -> CatalogueKey:
    remote = {"azurekv": own} if own else {}
    return CatalogueKey("TOKEN", "A token", (), UNLIMITED, remote, Node(None, Source("c.yaml"), extent(0, 0)))


def entry(remote: dict[str, str]) -> Entry:
    node = Node(None, Source("c.yaml"), extent(0, 0))
    return Entry("github", "", "github", remote, 0, None, (), {}, (), node)


@pytest.mark.parametrize(
    ("own", "remote", "expected"),
    [
        (None, "github", Place("dev-github", "TOKEN")),
        (None, None, None),
        (KeyRemote(), "github", Place("dev-github", "TOKEN")),
        (KeyRemote(property="token"), "github", Place("dev-github", "token")),
        (KeyRemote(property="token"), None, None),
        (KeyRemote(name="app-key"), "github", Place("dev-app-key", "TOKEN")),
        (KeyRemote(name="app-key"), None, Place("dev-app-key", "TOKEN")),
        (KeyRemote(name="app-key", property="pem"), None, Place("dev-app-key", "pem")),
        (KeyRemote(name="app-key", whole=True), "github", Place("dev-app-key", None)),
        (KeyRemote(whole=True), "github", Place("dev-github", None)),
    ],
)
def test_what_a_key_leaves_out_comes_from_its_secret(
    own: KeyRemote | None, remote: str | None, expected: Place | None
) -> None:
    assert place_of(key(own), "azurekv", remote, "dev-") == expected


def test_what_a_key_says_for_one_provider_is_nothing_to_another() -> None:
    assert place_of(key(KeyRemote(name="app-key", whole=True)), "vault", "a/github", "") == Place("a/github", "TOKEN")


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        (None, "catalogue"),
        ({}, "catalogue"),
        ({"vault": "own"}, "own"),
        ({"azurekv": "own"}, "catalogue"),
    ],
)
def test_an_environments_own_remote_name_goes_before_the_catalogues(
    remote: dict[str, str] | None, expected: str
) -> None:
    document, _ = load_text("e.yaml", json.dumps({} if remote is None else {"remote": remote}))
    assert document is not None
    assert remote_of(entry({"vault": "catalogue"}), "vault", document.root) == expected


def test_without_an_environment_the_catalogue_alone_says_the_remote_name() -> None:
    assert remote_of(entry({"vault": "catalogue"}), "vault") == "catalogue"
    assert remote_of(entry({"vault": "catalogue"}), "azurekv") is None


def test_what_to_add_names_the_secret_and_the_file() -> None:
    assert (
        way_to_place("github", providers.VAULT)
        == 'add `vault: NAME` under `remote` of "github" in environments/catalogue.yaml'
    )
