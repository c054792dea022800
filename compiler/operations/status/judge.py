"""Judges one secret in the cluster: in effect or not, why not, and the line that mends it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from compiler.operations.cluster.in_effect import Lack, reasons_against, waits_for_a_change
from compiler.operations.cluster.masking import Mask, values_of
from compiler.operations.status.pods import unready
from compiler.operations.status.row import Problem, Seen, State
from compiler.text.command_line import command_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from compiler.operations.status.live import LiveState
    from compiler.operations.status.row import Status
    from compiler.stores.interface import RemoteSecret

# The operator waits 1 s after a failure, twice as long after each further one, and never longer than this.
_LONGEST_PAUSE = 7 * 60
_MOST_DOUBLED = 9
_FAILING = frozenset({Lack.NOT_READY, Lack.RETAINED})


class Judge:
    """Judges the secrets of one run; what the operator says is shown without the values of `remotes`."""

    def __init__(
        self,
        state: LiveState,
        status: Status,
        remotes: Iterable[RemoteSecret],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.state = state
        self._rows = {row.secret.id: row for row in status.rows}
        self._name = status.environment.name
        self._mask = Mask(value for remote in remotes for value in values_of(remote))
        self._now = now

    def every(self) -> Mapping[str, Seen]:
        """The live state of each secret, by id. Raises ClusterError."""
        return {secret: self.seen(secret) for secret in self.state.manifests}

    def seen(self, secret: str, more: tuple[Problem, ...] = (), more_help: str | None = None) -> Seen:
        """The live state of a secret, with the problems `more` that its caller knows."""
        manifest = self.state.manifests[secret]
        namespace, name = str(manifest["metadata"]["namespace"]), str(manifest["metadata"]["name"])
        live = self.state.live(manifest)
        reasons = reasons_against(manifest, live)
        pods = self.state.pods(namespace, name)
        problems = (
            *(Problem(State(str(reason.lack)), reason.message) for reason in reasons),
            *more,
            *unready(pods or (), namespace, self.state.secrets(namespace)),
        )
        is_failing = any(reason.lack in _FAILING for reason in reasons)
        is_old = any(reason.lack is Lack.OTHER_SPEC for reason in reasons)
        # A failure of the old spec is not what keeps the new one from being in effect.
        causes, next_try = self._causes(secret, namespace, name) if is_failing and not is_old else ((), None)
        if waits_for_a_change(live, name):
            next_try = None
        help_line = more_help
        if next_try is not None:
            help_line = command_line("status", self._name, "--only", secret, "--wait", "--force-sync")
        return Seen(
            problems,
            causes,
            next_try,
            help_line,
            self.state.not_asked(namespace),
            len(pods) if pods is not None else None,
        )

    def _causes(self, secret: str, namespace: str, name: str) -> tuple[tuple[str, ...], int | None]:
        row = self._rows[secret]
        warning = self.state.warning(namespace, name)
        causes = [*row.values.faults, *row.values.closed]
        # What it says may quote a value, which is known only where it was read.
        if warning is not None and warning["message"] and row.values.is_known:
            causes.insert(0, self._mask.hides(str(warning["message"]).strip()))
        return tuple(causes), self._next_try(warning["moment"], warning["count"]) if warning is not None else None

    def _next_try(self, moment: str, count: int) -> int:
        pause = min(_LONGEST_PAUSE, 2 ** min(max(0, count - 1), _MOST_DOUBLED))
        try:
            since = (self._now() - datetime.fromisoformat(moment)).total_seconds()
        except (ValueError, TypeError):
            return _LONGEST_PAUSE
        # Of clocks that differ nothing can be told but the longest pause.
        return round(pause - since) if 0 <= since < pause else _LONGEST_PAUSE
