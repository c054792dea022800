import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.judge import (
    ClusterState,
    doubts,
    is_own,
    is_synced,
    problems,
    ready_reason,
    strangers,
    waits_for_a_change,
    wanted_keys,
)
from compiler.cluster.view import Live, keys_of
from compiler.model.environment import Environment
from compiler.model.values import Manifest, manifests_of
from compiler.pipeline import compile_project
from compiler.stages.resolve import Outside
from tests import providers
from tests.recorded_cluster import as_compiled, by_name, leading_to, watched

ROOT = Path(__file__).resolve().parents[3]
SECRETS = by_name("secrets-metadata-list")
SLACK = "agent-slack-secrets"


def dev() -> Environment:
    project = compile_project(ROOT, ["dev"], Outside(addresses={providers.KEY_VAULT: "myvault"})).project
    assert project is not None
    return project.environments[0]


def manifests(store: str) -> dict[str, Manifest]:
    """What `dev` compiles to on that store, by the name of the object."""
    text = (ROOT / "environments/dev.yaml").read_text("utf-8") + f"store: {store}\n"
    project = compile_project(
        ROOT, ["dev"], Outside(addresses={providers.KEY_VAULT: "myvault"}), {"environments/dev.yaml": text}
    ).project
    assert project is not None
    return {each.name: each for each in manifests_of(project.environments[0]).values()}


AZURE, VAULT = manifests("azure"), manifests("vault")
WRITTEN = {store.name: store for store in dev().stores.values()}
STORES = {name: leading_to(each, WRITTEN[name]) for name, each in by_name("clustersecretstores-list").items()}
EXTERNAL_SECRETS = {
    name: as_compiled(found, AZURE[name].object) for name, found in by_name("externalsecrets-list").items()
}
SWITCH = [as_compiled(found, VAULT[SLACK].object) for found in watched("watch-externalsecrets-switch")]


def live(name: str, on: str = "azure-keyvault-store", **changed: Any) -> Live:  # noqa: ANN401 - any object
    parts = {"external_secret": EXTERNAL_SECRETS[name], "secret": SECRETS[name], "store": STORES[on]}
    return Live(**{**parts, **changed})


def states(manifest: Manifest, found: Live) -> list[ClusterState]:
    return [problem.state for problem in problems(manifest, found)]


@pytest.mark.parametrize("name", sorted(EXTERNAL_SECRETS))
def test_what_was_recorded_in_order_is_in_effect(name: str) -> None:
    assert problems(AZURE[name], live(name)) == ()


def test_ready_of_the_spec_before_is_not_in_effect() -> None:
    # Each line of the watch: a new spec with the old Ready, its failure, the right spec with that failure, success.
    found = [states(VAULT[SLACK], live(SLACK, "vault-secret-store", external_secret=each)) for each in SWITCH]
    assert found == [
        [ClusterState.OTHER_SPEC, ClusterState.NOT_SYNCED],
        [ClusterState.OTHER_SPEC, ClusterState.NOT_SYNCED, ClusterState.NOT_READY],
        [ClusterState.NOT_SYNCED, ClusterState.NOT_READY],
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
        (lambda found: found["metadata"]["labels"].clear(), ClusterState.FOREIGN, "is not managed by this chart"),
        (
            lambda found: found["spec"].update(refreshPolicy="CreatedOnce"),
            ClusterState.OTHER_SPEC,
            "not what was compiled",
        ),
        (lambda found: found["spec"]["data"].pop(), ClusterState.OTHER_SPEC, "is not what was compiled"),
        (lambda found: found.pop("status"), ClusterState.NOT_SYNCED, "has not synchronised"),
        (lambda found: _condition(found, reason="SecretDeleted"), ClusterState.NOT_READY, "ready by SecretDeleted"),
        (lambda found: _condition(found, reason="", status="Unknown"), ClusterState.NOT_READY, "is not ready: Unknown"),
        (
            lambda found: _condition(found, message="secret retained due to DeletionPolicy=Retain"),
            ClusterState.RETAINED,
            "is an earlier one that was kept",
        ),
    ],
)
def test_each_lack_of_an_external_secret_is_found(
    change: Callable[[Any], object], lack: ClusterState, said: str
) -> None:
    changed = copy.deepcopy(EXTERNAL_SECRETS[SLACK])
    change(changed)
    found = problems(AZURE[SLACK], live(SLACK, external_secret=changed))
    assert lack in [reason.state for reason in found]
    assert any(said in reason.message for reason in found)


