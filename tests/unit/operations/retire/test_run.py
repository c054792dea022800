from collections.abc import Mapping

import pytest

from compiler.change.plan import Kind, Options, Plan
from compiler.cluster.view import ClusterView
from compiler.live.stores import AddressError, LiveStores
from compiler.model.store import StoreAddress
from compiler.operations.retire import retire
from compiler.refusal import Refusal
from compiler.stages.resolve import Outside
from compiler.stores.interface import Cluster
from tests import providers
from tests.unit.live.test_cluster_readers import Cluster as LiveCluster
from tests.unit.live.test_cluster_readers import external_secret
from tests.unit.memory_store import MemoryStore
from tests.unit.operations.retire.conftest import Bench


def test_the_same_run_is_told_by_where_and_what(bench: Bench) -> None:
    first = bench.change().identity
    assert first == bench.change().identity
    assert (first["command"], first["environment"]) == ("retire", "prod")
    others = [bench.change("jira"), bench.change(store="azure"), bench.change(cluster=ClusterView(LiveCluster()))]
    others.append(bench.change(not_the_same=("lab/vault",)))
    assert first not in [each.identity for each in others]
    assert bench.change("jira", "github").identity == bench.change("github", "jira").identity


def test_names_that_the_environment_does_not_have_are_refused(bench: Bench) -> None:
    with pytest.raises(Refusal, match="has no store"):
        bench.change(store="nowhere")
    with pytest.raises(Refusal, match="has no secret"):
        bench.change("jria")
    bench.base('vault-store, server: "https://vault.example.com:8200", mount: secret', "vault-store")
    with pytest.raises(AddressError):
        bench.change()


def test_what_the_cluster_reads_stays(bench: Bench) -> None:
    store = {"kind": "ClusterSecretStore", "name": "vault-store"}
    cluster = LiveCluster(
        externalsecrets=[
            external_secret(
                "agents",
                "jira",
                {"secretStoreRef": store, "data": [{"remoteRef": {"key": "agents/jira", "property": "JIRA_URL"}}]},
            )
        ]
    )
    plan = bench.plan(cluster=ClusterView(cluster))
    (jira,) = bench.candidates[-1].read
    assert [each.name for each in jira.readers] == ["ExternalSecret agents/jira"]
    assert {step.key for step in plan.steps if step.kind is Kind.DELETE} == {"GITHUB_TOKEN"}


def test_who_reads_is_found_out_when_it_is_planned(bench: Bench) -> None:
    change = bench.change("jira")
    # A switch of another terminal, between the command's start and its turn at the lock.
    bench.write("prod", "store: azure\nsecrets: {jira: {store: vault}}\n")
    plan = change.plan(None)
    assert (plan.writes, {step.kind for step in plan.steps}) == ((), {Kind.REFUSE})
    assert plan.steps[0].reason == 'still read by "prod/jira"'


def test_a_store_that_nothing_uses_any_more_has_its_address_from_outside(bench: Bench) -> None:
    bench.base('name: azure-store, vaultUrl: "https://agents.vault.azure.net"', "name: azure-store")
    bench.write("prod", "store: vault\n")
    bench.outside = Outside(addresses={providers.KEY_VAULT: "agents"})
    assert Kind.DELETE in {step.kind for step in bench.plan(store="azure").steps}
    change = bench.change(store="azure")
    bench.write("prod", "store: nowhere\n")
    with pytest.raises(Refusal, match="cannot tell which secrets are in use"):
        change.plan(None)


def test_a_written_cluster_id_hides_no_reader_at_the_same_address(bench: Bench) -> None:
    """One of the two ids is stale, and the address means one server wherever one is."""
    bench.write("prod", 'store: azure\nstores: {vault: {clusterId: "a"}}\n')
    for written in ('{clusterId: "b"}', '{clusterId: "a"}', "{}"):
        bench.write("staging", f"store: vault\nstores: {{vault: {written}}}\n")
        plan = bench.plan("jira")
        assert (plan.writes, plan.steps[0].reason) == ((), 'still read by "staging/jira"')


