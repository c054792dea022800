from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from compiler.operations.live.identity import identities
from compiler.operations.retire.readers import Readers, every_environment, in_files, still_read
from compiler.pipeline import compile_project, plan_values, write_values
from compiler.refusal import Refusal
from compiler.stages.outside import Outside

if TYPE_CHECKING:
    from tests.unit.operations.retire.conftest import Bench

SERVER = "https://vault.example.com:8200"


def readers(bench: Bench, name: str = "agents/jira", store: str = "vault") -> tuple[str, ...]:
    environments = every_environment(bench.root, Outside())
    return in_files(environments, bench.environment().stores[store], bench.live()).of(name)


def test_whoever_reads_a_name_or_all_below_a_path_is_known_by_the_stores_own_rules() -> None:
    found = Readers("azurekv")
    found.add("Agents-Jira", "prod/jira")
    found.add("agents-jira", "prod/jira")
    found.below.append(("agents-", "ExternalSecret team/all"))
    assert found.of("AGENTS-jira") == ("prod/jira", "ExternalSecret team/all")
    assert found.of("other") == ()
    vault = Readers("vault")
    vault.add("agents/Jira", "prod/jira")
    assert vault.of("agents/jira") == ()
    assert still_read(["a", "b"]) == 'still read by "a", "b"'


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


def test_what_this_machine_reaches_under_another_address_counts_as_both(bench: Bench) -> None:
    bench.write("staging", 'store: vault\nstores: {vault: {server: "https://staging-vault.example.com"}}\n')
    assert readers(bench) == ()
    # Whoever means to delete in production's Vault has the address of another one in the shell.
    bench.environ["VAULT_ADDR"] = "https://staging-vault.example.com"
    assert readers(bench) == ("staging/jira",)
    assert len(identities(bench.environment().stores["vault"], bench.live())) == 2
    bench.environ["VAULT_ADDR"] = "http://127.0.0.1:8200"
    assert readers(bench) == ()
    bench.write("staging", "store: vault\n")
    assert readers(bench) == ("staging/jira",)


def test_an_environment_that_is_not_known_to_the_last_keeps_everything(bench: Bench) -> None:
    bench.write("broken", "store: nowhere\n")
    with pytest.raises(Refusal, match="what the environments read is not known, as one has an error") as known:
        every_environment(bench.root, Outside())
    assert "broken.yaml:1:" in str(known.value)
    assert known.value.kind == "found"
    assert known.value.help == "correct it; platform-secrets compile --all shows all"


def test_an_address_that_comes_from_outside_completes_an_environment(bench: Bench) -> None:
    bench.base('name: azure-store, vaultUrl: "https://agents.vault.azure.net"', "name: azure-store")
    with pytest.raises(Refusal):
        every_environment(bench.root, Outside())
    bench.write("lab", "store: vault\n")
    # Another one has an address of its own, which is not that one.
    bench.write("far", "store: azure\nstores: {azure: {vaultUrl: 'https://far.vault.azure.net'}}\n")
    found = every_environment(bench.root, Outside(vault_name="agents"))
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
    with pytest.raises(Refusal, match="what the environments read is not known"):
        every_environment(bench.root, Outside())


def test_a_store_whose_address_is_not_known_here_may_be_any(bench: Bench) -> None:
    environment = bench.environment()
    stores = {name: replace(store, address=None) for name, store in environment.stores.items()}
    secrets = {name: replace(each, store=stores["azure"]) for name, each in environment.secrets.items()}
    unknown = replace(environment, name="far", stores=stores, secrets=secrets)
    readers = in_files([unknown], environment.stores["azure"], bench.live())
    assert readers.of("agents-jira") == ("far/jira",)
    # Here and there the same variable tells it.
    vaults = {name: replace(each, store=stores["vault"]) for name, each in environment.secrets.items()}
    bench.environ["VAULT_ADDR"] = "http://127.0.0.1:8200"
    readers = in_files([replace(unknown, secrets=vaults)], environment.stores["vault"], bench.live())
    assert readers.names
