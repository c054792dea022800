"""Compares what pods read before and after an upgrade: what must exist first, and what nobody needs any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.operations.consumers.findings import is_read
from compiler.operations.consumers.gaps import entry_for, placed
from compiler.operations.consumers.own import keys_of
from compiler.operations.edit.list_secret import listing
from compiler.text.command_line import command_line
from compiler.text.printable import printable
from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from compiler.operations.consumers.objects import Gathered, Name, Reading, Workload
    from compiler.operations.consumers.own import Own

_NO_ID, _LONGEST_ID = regex("[^a-z0-9-]+"), 63
_ENDINGS = ("-secrets", "-secret")


@dataclass(frozen=True, slots=True, eq=False)
class Need:
    """A Secret that the new workloads need and the old ones did not, or keys of it.

    `secret` is the environment's, None where it has none; `keys` are those named one by one. `steps` are command lines
    to paste, and remarks that begin with `#`; none where nothing is to be done but look into the store.
    """

    namespace: str
    name: str
    secret: str | None
    keys: tuple[str, ...]
    is_optional: bool
    workloads: tuple[Workload, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Upgrade:
    """What must exist before the new manifests are deployed, and the environment's secrets that are then unread."""

    needs: tuple[Need, ...]
    unneeded: tuple[str, ...]


def upgrade_between(own: Own, old: Gathered, new: Gathered) -> Upgrade:
    """The step from the `old` manifests to the `new`."""
    readers, before = new.readers(), old.readers()
    return Upgrade(
        tuple(_needs(own, old, new)),
        tuple(
            secret.id
            for name, secret in own.secrets.items()
            if is_read(name, old, before) and not is_read(name, new, readers)
        ),
    )


def _needs(own: Own, old: Gathered, new: Gathered) -> Iterator[Need]:
    before = old.readers()
    for name, reading in new.readers().items():
        earlier = before.get(name, ())
        fresh = _fresh(reading, earlier)
        others = [made for made in new.made.get(name, ()) if not own.is_of(made)]
        if not fresh or name[1] in own.elsewhere or (others and name not in own.secrets):
            continue
        needed = [each for each in fresh if not each[1].read.optional]
        keys = sorted({each.read.key for _, each in needed or fresh if each.read.key})
        secret = own.secrets.get(name)
        yield Need(
            *name,
            secret.id if secret is not None else None,
            tuple(keys),
            not needed,
            tuple(dict.fromkeys(workload for workload, _ in needed or fresh)),
            tuple(_steps(own, name, keys, is_new=not earlier)),
        )


def _fresh(
    reading: Iterable[tuple[Workload, Reading]], earlier: Iterable[tuple[Workload, Reading]]
) -> list[tuple[Workload, Reading]]:
    """The readings of a Secret that are new, or that need now what was optional in all `earlier` ones."""
    before = [each.read for _, each in earlier]
    asked, needed = {read.key for read in before}, {read.key for read in before if not read.optional}
    return [
        (workload, each) for workload, each in reading if each.read.key not in (asked if each.read.optional else needed)
    ]


def _steps(own: Own, name: Name, keys: list[str], *, is_new: bool) -> Iterator[str]:
    environment, secret = own.environment.name, own.secrets.get(name)
    if secret is not None:
        has = keys_of(secret)
        lacking = [key for key in keys if key not in has]
        if lacking:
            # A line break in a key would end the remark, and what follows be run by whoever pastes it.
            yield f"# first add to {secret.id} in environments/catalogue.yaml: {', '.join(map(printable, lacking))}"
        yield command_line("put", environment, secret.id, *([] if is_new else [key for key in keys if key in has]))
        return
    entry = entry_for(own, name[1])
    if entry is not None:
        yield f"# first list `{listing(entry.id, own.other(name[0]))}` under `secrets:` of {environment}"
        yield command_line("put", environment, entry.id)
        return
    chosen = _free_id(own, name[1])
    if not keys:
        yield "# the manifests do not name its keys: write them in place of KEY"
    options = [word for key in keys or ["KEY"] for word in ("--key", key)]
    yield command_line("new", "secret", chosen, *placed(own, name), *options, "--into", environment)
    yield command_line("put", environment, chosen)


def _free_id(own: Own, target: str) -> str:
    """A name for a new entry of the catalogue: the target's without its ending, where that is free."""
    short = next((target.removesuffix(end) for end in _ENDINGS if target.endswith(end)), target)
    candidates = [_NO_ID.sub("-", each)[:_LONGEST_ID].strip("-") for each in (short, target)]
    return next((each for each in candidates if each and each not in own.environment.catalogue.entries), "NAME")