@pytest.mark.parametrize("server", ["http://vault.vault.svc:8200", "https://vault.vault:8200", "http://127.0.0.1:8200"])
def test_the_vault_of_each_cluster_by_one_name_is_asked_or_named_by_a_person(bench: Bench, server: str) -> None:
    """Written ids that differ prove nothing; what the other environment's own server says does."""
    bench.base('server: "https://vault.example.com:8200"', f'server: "{server}"')
    bench.vault.seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    bench.write("prod", 'store: azure\nstores: {vault: {clusterId: "a", reachableAt: "https://prod.example.com"}}\n')
    bench.write("qa", "store: vault\nstores: {vault: {clusterId: b}}\n")
    servers = {"https://prod.example.com": "a"}

    def opened(address: StoreAddress, environ: Mapping[str, str]) -> MemoryStore:
        found = bench._open(address, environ)
        found.server = Cluster(servers[address.contact], "") if address.contact in servers else None
        return found

    def plan(*not_the_same: str) -> Plan:
        setting = Options(root=bench.root, stores=LiveStores({}, opened), not_the_same=not_the_same)
        return retire(bench.environment(), "vault", ("jira",), None, setting, bench.outside).plan(None)

    step = plan().steps[0]
    assert step.reason == 'it may be read by "qa/jira", in what may be the same store'
    assert step.remedy.endswith('if "qa/vault" is another store, add --not-the-same qa/vault')
    # The line that is printed is enough.
    assert {each.kind for each in plan("qa/vault").steps} == {Kind.DELETE}
    bench.write("qa", 'store: vault\nstores: {vault: {clusterId: b, reachableAt: "https://qa.example.com"}}\n')
    # It does not say who it is.
    assert plan().steps[0].reason.startswith("it may be read by")
    servers["https://qa.example.com"] = "b"
    assert {each.kind for each in plan().steps} == {Kind.DELETE}
    # The written id is stale: it is the same server.
    servers["https://qa.example.com"] = "a"
    assert plan().steps[0].reason == 'still read by "qa/jira"'
    # Without a written id nothing says that it is another one, but for its server.
    bench.write("qa", 'store: vault\nstores: {vault: {reachableAt: "https://qa.example.com"}}\n')
    assert plan().steps[0].reason == 'still read by "qa/jira"'
    servers["https://qa.example.com"] = "b"
    assert {each.kind for each in plan().steps} == {Kind.DELETE}


def test_an_accepted_server_is_read_by_whoever_names_it_by_its_former_id(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a rebuild the files have the former id, that of each environment the same."""
    former = 'stores: {vault: {clusterId: "former"}}\n'
    bench.write("prod", f"store: azure\n{former}")
    bench.write("staging", f"store: vault\n{former}")
    monkeypatch.setattr(MemoryStore, "cluster", lambda _self: Cluster("rebuilt", ""))
    stores = bench.live()
    stores.accept("rebuilt")
    setting = Options(root=bench.root, stores=stores)
    plan = retire(bench.environment(), "vault", ("jira",), None, setting, bench.outside).plan(None)
    assert (plan.writes, plan.steps[0].reason) == ((), 'still read by "staging/jira"')


def test_a_store_that_moved_meanwhile_ends_the_command(bench: Bench) -> None:
    change = bench.change()
    bench.base("https://vault.example.com:8200", "https://vault-2.example.com:8200")
    with pytest.raises(Refusal, match="the address of vault changed meanwhile"):
        change.plan(None)


def test_a_store_that_may_be_the_same_keeps_what_it_reads_until_a_person_says_that_it_is_not(bench: Bench) -> None:
    bench.write("staging", 'store: vault\nstores: {vault: {server: "https://vault-2.example.com:8200"}}\n')
    step = bench.plan("jira").steps[0]
    assert step.reason == 'it may be read by "staging/jira", in what may be the same store'
    assert step.remedy.endswith('if "staging/vault" is another store, add --not-the-same staging/vault')
    plan = bench.plan("jira", not_the_same=("staging/vault",))
    assert {step.kind for step in plan.steps} == {Kind.DELETE}
    with pytest.raises(Refusal, match='nobody is seen to read a store "staging/volt"') as unknown:
        bench.plan(not_the_same=("staging/volt",))
    assert unknown.value.help == 'did you mean "staging/vault"?'
    bench.write("staging", "store: vault\n")
    with pytest.raises(Refusal, match='the store "staging/vault" is on the same server'):
        bench.plan(not_the_same=("staging/vault",))
