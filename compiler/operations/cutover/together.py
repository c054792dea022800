"""Refuses a switch that separates secrets of one remote place, or moves a secret that guards a store too early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.cutover.check import About, Check, Verdict
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from compiler.model.environment import Environment, Secret
    from compiler.operations.cutover.trial import Switch

    # The command line that switches those secrets of that environment instead.
    Command = Callable[[str, Iterable[str]], str]


def partings(switches: Iterable[Switch], command: Command) -> Iterator[Check]:
    """A refusal for each environment in which a secret that stays reads a place that a switching one reads.

    A value rotated later would have to be written to both stores.
    """
    for environment, named_here in _by_environment(switches).items():
        named, together = {each.secret for each in named_here}, _together(named_here)
        if stays := [name for name in together if name not in named]:
            message = f"they read one remote place, so they move together: {listed(sorted(named))} and {listed(stays)}"
            ordered = [name for name in environment.secrets if name in together]
            yield Check(About.TOGETHER, Verdict.REFUSED, message, command(environment.name, ordered))


def _together(switches: Iterable[Switch]) -> tuple[str, ...]:
    """The secrets of those switches of one environment, and all that read a place with one of them or of these."""
    going = list(switches)
    environment, together = going[0].environment, [each.secret for each in going]
    while more := [each for each in environment.secrets if each not in together and _shares(environment, each, going)]:
        together += more
        going += [_as_going(going[0], name) for name in more]
    return tuple(together)


def _by_environment(switches: Iterable[Switch]) -> dict[Environment, list[Switch]]:
    found: dict[Environment, list[Switch]] = {}
    for switch in switches:
        found.setdefault(switch.environment, []).append(switch)
    return found


def _as_going(like: Switch, name: str) -> Switch:
    return type(like)(like.environment, name, like.source, like.destination)


def _shares(environment: Environment, name: str, going: Iterable[Switch]) -> bool:
    secret = environment.secrets[name]
    if secret.store is None:
        return False
    reading = [environment.secrets[each.secret] for each in going if each.source.id == secret.store.id]
    return any(_meet(secret, each) for each in reading)


def _meet(one: Secret, other: Secret) -> bool:
    return not {item.place for item in one.keys}.isdisjoint(item.place for item in other.keys)


def guarded(switches: Iterable[Switch], command: Command, *, is_back: bool) -> Iterator[Check]:
    """What is to be done before a secret that guards a store moves: alone, after all others, and with a way in."""
    for environment, going in _by_environment(switches).items():
        guards = [each for each in going if environment.secrets[each.secret].entry.guards]
        for each in guards:
            message = f"{quoted(each.secret)} guards a store: try a break-glass log-in, which does not need it, first"
            yield Check(About.GUARDS, Verdict.NOTED, message)
        if not guards or is_back:
            continue
        to, alone = guards[0].destination.id, _together(guards[:1])
        others = [each.secret for each in going if each.secret not in alone]
        behind = [
            name
            for name, secret in environment.secrets.items()
            if not secret.entry.guards and secret.store is not None and secret.store.id != to and name not in alone
        ]
        if others:
            message = f"what guards a store moves alone: {listed(each.secret for each in guards)}"
            first = [name for name in others if not environment.secrets[name].entry.guards] or alone
            yield Check(About.GUARDS, Verdict.REFUSED, message, command(environment.name, first))
        elif behind:
            message = f"{quoted(guards[0].secret)} guards a store, so it moves last; not there yet: {listed(behind)}"
            yield Check(About.GUARDS, Verdict.REFUSED, message, command(environment.name, behind))
