"""Leaves remote secrets out of a plan: their writes are dropped, and their steps refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.plan import WRITING, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.operations.change.plan import Plan, Step, Target


def without(plan: Plan, why: Mapping[Target, tuple[str, str]]) -> Plan:
    """`plan` without the writes of the remote secrets in `why`, which has the reason and the remedy of each."""
    return replace(
        plan,
        steps=tuple(_refused(step, why) for step in plan.steps),
        writes=tuple(write for write in plan.writes if write.target not in why),
        losses=tuple(loss for loss in plan.losses if loss.target not in why),
    )


def _refused(step: Step, why: Mapping[Target, tuple[str, str]]) -> Step:
    if step.kind not in WRITING or step.target is None or step.target not in why:
        return step
    reason, remedy = why[step.target]
    return replace(step, kind=Kind.REFUSE, reason=reason, remedy=remedy)
