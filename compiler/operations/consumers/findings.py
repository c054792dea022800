"""Compares what pods read with what an environment and others make, and reports each gap once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from compiler.model.diagnostic import MOST_OF_A_KIND, Diagnostic, Related, Severity, and_more
from compiler.operations.consumers.gaps import missing_keys, unmade
from compiler.operations.consumers.mounted import wrong_mounted_by
from compiler.operations.consumers.objects import Gathered, Moment, Phase
from compiler.operations.consumers.own import Own, Waivers
from compiler.operations.consumers.variables import shadowed, unusable
from compiler.operations.consumers.wording import need, places
from compiler.rules import shadowed_variable, unused_waiver
from compiler.rules.consumer_rules import BY_ID
from compiler.rules.forms.where import waiver
from compiler.rules.interface import Finding
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from compiler.model.environment import Secret
    from compiler.operations.consumers.objects import Made, Name, Reading, Workload
    from compiler.rules.interface import Rule

_PHASES = {Phase.PRE_SYNC: "PreSync", Phase.SYNC: "Sync", Phase.POST_SYNC: "PostSync"}


@dataclass(slots=True)
class _Report:
    """Turns findings into diagnostics, as far as no waiver covers them."""

    waivers: Waivers
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, rule: Rule, findings: Iterable[Finding | tuple[Finding, bool]]) -> None:
        """Each finding may stand with whether a pod can do without, or its author means it: then it is a note."""
        kept = 0
        for each in findings:
            finding, is_optional = each if isinstance(each, tuple) else (each, False)
            if self.waivers.covers(rule, finding):
                continue
            kept += 1
            diagnostic = rule.diagnostic(finding)
            diagnostic = replace(diagnostic, severity=Severity.NOTE) if is_optional else diagnostic
            self.diagnostics.append(and_more(diagnostic) if kept > MOST_OF_A_KIND else diagnostic)
            if kept > MOST_OF_A_KIND:
                return


def judge(own: Own, gathered: Gathered) -> tuple[Diagnostic, ...]:
    """Everything that is found about the Secrets of the environment and of the pods, in the order of places."""
    readers, namespaces = gathered.readers(), {workload.namespace for workload in gathered.workloads}
    report = _Report(Waivers(own.environment))
    report.add(BY_ID["unmade-secret"], unmade(own, gathered, readers))
    report.add(BY_ID["missing-consumed-key"], missing_keys(own, gathered, readers))
    report.add(BY_ID["doubly-made-secret"], _doubly_made(own, gathered))
    report.add(BY_ID["unread-secret"], _unread(own, gathered, readers, namespaces))
    report.add(BY_ID["needed-by-hook"], _needed_by_hook(own, gathered, readers))
    report.add(shadowed_variable.RULE, shadowed(own, gathered))
    report.add(BY_ID["unusable-variable"], unusable(own, readers))
    report.add(BY_ID["wrong-mounted-by"], wrong_mounted_by(own, gathered, readers))
    unused = [unused_waiver.diagnostic(rule, reason) for rule, reason in report.waivers.unused(BY_ID, namespaces)]
    return tuple(sorted((*report.diagnostics, *unused), key=lambda each: (each.span.path, each.span.start)))


def is_read(name: Name, gathered: Gathered, readers: Iterable[Name]) -> bool:
    """Whether a pod reads the Secret, or another object refers to it."""
    return name in readers or name in gathered.mentioned


def _doubly_made(own: Own, gathered: Gathered) -> Iterator[Finding]:
    for name, secret in own.secrets.items():
        others = [made for made in gathered.made.get(name, ()) if not own.is_of(made)]
        if others:
            first = others[0]
            yield Finding(
                f"the Secret {quoted(name[1])} of {quoted(secret.id)} is made twice: "
                f"a {first.kind} {quoted(first.by)} makes it too",
                secret.node.key_span,
                help="switch that one off, or remove the secret from this environment",
                related=tuple(
                    Related(f"the {made.kind} is here", made.at) for made in others[:3] if made.at is not None
                ),
                scope=("secrets", secret.id),
            )


def _unread(own: Own, gathered: Gathered, readers: Collection[Name], namespaces: Collection[str]) -> Iterator[Finding]:
    for name, secret in own.secrets.items():
        if name[0] in namespaces and not is_read(name, gathered, readers):
            yield Finding(
                f"no pod reads the Secret {quoted(name[1])} of {quoted(secret.id)}",
                secret.node.key_span,
                help=f"remove it from this environment; {waiver('unread-secret', secret.id)}",
                related=_asserted(secret),
                scope=("secrets", secret.id),
            )


def _asserted(secret: Secret) -> tuple[Related, ...]:
    node = secret.entry.node.get("mountedBy")
    return () if node is None or not node.items else (Related("`mountedBy` says otherwise", node.key_span),)


def _needed_by_hook(
    own: Own, gathered: Gathered, readers: dict[Name, list[tuple[Workload, Reading]]]
) -> Iterator[Finding]:
    for name, reading in readers.items():
        made = _made_at(own.secrets.get(name), gathered.made.get(name, ()))
        if made is None:
            continue
        early = [
            (workload, each)
            for workload, each in reading
            if workload.hook is not None and not each.read.optional and workload.moment < made
        ]
        if early:
            yield _of_hooks(own, name, early, made)


def _made_at(secret: Secret | None, others: Iterable[Made]) -> Moment | None:
    moments = [made.moment for made in others]
    return min([*moments, *([Moment(Phase.SYNC, secret.entry.sync_wave)] if secret is not None else [])], default=None)


def _of_hooks(own: Own, name: Name, early: list[tuple[Workload, Reading]], made: Moment) -> Finding:
    secret, first = own.secrets.get(name), early[0][0]
    when = f"wave {made.wave} of {_PHASES[made.phase]}"
    before = f"wave {first.moment.wave} of {_PHASES[first.moment.phase]}"
    message = f"{need(each for each, _ in early)} the Secret {quoted(name[1])} as a {first.hook} hook, in {before}"
    span = secret.node.key_span if secret is not None else early[0][1].at
    accept = f"; {waiver('needed-by-hook', secret.id)}" if secret is not None else ""
    return Finding(
        f"{message}, and it is made in {when}",
        span if span is not None else own.place.key_span,
        help=f"synchronise what makes it in an Application before the hook's{accept}",
        related=places(early),
        scope=("secrets", secret.id) if secret is not None else (),
        brief=secret is None,
    )
