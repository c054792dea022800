import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.judge import (
    DeployedSource,
    Evidence,
    foreign_writers,
    is_own,
    problems,
    unknowns,
    waits_for_a_change,
)
from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.times import last_read_before, older_value, operator_inactivity
from compiler.cluster.view import (
    Live,
    clock,
    is_synced,
    keys_of,
    moment_of,
    ready_reason,
    refresh_time,
    sign_of,
    sync_request_time,
    wanted_keys,
)
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


@pytest.mark.parametrize(
    ("origin", "state", "said"),
    [
        (DeployedSource("f", owner="legacy"), ClusterState.OTHER_OWNER, '"legacy" applies'),
        (DeployedSource("f", namespace="there"), ClusterState.OTHER_NAMESPACE, 'the namespace "there"'),
        (DeployedSource("f", is_stale=True), ClusterState.NOT_COMPILED, "f is not what the environment compiles to"),
        (DeployedSource("f"), ClusterState.OTHER_SPEC, "is not what was compiled"),
        (None, ClusterState.OTHER_SPEC, "is not what was compiled"),
    ],
)
def test_what_is_live_in_place_of_what_was_compiled_is_said(
    origin: DeployedSource | None, state: ClusterState, said: str
) -> None:
    found = live(SLACK, "vault-secret-store", external_secret=SWITCH[0])
    evidence = Evidence(datetime.now(UTC), origin=lambda _manifest: origin)
    (first, *_) = problems(VAULT[SLACK], found, evidence)
    assert (first.state, said in first.message, said in first.evidence or origin in (None, DeployedSource("f"))) == (
        state,
        True,
        True,
    )


def test_all_who_write_the_spec_in_turn_are_named() -> None:
    changed = copy.deepcopy(EXTERNAL_SECRETS[SLACK])
    changed["spec"]["refreshInterval"] = "7m"
    fields: Any = {"f:spec": {"f:refreshInterval": {}}}
    changed["metadata"]["managedFields"] = [
        {"manager": "helm", "time": "2026-11-26T08:50:00Z", "fieldsV1": fields},
        {"manager": "argocd-controller", "time": "2026-11-26T08:52:00Z", "fieldsV1": fields},
        {"manager": "helm", "time": "2026-11-26T08:40:00Z", "fieldsV1": fields},
        # That one was taken over.
        {"manager": "kubectl-create", "time": "2026-11-26T07:50:00Z", "fieldsV1": fields},
        {"manager": "kubectl-label", "time": "2026-11-26T08:59:00Z", "fieldsV1": {"f:metadata": {}}},
    ]
    found = problems(AZURE[SLACK], live(SLACK, external_secret=changed))
    (first,) = [each for each in found if each.state is ClusterState.OTHER_SPEC]
    assert first.message.endswith(
        '; changed by "argocd-controller" at 2026-11-26T08:52:00Z, and "helm" wrote the spec at 2026-11-26T08:50:00Z'
    )


