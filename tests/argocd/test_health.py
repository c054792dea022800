"""Holds the health scripts to a table of states, and shows where Argo CD's own check is wrong."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from compiler.generate.argocd import health_script
from tests.argocd.health_scripts import ARGO_CD, Case, Health, built, judged
from tests.recorded_cluster import recorded, watched

EXTERNAL_SECRET = health_script("external-secrets.io/ExternalSecret")
APPLICATION = health_script("argoproj.io/Application")
# When the recordings were made, and what the table's clock shows: 40 minutes after most changes.
RECORDED = int(datetime(2026, 11, 26, 0, 54, 31, tzinfo=UTC).timestamp())
NOW = int(datetime(2025, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp())
LONG_AGO, JUST_NOW = "2025-03-01T11:20:00Z", "2025-03-01T11:59:00Z"

Judge = "Callable[[Sequence[Case]], list[Health]]"


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[Case]], list[Health]]:
    program: Path = built(tmp_path_factory.mktemp("lua"))
    return partial(judged, program)


def external_secret(
    generation: int = 1,
    synced: int | str | None = None,
    status: str | None = None,
    reason: str = "SecretSynced",
    changed: str | None = JUST_NOW,
    **spec: str,
) -> dict[str, Any]:
    """One of the `generation`, whose last success is of the generation `synced`, and whose Ready is `status`."""
    object_: dict[str, Any] = {
        "metadata": {"generation": generation, "creationTimestamp": LONG_AGO},
        "spec": {"refreshInterval": "1h0m0s", **spec},
    }
    if changed is not None:
        fields = [{"time": changed}, {"time": LONG_AGO}, {"time": "2025-03-01T11:59:59Z", "subresource": "status"}]
        object_["metadata"]["managedFields"] = fields
    found: dict[str, Any] = {}
    if synced is not None:
        found |= {"syncedResourceVersion": f"{synced}-0f3c", "refreshTime": "2025-03-01T11:58:00Z"}
    if status is not None:
        condition = {"type": "Ready", "status": status, "reason": reason, "message": f"said of {reason}"}
        # Others may stand on either side of it.
        other = {"type": "Deleted", "status": "False"}
        found["conditions"] = [other, {**condition, "lastTransitionTime": LONG_AGO}, other]
    return {**object_, "status": found} if found else object_


# The state, the object, what is to be said of it, a part of the message, and what Argo CD says by itself.
STATES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "synchronised": (external_secret(3, 3, "True"), "Healthy", "said of SecretSynced", "Healthy"),
    "of the old store": (external_secret(4, 3, "True"), "Progressing", "apply generation 4", "Healthy"),
    "of a generation that begins alike": (external_secret(1, 12, "True"), "Progressing", "generation 1", "Healthy"),
    "of one that this begins like": (external_secret(12, 1, "True"), "Progressing", "generation 12", "Healthy"),
    "long not taken up": (
        external_secret(4, 3, "True", changed=LONG_AGO),
        "Degraded",
        "has not taken it up for 15 minutes",
        "Healthy",
    ),
    "nobody noted when": (external_secret(4, 3, "True", changed=None), "Progressing", "generation 4", "Healthy"),
    "failed": (external_secret(4, 3, "False", "SecretSyncedError"), "Degraded", "SecretSyncedError", "Degraded"),
    "failed from the first": (external_secret(1, None, "False", "SecretSyncedError"), "Degraded", "", "Degraded"),
    "owned by other": (external_secret(2, 1, "False", "SecretOwnedByOther"), "Degraded", "", "Degraded"),
    "deleted in the store": (external_secret(2, 2, "True", "SecretDeleted"), "Degraded", "SecretDeleted", "Healthy"),
    "missing": (external_secret(2, 2, "True", "SecretMissing"), "Degraded", "SecretMissing", "Healthy"),
    "not seen yet": (external_secret(), "Progressing", "waiting for External Secrets Operator", "Progressing"),
    "never seen": (external_secret(changed=LONG_AGO), "Degraded", "another controller class", "Progressing"),
    "never seen, and nobody noted when": (external_secret(changed=None), "Degraded", "does not run", "Progressing"),
    "made once, as it is": (
        external_secret(1, 1, "True", refreshPolicy="CreatedOnce"),
        "Healthy",
        "said of SecretSynced",
        "Healthy",
    ),
    "made once, changed later": (
        external_secret(2, 1, "True", refreshPolicy="CreatedOnce", changed=LONG_AGO),
        "Healthy",
        "CreatedOnce applies no later change",
        "Healthy",
    ),
    "made once, never made": (
        external_secret(refreshPolicy="CreatedOnce", changed=LONG_AGO),
        "Degraded",
        "has not taken it up",
        "Progressing",
    ),
    "never read again": (
        external_secret(2, 1, "True", refreshInterval="0h0m0s", changed=LONG_AGO),
        "Healthy",
        "refreshInterval 0h0m0s applies no later change",
        "Healthy",
    ),
    "never read again, negatively": (
        external_secret(2, 1, "True", refreshInterval="-1h", changed=LONG_AGO),
        "Healthy",
        "refreshInterval -1h",
        "Healthy",
    ),
    "read again after a fraction": (
        external_secret(2, 1, "True", refreshInterval="0.5h"),
        "Progressing",
        "generation 2",
        "Healthy",
    ),
    "on change, whatever the interval": (
        external_secret(2, 1, "True", refreshPolicy="OnChange", refreshInterval="0"),
        "Progressing",
        "generation 2",
        "Healthy",
    ),
    "on change, synchronised": (
        external_secret(2, 2, "True", refreshPolicy="OnChange"),
        "Healthy",
        "said of",
        "Healthy",
    ),
    "neither true nor false": (external_secret(2, 1, "Unknown"), "Progressing", "waiting", "Progressing"),
    "neither, of this generation": (external_secret(2, 2, "Unknown"), "Progressing", "waiting", "Progressing"),
    "empty": ({}, "Progressing", "waiting", "Progressing"),
}


def test_each_state_is_judged(judge: Callable[[Sequence[Case]], list[Health]]) -> None:
    found = judge([Case(EXTERNAL_SECRET, each[0], NOW) for each in STATES.values()])
    assert {name: health.status or health.error for name, health in zip(STATES, found, strict=True)} == {
        name: expected for name, (_, expected, _, _) in STATES.items()
    }
    for (name, (_, _, part, _)), health in zip(STATES.items(), found, strict=True):
        assert part in health.message, name


def test_argo_cd_itself_takes_the_old_store_for_the_new_one(judge: Callable[[Sequence[Case]], list[Health]]) -> None:
    found = judge([Case(ARGO_CD, each[0], NOW) for each in STATES.values()])
    said = {name: health.status for name, health in zip(STATES, found, strict=True)}
    assert said == {name: own for name, (_, _, _, own) in STATES.items()}
    for name in ("of the old store", "long not taken up", "deleted in the store", "missing"):
        assert said[name] == "Healthy" != STATES[name][1]


def test_recorded_states_are_judged(judge: Callable[[Sequence[Case]], list[Health]]) -> None:
    """A real operator's: switched to a store without the key, then to one that has it."""
    switch = watched("watch-externalsecrets-switch")
    ours = [health.status for health in judge([Case(EXTERNAL_SECRET, each, RECORDED) for each in switch])]
    own = [health.status for health in judge([Case(ARGO_CD, each, RECORDED) for each in switch])]
    assert ours == ["Progressing", "Degraded", "Degraded", "Healthy"]
    assert own == ["Healthy", "Degraded", "Degraded", "Healthy"]
    listed = recorded("externalsecrets-list")["items"]
    assert {health.status for health in judge([Case(EXTERNAL_SECRET, each, RECORDED) for each in listed])} == {
        "Healthy"
    }


