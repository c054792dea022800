"""Plans a switch: what is to be edited, every check of its gate, and what the edit means in the cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import unified_diff
from typing import TYPE_CHECKING

from compiler.operations.cluster.objects import ClusterError
from compiler.operations.consumers.live import readers_in
from compiler.operations.cutover.check import About, Check, Verdict, is_closed
from compiler.operations.cutover.cluster_gate import in_cluster, in_effect, unread_note, unread_values
from compiler.operations.cutover.comparison import Comparison, Likeness, compared
from compiler.operations.cutover.gate import endings, likenesses, one_place, verified
from compiler.operations.cutover.request import Mode, accepted_keys, wish_of
from compiler.operations.cutover.together import guarded, partings
from compiler.operations.cutover.trial import checks_of, tried
from compiler.operations.edit.environment_edit import edited
from compiler.refusal import Refusal
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from compiler.model.environment import Environment
    from compiler.operations.cluster.freshness import Unread
    from compiler.operations.cluster.look import Look
    from compiler.operations.cutover.commands import Commands
    from compiler.operations.cutover.request import Wish
    from compiler.operations.cutover.trial import Switch, Trial
    from compiler.operations.live.stores import LiveStores
    from compiler.stages.outside import Outside

_CONTEXT = 3


@dataclass(frozen=True, slots=True)
class Effect:
    """What one switch means live: the keys whose value changes for the pods that mount the Secret, or may.

    `live` are the workloads that read it in the cluster, None where nobody asked there. `unread` is a value that the
    operator has not read yet, None for none, and where the cluster was not asked, which is_live tells.
    """

    switch: Switch
    changing: tuple[str, ...]
    unknown: tuple[str, ...]
    live: tuple[str, ...] | None = None
    unread: Unread | None = None
    is_live: bool = False

    @property
    def title(self) -> str:
        secret = self.switch.environment.secrets[self.switch.secret]
        return f"{secret.namespace}/{secret.entry.target}"

    @property
    def readers(self) -> tuple[str, ...]:
        """The live workloads that read it; those that the catalogue names where nobody asked the cluster."""
        if self.live is not None:
            return self.live
        return self.switch.environment.secrets[self.switch.secret].entry.mounted_by


@dataclass(frozen=True, slots=True)
class Cutover:
    """The plan of a switch. `text` is the new text of the environment's file, the old one where nothing is to do.

    `live` are the workloads of the cluster that read the Secret of each switch, as far as they were asked for, and
    `unread` the values that the operator has not read; `is_live` tells that the cluster was asked at all.
    """

    commands: Commands
    wish: Wish
    trial: Trial
    text: str
    checks: tuple[Check, ...]
    comparison: Comparison | None
    live: Mapping[Switch, tuple[str, ...] | None] = field(default_factory=dict)
    unread: Mapping[Switch, Unread] = field(default_factory=dict)
    is_live: bool = False

    @property
    def file(self) -> str:
        return self.trial.before.document.source.path

    @property
    def old(self) -> str:
        return self.trial.before.document.source.text

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to edit."""
        return self.text == self.old

    @property
    def is_refused(self) -> bool:
        return is_closed(self.checks)

    @property
    def is_unanswered(self) -> bool:
        """Whether nothing but a missing answer keeps the gate closed."""
        return self.is_refused and not any(each.verdict is Verdict.REFUSED for each in self.checks)

    def diff(self) -> tuple[str, ...]:
        """The edit of the environment's file, as a unified diff."""
        before, after = (text.splitlines() for text in (self.old, self.text))
        return tuple(unified_diff(before, after, self.file, self.file, lineterm="", n=_CONTEXT))

    def effects(self) -> tuple[Effect, ...]:
        return tuple(_effect(each, self) for each in self.trial.switches)


def _effect(switch: Switch, cutover: Cutover) -> Effect:
    keys = cutover.comparison.of(switch) if cutover.comparison is not None else ()
    # Where the present store lacks a key, the operator keeps the Secret of before: what that holds is not known here.
    is_stale = any(each.likeness is Likeness.ONLY_THERE for each in keys)
    changing = tuple(each.key for each in keys if each.likeness is Likeness.DIFFERENT and not is_stale)
    unknown = tuple(each.key for each in keys if each.likeness is not Likeness.EQUAL and each.key not in changing)
    live, is_unread = cutover.live.get(switch), cutover.unread.get(switch)
    return Effect(switch, changing, unknown, live, is_unread, is_live=cutover.is_live)