@pytest.mark.parametrize(
    ("annotations", "manager", "said"),
    [
        (
            {"argocd.argoproj.io/tracking-id": "legacy:external-secrets.io/ExternalSecret:{title}"},
            "argocd-controller",
            'but by the Application "legacy"',
        ),
        # It was copied by hand from another one.
        (
            {"argocd.argoproj.io/tracking-id": "legacy:external-secrets.io/ExternalSecret:a/b"},
            "kubectl-create",
            'but by "kubectl-create", which wrote it at 2026-11-26T08:50:00Z',
        ),
        (
            {"meta.helm.sh/release-namespace": "tools", "meta.helm.sh/release-name": "old"},
            "helm",
            'but by the Helm release "tools/old"',
        ),
        ({}, "", "by this chart;"),
    ],
)
def test_who_manages_a_foreign_one_is_named(annotations: dict[str, str], manager: str, said: str) -> None:
    foreign = copy.deepcopy(EXTERNAL_SECRETS[SLACK])
    title = f"{foreign['metadata']['namespace']}/{SLACK}"
    foreign["metadata"] |= {"labels": {}, "annotations": {k: v.format(title=title) for k, v in annotations.items()}}
    fields = {"manager": manager, "time": "2026-11-26T08:50:00Z", "fieldsV1": {"f:spec": {"f:data": {}}}}
    foreign["metadata"]["managedFields"] = [fields] if manager else []
    found = problems(AZURE[SLACK], live(SLACK, external_secret=foreign))
    (first,) = [each for each in found if each.state is ClusterState.FOREIGN]
    assert said in first.message


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
            lambda found: _condition(found, reason="SecretOwnedByOther", status="False"),
            ClusterState.NOT_READY,
            "is not ready: SecretOwnedByOther: another owner has its Secret",
        ),
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
    assert names_its_object(found) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda secret: secret["metadata"].update(deletionTimestamp="2026-11-26T08:50:00Z"),
        lambda secret: secret["metadata"].update(ownerReferences=[]),
        lambda secret: secret["metadata"]["ownerReferences"][0].update(name="someone"),
    ],
)
def test_what_is_wrong_with_a_secret_is_worded_for_many_too(change: Callable[[Any], object]) -> None:
    changed = copy.deepcopy(SECRETS[SLACK])
    change(changed)
    unsynced = copy.deepcopy(EXTERNAL_SECRETS[SLACK])
    del unsynced["status"]
    for external_secret in (EXTERNAL_SECRETS[SLACK], unsynced):
        found = problems(AZURE[SLACK], live(SLACK, external_secret=external_secret, secret=changed))
        assert found
        assert names_its_object(found) == []


def names_its_object(found: Sequence[ClusterProblem]) -> list[str]:
    """The states that are worded for one secret alone: each of several would be a cause of its own."""
    return [each.state for each in found if SLACK in (each.evidence or each.message)]


def test_what_a_deployment_leaves_has_a_line_of_its_own_and_is_another_cause() -> None:
    found = copy.deepcopy(EXTERNAL_SECRETS[SLACK])
    found["spec"]["dataFrom"] = [{"extract": {"key": "old"}}]
    former = {"manager": "kubectl", "time": "2020-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:dataFrom": {}}}}
    found["metadata"]["managedFields"].insert(0, former)
    (left,) = problems(AZURE[SLACK], live(SLACK, external_secret=found))
    assert left.mend.startswith("kubectl -n ai-platform-engineering patch externalsecret ")
    assert left.evidence.endswith("another has set fields that a deployment leaves")
    former["time"] = "2999-01-01T00:00:00Z"
    (may,) = problems(AZURE[SLACK], live(SLACK, external_secret=found))
    assert (
        may.mend == f"deploy the newest values, then wait for a refresh; then this changes what is left: `{left.mend}`"
    )
    assert may.evidence == "the ExternalSecrets are not what was compiled"


def _condition(found: dict[str, Any], **changes: str) -> None:
    found["status"]["conditions"][0].update(changes)


def test_a_missing_object_is_the_only_thing_said_of_it() -> None:
    assert states(AZURE[SLACK], live(SLACK, external_secret=None)) == [ClusterState.ABSENT]
    assert states(AZURE[SLACK], live(SLACK, secret=None)) == [ClusterState.NO_TARGET]
    assert states(AZURE[SLACK], live(SLACK, store=None)) == [ClusterState.STORE_MISSING]
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