@pytest.mark.parametrize("zone", [-8 * 3600, 19800])
def test_the_zone_of_the_controller_does_not_matter(judge: Callable[[Sequence[Case]], list[Health]], zone: int) -> None:
    edge = [external_secret(changed=f"2025-03-01T11:4{minute}:00Z") for minute in (4, 6)]
    found = judge([Case(EXTERNAL_SECRET, each, NOW, zone) for each in edge])
    assert [health.status for health in found] == ["Degraded", "Progressing"]


def test_without_a_clock_only_patience_is_missing(judge: Callable[[Sequence[Case]], list[Health]]) -> None:
    found = judge([Case(EXTERNAL_SECRET, each[0]) for each in STATES.values()])
    for (name, (_, expected, part, _)), health in zip(STATES.items(), found, strict=True):
        is_overdue = part in ("has not taken it up for 15 minutes", "another controller class", "does not run")
        patient = "Progressing" if is_overdue or part == "has not taken it up" else expected
        assert health.status == patient, name


def test_what_is_being_deleted_is_progressing_whatever_its_status_says(
    judge: Callable[[Sequence[Case]], list[Health]],
) -> None:
    """Its conditions are of the time before, and a wave must not take them for the state to come."""
    healthy = {"health": {"status": "Healthy", "message": "of the time before"}}
    finalizers = ["externalsecrets.external-secrets.io/externalsecret-cleanup", "example.com/other"]
    found = []
    for script_, object_ in ((EXTERNAL_SECRET, external_secret(3, 3, "True")), (APPLICATION, {"status": healthy})):
        deleted = {**object_.get("metadata", {}), "deletionTimestamp": JUST_NOW}
        with_metadata = [{**object_, "metadata": {**deleted, **more}} for more in ({}, {"finalizers": finalizers})]
        found += judge([Case(script_, each, NOW) for each in with_metadata])
    assert {(health.status, health.error) for health in found} == {("Progressing", "")}
    assert [health.message for health in found] == [
        "being deleted",
        "being deleted; waits for its finalizers: " + ", ".join(finalizers),
    ] * 2


def test_an_application_is_as_healthy_as_argo_cd_found_it(judge: Callable[[Sequence[Case]], list[Health]]) -> None:
    degraded = {"health": {"status": "Degraded", "message": "a secret is missing"}}
    objects: list[dict[str, Any]] = [{}, {"status": {}}, {"status": {"health": {}}}, {"status": degraded}]
    objects += [{"status": {"health": {"status": status}}} for status in ("Healthy", "Missing")]
    found = judge([Case(APPLICATION, each) for each in objects])
    assert [health.status for health in found] == [*["Progressing"] * 3, "Degraded", "Healthy", "Missing"]
    assert found[3].message == "a secret is missing"
    assert not any(health.error for health in found)
