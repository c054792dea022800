"""Resolves what a switch is asked for: which secrets, to which store, and the command lines to print."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from compiler.edit.moves import Progress, finishing, progress_of, returning, switching
from compiler.edit.yaml_edit import Edit
from compiler.live.read_many import PastRun, WriterOf, nobody
from compiler.live.stores import secret_named, store_named
from compiler.model.environment import REST, Environment, Store, moves_of
from compiler.refusal import Refusal
from compiler.text.command_line import command_line, shell_line
from compiler.text.wording import listed, quoted

_TWO = 2


class Mode(StrEnum):
    """How the secrets and their new store are named."""

    TO = "to"
    BACK = "back"
    NEXT = "next"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Request:
    """The command line. `accepted` are keys that may differ between the stores, as KEY or SECRET/KEY.

    `ending` are secrets of which the new store may hold a version that deletes itself.
    """

    mode: Mode
    secrets: tuple[str, ...] = ()
    to: str | None = None
    accepted: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()
    without_comparison: bool = False
    with_dependants: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What follows from a request in one environment: the new store, the secrets that go there, and the edits.

    `there` are named secrets that read it already; `progress` is that of `moves:` where the next step was asked for.
    """

    store: Store
    secrets: tuple[str, ...]
    there: tuple[str, ...]
    edits: tuple[Edit, ...]
    progress: Progress | None = None


def wish_of(environment: Environment, request: Request) -> Wish:
    """Raises Refusal where the request names what the environment does not have, or does not say enough."""
    if request.mode in (Mode.TO, Mode.FINISH) and request.to is None:
        stores = " or ".join(f"--to {store}" for store in environment.stores)
        raise Refusal("usage", "no store is named", f"add {stores}" if stores else None)
    if request.mode is Mode.FINISH:
        store = store_named(environment, request.to or "")
        leaving = [
            secret.id
            for secret in environment.secrets.values()
            if "store" not in secret.node.children and secret.store is not None and secret.store.id != store.id
        ]
        return Wish(store, tuple(leaving), (), finishing(environment, store))
    progress = None
    secrets: Sequence[str] = _named(environment, request.secrets)
    if request.mode is Mode.NEXT:
        progress = progress_of(environment)
        store, secrets = progress.to, progress.steps[progress.next] if progress.next is not None else ()
    elif request.to is not None:
        store = store_named(environment, request.to)
    else:
        store = _other(environment, secrets)
    there = tuple(each for each in secrets if _reads(environment, each, store))
    going = tuple(each for each in secrets if each not in there)
    edits = returning if request.mode is Mode.BACK else switching
    return Wish(store, going, there, edits(environment, going, store), progress)


def _named(environment: Environment, words: Sequence[str]) -> tuple[str, ...]:
    """The secrets that `words` name; `all` by itself is every secret, as in a step of `moves:`."""
    if tuple(words) == (REST,) and REST not in environment.secrets:
        return tuple(environment.secrets)
    return tuple(dict.fromkeys(words))


def _reads(environment: Environment, secret: str, store: Store) -> bool:
    serving = secret_named(environment, secret).store
    return serving is not None and serving.id == store.id


def _other(environment: Environment, secrets: Sequence[str]) -> Store:
    """The store to go back to, which is the one before the last switch. Raises Refusal where it could be several."""
    reading = {store.id for secret in secrets if (store := secret_named(environment, secret).store) is not None}
    moves = moves_of(environment.root)
    if moves is not None and moves.to in environment.stores:
        left: set[str] = {moves.to}
        # A move leaves the environment's own store; at its end that one is in a lower layer, or in none.
        node = environment.root.get("store")
        names = [each.value for each in (node, *node.overrode)] if node is not None else []
        for name in names:
            if isinstance(name, str) and name != moves.to and name in environment.stores:
                return environment.stores[name]
    else:
        # Of secrets that read both, those with a `store:` of their own were switched last.
        switched = {environment.document.root.text("secrets", secret, "store") for secret in secrets} & reading
        left = {each for each in switched if each} if len(reading) > 1 and len(switched) == 1 else reading
    others = [store for store in environment.stores.values() if store.id not in left]
    if len(environment.stores) != _TWO or len(others) != 1:
        what = f"the secrets read {listed(sorted(reading))}" if len(reading) > 1 else f"they read {listed(reading)}"
        message = f"--back does not say which store to go back to: {what}"
        raise Refusal("usage", message, f"add --to with one of {listed(map(str, environment.stores))}")
    return others[0]


