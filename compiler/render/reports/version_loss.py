"""Shows which earlier versions a store drops when a plan is applied, to people or programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.model.duration import short_duration
from compiler.operations.change.version_loss import LossKind
from compiler.render.content import HANGING, Wrapped
from compiler.text.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.operations.change.version_loss import VersionLoss
    from compiler.render.content import Line

_BEGIN = {
    LossKind.WAY_BACK: "the store will drop the version that is replaced, and it cannot be restored:",
    LossKind.VERSIONS: "the store will permanently drop earlier versions:",
    LossKind.UNKNOWN: "unknown whether the store will drop earlier versions:",
    LossKind.ITSELF: "what is written will delete itself:",
}
_PURPOSES = {LossKind.UNKNOWN: "", LossKind.ITSELF: "to have it stay, first: "}
# A line of a plan; the report for programs names all.
_MOST_NAMES = 12
_MOST_VERSIONS = 5
_INDENT = len("note: ")


def loss_lines(losses: Sequence[VersionLoss]) -> Iterator[Line]:
    """Each kind of loss with its secrets, and below it what to do about the first of them, on a line to be copied."""
    for kind, begin in _BEGIN.items():
        found = [loss for loss in losses if loss.kind is kind]
        if not found:
            continue
        left = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
        named = [piece for loss in found[:_MOST_NAMES] for piece in (", ", _named(loss))][1:]
        yield Wrapped((f"note: {begin} ", *named, left), _INDENT, HANGING)
        purpose = _PURPOSES.get(kind, "to keep them, first: ")
        others = ", and likewise for the others" if len(found) > 1 else ""
        yield " " * _INDENT, "help: ", purpose, found[0].remedy, others


def loss_note(loss: VersionLoss, secret: str | None = None) -> dict[str, Any]:
    """The loss as an object of a report's `notes`; `secret` is the catalogue's name of what is written there."""
    return {
        "kind": str(loss.kind),
        "secret": secret,
        "place": {"store": loss.store, "name": loss.name},
        "date": loss.ends.isoformat() if loss.ends is not None else None,
        "versions": list(loss.versions),
        "keeps": loss.keeps,
        "remedy": loss.remedy,
    }


def _named(loss: VersionLoss) -> str:
    if loss.ends is not None:
        return f"{loss.name} ({short_duration(loss.lives or 0)} after the write, on {loss.ends:%Y-%m-%d %H:%M} UTC)"
    if not loss.versions:
        return loss.name
    what = f"version {loss.versions[0]}" if len(loss.versions) == 1 else f"versions {', '.join(loss.versions)}"
    if len(loss.versions) > _MOST_VERSIONS:
        what = f"{len(loss.versions)} versions from {loss.versions[0]} to {loss.versions[-1]}"
    return f"{loss.name} ({what}; the store keeps {counted(loss.keeps or 0, 'version')})"