def test_a_store_object_that_may_lead_elsewhere_is_a_doubt_and_no_lack() -> None:
    spelt = copy.deepcopy(STORES["vault-secret-store"])
    spelt["spec"]["provider"]["vault"]["server"] = "http://10.0.0.7:8200"
    found = live(SLACK, "vault-secret-store", external_secret=SWITCH[-1], store=spelt)
    assert problems(VAULT[SLACK], found) == ()
    (doubt,) = unknowns(VAULT[SLACK], found)
    assert 'is not proven: its `server` is "http://10.0.0.7:8200", not "' in doubt
    unasked = live(SLACK, "vault-secret-store", store=None, has_store=False)
    assert unknowns(VAULT[SLACK], unasked) == ()


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
    assert unknowns(AZURE[SLACK], older)[-1] == ('"kubectl-create" owns "SLACK_BOT_TOKEN" of its Secret, too')


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
    assert tuple(foreign_writers(written_by(manager, "2026-11-26T00:51:00Z", *keys))) == ()


@pytest.mark.parametrize("manager", ["external-secrets-x", "externalsecrets.external-secrets.io", "External-Secrets"])
def test_a_name_that_is_like_the_operator_s_is_a_stranger_s(manager: str) -> None:
    ((who, keys, *_),) = foreign_writers(written_by(manager, "2026-11-26T00:51:00Z", "SLACK_BOT_TOKEN"))
    assert (who, keys) == (manager, ["SLACK_BOT_TOKEN"])


def test_one_of_whom_no_time_is_known_counts_as_newer() -> None:
    ((*_, is_newer),) = foreign_writers(written_by("kubectl-edit", "", "SLACK_BOT_TOKEN"))
    assert is_newer


NOW = datetime(2026, 11, 28, 7, 30, tzinfo=UTC)
TITLE = "agents/agent-jira-secrets"


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


def text(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def made(
    refreshed: datetime | None = None,
    *,
    asked: datetime | None = None,
    noted: datetime | None = None,
    flipped: datetime | None = None,
    interval: str = "1h0m0s",
) -> dict[str, Any]:
    """An ExternalSecret that was made ten days ago."""
    fields: Any = {"f:metadata": {"f:annotations": {"f:force-sync": {}}}}
    metadata: dict[str, Any] = {"creationTimestamp": text(ago(days=10))}
    if asked is not None:
        metadata["annotations"] = {"force-sync": str(int(asked.timestamp()))}
    if noted is not None:
        metadata["managedFields"] = [{"manager": "me", "time": text(noted), "fieldsV1": fields}]
    status: dict[str, Any] = {"refreshTime": text(refreshed)} if refreshed is not None else {}
    if flipped is not None:
        status["conditions"] = [{"type": "Ready", "lastTransitionTime": text(flipped)}]
    return {"metadata": metadata, "spec": {"refreshInterval": interval}, "status": status}


def stale(
    found: Mapping[str, Any], failed: datetime | None = None, newest: datetime | None = None
) -> list[ClusterState]:
    return [each.state for each in operator_inactivity(found, TITLE, NOW, failed, newest)]


def test_the_times_of_a_recorded_object_are_read() -> None:
    found = by_name("externalsecrets-list")["agent-argocd-secrets"]
    assert refresh_time(found) == datetime(2026, 11, 26, 0, 50, 5, tzinfo=UTC)
    assert sign_of(found) == refresh_time(found)
    assert sync_request_time(found) is None


@pytest.mark.parametrize(
    "odd",
    [None, "", "soon", "2026-11-28", "2026-11-28T07:30:00", 7, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"],
)
def test_what_is_no_time_of_the_api_is_none(odd: object) -> None:
    assert moment_of(odd) is None


def test_a_time_of_today_is_shown_without_its_date() -> None:
    assert clock(ago(minutes=1), NOW) == "07:29:00 UTC"
    assert clock(ago(days=1), NOW) == "2026-11-27 07:30:00 UTC"
    # A store may say anything.
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))
    assert clock(last, NOW) == last.isoformat()


def test_a_value_that_was_written_after_the_refresh_is_older_in_the_secret() -> None:
    (found,) = older_value(made(ago(minutes=10)), ago(minutes=9), TITLE, NOW)
    assert found.state is ClusterState.OLDER_VALUE
    assert found.message == (
        f'the Secret "{TITLE}" may hold an earlier value: written 07:21:00 UTC, the operator last read it 07:20:00 UTC'
    )
    assert not list(older_value(made(ago(minutes=9)), ago(minutes=10), TITLE, NOW))
    assert not list(older_value(made(ago(minutes=9)), None, TITLE, NOW))
    assert not list(older_value(made(), ago(minutes=10), TITLE, NOW))


