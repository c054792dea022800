import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from compiler.cluster.client import KubernetesCluster
from compiler.cluster.lists import TYPES
from compiler.cluster.view import ClusterError, ClusterView
from compiler.live.readers import (
    KINDS,
    Reader,
    ReadIndex,
    every_environment,
    in_cluster,
    read_by,
    readers_of,
    unproven_stores,
    way_out,
)
from compiler.model.store import StoreIdentity, remote_places
from compiler.pipeline import plan_values, write_values
from compiler.refusal import Refusal
from compiler.stages.resolve import Outside
from tests import providers
from tests.platforms import project_of
from tests.unit.operations.retire_bench import Bench, bench

__all__ = ["bench"]

SERVER = "https://vault.example.com:8200"


def readers(bench: Bench, name: str = "agents/jira", store: str = "vault") -> tuple[str, ...]:
    environments = every_environment(bench.root, Outside())
    own = bench.live().identities(bench.environment().stores[store])
    return names(ReadIndex(own).add_environments(environments).of(name))


def names(found: Iterable[Reader]) -> tuple[str, ...]:
    """Each reader once, with a question mark where its store may be another."""
    return tuple(dict.fromkeys(each.name + ("" if each.is_proven else "?") for each in found))


def test_whoever_reads_a_name_or_all_below_a_path_is_known_by_the_stores_own_rules() -> None:
    azure, vault = (
        StoreIdentity(providers.KEY_VAULT, "v.vault.azure.net:443"),
        StoreIdentity(providers.VAULT, "v:443", "secret"),
    )
    found = ReadIndex((azure,))
    assert found.register_store("prod/azure", azure)
    found.add(remote_places(azure, "Agents-Jira"), "prod/jira", "prod/azure")
    found.add(remote_places(azure, "agents-jira"), "prod/jira", "prod/azure")
    found.add_below({""}, "ExternalSecret team/all", "prod/azure")
    assert names(found.of("AGENTS-jira")) == ("prod/jira", "ExternalSecret team/all")
    assert names(found.of("other")) == ("ExternalSecret team/all",)
    found = ReadIndex((vault,))
    assert found.register_store("prod/vault", vault)
    found.add(remote_places(vault, "agents/Jira"), "prod/jira", "prod/vault")
    assert found.of("agents/jira") == ()
    assert names(found.of("agents//Jira")) == ("prod/jira",)


def test_a_store_counts_unless_it_is_another_or_said_to_be() -> None:
    own = StoreIdentity(providers.VAULT, "v:8200", "secret")
    found = ReadIndex((own,), ["lab/vault"])
    may_be = own._replace(server="w:8200")
    assert found.register_store("qa/vault", may_be)
    assert not found.register_store("lab/vault", may_be)
    assert not found.register_store("far/vault", own._replace(provider=providers.KEY_VAULT))
    assert found.register_store("named/vault", own._replace(provider=providers.KEY_VAULT), is_named=True)
    told = ReadIndex((own._replace(server_id="a"),))
    assert not told.register_store("qa/vault", may_be._replace(server_id="b"))
    assert told.register_store("qa/vault", may_be._replace(server_id="a"))
    assert told.register_store("qa/vault", may_be._replace(ids=frozenset("b")))


def test_readers_are_told_apart_by_whether_their_store_is_proven() -> None:
    proven, may_be = Reader("a/x", "a/vault", is_proven=True), Reader("b/x", "b/vault", is_proven=False)
    assert read_by([proven], "still read by") == 'still read by "a/x"'
    assert way_out([proven]) == ""
    assert read_by([proven, may_be], "still read by") == (
        'still read by "a/x"; it may be read by "b/x", in what may be the same store'
    )
    assert way_out([proven, may_be]) == 'if "b/vault" is another store, add --not-the-same b/vault'
    both = [may_be, replace(may_be, store="c/vault")]
    assert unproven_stores(both) == ("b/vault", "c/vault")
    assert way_out(both).endswith("are other stores, add --not-the-same b/vault --not-the-same c/vault")


