"""Defines what `status` says of an environment: a row for each secret, and what follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.operations.status.values import Values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from compiler.model.environment import Environment, Secret, Store
    from compiler.operations.edit.moves import Progress


class State(StrEnum):
    """The live state of a secret in a word: what keeps it from being in effect first."""

    NOT_ASKED = "not-asked"
    IN_EFFECT = "in-effect"
    ABSENT = "absent"
    DELETED = "being-deleted"
    FOREIGN = "foreign"
    OTHER_SPEC = "other-spec"
    NOT_SYNCED = "not-synced"
    NOT_READY = "not-ready"
    IMMUTABLE = "immutable"
    RETAINED = "retained"
    NO_TARGET = "no-target"
    MISSING_KEY = "missing-key"
    EDITED = "edited"
    STORE = "store"
    REPLACED = "replaced"  # the Secret has another UID than before
    DATA_CHANGED = "data-changed"  # although both stores held the same
    OLDER_VALUE = "older-value"
    NOT_REFRESHED = "not-refreshed"
    SILENT = "operator-silent"
    RESTARTED = "restarted"
    PODS = "pods-not-ready"
    RESTART = "restart-needed"


# What waiting does not mend: a person has to.
FINAL = frozenset({State.FOREIGN, State.IMMUTABLE, State.REPLACED, State.DATA_CHANGED, State.RESTARTED})


@dataclass(frozen=True, slots=True)
class Problem:
    """What keeps a secret from being in effect; `message` quotes nothing that the operator said."""

    state: State
    message: str


@dataclass(frozen=True, slots=True)
class Seen:
    """The live state of a secret: its problems, the gravest first.

    `causes` are the operator's newest warning, without values, and what `verify` found. `next_try` is within how many
    seconds the operator tries again, `helps` the commands that mend it; `not_asked` says what may not be asked.
    `pods` is how many pods read the Secret, None where they were not asked for; `notes` keep nothing from being in
    effect. `refreshed` is when the operator began its last success. `looks` are the commands that show why pods are not
    ready, and `unlisted` the keys that such pods read and the environment does not have.
    """

    problems: tuple[Problem, ...] = ()
    causes: tuple[str, ...] = ()
    next_try: int | None = None
    helps: tuple[str, ...] = ()
    not_asked: tuple[str, ...] = ()
    pods: int | None = None
    notes: tuple[str, ...] = ()
    refreshed: datetime | None = None
    looks: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        return self.problems[0].state if self.problems else State.IN_EFFECT

    @property
    def is_final(self) -> bool:
        return any(problem.state in FINAL for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Row:
    """One secret of an environment. `to` is the store that it is to go to, in the step `step` of `moves:` from 1 on.

    `seen` is None where the cluster was not asked.
    """

    secret: Secret
    store: Store
    to: Store | None
    step: int | None
    other: Store | None
    values: Values = field(default_factory=Values)
    seen: Seen | None = None

    @property
    def state(self) -> State:
        return self.seen.state if self.seen is not None else State.NOT_ASKED

    @property
    def has_problem(self) -> bool:
        """Whether the cluster was asked, and something keeps it from being in effect."""
        return self.seen is not None and bool(self.seen.problems)

    def has(self, state: State) -> bool:
        """Whether that is among its problems in the cluster."""
        return self.seen is not None and any(problem.state is state for problem in self.seen.problems)

    @property
    def is_unread(self) -> bool:
        """Whether the store in use lacks something, or did not say."""
        return bool(self.values.faults or self.values.closed)

    @property
    def is_fine(self) -> bool:
        return not self.is_unread and self.state in (State.IN_EFFECT, State.NOT_ASKED)


@dataclass(frozen=True, slots=True)
class Status:
    """An environment's rows. `progress` is that of its `moves:`, None where it has none.

    `answered` is false where a store in use did not answer; `closed` says what stores did not say, and why, and
    `helps` what to do about it, where that is known. `is_live`: the cluster was to be looked at too; a row that was not
    `seen` is one of which it had not told in time.
    """

    environment: Environment
    rows: tuple[Row, ...]
    progress: Progress | None
    answered: bool = True
    is_asked: bool = False
    is_live: bool = False
    closed: tuple[str, ...] = ()
    helps: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_fine(self) -> bool:
        return all(row.is_fine for row in self.rows)
