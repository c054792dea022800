"""Carries out lines of other programs on the doubles of an incident: exactly the printed words, and no other line."""

import re
from collections.abc import Callable

from tests.proofs.incidents.scene import OPERATORS, PARTS, SPACE, WORKLOADS, Scene


class UnknownLineError(AssertionError):
    """Nobody knows what the line would do."""


def _scale(scene: Scene, name: str, count: str) -> None:
    scene.run_operator(name, replicas=int(count))
    if name == "external-secrets-webhook":
        scene.cluster.webhook = ""


def _restart_part(scene: Scene, name: str) -> None:
    """A webhook that starts anew has the certificate that the controller of certificates gave it."""
    if not scene.cluster.get("deployments", OPERATORS, name)["spec"]["replicas"]:
        raise UnknownLineError(f"{name} has no pods to restart")
    if name in PARTS[1:]:
        scene.cluster.webhook = ""


def _restart_agent(scene: Scene, name: str) -> None:
    scene.restart(name.removeprefix("mcp-"))


def _sync(scene: Scene, name: str) -> None:
    if name not in scene.applications:
        raise UnknownLineError(f"there is no Application {name}")
    scene.sync_application(name)


def _delete_secret(scene: Scene, name: str) -> None:
    scene.cluster.delete("secrets", SPACE, name)


def _look(scene: Scene, *_: str) -> None:
    """It shows something, and changes nothing."""
    del scene


_NAME = r"([a-z0-9.-]+)"
_LOOK = rf"kubectl (?:-n {_NAME} )?(?:get|describe|logs)\b[^|>]*"
LINES: tuple[tuple[str, Callable[..., None]], ...] = (
    (rf"kubectl -n {OPERATORS} scale deployment/{_NAME} --replicas=([1-9])", _scale),
    (rf"kubectl -n {OPERATORS} rollout restart deployment/{_NAME}", _restart_part),
    (rf"kubectl -n {SPACE} rollout restart deployment/(mcp-[a-z]+)", _restart_agent),
    (rf"kubectl -n {SPACE} delete secret ({'|'.join(WORKLOADS.values())})", _delete_secret),
    (rf"argocd app sync {_NAME}", _sync),
    (_LOOK, _look),
)


def carry_out(scene: Scene, line: str) -> None:
    """Do what the line does. Raises UnknownLineError for one that this does not know."""
    words = re.sub(r" --context \S+", "", line)
    for pattern, act in LINES:
        if (found := re.fullmatch(pattern, words)) is not None:
            act(scene, *(each for each in found.groups() if each is not None) if act is not _look else ())
            return
    raise UnknownLineError(f"nobody knows what this line does: {line}")
