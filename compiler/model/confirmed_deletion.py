"""Names the annotation by which Argo CD asks a person before it deletes an ExternalSecret, and with it the Secret."""

from __future__ import annotations

from typing import Final

SYNC_OPTIONS: Final = "argocd.argoproj.io/sync-options"
ASKS_FIRST: Final = "Prune=confirm,Delete=confirm"


def asks_before_pruning(options: str) -> bool:
    """Whether these sync options let nothing that left Git be deleted before a person confirms."""
    return "Prune=confirm" in _each(options)


def lacking(options: str) -> tuple[str, ...]:
    """What of `ASKS_FIRST` these sync options lack."""
    given = _each(options)
    return tuple(each for each in _each(ASKS_FIRST) if each not in given)


def _each(options: str) -> list[str]:
    return [each.strip() for each in options.split(",")]
