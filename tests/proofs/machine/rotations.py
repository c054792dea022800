"""Holds what each command leaves against what a rotation promises of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.proofs.machine.platform import BrokenError
from tests.proofs.machine.project import PREVIOUS, STORES, WITHOUT_OVERLAP, place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.proofs.machine.commands import Asked
    from tests.proofs.machine.history import Ran
    from tests.proofs.machine.platform import Content, Platform, Target


def can_rotate(platform: Platform, asked: Asked) -> bool:
    """Whether each key has a value, and no place that is written is deleted."""
    secret, store = asked.words[2], platform.serving(asked.environment, asked.words[2])
    contents = platform.contents()
    keys = [*asked.keys, *(PREVIOUS[key] for key in asked.keys if key in PREVIOUS)]
    places = {(each, place(each, secret, key)[0]) for each in STORES for key in keys}
    is_deleted = any(each in contents and contents[each] is None for each in places)
    has_values = all(_value(contents, store, secret, key) is not None for key in asked.keys)
    return has_values and not is_deleted


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
    """Whether its old values work until it is closed."""
    return not WITHOUT_OVERLAP & set(ran.keys) and not ran.is_closed
