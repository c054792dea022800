"""The commands that the machine runs: an entry of the table each, which makes a command line of what dice say.

An entry returns None where the platform gives it nothing to do. A new command is a new entry.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.proofs.machine.faults import ALL, OF_FILES, OF_READING, Fault
from tests.proofs.machine.history import History, Ran
from tests.proofs.machine.platform import Platform
from tests.proofs.machine.project import ENVIRONMENTS, EXTRACTED, KEYS, STORES, SURPLUS, WITHOUT_OVERLAP, place


@dataclass(frozen=True)
class Asked:
    """A command line. `run` is the one that it undoes or `closes`, `accepts` allows that a secret resolves otherwise.

    `values` are those that it is given. A rotation is of `keys`; where it `goes_on` they have their new values.
    """

    words: tuple[str, ...]
    run: Ran | None = None
    accepts: bool = False
    keys: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    closes: bool = False
    goes_on: Ran | None = None

    @property
    def environment(self) -> str:
        return self.words[1]


@dataclass
class Hand:
    """What the person at the machine has: the platform, the runs so far, a key, and the backups made with it.

    `first` runs a command that another one needs to have something to do.
    """

    platform: Platform
    history: History
    first: Callable[[Asked], object]
    identity: str
    recipient: str
    backups: list[tuple[str, str]] = field(default_factory=list)

    def file(self, name: str, text: str) -> str:
        path = self.platform.root.parent / name
        path.write_text(text, "utf-8")
        path.chmod(0o600)
        return str(path)


@dataclass(frozen=True)
class Command:
    """`faults` are those that may meet it."""

    asked: Callable[[Hand, Random], Asked | None]
    faults: frozenset[Fault] = ALL


def _put(hand: Hand, dice: Random) -> Asked:
    secret, environment = dice.choice(tuple(KEYS)), dice.choice(ENVIRONMENTS)
    keys = KEYS[secret] if dice.random() < 0.6 else (dice.choice(KEYS[secret]),)
    to = ("--store", dice.choice(STORES)) if dice.random() < 0.7 else ()
    return _putting(hand, environment, secret, keys, (*to, *_recover(dice)))


def _putting(hand: Hand, environment: str, secret: str, keys: Sequence[str], options: tuple[str, ...] = ()) -> Asked:
    values = {key: hand.platform.new(secret, key) for key in keys}
    path = hand.file("values.json", json.dumps(values))
    return Asked(("put", environment, secret, "--from-file", path, "--input", "json", *options, *_APPLY), values=values)


def _remove(hand: Hand, dice: Random) -> Asked:
    """A key that no entry lists comes to a store by hand, and somebody takes it out again."""
    platform, environment = hand.platform, dice.choice(ENVIRONMENTS)
    serving = {platform.serving(each, EXTRACTED) for each in ENVIRONMENTS}
    # Mostly a store that serves nobody: from others it is not taken away.
    store = next((each for each in STORES if each not in serving and dice.random() < 0.8), dice.choice(STORES))
    hand.first(_copied(environment, (EXTRACTED,), store))
    name, _ = place(store, EXTRACTED, KEYS[EXTRACTED][0])
    if platform.stores[store].newest(name) is not None and dice.random() < 0.8:
        platform.hold(store, EXTRACTED, {SURPLUS: platform.new(EXTRACTED, SURPLUS)})
    return Asked(("put", environment, EXTRACTED, "--remove", SURPLUS, "--store", store, *_APPLY))


def _migrate(hand: Hand, dice: Random) -> Asked:
    del hand
    to = dice.choice(STORES)
    only = [word for secret in KEYS if dice.random() < 0.3 for word in ("--only", secret)]
    source = ("--from", _other(to)) if dice.random() < 0.3 else ()
    conflict = ("--on-conflict", dice.choice(("overwrite", "overwrite", "overwrite", "skip", "fail")))
    words = ("--to", to, *source, *only, *conflict, *_recover(dice), *_APPLY)
    return Asked(("migrate", dice.choice(ENVIRONMENTS), *words))


def _backup(hand: Hand, dice: Random) -> Asked:
    environment = dice.choice(ENVIRONMENTS)
    path = str(hand.platform.root.parent / f"{len(hand.backups)}.age")
    hand.backups.append((environment, path))
    return Asked(("backup", environment, path, "--recipient", hand.recipient))


def _restore(hand: Hand, dice: Random) -> Asked:
    if not any(hand.platform.exists(path) for _, path in hand.backups):
        hand.platform.run(*_backup(hand, dice).words)
    environment, path = dice.choice([each for each in hand.backups if hand.platform.exists(each[1])])
    to = ("--to", dice.choice(STORES)) if dice.random() < 0.7 else ()
    only = ("--only", dice.choice(tuple(KEYS))) if dice.random() < 0.4 else ()
    identity = ("--identity", hand.file("key", hand.identity))
    options = (*identity, *to, *only, "--on-conflict", "overwrite", *_recover(dice), *_APPLY)
    return Asked(("restore", environment, path, *options))


def _rotate(hand: Hand, dice: Random) -> Asked:
    rotating = hand.history.rotating()
    if not rotating or dice.random() < 0.3:
        return _rotating(hand, dice)
    ran = dice.choice(rotating)
    chance = dice.random()
    if chance < 0.2:
        # Somebody who does not know of it.
        return begin_rotation(hand, dice, dice.choice(ENVIRONMENTS), ran.secret, ran.keys)
    if chance < 0.35:
        return _putting(hand, dice.choice(ENVIRONMENTS), ran.secret, ran.keys[:1])
    if chance < 0.5:
        return going_on(ran) if ran.is_complete or ran.asked is None else ran.asked
    if chance < 0.7:
        return Asked(("rotate", ran.environment, "--undo", ran.id, *_APPLY), run=ran)
    return closing(ran)


def _rotating(hand: Hand, dice: Random) -> Asked:
    secret, environment = dice.choice(tuple(KEYS)), dice.choice(ENVIRONMENTS)
    keys: tuple[str, ...] = KEYS[secret][:1] if secret != "github" or dice.random() < 0.5 else KEYS[secret]
    return begin_rotation(hand, dice, environment, secret, keys)


def begin_rotation(hand: Hand, dice: Random, environment: str, secret: str, keys: tuple[str, ...]) -> Asked:
    values: dict[str, str] = {}
    how: tuple[str, ...] = ("--generate",)
    if dice.random() < 0.5:
        values = {key: hand.platform.new(secret, key) for key in keys}
        path = hand.file(f"rotate-{len(hand.history.runs)}.json", json.dumps(values))
        how = ("--from-file", path, "--input", "json")
    return Asked(
        ("rotate", environment, secret, *keys, *how, *_without_cluster(keys), *_APPLY), keys=keys, values=values
    )


def _without_cluster(keys: Sequence[str]) -> tuple[str, ...]:
    """Whoever has no cluster must not end a value that works."""
    return () if WITHOUT_OVERLAP & set(keys) else ("--without-cluster",)


def going_on(ran: Ran) -> Asked:
    words = ("rotate", ran.environment, ran.secret, *ran.keys, "--without-cluster", "--quiet")
    return Asked(words, keys=ran.keys, goes_on=ran)


def closing(ran: Ran) -> Asked:
    return Asked(("rotate", ran.environment, "--confirm-revoked", ran.id, "--quiet"), run=ran, closes=True)


def _undo(hand: Hand, dice: Random) -> Asked | None:
    runs = hand.history.runs
    if not runs:
        return None
    # Mostly a new one: an old one has most often been written over.
    ran = runs[-1 - min(int(dice.expovariate(0.7)), len(runs) - 1)]
    return Asked((ran.command, ran.environment, "--undo", ran.id, *_APPLY), run=ran)


def _cutover(hand: Hand, dice: Random) -> Asked:
    environment = dice.choice(ENVIRONMENTS)
    secrets = dice.choice((("github",), ("jira",), ("wiki",), ("notes",), ("jira", "wiki"), tuple(KEYS)))
    here = hand.platform.serving(environment, secrets[0])
    to = here if dice.random() < 0.1 else _other(here)
    if dice.random() < 0.5:
        hand.first(_copied(environment, secrets, to))
    where = ("--back",) if dice.random() < 0.2 else ("--to", to)
    named = [f"{secret}/{key}" for secret in secrets for key in KEYS[secret]]
    accepts = dice.random() < 0.3
    taken = ("--accept-differences", *named) if accepts else ()
    blind = dice.random() < 0.15
    without = ("--without-comparison",) if blind else ()
    words = ("cutover", environment, *secrets, *where, *taken, *without, "--apply")
    return Asked(words, accepts=accepts or blind or "--back" in where)


def _retire(hand: Hand, dice: Random) -> Asked:
    secret, store, environment = dice.choice(tuple(KEYS)), dice.choice(STORES), dice.choice(ENVIRONMENTS)
    if dice.random() < 0.6:
        # What lies in one remote secret leaves together.
        leaving = (secret,) if secret in ("github", EXTRACTED) else ("jira", "wiki")
        hand.first(_copied(environment, leaving, _other(store)))
        for each in ENVIRONMENTS:
            hand.first(Asked(("cutover", each, *leaving, "--to", _other(store), "--apply")))
    only = () if dice.random() < 0.3 else (secret,)
    careless = ("--continue-on-error",) if dice.random() < 0.3 else ()
    return Asked(("retire", environment, *only, "--store", store, "--without-cluster", *careless, *_APPLY))


def _copied(environment: str, secrets: Sequence[str], to: str) -> Asked:
    only = [word for secret in secrets for word in ("--only", secret)]
    return Asked(("migrate", environment, "--to", to, *only, "--on-conflict", "overwrite", "--recover", *_APPLY))


def _other(store: str) -> str:
    return STORES[1 - STORES.index(store)]


def _compile(hand: Hand, dice: Random) -> Asked:
    del hand
    return Asked(("compile", dice.choice(ENVIRONMENTS)))


def by_hand(hand: Hand, dice: Random) -> None:
    """Somebody writes a value beside the program, or deletes what no environment reads."""
    platform = hand.platform
    store, secret = dice.choice(STORES), dice.choice(tuple(KEYS))
    key = dice.choice(KEYS[secret])
    name, _ = place(store, secret, key)
    shelf = platform.stores[store]
    is_read = any((each.store, each.name) == (store, name) for env in ENVIRONMENTS for each in platform.read[env])
    if dice.random() < 0.6 and not is_read and shelf.newest(name) is not None:
        shelf.delete(name)
    elif shelf.newest(name) is not None or shelf.is_vault or name not in shelf.versions:
        platform.hold(store, secret, {key: platform.new(secret, key)})
    platform.holds("a change by hand")


def _recover(dice: Random) -> tuple[str, ...]:
    return ("--recover",) if dice.random() < 0.7 else ()


_APPLY = ("--apply", "--quiet")
COMMANDS = {
    "put": Command(_put),
    "remove": Command(_remove),
    "migrate": Command(_migrate),
    "restore": Command(_restore),
    "undo": Command(_undo),
    "cutover": Command(_cutover, OF_FILES | OF_READING),
    "rotate": Command(_rotate),
    "retire": Command(_retire),
    "compile": Command(_compile, OF_FILES),
    "backup": Command(_backup, OF_READING),
}