def test_a_value_of_the_same_second_counts_as_read() -> None:
    assert last_read_before(made(ago(seconds=5)), ago(seconds=4.5)) is None
    assert last_read_before(made(ago(seconds=5)), ago(seconds=4.5), in_same_second=False) is not None
    assert last_read_before(made(ago(seconds=5)), ago(seconds=5.5), in_same_second=False) is None
    assert last_read_before(made(ago(seconds=5)), ago(seconds=4)) == ago(seconds=5)


def test_the_api_servers_time_of_a_request_counts_and_not_the_one_in_its_mark() -> None:
    assert sync_request_time(made(asked=ago(hours=3), noted=ago(minutes=2))) == ago(minutes=2)
    assert sync_request_time(made(asked=ago(hours=3))) == ago(hours=3)
    assert sync_request_time({"metadata": {"annotations": {"force-sync": "now"}}}) is None
    for odd in ("9" * 30, "9" * 5000, "-62135596800", "253402300799"):
        assert sync_request_time({"metadata": {"annotations": {"force-sync": odd}}}) is None


def test_a_request_without_an_answer_is_remembered() -> None:
    assert stale(made(ago(minutes=20), asked=ago(seconds=30))) == [ClusterState.NOT_REFRESHED]
    (found,) = operator_inactivity(made(ago(minutes=20), asked=ago(minutes=2)), TITLE, NOW)
    assert found.state is ClusterState.SILENT
    assert found.message == (
        f'the operator seems not to run: it was asked at 07:28:00 UTC to synchronise "{TITLE}", and did not'
    )


def test_a_success_a_failure_or_another_condition_answers_a_request() -> None:
    asked = ago(minutes=2)
    assert stale(made(ago(minutes=1), asked=asked)) == []
    assert stale(made(ago(minutes=20), asked=asked), failed=ago(minutes=1)) == []
    assert stale(made(ago(minutes=20), asked=asked, flipped=ago(minutes=1))) == []
    # Its times are whole seconds.
    assert stale(made(ago(minutes=2, seconds=1), asked=asked)) == []


def test_an_operator_that_deals_with_others_runs() -> None:
    found = made(ago(minutes=20), asked=ago(minutes=2))
    assert stale(found, newest=ago(minutes=1)) == [ClusterState.NOT_REFRESHED]
    assert stale(made(ago(hours=3)), newest=ago(minutes=1)) == [ClusterState.NOT_REFRESHED]


def test_a_refresh_that_is_overdue_by_its_own_interval_is_said() -> None:
    assert stale(made(ago(minutes=119))) == []
    (found,) = operator_inactivity(made(ago(hours=3)), TITLE, NOW)
    assert found.state is ClusterState.SILENT
    assert found.message == (
        f'the operator seems not to run: it has not handled "{TITLE}" since 04:30:00 UTC, although its interval is 1h'
    )
    # A failure is dealt with, too.
    assert stale(made(ago(hours=3)), failed=ago(minutes=7)) == []
    assert stale(made(ago(hours=3), flipped=ago(minutes=7))) == []


def test_one_that_was_never_dealt_with_is_overdue_since_it_was_made() -> None:
    assert stale(made()) == [ClusterState.SILENT]
    assert stale({"metadata": {}, "spec": {"refreshInterval": "1h0m0s"}}) == []


def test_clocks_that_differ_by_minutes_make_nothing_overdue() -> None:
    assert stale(made(ago(minutes=5), interval="1m0s")) == []
    assert stale(made(ago(minutes=7), interval="1m0s")) == [ClusterState.SILENT]


