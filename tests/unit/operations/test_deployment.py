"""What is deployed in place of a values file; `world` is two agents over two stores, running in the API double."""

from __future__ import annotations

from typing import Any

import pytest

from compiler.cluster.judge import DeployedSource
from compiler.operations.deployment import Deployment
from compiler.operations.status import manifests_for
from compiler.operations.values_files import write_values_files
from tests.platforms import project_of
from tests.unit.operations.status_world import GITHUB, JIRA, SPACE, World

FILE = "chart/values-prod.yaml"
TRACKED = "argocd.argoproj.io/tracking-id"


@pytest.fixture
def deployed(world: World) -> World:
    """prod is compiled, and what is live of it is as it was compiled."""
    write(world)
    return world


def write(world: World) -> None:
    assert not write_values_files(project_of(world.bench.root), world.bench.root, ()).failed


def look(world: World) -> Deployment:
    status = world.status()
    return Deployment(status.environment, world.bench.root, world.view(), manifests_for(status))


def origin(world: World, agent: str = "jira") -> DeployedSource:
    return look(world).origin(manifests_for(world.status())[agent])


def annotate(world: World, name: str, **changes: Any) -> None:  # noqa: ANN401 - any annotation
    found = world.double.get("externalsecrets", SPACE, name)
    found["metadata"].setdefault("annotations", {}).update(changes)
    world.double.put("externalsecrets", found)


def track(world: World, name: str, application: str) -> None:
    annotate(world, name, **{TRACKED: f"{application}:external-secrets.io/ExternalSecret:{SPACE}/{name}"})


def change(world: World, name: str, **fields: Any) -> None:  # noqa: ANN401 - any field of a spec
    found = world.double.get("externalsecrets", SPACE, name)
    found["spec"].update(fields)
    world.double.put("externalsecrets", found)


def test_a_committed_file_that_is_not_what_compiles_is_stale(deployed: World) -> None:
    assert origin(deployed) == DeployedSource(FILE)
    deployed.switch()
    assert origin(deployed) == DeployedSource(FILE, is_stale=True)
    # It may be written to another place.
    (deployed.bench.root / FILE).unlink()
    assert origin(deployed) == DeployedSource(FILE)


def test_a_file_that_says_the_same_in_other_words_is_not_stale(deployed: World) -> None:
    path = deployed.bench.root / FILE
    path.write_text(f"{path.read_text('utf-8')}# a comment\n", "utf-8")
    assert not origin(deployed).is_stale


def test_another_application_than_that_of_the_others_is_the_owner(deployed: World) -> None:
    track(deployed, GITHUB, "platform")
    track(deployed, JIRA, "legacy")
    change(deployed, JIRA, refreshInterval="7m0s")
    assert origin(deployed) == DeployedSource(FILE, owner="legacy", application="platform")
    # The other one is not deployed in place of ours.
    found = look(deployed)
    found.origin(manifests_for(deployed.status())["jira"])
    assert found.lines() == ("argocd app sync platform",)
    track(deployed, JIRA, "platform")
    assert origin(deployed).owner == ""


def test_what_is_in_another_namespace_is_told(deployed: World) -> None:
    for name in (GITHUB, JIRA):
        found = deployed.double.get("externalsecrets", SPACE, name)
        deployed.double.delete("externalsecrets", SPACE, name)
        if name == JIRA:
            # Not everybody's, of this name alone.
            found["metadata"]["labels"] = {"app": "theirs"}
        found["metadata"]["namespace"] = "agents-test"
        deployed.double.put("externalsecrets", found)
    assert origin(deployed, "github") == DeployedSource(FILE, namespace="agents-test")
    assert origin(deployed) == DeployedSource(FILE)


def test_the_line_that_deploys_is_printed_where_one_is_known(deployed: World) -> None:
    assert look(deployed).lines() == ()
    track(deployed, GITHUB, "platform")
    track(deployed, JIRA, "platform")
    assert look(deployed).lines() == ("argocd app sync platform",)
    track(deployed, JIRA, "another")
    assert look(deployed).lines() == ()
    # One that was copied has the tracking id of the other object.
    annotate(deployed, JIRA, **{TRACKED: f"another:external-secrets.io/ExternalSecret:{SPACE}/{GITHUB}"})
    assert look(deployed).lines() == ("argocd app sync platform",)


def test_a_release_of_helm_is_upgraded(deployed: World) -> None:
    release = {"meta.helm.sh/release-name": "secrets", "meta.helm.sh/release-namespace": "agents"}
    annotate(deployed, JIRA, **release)
    line = "helm upgrade secrets chart --namespace agents --values chart/values-prod.yaml"
    assert look(deployed).lines() == (line,)