def test_all_environments_count_by_the_address_of_their_store(bench: Bench) -> None:
    assert readers(bench) == ()
    bench.write("staging", "store: vault\nsecrets: {github: null}\n")
    bench.write("lab", f'store: other\nstores: {{other: {{provider: vault, name: o, server: "{SERVER}/"}}}}\n')
    bench.write("far", "store: vault\nstores: {vault: {mount: kv}}\n")
    bench.write("own", "store: vault\nstores: {vault: {prefix: own/}}\n")
    assert readers(bench) == ("lab/jira", "staging/jira")
    assert readers(bench, "agents/github") == ("lab/github",)
    assert readers(bench, "own/agents/jira") == ("own/jira",)
    assert readers(bench, "agents-jira", "azure") == ("prod/jira",)


@pytest.mark.parametrize(
    ("server", "may_be"),
    [
        ("https://vault.vault.svc:8200", ""),
        ("https://vault.vault:8200", ""),
        ("https://vault.vault.svc.cluster.local.:8200/", ""),
        ("https://vault.example.com:8200", "?"),
    ],
)
def test_an_address_that_is_spelt_otherwise_is_no_other_store(bench: Bench, server: str, may_be: str) -> None:
    bench.base(SERVER, "https://vault.vault.svc.cluster.local:8200")
    bench.write("qa", f'store: vault\nstores: {{vault: {{server: "{server}"}}}}\n')
    assert readers(bench) == (f"qa/jira{may_be}",)
    assert readers(bench, "agents/other") == ()


def test_what_this_machine_reaches_under_another_address_counts_as_both(bench: Bench) -> None:
    bench.write("staging", 'store: vault\nstores: {vault: {server: "https://staging-vault.example.com"}}\n')
    assert readers(bench) == ("staging/jira?",)
    # Whoever means to delete in production's Vault has the address of another one in the shell.
    bench.environ["VAULT_ADDR"] = "https://staging-vault.example.com"
    assert readers(bench) == ("staging/jira",)
    bench.environ["VAULT_ADDR"] = "http://127.0.0.1:8200"
    assert readers(bench) == ("staging/jira?",)
    bench.write("staging", "store: vault\n")
    assert readers(bench) == ("staging/jira",)


def test_an_environment_that_is_not_known_to_the_last_keeps_everything(bench: Bench) -> None:
    bench.write("broken", "store: nowhere\n")
    with pytest.raises(Refusal, match=r"cannot tell which secrets are in use: .* has an error: ") as known:
        every_environment(bench.root, Outside())
    assert "broken.yaml:1:" in str(known.value)
    assert known.value.kind == "found"
    assert known.value.help == "correct it; `platform-secrets compile --all` shows all"


def test_an_address_that_comes_from_outside_completes_an_environment(bench: Bench) -> None:
    bench.base('name: azure-store, vaultUrl: "https://agents.vault.azure.net"', "name: azure-store")
    with pytest.raises(Refusal):
        every_environment(bench.root, Outside())
    bench.write("lab", "store: vault\n")
    # Another one has an address of its own, which is not that one.
    bench.write("far", "store: azure\nstores: {azure: {vaultUrl: 'https://far.vault.azure.net'}}\n")
    found = every_environment(bench.root, Outside(addresses={providers.KEY_VAULT: "agents"}))
    assert [each.name for each in found] == ["far", "lab", "prod"]


def test_a_values_file_that_is_behind_or_strange_keeps_everything(bench: Bench) -> None:
    chart = bench.root / "chart"
    chart.mkdir()
    files, _ = plan_values(project_of(bench.root), chart, "chart", bench.root)
    write_values(files, bench.root)
    assert [each.name for each in every_environment(bench.root, Outside())] == ["prod"]
    bench.write("prod", "store: vault\n")
    with pytest.raises(Refusal, match='the values file of "prod" is out of date') as stale:
        every_environment(bench.root, Outside())
    assert stale.value.help == "compile and commit it first: platform-secrets compile prod"
    (chart / "values-prod.yaml").write_text("somebody: else\n", "utf-8")
    with pytest.raises(Refusal, match="what the cluster reads is not known: ") as foreign:
        every_environment(bench.root, Outside())
    assert foreign.value.kind == "found"