@pytest.mark.parametrize(
    "spec",
    [
        {"refreshInterval": "0"},
        {"refreshInterval": "0s"},
        {"refreshInterval": ""},
        {"refreshPolicy": "CreatedOnce"},
        {"refreshPolicy": "OnChange"},
        {"refreshInterval": "2562047h0m0s"},
    ],
)
def test_what_never_refreshes_by_itself_is_never_overdue(spec: dict[str, str]) -> None:
    assert stale({**made(ago(days=9)), "spec": {"refreshInterval": "1h0m0s", **spec}}) == []


def with_target(manifest: Manifest, **fields: Any) -> Manifest:  # noqa: ANN401 - plain data
    """The manifest with other fields of `spec.target`; a type is the template's."""
    made = json.loads(json.dumps(manifest.object))
    target = made["spec"]["target"]
    if kind := fields.pop("type", None):
        target["template"]["type"] = kind
    target.update(fields)
    return replace(manifest, object=made)


def as_deployed(manifest: Manifest, **changed: Any) -> Live:  # noqa: ANN401 - any object
    return live(SLACK, **{"external_secret": {**EXTERNAL_SECRETS[SLACK], "spec": manifest.object["spec"]}, **changed})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": "kubernetes.io/tls"}, ('is not of the type "kubernetes.io/tls"', "at once", "wait for it")),
        (
            {"type": "kubernetes.io/dockerconfigjson", "creationPolicy": "Orphan"},
            (
                'of the type "kubernetes.io/dockerconfigjson"',
                "at its next refresh",
                "cannot pull their images until then",
            ),
        ),
    ],
)
def test_a_secret_of_another_type_is_named_with_what_its_deletion_means(
    fields: dict[str, str], said: tuple[str, str, str]
) -> None:
    typed = with_target(AZURE[SLACK], **fields)
    assert states(typed, as_deployed(typed)) == []
    (found,) = problems(typed, as_deployed(typed, is_other_type=True))
    what, moment, waiting = said
    assert found.state is ClusterState.OTHER_TYPE
    effect = f"A deleted Secret is created again with that type {moment}: running pods keep what they have read"
    for message in (found.message, found.evidence):
        assert all(each in message.replace("are", "is", 1) for each in (what, "no type can be changed", waiting))
        assert effect in message
    assert found.mend == (
        "once the type is deployed, this prints the line that deletes it: "
        "platform-secrets status dev --only slack --cluster"
    )
    assert problems(replace(typed, environment=""), as_deployed(typed, is_other_type=True))[0].mend == (
        "deploy the newest values, then delete the Secret"
    )


def test_another_type_is_said_before_what_it_causes() -> None:
    typed = with_target(AZURE[SLACK], type="kubernetes.io/tls")
    failing = copy.deepcopy(as_deployed(typed).external_secret)
    assert failing is not None
    failing["status"]["conditions"] = [{"type": "Ready", "status": "False", "reason": "SecretSyncedError"}]
    assert states(typed, as_deployed(typed, external_secret=failing, is_other_type=True)) == [ClusterState.OTHER_TYPE]
    # The operator notes no success with a spec of another type.
    failing["metadata"]["generation"] += 1
    assert states(typed, as_deployed(typed, external_secret=failing, is_other_type=True)) == [
        ClusterState.OTHER_TYPE,
        ClusterState.NOT_SYNCED,
    ]


def test_of_what_is_extracted_the_listed_keys_must_be_there() -> None:
    extracted = replace(AZURE[SLACK], listed=("SLACK_TEAM_ID", "OTHER"))
    (found,) = problems(extracted, live(SLACK))
    assert (found.state, found.message) == (
        ClusterState.MISSING_KEY,
        'the Secret "ai-platform-engineering/agent-slack-secrets" lacks "OTHER"',
    )


