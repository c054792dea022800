from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.operations.change.plan import Kind
from compiler.operations.live.stores import AddressError
from compiler.refusal import Refusal
from tests.unit.operations.retire.test_cluster_readers import Cluster, external_secret

if TYPE_CHECKING:
    from tests.unit.operations.retire.conftest import Bench


def test_the_same_run_is_told_by_where_and_what(bench: Bench) -> None:
    first = bench.retire().change.identity
    assert first == bench.retire().change.identity
    assert (first["command"], first["environment"]) == ("retire", "prod")
    others = [bench.retire("jira"), bench.retire(store="azure"), bench.retire(cluster=Cluster())]
    assert first not in [each.change.identity for each in others]
    assert bench.retire("jira", "github").change.identity == bench.retire("github", "jira").change.identity


def test_names_that_the_environment_does_not_have_are_refused(bench: Bench) -> None:
    with pytest.raises(Refusal, match="has no store"):
        bench.retire(store="nowhere")
    with pytest.raises(Refusal, match="has no secret"):
        bench.retire("jria")
    bench.base('vault-store, server: "https://vault.example.com:8200", mount: secret', "vault-store")
    with pytest.raises(AddressError):
        bench.retire()


def test_what_the_cluster_reads_stays(bench: Bench) -> None:
    store = {"kind": "ClusterSecretStore", "name": "vault-store"}
    cluster = Cluster(
        externalsecrets=[
            external_secret(
                "agents",
                "jira",
                {"secretStoreRef": store, "data": [{"remoteRef": {"key": "agents/jira", "property": "JIRA_URL"}}]},
            )
        ]
    )
    found = bench.retire(cluster=cluster)
    assert found.asked_cluster
    assert [each.readers for each in found.candidates.read] == [("ExternalSecret agents/jira",)]
    plan = found.change.plan(None).plan
    assert {step.key for step in plan.steps if step.kind is Kind.DELETE} == {"GITHUB_TOKEN"}
    assert not bench.retire().asked_cluster
