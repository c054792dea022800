"""Judges one secret in the cluster: in effect or not, why not, and the line that mends it."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil, inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from compiler.operations.cluster.freshness import Signs, is_answered, moment_of, older_value, refreshed_at, silence
from compiler.operations.cluster.in_effect import (
    FAILING,
    Lack,
    doubts_about,
    is_immutable,
    reasons_against,
    waits_for_a_change,
    wanted_keys,
)
from compiler.operations.cluster.masking import Quotes, is_of_credential
from compiler.operations.cluster.slim import ready_of
from compiler.operations.cluster.store_access import credential_of
from compiler.operations.status.before import Changes
from compiler.operations.status.pods import look_commands, unlisted_keys, unready
from compiler.operations.status.row import Problem, Seen, State
from compiler.text.command_line import command_line, shell_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from compiler.operations.cluster.freshness import Staleness
    from compiler.operations.cluster.in_effect import Live
    from compiler.operations.status.live import LiveState
    from compiler.operations.status.row import Status
    from compiler.stores.interface import RemoteSecret

    LiveObject = Mapping[str, Any]

# The operator waits 1 s after a failure, twice as long after each further one, and never longer than this.
_LONGEST_PAUSE = 7 * 60
_MOST_DOUBLED = 9
_AT_ONCE = 1.0  # seconds
# With these the operator has not read what the environment says, and the age of what it read says nothing.
_NOT_READ = frozenset({Lack.OTHER_SPEC, Lack.NOT_SYNCED, *FAILING})


class Judge:
    """Judges the secrets of one run; what the operator says is shown without the values of `remotes`.

    `context` are the options by which command lines name the cluster; with `is_whole` no message is cut. `again` reads
    the stores once more, for a judge that goes on: a value that is put meanwhile may be in what the operator says then.
    """

    def __init__(
        self,
        state: LiveState,
        status: Status,
        remotes: Iterable[RemoteSecret],
        context: tuple[str, ...] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        is_whole: bool = False,
        again: Callable[[], tuple[Status, Iterable[RemoteSecret]]] | None = None,
    ) -> None:
        self.state = state
        self._rows = {row.secret.id: row for row in status.rows}
        self._name = status.environment.name
        self._is_whole = is_whole
        self._quotes = Quotes(remotes, is_whole=is_whole)
        self._known_since = {row.secret.id: row.values.known_since for row in status.rows}
        self._again = again
        # What the operator said of a secret before the values were last read.
        self._said: dict[str, tuple[object, ...]] = {}
        self._read_at = -inf
        self._context = context
        self._now = now

    def every(self) -> Mapping[str, Seen]:
        """The live state of each secret, by id. Raises ClusterError."""
        return {secret: self.seen(secret) for secret in self.state.manifests}

    def seen(self, secret: str, changes: Changes | None = None, *, is_forced: bool = False) -> Seen:
        """The live state of a secret, with the `changes` since the run began.

        `is_forced`: this run asked the operator to synchronise, after it had read the stores.
        """
        changes = changes if changes is not None else Changes()
        manifest = self.state.manifests[secret]
        namespace, name = str(manifest["metadata"]["namespace"]), str(manifest["metadata"]["name"])
        live = self.state.live(manifest)
        store = self._rows[secret].store
        reasons = reasons_against(manifest, live, store)
        pods = self.state.pods(namespace, name)
        stale = tuple(self._stale(secret, live, frozenset(reason.lack for reason in reasons), is_forced=is_forced))
        problems = (
            *(Problem(State(str(reason.lack)), reason.message) for reason in reasons),
            *(each for each in changes.problems if each.state is not State.NOT_REFRESHED or not stale),
            *stale,
            *unready(pods or (), namespace, self.state.secrets(namespace)),
        )
        is_failing = any(reason.lack in FAILING for reason in reasons)
        is_old = any(reason.lack is Lack.OTHER_SPEC for reason in reasons)
        causes, next_try = tuple[str, ...](), None
        # A failure of the old spec is not what keeps the new one from being in effect.
        if is_failing and not is_old:
            causes, next_try = self._causes(secret, live.external_secret or {}, live.store)
        if waits_for_a_change(live, name) or any(each.state is State.SILENT for each in stale):
            next_try = None
        helps = changes.helps
        if next_try is not None and not is_forced:
            helps = (command_line("status", self._name, "--only", secret, "--wait", "--force-sync", *self._context),)
        elif is_immutable(live) and self._rows[secret].values.is_sound:
            helps = (shell_line("kubectl", "-n", namespace, "delete", "secret", name),)
        return Seen(
            problems,
            causes,
            next_try,
            helps,
            self.state.not_asked(namespace),
            len(pods) if pods is not None else None,
            (*changes.notes, *doubts_about(manifest, live, store), *self._others(manifest, bool(problems))),
            refreshed_at(live.external_secret or {}),
            look_commands(pods or (), namespace),
            unlisted_keys(pods or (), name, frozenset(wanted_keys(manifest))),
        )

    def _others(self, manifest: LiveObject, has_problem: bool) -> Iterator[str]:  # noqa: FBT001 - told by its name
        """That another ExternalSecret on the same store fails, before this one's own refresh comes."""
        failing = self.state.failing_on(manifest) if not has_problem else None
        if failing is not None:
            yield f"another ExternalSecret on this store fails: {failing}"

    def _stale(self, secret: str, live: Live, lacks: frozenset[Lack], *, is_forced: bool) -> Iterator[Problem]:
        found, metadata = live.external_secret, self.state.manifests[secret]["metadata"]
        namespace, name = str(metadata["namespace"]), str(metadata["name"])
        if found is None or Lack.DELETED in lacks:
            return
        title, now = f"{namespace}/{name}", self._now()
        # What was asked for after the stores were read and is answered was read since, whatever the clocks say.
        if not lacks & _NOT_READ and not (is_forced and is_answered(found)):
            written = self._rows[secret].values.newest
            yield from (_stale_problem(each) for each in older_value(found, written, title, now))
        warning = self.state.warning(found) if lacks & FAILING else None
        # Nobody knows when a failure was last tried that may not be looked at, or that is not tried again.
        is_unknown = bool(lacks & FAILING) and self.state.has_refused("events", namespace)
        if is_unknown or waits_for_a_change(live, name):
            return
        signs = Signs(now, moment_of(warning["moment"]) if warning is not None else None, self.state.newest_sign)
        yield from (_stale_problem(each) for each in silence(found, title, signs))

    def _causes(
        self, secret: str, external_secret: LiveObject, store: LiveObject | None
    ) -> tuple[tuple[str, ...], int | None]:
        values = self._rows[secret].values
        warning = self.state.warning(external_secret)
        self._read_before_quoting(secret, (warning, ready_of(external_secret)))
        said = self._quotes.of_failure(external_secret, warning, self._known_since[secret], self._now())
        holder = credential_of(store or {}) if is_of_credential(said) else ""
        # What this machine could not check is no cause of the operator's: the report says it apart.
        causes = tuple(each for each in (said, holder, *values.faults) if each)
        return causes, self._next_try(warning["moment"], warning["count"]) if warning is not None else None

    def _read_before_quoting(self, secret: str, said: tuple[object, ...]) -> None:
        if self._again is None or self._said.get(secret) == said:
            return
        self._said[secret] = said
        # One reading for all that fail at a time: what is said of them is in hand before it.
        if monotonic() - self._read_at < _AT_ONCE:
            return
        status, remotes = self._again()
        self._read_at = monotonic()
        self._quotes = Quotes(remotes, is_whole=self._is_whole)
        self._known_since = {row.secret.id: row.values.known_since for row in status.rows}

    def _next_try(self, said: str, count: int) -> int:
        pause = min(_LONGEST_PAUSE, 2 ** min(max(0, count - 1), _MOST_DOUBLED))
        moment = moment_of(said)
        if moment is None:
            return _LONGEST_PAUSE
        since = (self._now() - moment).total_seconds()
        # Of clocks that differ nothing can be told but the longest pause.
        return ceil(pause - since) if 0 <= since < pause else _LONGEST_PAUSE


def _stale_problem(staleness: Staleness) -> Problem:
    return Problem(State(str(staleness.kind)), staleness.message)
