"""Sets up a restore: checks that the backup fits, finds where each key goes, and plans the writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.place import way_to_place
from compiler.operations.change.compare import Head, Wanted, callers, plan_change, read_destinations
from compiler.operations.change.plan import Kind, Step
from compiler.operations.change.run import Change, Planned
from compiler.operations.live.key_places import key_places
from compiler.operations.live.value_names import same_value, value_names
from compiler.operations.runs.history import writers
from compiler.operations.runs.journal import identity_of
from compiler.refusal import Refusal
from compiler.stores.values.secret import Comparer
from compiler.text.command_line import shell_line
from compiler.text.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from compiler.model.catalogue import Entry
    from compiler.model.environment import Environment, Store
    from compiler.model.place import Place
    from compiler.operations.backup.format import Backup
    from compiler.operations.change.plan import Options
    from compiler.operations.change.run import Setting
    from compiler.operations.live.value_names import ValueName
    from compiler.operations.runs.entries import Run

COMMAND = "restore"


def require_origin(backup: Backup, environment: str, said: str | None) -> None:
    """Raises Refusal for a backup of another environment than this one, or than the one in `said`."""
    wanted = said or environment
    if backup.environment != wanted:
        raise Refusal(
            "usage",
            f'the backup is of the environment "{backup.environment}", not of "{wanted}"',
            # Whoever made the file may have written anything there, and the line is for a shell.
            f"if that is intended, add {shell_line('--from-environment', backup.environment)}",
        )


def require_only(backup: Backup, environment: Environment, only: Sequence[str]) -> None:
    """Raises Refusal for a secret of which the backup has no value, neither of its own nor one that it takes over."""
    for secret in only:
        if not any(_is_chosen(environment, name, (secret,)) for name in backup.values):
            known = listed(backup.secrets) or "no secrets"
            raise Refusal("usage", f'the backup has no secret "{secret}"', f"the backup has {known}")


def restoration(
    backup: Backup, environment: Environment, to: Store | None, options: Options, setting: Setting
) -> Change:
    """The restoring of the secrets `options.only`, or all: into the store `to`, or into the one that each reads.

    The same backup with the same options is the same run. Raises AddressError.
    """
    wanted = list(_undisputed(_wanted(backup, environment, to, options.only), environment, options.only))
    used = {each.store.id: each.store for each in wanted if isinstance(each, Wanted)}
    identity = identity_of(
        COMMAND,
        environment.name,
        {name: setting.stores.address(store).absolute for name, store in sorted(used.items())},
        {
            "backup": {"environment": backup.environment, "time": backup.time},
            "only": sorted(options.only),
            "onConflict": str(options.on_conflict),
            "recover": options.recover,
        },
    )
    name = environment.name

    def plan(run: Run | None) -> Planned:
        seen = read_destinations(wanted, setting.stores, recovers=options.recover)
        head = Head(COMMAND, name, options, run=run, writer_of=writers(setting.root))
        return Planned(callers(plan_change(head, wanted, seen), seen), seen.writers)

    return Change(COMMAND, identity, plan, setting)


def _undisputed(
    found: Iterable[tuple[ValueName, Wanted | Step]], environment: Environment, only: Sequence[str]
) -> Iterator[Wanted | Step]:
    """The values to write, without those of keys that had a value of their own and take another key's by now.

    The place is the other's, and so is the value that goes there.
    """
    named = tuple(found)
    comparer = Comparer()
    holders = {
        each.destination: (name, each)
        for name, each in named
        if isinstance(each, Wanted) and same_value(environment, name) == name
    }
    for name, each in named:
        holder = holders.get(each.destination) if isinstance(each, Wanted) else None
        if not isinstance(each, Wanted) or holder is None or comparer.same(holder[1].value, each.value):
            yield each
        elif not only or name[0] in only:
            reason = f"it takes the value of {'/'.join(holder[0])} now, of which the backup holds another"
            remedy = "leave the secret out with --only, or restore with the project of then"
            yield Step(*name, Kind.REFUSE, None, None, reason, remedy)


def _wanted(
    backup: Backup, environment: Environment, to: Store | None, only: Sequence[str]
) -> Iterator[tuple[ValueName, Wanted | Step]]:
    """What is to be done with each value of the backup, by its name there."""
    names = value_names(environment)
    by_secret: dict[str, list[ValueName]] = {}
    for name in backup.values:
        by_secret.setdefault(name[0], []).append(name)
    for name in (each for own in by_secret.values() for each in own):
        if only and not _is_chosen(environment, name, only):
            continue
        secret, key = _here(environment, name, names)
        target = _target(key, _placed(environment, secret, to))
        if isinstance(target, _Refused):
            yield name, Step(secret, key, Kind.REFUSE, None, None, target.reason, target.remedy)
        else:
            yield name, Wanted(secret, key, *target, backup.values[name])


def _is_chosen(environment: Environment, name: ValueName, only: Sequence[str]) -> bool:
    """Whether a value of the backup is one of the secrets `only`, under its own name or under that of another."""
    if name[0] in only:
        return True
    value = same_value(environment, name)
    secrets = (environment.secrets[each] for each in only if each in environment.secrets)
    return value is not None and any(
        same_value(environment, (secret.id, key)) == value for secret in secrets for key in secret.entry.keys
    )


def _here(environment: Environment, name: ValueName, names: Mapping[ValueName, ValueName]) -> ValueName:
    """The name by which the environment has a value of the backup: a taker's where its own secret is not here."""
    if name[0] in environment.secrets:
        return name
    value = same_value(environment, name)
    return next((each for each in names if value is not None and same_value(environment, each) == value), name)


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why a key of the backup has no place in the environment."""

    reason: str
    remedy: str


def _placed(
    environment: Environment, secret_id: str, to: Store | None
) -> tuple[Entry, Store, Mapping[str, Place | None]] | _Refused:
    secret = environment.secrets.get(secret_id)
    if secret is None:
        return _Refused("the environment has no such secret", "leave it out with --only, or enable it")
    store = to or secret.store
    if store is None:
        return _Refused("the environment has no store for it", "name one with --to")
    return secret.entry, store, key_places(environment, secret, store)


def _target(
    key: str, placed: tuple[Entry, Store, Mapping[str, Place | None]] | _Refused
) -> tuple[Store, Place] | _Refused:
    if isinstance(placed, _Refused):
        return placed
    entry, store, places = placed
    if key not in places:
        reason = "the catalogue no longer has this key of the secret"
        return _Refused(reason, "leave the secret out with --only, or add the key to the catalogue")
    place = places[key]
    if place is None:
        remedy = way_to_place(entry.keys[key].holder(entry).id, store.provider)
        return _Refused(f'the catalogue names no place for it in "{store.id}"', remedy)
    return store, place
