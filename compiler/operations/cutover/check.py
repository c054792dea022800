"""Defines what the gate of `cutover` finds: one check after the other, each passed, noted, refused or unanswered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.model.diagnostic import Diagnostic


class Verdict(StrEnum):
    """What a check decides; REFUSED and UNANSWERED keep the gate closed."""

    PASSED = "passed"
    NOTED = "noted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"  # what would decide it did not answer


class About(StrEnum):
    """What a check is about, for programs."""

    COMPILES = "compiles"
    WARNINGS = "warnings"
    SAME_KEYS = "same-keys"
    VALUES_FILE = "values-file"
    DEPENDANTS = "dependants"
    TOGETHER = "together"
    GUARDS = "guards"
    VERIFIED = "verified"
    COMPARED = "compared"
    CLUSTER_STORE = "cluster-store"
    CLUSTER_SECRETS = "cluster-secrets"
    IN_EFFECT = "in-effect"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of the gate. `mend` says how to open it, with a command where one does it; `more` are other ways."""

    about: About
    verdict: Verdict
    message: str
    mend: str | None = None
    more: tuple[str, ...] = ()

    @property
    def mends(self) -> tuple[str, ...]:
        return () if self.mend is None else (self.mend, *self.more)


def stated(diagnostic: Diagnostic) -> str:
    """A finding in one line, in the form of every finding: the outlet takes `missing-secret: "…"` for a credential."""
    return f"{diagnostic.span.where}: {diagnostic.severity.value}[{diagnostic.rule}]: {diagnostic.message}"


def is_closed(checks: tuple[Check, ...]) -> bool:
    return any(each.verdict in (Verdict.REFUSED, Verdict.UNANSWERED) for each in checks)