def _condition(found: dict[str, Any], **changes: str) -> None:
    found["status"]["conditions"][0].update(changes)


def test_a_missing_object_is_the_only_thing_said_of_it() -> None:
    assert states(AZURE[SLACK], live(SLACK, external_secret=None)) == [ClusterState.ABSENT]
    assert states(AZURE[SLACK], live(SLACK, secret=None)) == [ClusterState.NO_TARGET]
    assert states(AZURE[SLACK], live(SLACK, store=None)) == [ClusterState.STORE]
    assert states(AZURE[SLACK], live(SLACK, secret=None, has_secrets=False)) == []
    assert states(AZURE[SLACK], live(SLACK, store=None, has_store=False)) == []


def test_the_keys_of_a_secret_are_known_from_its_metadata() -> None:
    assert keys_of(SECRETS[SLACK]) == set(wanted_keys(AZURE[SLACK].object))
    (changed,) = watched("watch-secret-metadata-value-changed")[-1:]
    assert keys_of(changed) == {"PAGERDUTY_API_KEY", "PAGERDUTY_API_URL"}
    assert keys_of({}) == frozenset()
    less = copy.deepcopy(SECRETS[SLACK])
    del less["metadata"]["managedFields"][0]["fieldsV1"]["f:data"]["f:SLACK_TEAM_ID"]
    (reason,) = problems(AZURE[SLACK], live(SLACK, secret=less))
    assert (reason.state, reason.message) == (
        ClusterState.MISSING_KEY,
        'the Secret "ai-platform-engineering/agent-slack-secrets" lacks "SLACK_TEAM_ID"',
    )


def test_the_keys_of_a_bundle_are_those_of_its_template() -> None:
    bundle = {"spec": {"target": {"template": {"data": {"A": "{{ .A }}", "B": "{{ .B }}"}}}}}
    assert wanted_keys(bundle) == ("A", "B")


def test_a_secret_of_another_owner_is_foreign() -> None:
    other = copy.deepcopy(SECRETS[SLACK])
    other["metadata"]["ownerReferences"][0]["name"] = "someone"
    assert states(AZURE[SLACK], live(SLACK, secret=other)) == [ClusterState.FOREIGN]
    other["metadata"]["ownerReferences"] = []
    assert states(AZURE[SLACK], live(SLACK, secret=other)) == [ClusterState.FOREIGN]


def test_the_owner_that_controls_a_secret_counts_and_no_other() -> None:
    shared = copy.deepcopy(SECRETS[SLACK])
    (own,) = shared["metadata"]["ownerReferences"]
    for others in ([{"kind": "Deployment", "name": "x"}], [{"kind": "Deployment", "name": "x", "controller": False}]):
        shared["metadata"]["ownerReferences"] = [*others, own]
        found = live(SLACK, secret=shared)
        assert states(AZURE[SLACK], found) == []
        assert not waits_for_a_change(found, SLACK)
    # One that does not control it has not made it.
    shared["metadata"]["ownerReferences"] = [{**own, "controller": False}]
    assert states(AZURE[SLACK], live(SLACK, secret=shared)) == [ClusterState.FOREIGN]


def test_a_store_that_is_not_ready_or_closed_to_the_namespace_is_said() -> None:
    closed = copy.deepcopy(STORES["azure-keyvault-store"])
    closed["spec"]["conditions"] = [{"namespaces": ["elsewhere"]}]
    (reason,) = problems(AZURE[SLACK], live(SLACK, store=closed))
    assert 'does not allow the namespace "ai-platform-engineering"' in reason.message
    failing = copy.deepcopy(STORES["azure-keyvault-store"])
    failing["status"]["conditions"][0]["status"] = "False"
    (reason,) = problems(AZURE[SLACK], live(SLACK, store=failing))
    assert reason.message == 'the ClusterSecretStore "azure-keyvault-store" is not ready: Valid'


