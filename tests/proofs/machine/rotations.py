"""Holds what each command leaves against what a rotation promises: its tag, its values, and that others keep away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.change.run_files import caller
from compiler.live.observation import rotation_of
from compiler.stores.interface import ROTATION, ROTATION_BY, Attributes
from tests.proofs.machine.platform import BrokenError
from tests.proofs.machine.project import KEYS, PREVIOUS, STORES, WITHOUT_OVERLAP, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.proofs.machine.commands import Asked
    from tests.proofs.machine.history import Ran
    from tests.proofs.machine.platform import Content, Moved, Platform, Target


_BY = f"ago by {caller()}, is under way"
UNSETTLED = "it is not known whether the run recovered it"


def runs_by_tag(tags: Mapping[Target, Mapping[str, str]]) -> dict[Target, str]:
    """The rotation by whose tag each remote secret is marked."""
    found = ((target, rotation_of(Attributes(tags=each))) for target, each in tags.items())
    return {target: run for target, run in found if run is not None}


def check_others(platform: Platform, asked: Asked, moved: Moved) -> None:
    """Nobody else gives a value to what is rotated, and whoever tries is told of the rotation, and who began it."""
    if asked.words[0] not in {"put", "rotate"} or asked.run is not None:
        return
    before = runs_by_tag(moved.tags)
    for target in sorted(moved.changed & before.keys()):
        if before[target] != moved.run:
            raise BrokenError(f"{asked.words[0]} wrote {target}, which {before[target]} rotates")
    said = " ".join(moved.done.out.split())
    # What it may have recovered itself is refused for that.
    if asked.words[0] != "put" or moved.fired or UNSETTLED in said:
        return
    secret, words = asked.words[2], asked.words
    store = words[words.index("--store") + 1] if "--store" in words else platform.serving(asked.environment, secret)
    for key, value in asked.values.items():
        name, prop = place(store, secret, key)
        run, is_there = before.get((store, name)), (moved.before.get((store, name)) or {}).get(prop) == value
        is_told = moved.done.code == 1 and f"the rotation {run} of it" in said and _BY in said
        if run is not None and not is_there and not is_told:
            raise BrokenError(f"{words} is not told of the rotation {run}: {moved.done.out}{moved.done.err}")


def check_tags(platform: Platform, runs: Iterable[Ran], moved: Moved) -> None:
    """An open rotation can be seen, and an ended one not."""
    known = {ran.id: ran for ran in runs if ran.command == "rotate"}
    before, now = runs_by_tag(moved.tags), runs_by_tag(platform.tags())
    for target, run in now.items():
        ran = known.get(run)
        own = (
            {(store, place(store, ran.secret, key)[0]) for store in STORES for key in KEYS[ran.secret]}
            if ran
            else set()
        )
        if ran is None or target not in own:
            raise BrokenError(f"{target} has the tag of the rotation {run}, which did not write it")
        # A deletion keeps the tags, and whoever brings the secret back has them again.
        if ran.is_over and before.get(target) != run and moved.before.get(target) is not None:
            raise BrokenError(f"{target} has the tag of the rotation {run} again, which is over")
    versions, contents = platform.versions(), platform.contents()
    for ran in known.values():
        for target in ran.before if ran.is_complete and not (ran.is_over or ran.is_closing) else ():
            is_own = versions.get(target) == ran.versions[target] and contents.get(target) is not None
            if is_own and now.get(target) != ran.id:
                raise BrokenError(f"nothing beside {target} says that {ran.id} rotates it")


def is_marked(platform: Platform, ran: Ran) -> bool:
    """Whether something that can be read has its tag."""
    return ran.id in runs_by_tag(platform.tags()).values()


def can_rotate(platform: Platform, asked: Asked) -> bool:
    """Whether each key has a value, and no place that is written is deleted or has a rotation's tag."""
    secret, store = asked.words[2], platform.serving(asked.environment, asked.words[2])
    contents, tags = platform.contents(), runs_by_tag(platform.tags())
    keys = [*asked.keys, *(PREVIOUS[key] for key in asked.keys if key in PREVIOUS)]
    places = {(each, place(each, secret, key)[0]) for each in STORES for key in keys}
    is_deleted = any(each in contents and contents[each] is None for each in places)
    has_values = all(_value(contents, store, secret, key) is not None for key in asked.keys)
    return has_values and not is_deleted and not places & tags.keys()


def check_over(platform: Platform, ran: Ran, moved: Moved) -> None:
    """A rotation that was closed or undone left no tag behind."""
    for target in ran.before:
        left = platform.tags().get(target, {})
        if left.get(ROTATION) == ran.id or (ROTATION_BY in left and ROTATION not in left):
            raise BrokenError(f"{ran.id} is over and {target} keeps its tag: {moved.done.out}{moved.done.err}")


def check_rotated(platform: Platform, ran: Ran, asked: Asked) -> None:
    """Each key has its new value wherever its old one was, and that is kept where it belongs; all else is as before."""
    secret, store = asked.words[2], platform.serving(asked.environment, asked.words[2])
    contents = platform.contents()
    wanted: dict[Target, dict[str | None, str]] = {}
    for key in asked.keys:
        name, prop = place(store, secret, key)
        new = _value(contents, store, secret, key)
        old = (ran.before.get((store, name)) or {}).get(prop)
        if new is None or old is None or new == old or (secret, key, new) not in platform.put:
            raise BrokenError(f"{ran.id} left {key} of {secret} without a new value")
        if new != asked.values.get(key, new):
            raise BrokenError(f"{ran.id} gave {key} of {secret} another value than it was given")
        for each in STORES:
            name, prop = place(each, secret, key)
            had = _before(ran, contents, (each, name)).get(prop)
            is_said = f"{each}:{name}{f'#{prop}' if prop is not None else ''} keeps what it has" in ran.notes
            if had == old and not is_said:
                wanted.setdefault((each, name), {})[prop] = new
                if (keeper := PREVIOUS.get(key)) is not None:
                    name, prop = place(each, secret, keeper)
                    wanted.setdefault((each, name), {})[prop] = old
    for target in {*ran.before, *wanted}:
        if {**_before(ran, contents, target), **wanted.get(target, {})} != (contents.get(target) or {}):
            raise BrokenError(f"{ran.id} left other values in {target} than its own and those before")


def _before(ran: Ran, contents: Mapping[Target, Content], target: Target) -> dict[str | None, str]:
    return (ran.before[target] if target in ran.before else contents.get(target)) or {}


def _value(contents: Mapping[Target, Content], store: str, secret: str, key: str) -> str | None:
    name, prop = place(store, secret, key)
    return (contents.get((store, name)) or {}).get(prop)


def has_way_back(ran: Ran) -> bool:
    """Whether its old values work until it is closed, and the stores show them where its journal was lost."""
    return not ran.is_doubtful and not WITHOUT_OVERLAP & set(ran.keys) and not ran.is_closed