def planned(
    environment: Environment, commands: Commands, outside: Outside, stores: LiveStores, look: Look | None
) -> Cutover:
    """The plan of what `commands` ask for in an environment without errors; nothing is written.

    `look` is the cluster, None where it is not to be asked. Raises Refusal, and AddressError for a store without one.
    """
    request = commands.request
    wish = wish_of(environment, request)
    text = edited(environment.document, wish.edits)
    trial = tried(environment, text, commands.root, outside, with_dependants=request.with_dependants)
    accepted = _accepted(trial, request.accepted)
    _require_switched(trial, request.ending)
    checks = [
        *checks_of(trial, commands),
        *_order(trial, wish, commands, look),
    ]
    comparison = None
    # Without a switch there is nothing to ask of stores, and what the files refuse no store can mend.
    if trial.switches and not is_closed(tuple(checks)):
        checks += one_place(trial.switches, stores)
    if trial.switches and not is_closed(tuple(checks)):
        comparison = compared(trial.switches, stores)
        checks += verified(comparison, trial.switches, commands, stores)
        is_back = request.mode is Mode.BACK
        checks += likenesses(comparison, accepted, commands, is_back=is_back)
        checks += endings(comparison, request.ending, commands, stores, is_back=is_back)
    live: Mapping[Switch, tuple[str, ...] | None] = {}
    unread: dict[Switch, Unread] = {}
    if trial.switches and look is not None:
        checks += _in_cluster(trial, commands, look)
        live = _readers(trial.switches, look)
        checks += _asked(lambda: _unread(trial, comparison, look, unread))
    return Cutover(commands, wish, trial, text, tuple(checks), comparison, live, unread, is_live=look is not None)


def _unread(trial: Trial, comparison: Comparison | None, look: Look, into: dict[Switch, Unread]) -> Iterator[Check]:
    written = comparison.written if comparison is not None else {}
    for switch, found in unread_values(trial.switches, look, written):
        into[switch] = found
        yield unread_note(switch, found, datetime.now(UTC))


def _readers(switches: Sequence[Switch], look: Look) -> dict[Switch, tuple[str, ...] | None]:
    """The live workloads that read the Secret of each switch, None where they may not be asked for."""
    secrets = {each: each.environment.secrets[each.secret] for each in switches}
    spaces = dict.fromkeys(secret.namespace or "" for secret in secrets.values())
    by_space = {space: readers_in(look.cluster, space) for space in spaces}
    return {
        each: found.get(secret.entry.target, ()) if (found := by_space[secret.namespace or ""]) is not None else None
        for each, secret in secrets.items()
    }


def _accepted(trial: Trial, words: Sequence[str]) -> frozenset[tuple[str, str]]:
    known = {
        (each.secret, item.key.name) for each in trial.switches for item in each.environment.secrets[each.secret].keys
    }
    return accepted_keys(known, words) if known else frozenset()


def _require_switched(trial: Trial, secrets: Sequence[str]) -> None:
    """Raises Refusal for a secret of --accept-ending that is not one to switch."""
    known = dict.fromkeys(each.secret for each in trial.switches)
    for secret in secrets if known else ():
        if secret not in known:
            message = f"--accept-ending names {quoted(secret)}, which is not one of the secrets to switch"
            raise Refusal("usage", message, f"they are {listed(known)}")


def _order(trial: Trial, wish: Wish, commands: Commands, look: Look | None) -> Iterator[Check]:
    """What has to move together, alone, last, or only after another step."""

    def command(environment: str, secrets: Iterable[str]) -> str:
        return commands.switch(environment, secrets, wish.store.id)

    yield from partings(trial.switches, command)
    yield from guarded(trial.switches, command, is_back=commands.request.mode is Mode.BACK)
    if wish.progress is not None and look is not None:
        done = wish.progress.done
        verify = commands.verify(trial.before.name, done, "--cluster")
        yield from _asked(lambda: in_effect(trial.before, done, look, verify))


def _in_cluster(trial: Trial, commands: Commands, look: Look) -> Iterator[Check]:
    names = dict.fromkeys(each.secret for each in trial.switches)
    verify = commands.verify(trial.before.name, names, "--cluster")
    is_back = commands.request.mode is Mode.BACK
    yield from _asked(lambda: in_cluster(trial.switches, look, verify, is_back=is_back))


def _asked(ask: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from ask()
    except ClusterError as error:
        yield Check(About.CLUSTER_SECRETS, Verdict.UNANSWERED, f"the cluster cannot be asked: {error}", error.remedy)


def checked_request(mode: Mode, secrets: Sequence[str], to: str | None) -> None:
    """Raises Refusal where the words of the command line do not go together."""
    if mode in (Mode.NEXT, Mode.FINISH) and secrets:
        raise Refusal("usage", f"--{mode} chooses the secrets itself", "leave them out")
    if mode in (Mode.TO, Mode.BACK) and not secrets:
        raise Refusal("usage", "no secret is named", "name those to switch; `--next` takes those of `moves:`")
    if mode is Mode.NEXT and to is not None:
        raise Refusal("usage", "--next goes to the store of `moves:`", "leave --to out")