def test_a_store_object_that_leads_elsewhere_is_a_lack() -> None:
    elsewhere = copy.deepcopy(STORES["azure-keyvault-store"])
    elsewhere["spec"]["provider"] = {"azurekv": {"vaultUrl": "https://other.vault.azure.net"}}
    (reason,) = problems(AZURE[SLACK], live(SLACK, store=elsewhere))
    said = 'leads to another store than "azure": its `vaultUrl` leads to "other.vault.azure.net", not'
    assert (reason.state, reason.message) == (
        ClusterState.STORE,
        f'the ClusterSecretStore "azure-keyvault-store" {said} "myvault.vault.azure.net"',
    )
    assert doubts(AZURE[SLACK], live(SLACK, store=elsewhere)) == ()


def test_a_store_object_that_may_lead_elsewhere_is_a_doubt_and_no_lack() -> None:
    spelt = copy.deepcopy(STORES["vault-secret-store"])
    spelt["spec"]["provider"]["vault"]["server"] = "http://10.0.0.7:8200"
    found = live(SLACK, "vault-secret-store", external_secret=SWITCH[-1], store=spelt)
    assert problems(VAULT[SLACK], found) == ()
    (doubt,) = doubts(VAULT[SLACK], found)
    assert "is not proven: its `server` is spelt differently; write `server: http://10.0.0.7:8200`" in doubt
    unasked = live(SLACK, "vault-secret-store", store=None, has_store=False)
    assert doubts(VAULT[SLACK], unasked) == ()


def test_what_differs_between_the_specs_is_said_and_who_wrote_it() -> None:
    changed = copy.deepcopy(EXTERNAL_SECRETS[SLACK])
    changed["spec"]["secretStoreRef"]["name"] = "theirs"
    changed["spec"]["data"][0]["remoteRef"]["key"] = "other"
    writers = changed["metadata"]["managedFields"]
    fields: dict[str, Any] = {"f:spec": {"f:secretStoreRef": {"f:name": {}}}}
    writers.append({"manager": "kubectl-patch", "time": "2026-11-28T07:07:00Z", "fieldsV1": fields})
    # Of what differs it wrote nothing.
    fields = {"f:spec": {"f:target": {"f:name": {}}}}
    writers.append({"manager": "later", "time": "2026-11-28T09:00:00Z", "fieldsV1": fields})
    (reason,) = problems(AZURE[SLACK], live(SLACK, external_secret=changed))
    assert reason.message == (
        f'the ExternalSecret "ai-platform-engineering/{SLACK}" is not what was compiled: '
        '"secretStoreRef.name" is "theirs", not "azure-keyvault-store", and 1 other field; '
        'changed by "kubectl-patch" at 2026-11-28T07:07:00Z'
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda spec: spec["data"].pop(), '"data" differs; changed by'),
        (lambda spec: spec.update(refreshInterval="5m"), '"refreshInterval" is "5m", not "1h0m0s"; changed by'),
        (lambda spec: spec.update(refreshPolicy="CreatedOnce"), '"refreshPolicy" differs'),
        # A template may have a value in it.
        (
            lambda spec: spec["target"]["template"].update(engineVersion="s3ntinel"),
            '"target.template.engineVersion" differs',
        ),
        (lambda spec: spec["target"].update(template={"data": {"A": "s3ntinel"}}), '"target.template.'),
        (lambda spec: spec["target"]["template"]["metadata"].update(labels={"a": "s3ntinel"}), '"target.template.'),
    ],
)
def test_each_difference_is_said_without_what_may_be_a_value(change: Callable[[Any], object], said: str) -> None:
    changed = copy.deepcopy(EXTERNAL_SECRETS[SLACK])
    change(changed["spec"])
    (reason,) = problems(AZURE[SLACK], live(SLACK, external_secret=changed))
    assert f"is not what was compiled: {said}" in reason.message
    assert "s3ntinel" not in reason.message