def accepted_keys(known: Collection[tuple[str, str]], words: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Those of the keys `known`, as secret and key, that `words` name. Raises Refusal for a word that names none."""
    found: set[tuple[str, str]] = set()
    for word in words:
        secret, slash, key = word.partition("/")
        named = {pair for pair in known if (pair == (secret, key) if slash else pair[1] == word)}
        if not named:
            names = listed(sorted({key for _, key in known}))
            message = f"--accept-differences names {quoted(word)}, which is not a key of the secrets to switch"
            raise Refusal("usage", message, f"their keys are {names}" if known else "leave it out")
        found |= named
    return frozenset(found)


_FEW = 5


@dataclass(frozen=True, slots=True)
class Commands:
    """How this run was called: the project's folder, as `given` with --root, and `here` where the caller stands.

    `writer_of` knows the runs of this project that wrote a version.
    `applies` where it writes: a command that goes on with it does too, and one that goes back always.

    `retired` are the runs of this project that deleted a remote secret, by the store's absolute address and its name.
    """

    root: Path
    given: str | None
    here: Path
    environment: str
    request: Request
    cluster: tuple[str, ...] = ()
    retired: Mapping[tuple[str, str], PastRun] = field(default_factory=dict)
    applies: bool = False
    writer_of: WriterOf = nobody

    def again(self, *more: str) -> str:
        """This command with `more` options."""
        request = self.request
        words = [*request.secrets, *([f"--{request.mode}"] if request.mode is not Mode.TO else [])]
        words += ["--to", request.to] if request.to is not None else []
        words += ["--accept-differences", *request.accepted] if request.accepted else []
        words += ["--accept-ending", *request.ending] if request.ending else []
        words += ["--without-comparison"] if request.without_comparison else []
        words += ["--with-dependants"] if request.with_dependants else []
        apply = ["--apply"] if self.applies or request.mode is Mode.BACK else []
        return command_line("cutover", self.environment, *words, *self.cluster, *more, *apply)

    def accepting(self, keys: Sequence[str]) -> str:
        """This command with those keys accepted as different, and no others."""
        return replace(self, request=replace(self.request, accepted=tuple(keys))).again()

    def accepting_ending(self, secrets: Iterable[str]) -> str:
        """This command with those secrets accepted although what the new store holds of them deletes itself."""
        return replace(self, request=replace(self.request, ending=tuple(secrets))).again()

    def switch(self, environment: str, secrets: Iterable[str], to: str) -> str:
        """The switch of those secrets in place of this one."""
        apply = ["--apply"] if self.applies else []
        return command_line("cutover", environment, *secrets, "--to", to, *self.cluster, *apply)

    def back(self, secrets: Iterable[str], to: str) -> str:
        """The way back of a switch that left the store `to`."""
        return command_line("cutover", self.environment, *secrets, "--back", "--to", to, "--apply")

    def finish(self, to: str) -> str:
        return command_line("cutover", self.environment, "--finish", "--to", to)

    def migrate(self, environment: str, secrets: Iterable[str], to: str, *more: str) -> str:
        only = [word for secret in secrets for word in ("--only", secret)]
        return command_line("migrate", environment, "--to", to, *only, *more)

    def bring_back(self, address: str, name: str) -> str | None:
        """The undo of the run that deleted a remote secret, None where no run of this project did."""
        run = self.retired.get((address, name))
        return None if run is None else f"{run.undo} --apply"

    def verify(self, environment: str, secrets: Iterable[str], *more: str) -> str:
        return command_line("verify", environment, *secrets, *more)

    def watch(self, secrets: Sequence[str]) -> str:
        """The wait until those secrets are in effect; of many, until all of the environment are."""
        only = [word for secret in secrets for word in ("--only", secret)] if len(secrets) <= _FEW else []
        words = [word for word in self.cluster if word != "--cluster"]
        return command_line("status", self.environment, *only, "--wait", *words)

    def rule(self, rule: str) -> str:
        """The page of a rule, where a finding of it says no way out."""
        return command_line("rules", rule)

    def compile(self, environments: Iterable[str]) -> str:
        return command_line("compile", *environments)

    def diff(self, environment: str) -> str:
        return command_line("diff", environment)

    def commit(self, files: Sequence[str], subject: str, body: str) -> tuple[str, str]:
        """What a person runs after an edit; the paths are as seen from where they stand."""
        git = ["git", *(["-C", self.given] if self.given is not None else [])]
        paths = [file if self.given is not None else os.path.relpath(self.root / file, self.here) for file in files]
        message = ["-m", subject, *(["-m", body] if body else [])]
        return shell_line(*git, "add", *paths), shell_line(*git, "commit", *message)
