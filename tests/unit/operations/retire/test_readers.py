from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.operations.live.identity import identities
from compiler.operations.retire.readers import Readers, every_environment, in_files, still_read
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
    (chart / "values-prod.yaml").write_text("# Compiled from elsewhere. Do not edit; run `make values ENV=prod`.\n{}\n")
    with pytest.raises(Refusal) as refused:
        every_environment(bench.root, Outside())
    assert "values" in str(refused.value)
