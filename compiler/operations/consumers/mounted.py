"""Compares the catalogue's `mountedBy` with the workloads that read each Secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.consumers.wording import named, places
from compiler.rules.forms.where import waiver
from compiler.rules.interface import Finding
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from compiler.operations.consumers.objects import Gathered, Name, Reading, Workload
    from compiler.operations.consumers.own import Own

# In `mountedBy`, for what the pods of all components mount.
_ALL = "llm"


def wrong_mounted_by(
    own: Own, gathered: Gathered, readers: Mapping[Name, Sequence[tuple[Workload, Reading]]]
) -> Iterator[Finding]:
    """A finding for each secret that is read, and not by those components and no others.

    A component that the manifests do not have is not missed in them.
    """
    for name, secret in own.secrets.items():
        said = secret.entry.mounted_by
        reading = readers.get(name, ())
        if not said or not reading or _ALL in said:
            continue
        unsaid = [each for each in reading if not any(is_of(each[0], component) for component in said)]
        reads = {workload for workload, _ in reading}
        here = [workload for workload in gathered.workloads if workload.namespace == name[0]]
        idle = [component for component in said if _is_idle(component, here, reads)]
        if not unsaid and not idle:
            continue
        found = [f"leaves out {named(workload for workload, _ in unsaid)}"] if unsaid else []
        found += [f"names {listed(idle)}, which {'does' if len(idle) == 1 else 'do'} not read it"] if idle else []
        yield Finding(
            f"`mountedBy` of {quoted(secret.id)} {', and '.join(found)}",
            secret.entry.node.nearest("mountedBy").key_span,
            help=f"correct it, or remove the line; {waiver('wrong-mounted-by', secret.id)}",
            related=places(unsaid or reading),
            scope=("secrets", secret.id),
        )


def _is_idle(component: str, workloads: Iterable[Workload], readers: Container[Workload]) -> bool:
    """Whether a component has workloads, and none of them is one of `readers`."""
    own = [workload for workload in workloads if is_of(workload, component)]
    return bool(own) and not any(workload in readers for workload in own)


def is_of(workload: Workload, component: str) -> bool:
    """Whether a workload belongs to a component, as its name's last part or a label says."""
    has_name = workload.name == component or workload.name.endswith(f"-{component}")
    return has_name or component in workload.components
