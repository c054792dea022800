from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from compiler.operations.cluster.in_effect import (
    Lack,
    Live,
    is_own,
    is_synced,
    ready_reason,
    reasons_against,
    wanted_keys,
)
from compiler.operations.cluster.slim import keys_of
from compiler.operations.parity.table import expected_manifests
from compiler.pipeline import compile_project
from tests.recorded_cluster import as_compiled, by_name, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parents[4]
STORES = by_name("clustersecretstores-list")
SECRETS = by_name("secrets-metadata-list")
SLACK = "agent-slack-secrets"


def manifests(store: str) -> dict[str, dict[str, Any]]:
    """What `dev` compiles to on that store."""
    project = compile_project(ROOT, ["dev"]).project
    assert project is not None
    root: Any = project.environments[0].root.plain_data()
    catalogue: Any = project.catalogue.document.root.plain_data()
    return {each["metadata"]["name"]: each for each in expected_manifests({**root, "store": store}, catalogue)}


AZURE, VAULT = manifests("azure"), manifests("vault")
EXTERNAL_SECRETS = {name: as_compiled(found, AZURE[name]) for name, found in by_name("externalsecrets-list").items()}
SWITCH = [as_compiled(found, VAULT[SLACK]) for found in watched("watch-externalsecrets-switch")]


def live(name: str, on: str = "azure-keyvault-store", **changed: Any) -> Live:  # noqa: ANN401 - any object
    parts = {"external_secret": EXTERNAL_SECRETS[name], "secret": SECRETS[name], "store": STORES[on]}
    return Live(**{**parts, **changed})


def lacks(compiled: Mapping[str, Any], found: Live) -> list[Lack]:
    return [reason.lack for reason in reasons_against(compiled, found)]


@pytest.mark.parametrize("name", sorted(EXTERNAL_SECRETS))
def test_what_was_recorded_in_order_is_in_effect(name: str) -> None:
    assert reasons_against(AZURE[name], live(name)) == ()


def test_ready_of_the_spec_before_is_not_in_effect() -> None:
    # Each line of the watch: a new spec with the old Ready, its failure, the right spec with that failure, success.
    found = [lacks(VAULT[SLACK], live(SLACK, "vault-secret-store", external_secret=each)) for each in SWITCH]
    assert found == [
        [Lack.OTHER_SPEC, Lack.NOT_SYNCED],
        [Lack.OTHER_SPEC, Lack.NOT_SYNCED, Lack.NOT_READY],
        [Lack.NOT_SYNCED, Lack.NOT_READY],
        [],
    ]
    assert (ready_reason(SWITCH[0]), is_synced(SWITCH[0])) == (None, False)


def test_the_generation_is_compared_whole() -> None:
    changed = copy.deepcopy(EXTERNAL_SECRETS[SLACK])
    changed["status"]["syncedResourceVersion"] = "41-f1030cd0"
    assert not is_synced(changed)
    del changed["metadata"]["generation"]
    assert not is_synced(changed)
    assert not is_synced({"metadata": {"generation": 4}})


@pytest.mark.parametrize(
    ("change", "lack", "said"),
    [
        (lambda found: found["metadata"]["labels"].clear(), Lack.FOREIGN, "is not managed by this chart"),
        (lambda found: found["spec"].update(refreshPolicy="CreatedOnce"), Lack.OTHER_SPEC, "not what was compiled"),
        (lambda found: found["spec"]["data"].pop(), Lack.OTHER_SPEC, "is not what was compiled"),
        (lambda found: found.pop("status"), Lack.NOT_SYNCED, "has not synchronised"),
        (lambda found: _condition(found, reason="SecretDeleted"), Lack.NOT_READY, "ready by SecretDeleted"),
        (lambda found: _condition(found, reason="", status="Unknown"), Lack.NOT_READY, "is not ready: Unknown"),
        (
            lambda found: _condition(found, message="secret retained due to DeletionPolicy=Retain"),
            Lack.RETAINED,
            "is an earlier one that was kept",
        ),
    ],
)
def test_each_lack_of_an_external_secret_is_found(change: Callable[[Any], object], lack: Lack, said: str) -> None:
    changed = copy.deepcopy(EXTERNAL_SECRETS[SLACK])
    change(changed)
    found = reasons_against(AZURE[SLACK], live(SLACK, external_secret=changed))
    assert lack in [reason.lack for reason in found]
    assert any(said in reason.message for reason in found)


