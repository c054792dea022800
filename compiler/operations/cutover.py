"""Plans and writes a switch: which edits, what compiling them changes, and the commit to make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import unified_diff
from pathlib import Path

from compiler.cluster.judge import Unread
from compiler.cluster.verify import Look
from compiler.cluster.view import ClusterError
from compiler.consumers.gather import readers_in
from compiler.edit.draft import compile_edited
from compiler.edit.yaml_edit import edited
from compiler.live.stores import LiveStores
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.environment import Environment, Project, Store
from compiler.model.values import SecretChange, compare
from compiler.operations.cutover_checks import (
    About,
    Check,
    Verdict,
    guarded,
    in_cluster,
    in_effect,
    is_closed,
    partings,
    stated,
    unread_note,
    unread_values,
)
from compiler.operations.cutover_gate import Comparison, Likeness, compared, endings, likenesses, one_place, verified
from compiler.operations.cutover_request import Commands, Mode, Wish, accepted_keys, wish_of
from compiler.operations.diff import differences, side_of_environment
from compiler.pipeline import VALUES_FOLDER, Result, ValuesFile, compile_project, plan_values
from compiler.refusal import Refusal, system_reason
from compiler.stages.files import Output, write_all
from compiler.stages.resolve import Outside
from compiler.text.wording import listed, quoted

_MOST = 5


@dataclass(frozen=True, slots=True)
class Switch:
    """One secret of one environment that the edit gives another store."""

    environment: Environment
    secret: str
    source: Store
    destination: Store


@dataclass(frozen=True, slots=True)
class Trial:
    """The environment and its dependants, each before and after the edit, and the values files to write.

    `switches` are those of the environment itself and of the dependants in `taken`. `names` are all dependants.
    `changes` say what changes in each values file, by meaning.
    """

    before: Environment
    after: Environment
    names: tuple[str, ...]
    taken: tuple[tuple[Environment, Environment], ...]
    switches: tuple[Switch, ...]
    files: tuple[ValuesFile, ...]
    stale: tuple[str, ...]
    new: tuple[Diagnostic, ...]

    @property
    def pairs(self) -> tuple[tuple[Environment, Environment], ...]:
        return ((self.before, self.after), *self.taken)

    def changes(self) -> dict[str, tuple[SecretChange, ...]]:
        """By environment; only for a trial without new errors."""
        return {
            before.name: differences(side_of_environment(before), side_of_environment(after))
            for before, after in self.pairs
        }


def tried(environment: Environment, text: str, root: Path, outside: Outside, *, with_dependants: bool = False) -> Trial:
    """The trial of `text` in place of the file of `environment`, which has no errors."""
    path = environment.document.source.path
    # Before as it was read: should the file change meanwhile, the edit is still one of that text.
    texts, as_read = {path: text}, {path: environment.document.source.text}
    # All environments: one that extends this one changes with it, and some rules see only several together.
    compiled = compile_edited(root, texts, outside, as_read)
    old, new = _by_name(compiled.before.project), _by_name(compiled.after.project)
    dependants = tuple(
        (each, new[name])
        for name, each in old.items()
        if name != environment.name
        and name in new
        and any(layer.source.path == path for layer in each.layers)
        and _stores(each) != _stores(new[name])
    )
    taken = dependants if with_dependants else ()
    pairs = ((old[environment.name], new.get(environment.name, environment)), *taken)
    names = [each.name for each, _ in pairs]
    files, failed, _ = _files(compile_project(root, names, outside, texts), root)
    _, _, stale = _files(compile_project(root, names, outside, as_read), root)
    found = (*compiled.new, *failed)
    return Trial(
        *pairs[0],
        tuple(each.name for each, _ in dependants),
        taken,
        tuple(switch for pair in pairs for switch in _switches(*pair)),
        files,
        stale,
        tuple({(each.rule, each.span.path, each.message): each for each in found}.values()),
    )


def _by_name(project: Project | None) -> dict[str, Environment]:
    return {each.name: each for each in project.environments} if project is not None else {}


def _stores(environment: Environment) -> dict[str, str | None]:
    return {name: each.store.id if each.store is not None else None for name, each in environment.secrets.items()}


def _switches(before: Environment, after: Environment) -> Iterator[Switch]:
    for name, secret in before.secrets.items():
        now = after.secrets.get(name)
        source, destination = secret.store, now.store if now is not None else None
        if source is not None and destination is not None and source.id != destination.id:
            yield Switch(before, name, source, before.stores[destination.id])


def _files(result: Result, root: Path) -> tuple[tuple[ValuesFile, ...], tuple[Diagnostic, ...], tuple[str, ...]]:
    """The values files, the errors, and the environments whose file on disk is stale."""
    errors = tuple(each for each in result.diagnostics if each.severity is Severity.ERROR)
    if errors or result.project is None:
        return (), errors, ()
    files, refused = plan_values(result.project, root / VALUES_FOLDER, VALUES_FOLDER, root)
    stale = tuple(file.environment for file in files if file.is_stale and file.old is not None)
    return files, refused, stale


def checks_of(trial: Trial, commands: Commands) -> Iterator[Check]:
    """What the files alone say."""
    request = commands.request
    errors = [each for each in trial.new if each.severity is Severity.ERROR]
    for each in errors[:_MOST]:
        yield Check(About.COMPILES, Verdict.REFUSED, stated(each), each.help or commands.rule(each.rule))
    if not errors:
        yield Check(About.COMPILES, Verdict.PASSED, "the edited environment compiles without a new error")
        yield from _same_keys(trial, commands)
    for each in [each for each in trial.new if each.severity is not Severity.ERROR][:_MOST]:
        yield Check(About.WARNINGS, Verdict.NOTED, f"new: {stated(each)}", each.help)
    if trial.stale:
        message = f"the values file of {listed(trial.stale)} is out of date"
        verdict = Verdict.NOTED if request.mode is Mode.BACK else Verdict.REFUSED
        yield Check(About.VALUES_FILE, verdict, message, commands.compile(trial.stale))
    if trial.names:
        message = f"the edit also switches secrets of environments that extend this one: {listed(trial.names)}"
        if request.with_dependants:
            yield Check(About.DEPENDANTS, Verdict.NOTED, message)
        else:
            yield Check(About.DEPENDANTS, Verdict.REFUSED, message, commands.again("--with-dependants"))


def _same_keys(trial: Trial, commands: Commands) -> Iterator[Check]:
    for before, after in trial.pairs:
        changes = compare(side_of_environment(before).secrets, side_of_environment(after).secrets)
        for change in changes:
            if change.kind != "changed" or change.keys_added or change.keys_removed:
                message = f"the edit would give {quoted(change.title)} other keys, or add or remove it"
                yield Check(About.SAME_KEYS, Verdict.REFUSED, message, commands.diff(before.name))
                return
    count = len(trial.switches)
    what = "the Secret keeps its name and keys" if count == 1 else "all Secrets keep their names and keys"
    yield Check(About.SAME_KEYS, Verdict.PASSED, what)


def outputs(cutover: Cutover) -> tuple[Output, ...]:
    """The environment first: a run that is killed in between leaves it new, and `compile` writes the rest."""
    # A link inside the project stays a link: what it leads to is replaced.
    path = (cutover.commands.root / cutover.file).resolve()
    environment = Output(path, cutover.file, cutover.text, replaces=cutover.old)
    return (environment, *(file.output for file in cutover.trial.files if file.is_stale))


def write(cutover: Cutover) -> tuple[str, ...]:
    """Writes all files or none; returns them as people know them.

    Raises Refusal where one cannot be written, or where the environment's file has changed since it was read, and
    ValueError for a plan that the gate refuses.
    """
    if cutover.is_refused:
        raise ValueError("what the gate refuses is not written")
    root, every = cutover.commands.root, outputs(cutover)
    folder = root / VALUES_FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise Refusal("cannot run", f"{VALUES_FOLDER} cannot be created: {system_reason(error)}") from None
    if failures := write_all(every, root, [folder]):
        raise Refusal("cannot run", failures[0].message, failures[0].help)
    return tuple(output.shown for output in every)


def commit(cutover: Cutover) -> tuple[str, str]:
    """The two command lines that commit what was, or would be, written; nothing here runs them."""
    files = [output.shown for output in outputs(cutover)]
    return cutover.commands.commit(files, _subject(cutover), " ".join(_remarks(cutover)))


def _subject(cutover: Cutover) -> str:
    name, to = cutover.trial.before.name, cutover.wish.store.id
    if cutover.commands.request.mode is Mode.FINISH:
        return f"Make {to} the store of {name}"
    secrets = cutover.wish.secrets
    shown = ", ".join(secrets) if len(secrets) <= _MOST else f"{len(secrets)} secrets"
    return f"Switch {shown} of {name} {'back ' if cutover.commands.request.mode is Mode.BACK else ''}to {to}"


def _remarks(cutover: Cutover) -> Iterator[str]:
    keys = cutover.comparison.keys if cutover.comparison is not None else ()
    unknown = dict.fromkeys(f"{each.switch.secret}/{each.key}" for each in keys if each.likeness is Likeness.UNKNOWN)
    if unknown:
        stores = dict.fromkeys(each.switch.source.id for each in keys if each.likeness is Likeness.UNKNOWN)
        yield f"Without comparison: {', '.join(stores)} did not answer for {', '.join(unknown)}."
    for likeness, what in (
        (Likeness.DIFFERENT, "Accepted with another value"),
        (Likeness.ONLY_THERE, "Not in the store that is left"),
    ):
        if found := dict.fromkeys(f"{each.switch.secret}/{each.key}" for each in keys if each.likeness is likeness):
            yield f"{what}: {', '.join(found)}."
    endings = cutover.comparison.endings if cutover.comparison is not None else ()
    if ending := dict.fromkeys(each.switch.secret for each in endings):
        yield f"Deletes itself there: {', '.join(ending)}."
    if cutover.trial.taken:
        yield f"Also of {', '.join(before.name for before, _ in cutover.trial.taken)}."


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
