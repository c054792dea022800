"""Shows who reads an environment's Secrets, for people and as JSON, and what CAIPE's values make of them."""

from collections.abc import Iterator, Sequence
from typing import Any

from compiler.cluster.pods import SecretRead
from compiler.consumers.findings import required_keys
from compiler.consumers.look import Look, UpgradeNeed
from compiler.consumers.readers import Workload
from compiler.generate.platform import PlatformValues
from compiler.model import group_pairs
from compiler.render.content import Line, members
from compiler.text.wording import command_line, pieces_of, pluralize, quote

Readers = Sequence[tuple[Workload, SecretRead]]


def lines(look: Look) -> Iterator[Line]:
    """The readers of each Secret, what an upgrade needs, and the counts."""
    if look.gathered is None:
        return
    readers, environment = look.gathered.readers(), look.own.environment.name
    read = 0
    for name, secret in look.own.secrets.items():
        workloads = list(dict.fromkeys(workload for workload, _ in readers.get(name, ())))
        read += bool(workloads)
        if workloads:
            yield f"{secret.id}: ", f"{quote(name[1])} is read by {', '.join(each.title for each in workloads)}"
    if look.needs is not None:
        yield from _upgrade_lines(look, look.needs)
    namespaces = {workload.namespace for workload in look.gathered.workloads}
    here = sum(namespace in namespaces for namespace, _ in look.own.secrets)
    idle = sum(namespace in look.namespaces - namespaces for namespace, _ in look.own.secrets)
    elsewhere = len(look.own.secrets) - here - idle
    of = f"{read} of {pluralize(here, 'Secret')} {'is' if read == 1 else 'are'} read"
    others = "".join(
        f"; {pluralize(count, 'Secret')} {'is' if count == 1 else 'are'} in {where}"
        for count, where in ((idle, "namespaces without a workload"), (elsewhere, "other namespaces"))
        if count
    )
    counts = f"{of}, {pluralize(len(look.gathered.workloads), 'workload')} looked at{others}"
    yield f"{environment}: ", counts


def _upgrade_lines(look: Look, needs: Sequence[UpgradeNeed]) -> Iterator[Line]:
    environment = look.own.environment.name
    if needs:
        yield "before the upgrade:"
    for each in needs:
        wants = required_keys(each.workloads, is_optional=each.is_optional)
        keys = f"{', '.join(map(quote, each.keys))} of " if each.keys else ""
        yield "# ", f"{wants} {keys}the Secret {quote(each.name)} in {quote(each.namespace)}"
        # What can be done without is not to be pasted by mistake.
        yield from (f"# {step}" if each.is_optional and not step.startswith("#") else step for step in each.steps)
    ours = [each.secret for each in needs if each.secret is not None and not each.is_optional]
    if ours:
        yield "# what the store has already needs no `put`:"
        yield command_line("verify", environment, *dict.fromkeys(ours))
    if look.unneeded:
        yield "after the upgrade, nobody reads: ", *pieces_of(look.unneeded)
    if not needs and not look.unneeded:
        yield "the upgrade needs no other Secrets"


def consumers_content(look: Look | None, manifests: Sequence[str], since: Sequence[str]) -> dict[str, Any]:
    """The JSON report without diagnostics; `look` is None if the environment has errors."""
    found: dict[str, Any] = {"manifests": manifests, "since": since, "workloads": 0, "secrets": [], "upgrade": None}
    if look is None or look.gathered is None:
        return found
    readers = look.gathered.readers()
    secrets = [
        {"secret": secret.id, "namespace": name[0], "target": name[1], "readBy": _workloads(readers.get(name, ()))}
        for name, secret in look.own.secrets.items()
    ]
    upgrade = _upgrade(look, look.needs) if look.needs is not None else None
    return {**found, "workloads": len(look.gathered.workloads), "secrets": secrets, "upgrade": upgrade}


def _workloads(reading: Readers) -> list[dict[str, Any]]:
    return [
        {
            **members(workload, "kind", "name"),
            "ways": list(dict.fromkeys(each.way.value for each in every)),
            "keys": sorted({each.key for each in every if each.key}),
            "optional": all(each.optional for each in every),
        }
        for workload, every in group_pairs(reading).items()
    ]


def _upgrade(look: Look, needs: Sequence[UpgradeNeed]) -> dict[str, Any]:
    return {
        "needs": [
            {
                **members(each, "secret", "namespace"),
                "target": each.name,
                **members(each, "keys", "is_optional"),
                "neededBy": [members(workload, "kind", "name") for workload in each.workloads],
                "steps": each.steps,
            }
            for each in needs
        ],
        "unneeded": look.unneeded,
    }


def platform_content(
    chart: str, chart_version: str, release: str, look: Look | None = None, made: PlatformValues | None = None
) -> dict[str, Any]:
    """The JSON report without diagnostics; `look` and `made` are None if nothing was looked at."""
    found = consumers_content(look, (), ())
    return {
        "target": "platform",
        "chart": chart,
        "chartVersion": chart_version,
        "newerThanKnown": made is not None and made.is_newer,
        "release": release,
        "notes": [*made.notes, *made.warnings[made.is_newer :]] if made is not None else [],
        "unread": made.unread if made is not None else [],
        "workloads": found["workloads"],
        "secrets": found["secrets"],
    }