def test_a_spec_that_is_not_there_differs() -> None:
    changed = {name: value for name, value in EXTERNAL_SECRETS[SLACK].items() if name != "spec"}
    assert (
        'is not what was compiled: "spec" differs'
        in problems(AZURE[SLACK], live(SLACK, external_secret=changed))[0].message
    )


def test_ours_is_what_has_the_chart_s_label() -> None:
    assert is_own(EXTERNAL_SECRETS[SLACK], AZURE[SLACK])
    assert not is_own({"metadata": {"labels": None}}, AZURE[SLACK])
    # Of another name, and of the one that the chart has now.
    other = {"metadata": {"labels": {"app.kubernetes.io/part-of": "other"}}}
    assert not is_own(other, AZURE[SLACK])
    renamed = replace(AZURE[SLACK], object=other)
    assert is_own(other, renamed)
    assert is_own(EXTERNAL_SECRETS[SLACK], renamed)
    assert ready_reason({}) == "NoCondition"


@pytest.mark.parametrize("which", ["external_secret", "secret"])
def test_what_is_being_deleted_is_not_in_effect(which: str) -> None:
    leaving = copy.deepcopy(getattr(live(SLACK), which))
    leaving["metadata"]["deletionTimestamp"] = "2026-11-26T01:00:00Z"
    assert states(AZURE[SLACK], live(SLACK, **{which: leaving})) == [ClusterState.DELETED]


def written_by(manager: str, time: str, *keys: str) -> Live:
    """slack as recorded, in which somebody else owns keys; the operator's last success was at 00:50:05."""
    found, secret = copy.deepcopy(live(SLACK).external_secret), copy.deepcopy(SECRETS[SLACK])
    assert found is not None
    found["status"]["refreshTime"] = "2026-11-26T00:50:05Z"
    fields: dict[str, Any] = {"f:data": {".": {}, **{f"f:{key}": {} for key in keys}}}
    secret["metadata"]["managedFields"].append({"manager": manager, "time": time, "fieldsV1": fields})
    return live(SLACK, external_secret=found, secret=secret)


def test_who_writes_keys_after_the_operator_is_named_and_an_earlier_owner_is_noted() -> None:
    newer = written_by("kubectl-edit", "2026-11-26T00:51:00Z", "SLACK_BOT_TOKEN")
    (reason,) = problems(AZURE[SLACK], newer)
    who = f'"kubectl-edit" has written "SLACK_BOT_TOKEN" of the Secret "ai-platform-engineering/{SLACK}"'
    said = f"{who} since the operator did, at 2026-11-26T00:51:00Z"
    assert (reason.state, reason.message) == (ClusterState.EDITED, said)
    older = written_by("kubectl-create", "2026-11-26T00:40:00Z", "SLACK_BOT_TOKEN")
    assert states(AZURE[SLACK], older) == []
    assert doubts(AZURE[SLACK], older)[-1] == ('"kubectl-create" owns "SLACK_BOT_TOKEN" of its Secret, too')


@pytest.mark.parametrize(
    ("manager", "keys"),
    [
        ("externalsecrets.external-secrets.io/other", ["SLACK_BOT_TOKEN"]),
        ("external-secrets", ["SLACK_BOT_TOKEN"]),
        # Labels alone: a changed resourceVersion is nobody's writing of data.
        ("argocd-controller", []),
    ],
)
def test_the_operator_and_who_writes_no_key_are_no_strangers(manager: str, keys: list[str]) -> None:
    assert tuple(strangers(written_by(manager, "2026-11-26T00:51:00Z", *keys))) == ()


@pytest.mark.parametrize("manager", ["external-secrets-x", "externalsecrets.external-secrets.io", "External-Secrets"])
def test_a_name_that_is_like_the_operator_s_is_a_stranger_s(manager: str) -> None:
    ((who, keys, *_),) = strangers(written_by(manager, "2026-11-26T00:51:00Z", "SLACK_BOT_TOKEN"))
    assert (who, keys) == (manager, ["SLACK_BOT_TOKEN"])


def test_one_of_whom_no_time_is_known_counts_as_newer() -> None:
    ((*_, is_newer),) = strangers(written_by("kubectl-edit", "", "SLACK_BOT_TOKEN"))
    assert is_newer
