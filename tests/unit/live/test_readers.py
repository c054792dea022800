from collections.abc import Iterable
from dataclasses import replace

import pytest

from compiler.live.readers import (
    Reader,
    ReadIndex,
    every_environment,
    read_by,
    unproven_stores,
    way_out,
)
from compiler.model.store import StoreIdentity, remote_places
from compiler.pipeline import compile_project, plan_values, write_values
from compiler.refusal import Refusal
from compiler.stages.resolve import Outside
from tests import providers
from tests.unit.operations.retire.conftest import Bench, bench

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
    assert found.meet("prod/azure", azure)
    found.add(remote_places(azure, "Agents-Jira"), "prod/jira", "prod/azure")
    found.add(remote_places(azure, "agents-jira"), "prod/jira", "prod/azure")
    found.add_below({""}, "ExternalSecret team/all", "prod/azure")
    assert names(found.of("AGENTS-jira")) == ("prod/jira", "ExternalSecret team/all")
    assert names(found.of("other")) == ("ExternalSecret team/all",)
    found = ReadIndex((vault,))
    assert found.meet("prod/vault", vault)
    found.add(remote_places(vault, "agents/Jira"), "prod/jira", "prod/vault")
    assert found.of("agents/jira") == ()
    assert names(found.of("agents//Jira")) == ("prod/jira",)


def test_a_store_counts_unless_it_is_another_or_said_to_be() -> None:
    own = StoreIdentity(providers.VAULT, "v:8200", "secret")
    found = ReadIndex((own,), ["lab/vault"])
    may_be = own._replace(server="w:8200")
    assert found.meet("qa/vault", may_be)
    assert not found.meet("lab/vault", may_be)
    assert not found.meet("far/vault", own._replace(provider=providers.KEY_VAULT))
    assert found.meet("named/vault", own._replace(provider=providers.KEY_VAULT), is_named=True)
    told = ReadIndex((own._replace(server_id="a"),))
    assert not told.meet("qa/vault", may_be._replace(server_id="b"))
    assert told.meet("qa/vault", may_be._replace(server_id="a"))
    assert told.meet("qa/vault", may_be._replace(ids=frozenset("b")))


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
    result = compile_project(bench.root)
    assert result.project is not None
    files, _ = plan_values(result.project, chart, "chart", bench.root)
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
