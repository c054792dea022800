"""A label or annotation that the chart writes itself.

The chart prints `app.kubernetes.io/name`, `component`, `part-of` and `managed-by`, and the annotation
`argocd.argoproj.io/sync-wave`. Written a second time, the key stands twice in the manifest, which Argo CD and
`kubectl apply` refuse, or read in their own way. `force-sync` is set by live commands, which Argo CD would revert.

    annotations: {argocd.argoproj.io/sync-wave: "-10"}

Use a label of your own; a wave is `syncWave` in the catalogue:

    labels: {example.com/team: platform}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.model.sync_wave import ANNOTATION
from compiler.rules.interface import Finding, Rule, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.document import Node
    from compiler.model.environment import Environment

_RESERVED = {
    "labels": tuple(f"app.kubernetes.io/{name}" for name in ("name", "component", "part-of", "managed-by")),
    "annotations": (ANNOTATION, "force-sync"),
}


def check(environment: Environment) -> Iterator[Finding]:
    root = environment.root
    yield from _judge(root, ())
    secrets = root.children.get("secrets")
    for secret_id, node in secrets.children.items() if secrets is not None else ():
        if node.children:
            yield from _judge(node, ("secrets", secret_id))


def _judge(node: Node, scope: tuple[str, ...]) -> Iterator[Finding]:
    for kind, reserved in _RESERVED.items():
        written = node.children.get(kind)
        for key in reserved if written is not None else ():
            found = written.children.get(key) if written is not None else None
            if found is not None:
                way_out = "set `syncWave` in the catalogue" if key == ANNOTATION else "use a key of your own"
                message = f'the {kind[:-1]} "{key}" is set by the chart'
                yield Finding(message, found.key_span, help=way_out, scope=scope)


RULE = Rule("reserved-label", Severity.ERROR, Scope.ENVIRONMENT, page=__doc__, check=check)