def test_a_project_without_a_catalogue_that_can_be_read_tells_nothing(bench: Bench) -> None:
    (bench.root / "environments/catalogue.yaml").write_text("secrets: [", "utf-8")
    with pytest.raises(Refusal, match="cannot tell which secrets are in use"):
        every_environment(bench.root, Outside())


def test_a_store_whose_address_is_not_known_here_may_be_any(bench: Bench) -> None:
    environment = bench.environment()
    stores = {name: replace(store, address=None) for name, store in environment.stores.items()}
    secrets = {name: replace(each, store=stores["azure"]) for name, each in environment.secrets.items()}
    unknown = replace(environment, name="far", stores=stores, secrets=secrets)
    live = bench.live()
    found = ReadIndex(live.identities(environment.stores["azure"])).add_environments([unknown])
    assert names(found.of("agents-jira")) == ("far/jira?",)
    vaults = {name: replace(each, store=stores["vault"]) for name, each in environment.secrets.items()}
    found = ReadIndex(live.identities(environment.stores["vault"])).add_environments([replace(unknown, secrets=vaults)])
    assert names(found.of("agents-jira")) == ("far/jira?",)


OTHER = {"kind": "ClusterSecretStore", "name": "other"}
VAULT = {"kind": "ClusterSecretStore", "name": "vault-store"}


class Cluster(KubernetesCluster):
    """Holds objects by their plural; None for a kind that the cluster does not have. Nothing else is asked for."""

    def __init__(self, **objects: Any) -> None:  # noqa: ANN401 - any JSON
        self.objects: dict[str, Any] = {"externalsecrets": [], **objects}
        self.renew()

    def _get(self, _permission: str, path: str, *_: object) -> Any:  # noqa: ANN401 - any JSON
        plural = path.rpartition("/")[2]
        found = self.objects.get(plural)
        if isinstance(found, Exception):
            raise found
        version, kind = TYPES[plural]
        return {"apiVersion": version, "kind": f"{kind}List", "items": found} if found is not None else None