def _condition(found: dict[str, Any], **changes: str) -> None:
    found["status"]["conditions"][0].update(changes)


def test_a_missing_object_is_the_only_thing_said_of_it() -> None:
    assert lacks(AZURE[SLACK], live(SLACK, external_secret=None)) == [Lack.ABSENT]
    assert lacks(AZURE[SLACK], live(SLACK, secret=None)) == [Lack.NO_TARGET]
    assert lacks(AZURE[SLACK], live(SLACK, store=None)) == [Lack.STORE]
    assert lacks(AZURE[SLACK], live(SLACK, secret=None, has_secrets=False)) == []
    assert lacks(AZURE[SLACK], live(SLACK, store=None, has_store=False)) == []


def test_the_keys_of_a_secret_are_known_from_its_metadata() -> None:
    assert keys_of(SECRETS[SLACK]) == set(wanted_keys(AZURE[SLACK]))
    (changed,) = watched("watch-secret-metadata-value-changed")[-1:]
    assert keys_of(changed) == {"PAGERDUTY_API_KEY", "PAGERDUTY_API_URL"}
    assert keys_of({}) == frozenset()
    less = copy.deepcopy(SECRETS[SLACK])
    del less["metadata"]["managedFields"][0]["fieldsV1"]["f:data"]["f:SLACK_TEAM_ID"]
    (reason,) = reasons_against(AZURE[SLACK], live(SLACK, secret=less))
    assert (reason.lack, reason.message) == (
        Lack.MISSING_KEY,
        'the Secret "ai-platform-engineering/agent-slack-secrets" lacks "SLACK_TEAM_ID"',
    )


def test_the_keys_of_a_bundle_are_those_of_its_template() -> None:
    bundle = {"spec": {"target": {"template": {"data": {"A": "{{ .A }}", "B": "{{ .B }}"}}}}}
    assert wanted_keys(bundle) == ("A", "B")


def test_a_secret_of_another_owner_is_foreign() -> None:
    other = copy.deepcopy(SECRETS[SLACK])
    other["metadata"]["ownerReferences"][0]["name"] = "someone"
    assert lacks(AZURE[SLACK], live(SLACK, secret=other)) == [Lack.FOREIGN]
    other["metadata"]["ownerReferences"] = []
    assert lacks(AZURE[SLACK], live(SLACK, secret=other)) == [Lack.FOREIGN]


def test_a_store_that_is_not_ready_or_closed_to_the_namespace_is_said() -> None:
    closed = copy.deepcopy(STORES["azure-keyvault-store"])
    closed["spec"]["conditions"] = [{"namespaces": ["elsewhere"]}]
    (reason,) = reasons_against(AZURE[SLACK], live(SLACK, store=closed))
    assert 'does not allow the namespace "ai-platform-engineering"' in reason.message
    failing = copy.deepcopy(STORES["azure-keyvault-store"])
    failing["status"]["conditions"][0]["status"] = "False"
    (reason,) = reasons_against(AZURE[SLACK], live(SLACK, store=failing))
    assert reason.message == 'the ClusterSecretStore "azure-keyvault-store" is not ready'


def test_ours_is_what_has_the_chart_s_label() -> None:
    assert is_own(EXTERNAL_SECRETS[SLACK], AZURE[SLACK])
    assert not is_own({"metadata": {"labels": None}}, AZURE[SLACK])
    # Of another name, and of the one that the chart has now.
    other = {"metadata": {"labels": {"app.kubernetes.io/part-of": "other"}}}
    assert not is_own(other, AZURE[SLACK])
    assert is_own(other, other)
    assert is_own(EXTERNAL_SECRETS[SLACK], other)
    assert ready_reason({}) == "NoCondition"


@pytest.mark.parametrize("which", ["external_secret", "secret"])
def test_what_is_being_deleted_is_not_in_effect(which: str) -> None:
    leaving = copy.deepcopy(getattr(live(SLACK), which))
    leaving["metadata"]["deletionTimestamp"] = "2026-11-26T01:00:00Z"
    assert lacks(AZURE[SLACK], live(SLACK, **{which: leaving})) == [Lack.DELETED]
