"""Two that apply one spec in turn are named whichever of theirs is live, and one direction is advised."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from compiler.cluster.problem import ONE_OWNER, ClusterState
from compiler.operations.causes import find_causes
from compiler.operations.status import Row, Status
from compiler.operations.status_wait import StatusOptions, read_status
from tests.unit.operations.status_world import JIRA, SPACE, World

ARGO = "argocd-controller"
OFTEN = 'two may overwrite each other: its spec has changed once an hour or more often, last by "argocd-controller"'
BOTH = 'two may overwrite each other: "argocd-controller" and "helm" have both written it within an hour'
TRACKED = {"argocd.argoproj.io/tracking-id": f"platform:external-secrets.io/ExternalSecret:{SPACE}/{JIRA}"}
KEPT = 'keep the Application "platform", whose spec is live now'


def text(ago: timedelta) -> str:
    return f"{datetime.now(UTC) - ago:%Y-%m-%dT%H:%M:%SZ}"


def play(world: World, changes: int, hours: int, wrote: Mapping[str, int], **spec: str) -> None:
    """jira's ExternalSecret was made so long ago and changed so often, by these, so many minutes ago."""
    found = world.double.get("externalsecrets", SPACE, JIRA)
    found["spec"].update(spec)
    writers = [
        {"manager": name, "time": text(timedelta(minutes=ago)), "fieldsV1": {"f:spec": {"f:refreshInterval": {}}}}
        for name, ago in wrote.items()
    ]
    found["metadata"].update(
        creationTimestamp=text(timedelta(hours=hours)), generation=changes + 1, managedFields=writers
    )
    found["status"]["syncedResourceVersion"] = f"{changes + 1}-1"
    world.double.put("externalsecrets", found)


def look(world: World) -> Status:
    options = StatusOptions(("jira",), root=world.bench.root)
    return read_status(world.bench.environment(), options, world.bench.live(), world.view, lambda _s, _l: None)


def row_of(world: World) -> Row:
    return look(world).rows[0]


@pytest.mark.parametrize(
    ("changes", "hours", "wrote", "said"),
    [
        (240, 240, {ARGO: 2}, OFTEN),
        (10, 1, {ARGO: 2}, OFTEN),
        # A new platform, an old one that was changed now and then, and one that was changed often long ago.
        (9, 1, {ARGO: 2}, None),
        (239, 240, {ARGO: 2}, None),
        (240, 240, {ARGO: 61}, None),
        (3, 240, {ARGO: 2, "helm": 50}, BOTH),
        # Each has written it once, one of them long ago, or as it was made.
        (2, 240, {ARGO: 2, "helm": 50}, None),
        (3, 240, {ARGO: 2, "helm": 61}, None),
        (3, 1, {ARGO: 2, "helm": 60}, None),
    ],
)
def test_two_that_apply_a_spec_in_turn_are_named_while_the_right_one_is_live(
    world: World, changes: int, hours: int, wrote: Mapping[str, int], said: str | None
) -> None:
    play(world, changes, hours, wrote)
    row = row_of(world)
    assert row.live is not None
    assert (row.state, row.live.notes) == (
        ClusterState.IN_EFFECT,
        (f"{said}; {ONE_OWNER}",) if said is not None else (),
    )


@pytest.mark.parametrize(
    ("annotations", "labels", "advice"),
    [
        (TRACKED, {}, KEPT),
        ({}, {"app.kubernetes.io/instance": "platform"}, KEPT),
        # That label stays of a copy of the object, whose tracking id names the other one.
        ({"argocd.argoproj.io/tracking-id": "x:y/z:a/b"}, {"app.kubernetes.io/instance": "platform"}, ONE_OWNER),
    ],
)
def test_the_application_whose_spec_is_live_is_the_one_to_keep(
    world: World, annotations: Mapping[str, str], labels: Mapping[str, str], advice: str
) -> None:
    play(world, 240, 24, {ARGO: 2})
    found = world.double.get("externalsecrets", SPACE, JIRA)
    found["metadata"].setdefault("annotations", {}).update(annotations)
    found["metadata"]["labels"].update(labels)
    world.double.put("externalsecrets", found)
    live = row_of(world).live
    assert live is not None
    assert live.notes == (f"{OFTEN}; {advice}",)


def test_while_the_other_spec_is_live_deploying_is_not_all_that_is_advised(world: World) -> None:
    play(world, 240, 24, {ARGO: 2}, refreshInterval="7m0s")
    (cause,) = find_causes(look(world))
    assert (cause.code, cause.evidence[0].endswith(OFTEN)) == ("other-spec", True)
    assert cause.first.startswith(f"{ONE_OWNER}; then deploy chart/values-prod.yaml")
    play(world, 9, 24, {ARGO: 2})
    (cause,) = find_causes(look(world))
    assert cause.first.startswith("deploy ")