def test_keys_that_are_left_out_are_said_to_be_by_the_deletion_policy() -> None:
    merging = with_target(AZURE[SLACK], deletionPolicy="Delete")
    lacking = copy.deepcopy(SECRETS[SLACK])
    for each in lacking["metadata"]["managedFields"]:
        each.get("fieldsV1", {}).get("f:data", {}).pop("f:SLACK_TEAM_ID", None)
    (found,) = problems(merging, as_deployed(merging, secret=lacking))
    assert found.state is ClusterState.MISSING_KEY
    assert "with deletionPolicy Delete the operator leaves out what its store does not have" in found.message
    assert found.mend == "put into the store what it lacks, then wait for a refresh"
    (found,) = problems(merging, as_deployed(merging, secret=None))
    assert (found.state, "with deletionPolicy Delete" in found.message) == (ClusterState.NO_TARGET, True)
    retaining = AZURE[SLACK]
    assert "deletionPolicy" not in problems(retaining, live(SLACK, secret=None))[0].message


def orphaned(manager: str | None = f"externalsecrets.external-secrets.io/{SLACK}") -> dict[str, Any]:
    found = copy.deepcopy(SECRETS[SLACK])
    found["metadata"].pop("ownerReferences")
    if manager is not None:
        for each in found["metadata"]["managedFields"]:
            each["manager"] = manager
    return found


def test_an_orphan_is_the_operators_if_it_has_written_it() -> None:
    orphan = with_target(AZURE[SLACK], creationPolicy="Orphan")
    assert states(orphan, as_deployed(orphan, secret=orphaned())) == []
    assert ClusterState.FOREIGN in states(orphan, as_deployed(orphan, secret=orphaned("kubectl-create")))
    # One that is to be owned is not the operator's yet.
    assert states(AZURE[SLACK], live(SLACK, secret=orphaned())) == [ClusterState.FOREIGN]


def test_what_is_edited_in_an_orphan_stays_until_the_next_refresh() -> None:
    orphan = with_target(AZURE[SLACK], creationPolicy="Orphan")
    edited = orphaned()
    fields: dict[str, Any] = {"f:data": {"f:SLACK_TEAM_ID": {}}}
    edited["metadata"]["managedFields"].append({"manager": "vi", "time": "2999-01-01T00:00:00Z", "fieldsV1": fields})
    (found,) = problems(orphan, as_deployed(orphan, secret=edited))
    assert found.state is ClusterState.EDITED
    assert found.message.endswith("; the operator restores an orphan at its next refresh only")


def test_an_orphan_with_every_key_edited_is_still_the_operators() -> None:
    """As a real API server has it: who writes all keys takes them from the operator, whose `f:data` stays empty."""
    orphan = with_target(AZURE[SLACK], creationPolicy="Orphan")
    edited = orphaned()
    (own,) = (each for each in edited["metadata"]["managedFields"] if "f:data" in each["fieldsV1"])
    taken = {**own, "manager": "kubectl-patch", "time": "2999-01-01T00:00:00Z"}
    edited["metadata"]["managedFields"].append({**taken, "fieldsV1": {"f:data": own["fieldsV1"]["f:data"]}})
    own["fieldsV1"] = {**own["fieldsV1"], "f:data": {}}
    assert states(orphan, as_deployed(orphan, secret=edited)) == [ClusterState.EDITED]


def test_an_external_secret_of_another_name_makes_the_secret_of_its_target() -> None:
    made = json.loads(json.dumps(AZURE[SLACK].object))
    made["metadata"]["name"] = "old-slack"
    renamed = replace(AZURE[SLACK], object=made)
    assert (renamed.name, renamed.target, renamed.target_title) == ("old-slack", SLACK, f"{renamed.namespace}/{SLACK}")
    owned = copy.deepcopy(SECRETS[SLACK])
    owned["metadata"]["ownerReferences"][0]["name"] = "old-slack"
    assert states(renamed, live(SLACK, secret=owned)) == []
    (found,) = problems(renamed, live(SLACK))
    assert found.message == f'the Secret "{renamed.namespace}/{SLACK}" belongs to the ExternalSecret "{SLACK}"'