def external_secret(namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": spec}


def secret_store(name: str, provider: dict[str, Any], namespace: str | None = None) -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    return {"metadata": {"name": name, **where}, "spec": {"provider": provider}}


def read(
    bench: Bench,
    cluster: Cluster,
    name: str = "agents/jira",
    store: str = "vault",
    *,
    has_namespaces: bool | None = True,
) -> tuple[str, ...]:
    found = bench.environment().stores[store]
    identities = bench.live().identities(found)
    readers = ReadIndex(tuple(each._replace(has_namespaces=has_namespaces) for each in identities))
    in_cluster(ClusterView(cluster), found, readers)
    return tuple(each.name + ("" if each.is_proven else "?") for each in readers.of(name))


def reading(reference: dict[str, str] | None, key: str = "agents/jira", **spec: Any) -> dict[str, Any]:  # noqa: ANN401
    given = {"secretStoreRef": reference} if reference is not None else {}
    return {**given, "data": [{"secretKey": "A", "remoteRef": {"key": key}}], **spec}


@pytest.mark.parametrize(
    ("provider", "found"),
    [
        ({"vault": {"server": f"{SERVER}/", "path": "secret", "version": "v2"}}, ""),
        ({"vault": {"server": "https://VAULT.example.com:8200", "path": "/secret/"}}, ""),
        ({"vault": {"server": SERVER, "path": "secret", "namespace": "root"}}, ""),
        ({"vault": {"server": SERVER, "path": "secret", "version": "v1"}}, None),
        ({"vault": {"server": SERVER, "path": "secret/data", "version": "v1"}}, ""),
        ({"vault": {"server": SERVER, "path": "kv"}}, None),
        ({"vault": {"server": SERVER, "path": "secret", "namespace": "team"}}, None),
        ({"vault": {"server": SERVER, "namespace": "team"}}, None),
        ({"vault": {"server": "https://vault.example.com:8300", "path": "secret"}}, "?"),
        ({"vault": {"path": "secret"}}, "?"),
        ({"vault": {"path": "kv"}}, None),
        ({"azurekv": {"vaultUrl": "https://agents.vault.azure.net"}}, None),
        ({"fake": {}}, None),
        ({"webhook": {"url": "https://other.example.com/{{ .remoteRef.key }}"}}, None),
        ({"webhook": {"url": f"{SERVER}/v1/secret/data/agents/{{{{ .remoteRef.key }}}}"}}, "?"),
        ({"openbao": {"server": SERVER}}, "?"),
        (
            {
                "vault": {
                    "server": SERVER,
                    "path": "secret",
                    "headers": {"X-Vault-Namespace": "a", "x-vault-namespace": ""},
                }
            },
            None,
        ),
        (
            {
                "vault": {
                    "server": SERVER,
                    "path": "secret",
                    "headers": {"X-Vault-Namespace": "a", "x-vault-namespace": "b"},
                }
            },
            "?",
        ),
        ({}, None),
    ],
)
def test_a_store_of_any_name_is_meant_where_it_leads_to_the_store_or_may(
    bench: Bench, provider: dict[str, Any], found: str | None
) -> None:
    cluster = Cluster(
        clustersecretstores=[secret_store("other", provider)],
        externalsecrets=[external_secret("team", "jira", reading(OTHER))],
    )
    assert read(bench, cluster) == (() if found is None else (f"ExternalSecret team/jira{found}",))


@pytest.mark.parametrize("written", ["", ", vaultNamespace: team"])
@pytest.mark.parametrize(("has_namespaces", "found"), [(True, None), (None, "?"), (False, "")])
def test_a_namespace_hides_a_reader_only_where_the_server_has_namespaces(
    bench: Bench, written: str, *, has_namespaces: bool | None, found: str | None
) -> None:
    bench.base("mount: secret", f"mount: secret{written}")
    other = {} if written else {"namespace": "team"}
    cluster = Cluster(
        clustersecretstores=[secret_store("other", {"vault": {"server": SERVER, "path": "secret", **other}})],
        externalsecrets=[external_secret("n", "a", reading(OTHER)), external_secret("n", "b", reading(OTHER, "x"))],
    )
    expected = () if found is None else (f"ExternalSecret n/a{found}",)
    assert read(bench, cluster, has_namespaces=has_namespaces) == expected


def test_a_store_without_a_path_is_read_by_names_that_begin_with_the_mount(bench: Bench) -> None:
    cluster = Cluster(
        clustersecretstores=[secret_store("other", {"vault": {"server": SERVER}})],
        externalsecrets=[
            external_secret("team", "a", reading(OTHER, "secret/agents/jira")),
            external_secret("team", "b", reading(OTHER, "secret/data/agents/jira")),
            external_secret("team", "c", reading(OTHER, "kv/agents/jira")),
        ],
    )
    assert read(bench, cluster) == ("ExternalSecret team/a", "ExternalSecret team/b")


def test_a_key_vault_is_known_by_its_url_and_its_names_by_neither_case_nor_type(bench: Bench) -> None:
    bench.write("prod", "store: vault\n")
    cluster = Cluster(
        clustersecretstores=[secret_store("other", {"azurekv": {"vaultUrl": "https://AGENTS.vault.azure.net/"}})],
        externalsecrets=[
            external_secret("team", "a", reading(OTHER, "Agents-JIRA")),
            external_secret("team", "b", reading(OTHER, "secret/agents-jira")),
            external_secret("team", "c", reading(OTHER, "agents-jira-2")),
            external_secret("team", "d", reading(OTHER, "secret/agents-jira/0a1b")),
            external_secret("team", "e", reading(OTHER, data=[], dataFrom=[{"find": {"path": "other"}}])),
        ],
    )
    found = read(bench, cluster, "agents-jira", "azure")
    assert found == tuple(f"ExternalSecret team/{name}" for name in "abde")


def test_a_store_of_the_same_kind_and_name_is_meant_whatever_its_address_is(bench: Bench) -> None:
    cluster = Cluster(externalsecrets=[external_secret("team", "jira", reading(VAULT))])
    assert read(bench, cluster) == ("ExternalSecret team/jira?",)
    elsewhere = [secret_store("vault-store", {"azurekv": {"vaultUrl": "https://agents.vault.azure.net"}})]
    cluster = Cluster(clustersecretstores=elsewhere, externalsecrets=cluster.objects["externalsecrets"])
    assert read(bench, cluster) == ("ExternalSecret team/jira?",)


@pytest.mark.parametrize("secretstores", [None, []])
@pytest.mark.parametrize(
    "reference", [{"name": "gone"}, {"kind": "ClusterSecretStore", "name": "gone"}, {"name": "vault-store"}]
)
def test_a_store_that_is_not_listed_may_be_the_store(
    bench: Bench, secretstores: list[Any] | None, reference: dict[str, str]
) -> None:
    keys = {"a": "agents/jira", "b": "secret/data/agents/jira", "c": "agents/github"}
    cluster = Cluster(
        secretstores=secretstores,
        externalsecrets=[external_secret("team", name, reading(reference, key)) for name, key in keys.items()],
    )
    assert read(bench, cluster) == ("ExternalSecret team/a?", "ExternalSecret team/b?")
    store, (environment, live) = "SecretStore/team/gone", (bench.environment(), bench.live())
    if reference == {"name": "gone"}:
        found = readers_of(environment.stores["vault"], (), live, ClusterView(cluster), [store])
        found.check_excluded()
        assert found.of("agents/jira") == ()


def test_references_to_stores_that_are_gone_cost_linear_time(bench: Bench) -> None:
    def seconds(count: int) -> float:
        secrets = [external_secret("n", f"s{each}", reading({"name": f"gone-{each}"})) for each in range(count)]
        start = time.process_time()
        assert len(read(bench, Cluster(secretstores=[], externalsecrets=secrets))) == count
        return time.process_time() - start

    assert seconds(4_000) < 30 * seconds(500)


def test_a_selector_of_stores_that_are_not_served_may_choose_the_store(bench: Bench) -> None:
    push = external_secret("n", "a", pushing({"labelSelector": {"matchLabels": {"a": "b"}}}))
    assert read(bench, Cluster(secretstores=[], pushsecrets=[push])) == ()
    assert read(bench, Cluster(pushsecrets=[push])) == ("PushSecret n/a, which writes it?",)


def test_a_secret_store_serves_its_own_namespace(bench: Bench) -> None:
    cluster = Cluster(
        secretstores=[secret_store("own", {"vault": {"server": SERVER, "path": "secret"}}, "team")],
        externalsecrets=[
            external_secret("team", "a", reading({"name": "own"})),
            external_secret("elsewhere", "b", reading({"kind": "SecretStore", "name": "own"})),
            external_secret("team", "c", reading({"kind": "ClusterSecretStore", "name": "own"})),
        ],
        clusterexternalsecrets=[
            {"metadata": {"name": "d"}, "spec": {"externalSecretSpec": reading({"name": "own"})}},
            {"metadata": {"name": "e"}, "spec": {}},
        ],
    )
    # A store that is not listed may be any.
    listed = [each for each in read(bench, cluster) if not each.endswith("?")]
    assert listed == ["ExternalSecret team/a", "ClusterExternalSecret d"]
    cluster.objects["secretstores"] += [
        secret_store("own", {"fake": {}}, "elsewhere"),
    ]
    cluster.objects["clustersecretstores"] = [secret_store("own", {"fake": {}})]
    assert read(bench, cluster) == ("ExternalSecret team/a", "ClusterExternalSecret d")


def test_every_reference_of_a_spec_counts_with_the_store_of_its_own(bench: Bench) -> None:
    source = {"storeRef": VAULT}
    specs = {
        "data": reading(OTHER, data=[{"sourceRef": source, "remoteRef": {"key": "agents/jira"}}]),
        "extract": reading(OTHER, data=[], dataFrom=[{"sourceRef": source, "extract": {"key": "agents/jira"}}]),
        "find": reading(VAULT, data=[], dataFrom=[{"find": {"path": "agents", "name": {"regexp": ".*"}}}]),
        "tags": reading(VAULT, data=[], dataFrom=[{"find": {"tags": {"a": "b"}}}]),
        "generator": {"dataFrom": [{"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}]},
        "elsewhere": reading(VAULT, data=[{"sourceRef": {"storeRef": OTHER}, "remoteRef": {"key": "agents/jira"}}]),
        "other": reading(VAULT, "agents/github"),
        "below": reading(VAULT, data=[], dataFrom=[{"find": {"path": "teams"}}]),
        "empty": {},
    }
    stores = [
        secret_store("vault-store", {"vault": {"server": SERVER, "path": "secret"}}),
        secret_store("other", {"fake": {}}),
    ]
    objects = [external_secret("n", name, spec) for name, spec in specs.items()]
    found = tuple(dict.fromkeys(read(bench, Cluster(clustersecretstores=stores, externalsecrets=objects))))
    assert found == tuple(f"ExternalSecret n/{name}" for name in ("data", "extract", "find", "tags"))


@pytest.mark.parametrize(
    "key",
    [
        *("agents/jira", "/agents/jira", "secret/agents/jira", "secret/data/agents/jira", "data/agents/jira"),
        *("agents//jira", "agents/jira/", "./agents/jira", "x/../agents/jira", "secret/data//agents/jira"),
    ],
)
def test_a_key_is_the_same_however_it_is_written(bench: Bench, key: str) -> None:
    cluster = Cluster(externalsecrets=[external_secret("n", "a", reading(VAULT, key))])
    assert read(bench, cluster) == ("ExternalSecret n/a?",)


@pytest.mark.parametrize("plural", KINDS)
def test_a_cluster_that_does_not_tell_all_ends_the_command(bench: Bench, plural: str) -> None:
    error = ClusterError(f"you are not allowed to list {plural}", "get a role", f"list {plural}")
    with pytest.raises(Refusal) as refused:
        read(bench, Cluster(**{plural: error}))
    assert (refused.value.kind, refused.value.help) == ("cannot run", "get roles that allow it")
    # That of the client has frames with what it sends.
    assert refused.value.__context__ is None
    assert str(refused.value).endswith(f"in the cluster is not known: you are not allowed to list {plural}")


def test_a_cluster_without_the_operator_is_not_one_where_nobody_reads(bench: Bench) -> None:
    with pytest.raises(Refusal, match=r"does not serve external-secrets\.io/v1"):
        read(bench, Cluster(externalsecrets=None))


def pushing(reference: dict[str, Any], key: str = "agents/jira", **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    match = {"secretKey": "A", "remoteRef": {"remoteKey": key}}
    return {"secretStoreRefs": [reference], "data": [{"match": match}], **spec}


def test_whatever_writes_the_place_is_named(bench: Bench) -> None:
    stores = [secret_store("other", {"vault": {"server": SERVER, "path": "secret"}})]
    push = {
        "a": pushing(OTHER),
        "b": pushing(OTHER, "agents/github"),
        "c": pushing({"kind": "ClusterSecretStore", "labelSelector": {"matchLabels": {"a": "b"}}}),
        "d": pushing(OTHER, data=[], dataTo=[{"storeRef": OTHER}]),
        "e": pushing({"name": "other"}),
        "f": {},
    }
    cluster = Cluster(
        clustersecretstores=stores,
        secretstores=[secret_store("other", {"fake": {}}, "n")],
        pushsecrets=[external_secret("n", name, spec) for name, spec in push.items()],
        clusterpushsecrets=[{"metadata": {"name": "all"}, "spec": {"pushSecretSpec": pushing(OTHER)}}],
    )
    found = [f"PushSecret n/{name}, which writes it" for name in "ac"]
    found += ["ClusterPushSecret all, which writes it", "PushSecret n/d, which writes it"]
    assert list(read(bench, cluster)) == found


@pytest.mark.parametrize(
    ("server", "path", "found"),
    [
        (SERVER, "secret/data/agents/jira", ""),
        (SERVER, "/secret//data/agents/jira", ""),
        ("https://other.example.com", "secret/data/agents/jira", "?"),
        (SERVER, "secret/data/agents/github", None),
        (SERVER, "database/creds/jira", None),
    ],
)
def test_a_generator_reads_a_path_of_vaults_api(bench: Bench, server: str, path: str, found: str | None) -> None:
    spec = {"path": path, "provider": {"server": server}}
    generators = {
        "vaultdynamicsecrets": [external_secret("n", "a", spec)],
        "clustergenerators": [
            {"metadata": {"name": "b"}, "spec": {"generator": {"vaultDynamicSecretSpec": spec}}},
            {"metadata": {"name": "c"}, "spec": {"generator": {"passwordSpec": {}}}},
        ],
    }
    names = [] if found is None else [f"VaultDynamicSecret n/a{found}", f"ClusterGenerator b{found}"]
    assert list(read(bench, Cluster(**generators))) == names


def provider_class(provider: str, parameters: dict[str, str]) -> dict[str, Any]:
    spec = {"provider": provider, "parameters": parameters}
    return {"metadata": {"namespace": "n", "name": "a"}, "spec": spec}


def vault_objects(*paths: str) -> str:
    return "".join(f"- objectName: a\n  secretPath: {path}\n  secretKey: B\n" for path in paths)


@pytest.mark.parametrize(
    ("provider", "parameters", "found"),
    [
        ("vault", {"vaultAddress": f"{SERVER}/", "objects": vault_objects("kv/data/x", "secret/data/agents/jira")}, ""),
        ("vault", {"vaultAddress": SERVER, "objects": vault_objects("secret/data/agents/github")}, None),
        (
            "vault",
            {"vaultAddress": SERVER, "vaultNamespace": "team", "objects": vault_objects("secret/data/agents/jira")},
            None,
        ),
        ("vault", {"vaultAddress": "https://w.example.com", "objects": vault_objects("/secret/data/agents/jira")}, "?"),
        ("vault", {"objects": vault_objects("secret/data/agents/jira")}, "?"),
        # What it reads is not known.
        ("vault", {"vaultAddress": SERVER, "objects": "- {"}, ""),
        ("vault", {"vaultAddress": SERVER, "objects": "- objectName: a\n"}, ""),
        ("vault", {"vaultAddress": SERVER, "objects": vault_objects("x") + "#" * 64 * 1024}, ""),
        ("vault", {"vaultAddress": SERVER}, ""),
        ("openbao-csi", {"baoAddress": SERVER}, "?"),
        ("gcp", {"secrets": "a"}, None),
        ("azure", {"keyvaultName": "agents", "objects": "array:\n  - |\n    objectName: agents-jira\n"}, None),
    ],
)
def test_a_class_of_the_csi_driver_reads_what_its_objects_name(
    bench: Bench, provider: str, parameters: dict[str, str], found: str | None
) -> None:
    cluster = Cluster(secretproviderclasses=[provider_class(provider, parameters)])
    assert read(bench, cluster) == (() if found is None else (f"SecretProviderClass n/a{found}",))


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"keyvaultName": "agents"}, ""),
        ({"keyvaultName": "Agents", "cloudName": "AzurePublicCloud"}, ""),
        ({"keyvaultName": "other"}, None),
        ({"keyvaultName": "agents", "cloudName": "AzureChinaCloud"}, None),
        ({}, "?"),
    ],
)
def test_a_class_reads_a_key_vaults_secrets_by_name(
    bench: Bench, parameters: dict[str, str], found: str | None
) -> None:
    bench.write("prod", "store: vault\n")
    objects = "array:\n  - |\n    objectName: other\n  - |\n    objectName: Agents-JIRA\n    objectType: secret\n"
    cluster = Cluster(secretproviderclasses=[provider_class("azure", {**parameters, "objects": objects})])
    expected = () if found is None else (f"SecretProviderClass n/a{found}",)
    assert read(bench, cluster, "agents-jira", "azure") == expected
    assert read(bench, cluster, "agents-github", "azure") == ()


def test_files_and_cluster_are_one_answer(bench: Bench) -> None:
    bench.write("staging", "store: vault\n")
    environments, store = [bench.environment("staging")], bench.environment().stores["vault"]
    cluster = Cluster(externalsecrets=[external_secret("team", "jira", reading(VAULT))])
    found = readers_of(store, environments, bench.live(), ClusterView(cluster), ["ClusterSecretStore/vault-store"])
    assert {each.name for each in found.of("agents/jira")} == {"staging/jira"}
    found = readers_of(store, environments, bench.live(), ClusterView(cluster))
    assert {each.name for each in found.of("agents/jira")} == {"staging/jira", "ExternalSecret team/jira"}
    found = readers_of(store, environments, bench.live(), None)
    assert {each.name for each in found.of("agents/jira")} == {"staging/jira"}


@pytest.mark.parametrize(
    ("plural", "spec"),
    [
        ("externalsecrets", "agents/jira"),
        ("externalsecrets", {"secretStoreRef": "other", "data": []}),
        ("externalsecrets", {"secretStoreRef": OTHER, "data": {"remoteRef": {"key": "agents/jira"}}}),
        ("externalsecrets", {"secretStoreRef": OTHER, "data": [{"remoteRef": "agents/jira"}]}),
        ("externalsecrets", {"secretStoreRef": OTHER, "data": [{"remoteRef": {"key": ["agents/jira"]}}]}),
        ("externalsecrets", {"dataFrom": [{"extract": {"key": "agents/jira"}, "sourceRef": "other"}]}),
        ("externalsecrets", {"secretStoreRef": OTHER, "dataFrom": [{"find": "agents"}]}),
        ("clusterexternalsecrets", {"externalSecretSpec": ["agents/jira"]}),
        ("pushsecrets", {"secretStoreRefs": [OTHER], "data": [{"match": "agents/jira"}]}),
        ("clusterpushsecrets", {"pushSecretSpec": {"secretStoreRefs": ["other"]}}),
        ("vaultdynamicsecrets", {"provider": {"server": SERVER}, "path": ["secret/data/agents/jira"]}),
        ("clustergenerators", {"generator": {"vaultDynamicSecretSpec": "secret/data/agents/jira"}}),
        ("secretproviderclasses", {"provider": "vault", "parameters": {"objects": ["agents/jira"]}}),
        ("clustersecretstores", {"provider": {"vault": SERVER}}),
        ("secretstores", {"provider": "vault"}),
    ],
)
def test_an_object_of_another_form_is_not_one_that_reads_nothing(bench: Bench, plural: str, spec: object) -> None:
    cluster = Cluster(
        clustersecretstores=[secret_store("other", {"vault": {"server": SERVER, "path": "secret"}})],
    )
    cluster.objects.setdefault(plural, [])
    cluster.objects[plural] = [*cluster.objects[plural], {"metadata": {"namespace": "team", "name": "a"}, "spec": spec}]
    with pytest.raises(Refusal) as caught:
        read(bench, cluster)
    assert caught.value.message.endswith(": its answer is not in the form of the API")


def test_a_reader_names_the_secret_that_would_lose_its_keys() -> None:
    own = StoreIdentity(providers.VAULT, "v:443", "secret")
    found = ReadIndex((own,))
    found.register_store("prod/vault", own)
    found.add_loss("prod/jira", "agents/jira-secrets")
    found.add(remote_places(own, "agents/jira"), "prod/jira", "prod/vault")
    found.add(remote_places(own, "agents/jira"), "prod/other", "prod/vault")
    jira, other = found.of("agents/jira")
    assert (jira.loses, other.loses) == ("agents/jira-secrets", "")
    says = 'by its deletionPolicy the operator would take the keys out of "agents/jira-secrets"'
    assert read_by([jira, other], "still read by") == f'still read by "prod/jira", "prod/other"; {says}'
    assert says not in read_by([other], "still read by")
