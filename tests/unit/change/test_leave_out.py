from __future__ import annotations

from compiler.change.plan import Kind, Location, LossKind, Step, VersionLoss, Write, without
from tests.unit.changes import plan_of


def step(name: str, kind: Kind) -> Step:
    return Step(name, "KEY", kind, None, Location("azure", name, "KEY"))


def test_what_is_left_out_is_refused_with_its_reason_and_not_written() -> None:
    steps = (step("kept", Kind.UPDATE), step("out", Kind.DELETE), Step("out", "KEY", Kind.MISSING, None, None))
    writes = tuple(Write("azure", name, (), {}) for name in ("kept", "out"))
    losses = tuple(VersionLoss(LossKind.VERSIONS, "azure", name, ("1",), 1, "") for name in ("kept", "out"))
    found = without(plan_of(*writes, steps=steps, losses=losses), {("azure", "out"): ("the reason", "the way")})
    assert [(each.kind, each.reason, each.remedy) for each in found.steps] == [
        (Kind.UPDATE, "", ""),
        (Kind.REFUSE, "the reason", "the way"),
        (Kind.MISSING, "", ""),
    ]
    assert [write.name for write in found.writes] == ["kept"]
    assert [loss.name for loss in found.losses] == ["kept"]


def test_a_step_that_writes_nothing_stays_what_it_is() -> None:
    found = without(plan_of(steps=(step("out", Kind.KEEP),)), {("azure", "out"): ("the reason", "the way")})
    assert [each.kind for each in found.steps] == [Kind.KEEP]
