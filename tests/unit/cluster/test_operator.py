import pytest

from compiler.cluster.client import KubernetesCluster
from compiler.cluster.operator import Operator, read_operator
from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.verify import OPTIONAL
from compiler.cluster.view import OPERATOR, ClusterError, ClusterView
from tests.unit.operations.status_world import World

CONTROLLER = "external-secrets/external-secrets"
SCALE = "kubectl -n external-secrets scale deployment/external-secrets --replicas=1"


def look(world: World) -> Operator:
    return read_operator(world.view())


def problem(world: World) -> ClusterProblem | None:
    return look(world).problem()


def notes(world: World) -> tuple[str, ...]:
    return look(world).notes()


def deploy(world: World, namespace: str, ready: int = 1, name: str = "external-secrets") -> None:
    """Another operator in that namespace."""
    labels = {"app.kubernetes.io/name": name}
    spec = {"replicas": 1}
    metadata = {"name": "second", "namespace": namespace, "labels": labels}
    world.double.put("deployments", {"metadata": metadata, "spec": spec, "status": {"readyReplicas": ready}})


def test_an_operator_with_a_pod_that_is_ready_is_not_down(world: World) -> None:
    assert problem(world) is None
    world.platform.run_operator("", 3, ready=1)
    assert problem(world) is None
    assert (look(world).webhook_problem(), notes(world)) == (None, ())


def test_one_that_is_scaled_to_0_is_down_and_scaled_up_again(world: World) -> None:
    world.platform.run_operator("", 0)
    found = problem(world)
    assert found is not None
    said = f'the operator is down: its Deployment "{CONTROLLER}" is scaled to 0 pods'
    assert (found.state, found.message, found.mend) == (ClusterState.OPERATOR_DOWN, said, SCALE)
    # Nothing is asked of pods that are not there.
    assert not [each for each in world.double.asked if each.path.endswith("/pods")]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("CrashLoopBackOff", "logs external-secrets-7c9d-x --previous"),
        ("ImagePullBackOff", "describe pod external-secrets-7c9d-x"),
    ],
)
def test_pods_that_do_not_start_say_why_and_the_line_shows_it(world: World, reason: str, words: str) -> None:
    world.platform.run_operator(crash=reason)
    found = problem(world)
    assert found is not None
    said = f'the operator is down: 0 of 1 pods of its Deployment "{CONTROLLER}" are ready ({reason})'
    assert (found.message, found.mend) == (said, f"kubectl -n external-secrets {words}")


def test_of_a_pod_s_reasons_only_known_ones_are_shown(world: World) -> None:
    world.platform.run_operator(crash="s3ntinel")
    found = problem(world)
    assert found is not None
    assert found.message.endswith("are ready")
    assert found.mend == "kubectl -n external-secrets describe deployment/external-secrets"


def test_pods_are_asked_for_by_the_labels_that_the_deployment_selects(world: World) -> None:
    world.platform.run_operator(crash="CrashLoopBackOff")
    world.double.asked.clear()
    look(world)
    (asked,) = (each for each in world.double.asked if each.path.endswith("/pods"))
    selector = "app.kubernetes.io/instance=external-secrets,app.kubernetes.io/name=external-secrets"
    assert (asked.path, asked.query["labelSelector"]) == ("/api/v1/namespaces/external-secrets/pods", selector)
    # One that selects by no label would have all pods of the namespace listed.
    deploy(world, "elsewhere", ready=0)
    world.double.asked.clear()
    look(world)
    assert len([each for each in world.double.asked if each.path.endswith("/pods")]) == 1


def test_with_several_containers_the_log_of_the_one_that_crashes_is_named(world: World) -> None:
    world.platform.run_operator(crash="CrashLoopBackOff")
    pod = world.double.get("pods", "external-secrets", "external-secrets-7c9d-x")
    pod["status"]["containerStatuses"].insert(0, {"name": "proxy", "state": {"running": {}}})
    world.double.put("pods", pod)
    found = problem(world)
    assert found is not None
    assert found.mend == "kubectl -n external-secrets logs external-secrets-7c9d-x -c main --previous"


def test_where_pods_may_not_be_listed_the_deployment_alone_says_it(world: World) -> None:
    world.platform.run_operator(crash="CrashLoopBackOff")
    world.double.refused["list pods"] = 403
    found = problem(world)
    assert found is not None
    assert "0 of 1 pods" in found.message
    assert found.mend.endswith("describe deployment/external-secrets")


def test_under_another_label_the_operator_is_not_found_and_never_down(world: World) -> None:
    for each in ("", "-webhook", "-cert-controller"):
        world.double.delete("deployments", "external-secrets", f"external-secrets{each}")
    assert (problem(world), look(world).webhook_problem()) == (None, None)
    (note,) = notes(world)
    assert note.startswith("no operator Deployment found (label app.kubernetes.io/name=external-secrets)")


def test_without_the_right_nothing_is_known_and_only_what_is_optional_may_be_refused(world: World) -> None:
    world.double.refused["list deployments"] = 403
    view = world.view()
    found = read_operator(view)
    assert (found.problem(), found.webhook_problem(), found.notes()) == (None, None, ())
    assert view.has_refused(OPERATOR, "")
    with pytest.raises(ClusterError, match="list deployments"):
        read_operator(ClusterView(world.cluster, OPTIONAL - {OPERATOR}))


@pytest.mark.parametrize(
    ("part", "effect"),
    [
        ("-webhook", "what is deployed or changed is refused until it runs"),
        ("-cert-controller", "the webhook's certificate is not renewed"),
    ],
)
def test_another_part_that_is_down_is_noted_with_its_effect_and_mend(world: World, part: str, effect: str) -> None:
    world.platform.run_operator(part, 0)
    assert problem(world) is None
    (note,) = notes(world)
    line = f"kubectl -n external-secrets scale deployment/external-secrets{part} --replicas=1"
    assert note.endswith(f'"external-secrets/external-secrets{part}" is scaled to 0 pods; {effect}: {line}')
    found = look(world).webhook_problem()
    assert (found is not None) is (part == "-webhook")


def test_the_client_lists_them_in_every_namespace_by_label_alone(world: World) -> None:
    cluster: KubernetesCluster = world.cluster
    deploy(world, "elsewhere", name="another-operator")
    world.double.asked.clear()
    assert len(cluster.operator_deployments()) == 3
    (asked,) = world.double.asked
    names = "external-secrets,external-secrets-webhook,external-secrets-cert-controller"
    assert (asked.path, asked.query["labelSelector"]) == (
        "/apis/apps/v1/deployments",
        f"app.kubernetes.io/name in ({names})",
    )
