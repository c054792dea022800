"""Plans and writes a switch: the edits, what compiling them changes, what the gate says, and the commit to make."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import unified_diff
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.edit.moves import finish_edits, return_edits, switch_edits, was_in
from compiler.edit.yaml_edit import Edit, apply_edits
from compiler.live.observation import Likeness
from compiler.live.stores import LiveStores, secret_named, store_named
from compiler.model import group_pairs
from compiler.model.document import Diagnostic, Severity
from compiler.model.environment import REST, Environment, MoveProgress, Project, Secret, Store, progress_of
from compiler.model.store import Place
from compiler.model.values import SecretChange, compare
from compiler.operations.cutover_gate import (
    MOST,
    About,
    Check,
    CutoverRequest,
    Mode,
    Switch,
    Verdict,
    check_stores,
    effect_of,
    endings_of,
    find_kept,
    is_closed,
    note_unasked,
    one_line,
    way_out,
    write_dates,
)
from compiler.operations.diff import differences, side_of_environment
from compiler.operations.verify import Verification
from compiler.pipeline import VALUES_FOLDER, Result, ValuesFile, compile_edited, compile_project, plan_values
from compiler.refusal import Refusal
from compiler.stages.files import Output, write_all
from compiler.stages.resolve import Outside
from compiler.text.wording import command_line, list_names, quote, shell_line

if TYPE_CHECKING:
    # What it needs of the cluster is loaded only where one is asked.
    from compiler.operations.cutover_cluster import ClusterGate

_TWO = 2
_CONTEXT = 3


def refuse_contradictions(mode: Mode, secrets: Sequence[str], to: str | None) -> None:
    """Raises Refusal for arguments that contradict each other."""
    if mode in (Mode.NEXT, Mode.FINISH) and secrets:
        raise Refusal("usage", f"--{mode} chooses the secrets itself", "leave them out")
    if mode in (Mode.TO, Mode.BACK) and not secrets:
        raise Refusal("usage", "no secret is named", "name those to switch; `--next` takes those of `moves:`")
    if mode is Mode.NEXT and to is not None:
        raise Refusal("usage", "--next goes to the store of `moves:`", "leave --to out")


@dataclass(frozen=True, slots=True)
class Switches:
    """What a request means in one environment."""

    to: Store
    secrets: tuple[str, ...]  # those that go there
    there: tuple[str, ...]  # named secrets that read it already
    edits: tuple[Edit, ...]
    progress: MoveProgress | None = None  # that of `moves:` where the next step was asked for


def resolve_request(environment: Environment, request: CutoverRequest) -> Switches:
    """Raises Refusal if the request names what the environment does not have, or is incomplete."""
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
        return Switches(store, tuple(leaving), (), finish_edits(environment, store))
    progress = None
    # `all` by itself is every secret, as in a step of `moves:`.
    is_all = request.secrets == (REST,) and REST not in environment.secrets
    secrets: Sequence[str] = tuple(environment.secrets if is_all else dict.fromkeys(request.secrets))
    if request.mode is Mode.NEXT:
        progress = progress_of(environment)
        if progress is None:
            message = f'the environment "{environment.name}" has no `moves:`'
            way_out = "add it, such as `moves: {to: azure, steps: [[jira], [all]]}`, or name secrets and --to ID"
            raise Refusal("usage", message, way_out)
        store, secrets = progress.to, progress.steps[progress.next] if progress.next is not None else ()
    elif request.to is not None:
        store = store_named(environment, request.to)
    else:
        store = _previous_store(environment, secrets)
    serving = {each: secret_named(environment, each).store for each in secrets}
    there = tuple(each for each, own in serving.items() if own is not None and own.id == store.id)
    going = tuple(each for each in secrets if each not in there)
    edits = return_edits if request.mode is Mode.BACK else switch_edits
    return Switches(store, going, there, edits(environment, going, store), progress)


def _previous_store(environment: Environment, secrets: Sequence[str]) -> Store:
    """The store before the last switch, to go back to. Raises Refusal if there are several candidates."""
    reading = {store.id for secret in secrets if (store := secret_named(environment, secret).store) is not None}
    to = environment.root.text("moves", "to")
    if to is not None and to in environment.stores:
        left: set[str] = {to}
        # A move leaves the environment's own store, which after its end is only in a lower layer, or in none.
        node = environment.root.get("store")
        names = [each.value for each in (node, *node.overrode)] if node is not None else []
        for name in names:
            if isinstance(name, str) and name != to and name in environment.stores:
                return environment.stores[name]
    else:
        # If secrets read both stores, those with a `store:` of their own were switched last.
        switched = {environment.document.root.text("secrets", secret, "store") for secret in secrets} & reading
        left = {each for each in switched if each} if len(reading) > 1 and len(switched) == 1 else reading
    others = [store for store in environment.stores.values() if store.id not in left]
    if len(environment.stores) != _TWO or len(others) != 1:
        what = (
            f"the secrets read {list_names(sorted(reading))}"
            if len(reading) > 1
            else f"they read {list_names(reading)}"
        )
        message = f"--back does not say which store to go back to: {what}"
        raise Refusal("usage", message, f"add --to with one of {list_names(map(str, environment.stores))}")
    return others[0]


@dataclass(frozen=True, slots=True)
class Preview:
    """The effects of an edit, found without writing it."""

    pairs: tuple[tuple[Environment, Environment], ...]  # the environment and switched dependants, before and after
    dependants: tuple[str, ...]  # the environments that the edit reaches, switched with it or not
    switched: tuple[Switch, ...]
    files: tuple[ValuesFile, ...]  # those of the pairs, as they would be
    stale: tuple[str, ...]  # the environments whose values file is out of date now
    new: tuple[Diagnostic, ...]  # those that the edit brings

    @property
    def environment(self) -> Environment:
        return self.pairs[0][0]

    def changes(self) -> dict[str, tuple[SecretChange, ...]]:
        """What changes in each environment's values, by meaning; only for an edit without new errors."""
        return {
            before.name: differences(side_of_environment(before), side_of_environment(after))
            for before, after in self.pairs
        }


def preview_edit(
    environment: Environment, text: str, root: Path, outside: Outside, *, with_dependants: bool = False
) -> Preview:
    """The effects of `text` in place of the file of `environment`, which has no errors."""
    path = environment.document.source.path
    # The text as it was read: if the file changes meanwhile, the edit is still based on that text.
    as_read, texts = {path: environment.document.source.text}, {path: text}
    # Compile all environments: one may extend this one, and some rules compare several.
    before, after, diagnostics = compile_edited(root, texts, outside, as_read)
    old, new = _by_name(before.project), _by_name(after.project)
    dependants = [
        name
        for name, each in old.items()
        if name != environment.name
        and name in new
        and any(layer.source.path == path for layer in each.layers)
        and _stores(each) != _stores(new[name])
    ]
    names = [environment.name, *(dependants if with_dependants else ())]
    files, failed = _values_files(after, names, root, outside, texts)
    current, _ = _values_files(before, names, root, outside, as_read)
    found = (*diagnostics, *failed)
    pairs = tuple((old[name], new.get(name, old[name])) for name in names)
    return Preview(
        pairs,
        tuple(dependants),
        tuple(switch for pair in pairs for switch in _switches_between(*pair)),
        files,
        tuple(file.environment for file in current if file.is_stale and file.old is not None),
        tuple({(each.rule, each.span.path, each.message): each for each in found}.values()),
    )


def _by_name(project: Project | None) -> dict[str, Environment]:
    return {each.name: each for each in project.environments} if project is not None else {}


def _stores(environment: Environment) -> dict[str, str | None]:
    return {name: each.store.id if each.store is not None else None for name, each in environment.secrets.items()}


def _switches_between(before: Environment, after: Environment) -> Iterator[Switch]:
    for name, secret in before.secrets.items():
        now = after.secrets.get(name)
        source, destination = secret.store, now.store if now is not None else None
        if source is not None and destination is not None and source.id != destination.id:
            yield Switch(before, name, source, before.stores[destination.id])


def _values_files(
    result: Result, names: Sequence[str], root: Path, outside: Outside, texts: Mapping[str, str]
) -> tuple[tuple[ValuesFile, ...], tuple[Diagnostic, ...]]:
    """The values files of the environments `names`, or none and their errors; `result` is of all environments."""
    if result.failed:
        # Only errors of these environments matter: compile them alone.
        result = compile_project(root, names, outside, texts)
    if result.failed or result.project is None:
        return (), tuple(each for each in result.diagnostics if each.severity is Severity.ERROR)
    ours = tuple(each for each in result.project.environments if each.name in names)
    return plan_values(replace(result.project, environments=ours), root / VALUES_FOLDER, VALUES_FOLDER, root)


def _check_way_back(name: str, secrets: Sequence[str], request: CutoverRequest, to: str) -> Iterator[Check]:
    if request.unproven:
        verb = "was" if len(request.unproven) == 1 else "were"
        message = f"nothing says that {list_names(request.unproven)} {verb} in {quote(to)} before"
        proven = [each for each in secrets if each not in request.unproven]
        alone = command_line("cutover", name, *proven, "--back", "--to", to) if proven else None
        mend = f"to go back with those that were: {alone}" if alone else None
        if request.to is not None:
            yield Check(About.COMPARED, Verdict.NOTED, f"{message}: checked as a switch to a new store", mend)
        else:
            # Else the same command once more would undo the way back.
            yield Check(About.COMPARED, Verdict.REFUSED, message, mend or f"if it is to go there, add --to {to}")


def check_edit(preview: Preview, request: CutoverRequest) -> Iterator[Check]:
    """Whether the edit compiles, keeps every Secret's keys, and switches no other environment unasked."""
    errors = [each for each in preview.new if each.severity is Severity.ERROR]
    for each in errors[:MOST]:
        yield Check(About.COMPILES, Verdict.REFUSED, one_line(each), way_out(each))
    if not errors:
        yield Check(About.COMPILES, Verdict.PASSED, "the edited environment compiles without a new error")
        yield _check_same_keys(preview)
    for each in [each for each in preview.new if each.severity is not Severity.ERROR][:MOST]:
        yield Check(About.WARNINGS, Verdict.NOTED, f"new: {one_line(each)}", each.help)
    if preview.stale:
        message = f"the values file of {list_names(preview.stale)} is out of date"
        verdict = Verdict.NOTED if request.is_back else Verdict.REFUSED
        yield Check(About.VALUES_FILE, verdict, message, command_line("compile", *preview.stale))
    if preview.dependants:
        message = (
            f"the edit also switches secrets of environments that extend this one: {list_names(preview.dependants)}"
        )
        if request.with_dependants:
            yield Check(About.DEPENDANTS, Verdict.NOTED, message)
        else:
            yield Check(About.DEPENDANTS, Verdict.REFUSED, message, request.again("--with-dependants"))


def _check_same_keys(preview: Preview) -> Check:
    for before, after in preview.pairs:
        for change in compare(side_of_environment(before).secrets, side_of_environment(after).secrets):
            if change.kind != "changed" or change.keys_added or change.keys_removed:
                message = f"the edit would give {quote(change.title)} other keys, or add or remove it"
                return Check(About.SAME_KEYS, Verdict.REFUSED, message, command_line("diff", before.name))
    is_one = len(preview.switched) == 1
    # Unlisted keys of an extracted secret are compared with the values.
    keys = "listed keys" if any(each.before.entry.extract for each in preview.switched) else "keys"
    what = f"the Secret keeps its name and {keys}" if is_one else f"all Secrets keep their names and {keys}"
    return Check(About.SAME_KEYS, Verdict.PASSED, what)


def check_shared_places(switches: Iterable[Switch], request: CutoverRequest, to: str) -> Iterator[Check]:
    """A refusal for each environment in which a switching secret shares a remote place with one that stays.

    A value that is rotated later would have to be written to both stores.
    """
    for environment, going in group_pairs((each.environment, each) for each in switches).items():
        named, together = {each.secret for each in going}, _together(going)
        if stays := [name for name in together if name not in named]:
            both = f"{list_names(sorted(named))} and {list_names(stays)}"
            message = f"they read one remote place, so they move together: {both}"
            ordered = [name for name in environment.secrets if name in together]
            yield Check(About.TOGETHER, Verdict.REFUSED, message, request.switch(environment.name, ordered, to))


def check_guard_order(switches: Iterable[Switch], request: CutoverRequest, to: str) -> Iterator[Check]:
    """A secret that guards a store moves alone and last, and a way to log in without it is tested before."""
    for environment, going in group_pairs((each.environment, each) for each in switches).items():
        guards = [each for each in going if each.before.entry.guards]
        for each in guards:
            message = f"{quote(each.secret)} guards a store: try a break-glass log-in, which does not need it, first"
            yield Check(About.GUARDS, Verdict.NOTED, message)
        if not guards or request.is_back:
            continue
        destination, alone = guards[0].destination.id, _together(guards[:1])
        others = [each.secret for each in going if each.secret not in alone]
        behind = [
            name
            for name, secret in environment.secrets.items()
            if not (secret.entry.guards or secret.store is None or secret.store.id == destination or name in alone)
        ]
        if others:
            message = f"what guards a store moves alone: {list_names(each.secret for each in guards)}"
            first = [name for name in others if not environment.secrets[name].entry.guards] or alone
            yield Check(About.GUARDS, Verdict.REFUSED, message, request.switch(environment.name, first, to))
        elif behind:
            message = f"{quote(guards[0].secret)} guards a store, so it moves last; not there yet: {list_names(behind)}"
            yield Check(About.GUARDS, Verdict.REFUSED, message, request.switch(environment.name, behind, to))


def _together(switches: Sequence[Switch]) -> tuple[str, ...]:
    """The secrets of those switches, and all that share a place with one of them, directly or through others."""
    secrets = switches[0].environment.secrets
    # Each secret with the id of the store that it leaves; one that joins leaves the store with the shared place.
    together = {each.secret: each.source.id for each in switches}
    while more := {
        name: secret.store.id
        for name, secret in secrets.items()
        if name not in together
        and secret.store is not None
        and any(
            left == secret.store.id and not _places(secret).isdisjoint(_places(secrets[other]))
            for other, left in together.items()
        )
    }:
        together |= more
    return tuple(together)


def _places(secret: Secret) -> set[Place | None]:
    return {item.place for item in secret.keys}


@dataclass(frozen=True, slots=True)
class Effect:
    """What a switch means for the pods that mount the Secret."""

    switch: Switch
    changing: tuple[str, ...]  # the keys whose value changes
    unknown: tuple[str, ...]  # the keys whose value may change
    readers: tuple[str, ...]  # the live workloads that read it; those of the catalogue where no cluster says
    takes: str = ""  # "takes" or "may take", if there is a value that the operator has not read yet
    is_live: bool = False  # whether the cluster was asked

    @property
    def title(self) -> str:
        return f"{self.switch.before.namespace}/{self.switch.before.entry.target}"


@dataclass(frozen=True, slots=True)
class Cutover:
    """The plan of a switch. `text` is the new text of the environment's file, unchanged if there is nothing to do."""

    request: CutoverRequest
    root: Path
    switches: Switches
    preview: Preview
    text: str
    checks: tuple[Check, ...]
    # The comparison with the new stores; None if they were not read.
    verified: Verification | None
    effects: tuple[Effect, ...]

    @property
    def file(self) -> str:
        return self.preview.environment.document.source.path

    @property
    def old(self) -> str:
        return self.preview.environment.document.source.text

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to edit."""
        return self.text == self.old

    @property
    def is_refused(self) -> bool:
        return is_closed(self.checks)

    @property
    def is_unanswered(self) -> bool:
        """Whether only a missing answer keeps the gate closed."""
        return self.is_refused and not any(each.verdict is Verdict.REFUSED for each in self.checks)

    def diff(self) -> tuple[str, ...]:
        """The edit of the environment's file, as a unified diff."""
        before, after = (text.splitlines() for text in (self.old, self.text))
        return tuple(unified_diff(before, after, self.file, self.file, lineterm="", n=_CONTEXT))


def plan_cutover(
    environment: Environment,
    request: CutoverRequest,
    root: Path,
    outside: Outside,
    stores: LiveStores,
    cluster: "ClusterGate | None" = None,
) -> Cutover:
    """The plan of a requested switch, in an environment without errors; writes nothing.

    `cluster` is None if it is not to be read. Raises Refusal, and AddressError for a store without an address.
    """
    switches = resolve_request(environment, request)
    if request.mode is Mode.BACK:
        unproven = (each for each in switches.secrets if not was_in(environment, each, switches.to))
        request = replace(request, unproven=tuple(unproven))
    text = apply_edits(environment.document, switches.edits)
    preview = preview_edit(environment, text, root, outside, with_dependants=request.with_dependants)
    switched, to = preview.switched, switches.to.id
    keys = {(each.secret, item.key.name) for each in switched for item in each.before.keys}
    uses_all = [each.secret for each in switched if each.before.uses_all]
    accepted = match_accepted(keys, request.accepted, uses_all)
    _refuse_unknown_endings(switched, request.ending)
    checks = [
        *_check_way_back(environment.name, switches.secrets, request, to),
        *check_edit(preview, request),
        *check_shared_places(switched, request, to),
        *check_guard_order(switched, request, to),
        *note_unasked(switched, request),
    ]
    if cluster is not None and switches.progress is not None:
        checks += cluster.or_unanswered(
            cluster.check_steps(preview.environment, switches.progress.past_secrets, request)
        )
    found = None
    # Stores are read only if there is a switch that the files allow.
    if switched and not is_closed(checks):
        every = cache(partial(_every_environment, root, outside))
        kept_of = partial(find_kept, environments=every, stores=stores)
        of_stores, found = check_stores(switched, stores, request, accepted, kept_of)
        checks += of_stores
    written = write_dates(found, switched) if found is not None else {}
    if switched and cluster is not None:
        checks += cluster.or_unanswered(cluster.check_cluster(switched, request))
        checks += cluster.or_unanswered(cluster.check_switches(switched, request, written))
    effects = tuple(_effects(switched, found, cluster, written))
    return Cutover(request, root, switches, preview, text, tuple(checks), found, effects)


def _every_environment(root: Path, outside: Outside) -> tuple[Environment, ...]:
    from compiler.live.readers import every_environment  # noqa: PLC0415 - few switches ask for other environments

    return every_environment(root, outside)


def _effects(
    switched: Sequence[Switch],
    found: Verification | None,
    cluster: "ClusterGate | None",
    written: Mapping[Switch, datetime],
) -> Iterator[Effect]:
    readers = cluster.readers_of(switched) if cluster is not None else {}
    takes = cluster.unread_values(written) if cluster is not None else {}
    for each in switched:
        changing, unknown = effect_of(found, each) if found is not None else ((), ())
        mounted = live if (live := readers.get(each)) is not None else each.before.entry.mounted_by
        yield Effect(each, changing, unknown, mounted, takes.get(each, ""), is_live=cluster is not None)


def match_accepted(
    known: Collection[tuple[str, str]], words: Sequence[str], uses_all: Collection[str] = ()
) -> frozenset[tuple[str, str]]:
    """The keys of `known`, as secret and key, that `words` name. Raises Refusal for a word that names none.

    A secret in `uses_all` may have keys that only its stores know. If no secret is switched, nothing is accepted.
    """
    found: set[tuple[str, str]] = set()
    for word in words if known or uses_all else ():
        secret, slash, key = word.partition("/")
        # A word is SECRET/KEY, or a KEY of any secret.
        named = {pair for pair in known if (pair == (secret, key) if slash else pair[1] == word)}
        if not named and key and secret in uses_all:
            named = {(secret, key)}
        elif not named and not slash and len(uses_all) == 1:
            named = {(next(iter(uses_all)), word)}
        if not named:
            names = list_names(sorted({key for _, key in known}))
            message = f"--accept-differences names {quote(word)}, which is not a key of the secrets to switch"
            raise Refusal("usage", message, f"their keys are {names}")
        found |= named
    return frozenset(found)


def _refuse_unknown_endings(switched: Sequence[Switch], secrets: Sequence[str]) -> None:
    known = dict.fromkeys(each.secret for each in switched)
    for secret in secrets if known else ():
        if secret not in known:
            message = f"--accept-ending names {quote(secret)}, which is not one of the secrets to switch"
            raise Refusal("usage", message, f"they are {list_names(known)}")


def outputs(cutover: Cutover) -> tuple[Output, ...]:
    """The files to write, the environment first: after a kill between two files, `compile` writes the rest."""
    # A link inside the project stays a link: its target is replaced.
    path = (cutover.root / cutover.file).resolve()
    environment = Output(path, cutover.file, cutover.text, replaces=cutover.old)
    return (environment, *(file.output for file in cutover.preview.files if file.is_stale))


def write(cutover: Cutover) -> tuple[str, ...]:
    """Writes all files or none; returns their names for people.

    Raises Refusal if one cannot be written, or if the environment's file has changed since it was read, and ValueError
    for a plan that the gate refuses.
    """
    if cutover.is_refused:
        raise ValueError("what the gate refuses is not written")
    every, folder = outputs(cutover), cutover.root / VALUES_FOLDER
    if failures := write_all(every, cutover.root, [folder]):
        # If the folder cannot be made, the help would be to name another one, which `cutover` cannot.
        raise Refusal("cannot run", failures[0].message, failures[0].help if folder.is_dir() else None)
    return tuple(output.shown for output in every)


def commit(cutover: Cutover, given: str | None = None, here: Path | None = None) -> tuple[str, str]:
    """The two git commands that commit the written files; they are only shown.

    They run in the folder `given`, the project's as --root has it, or else in `here`, by default the project's folder.
    """
    git = ["git", *(["-C", given] if given is not None else [])]
    files = [output.shown for output in outputs(cutover)]
    if given is None and here is not None:
        files = [os.path.relpath(cutover.root / file, here) for file in files]
    remarks = " ".join(_remarks(cutover))
    message = ["-m", _subject(cutover), *(["-m", remarks] if remarks else [])]
    return shell_line(*git, "add", *files), shell_line(*git, "commit", *message)


def _subject(cutover: Cutover) -> str:
    name, to, secrets = cutover.preview.environment.name, cutover.switches.to.id, cutover.switches.secrets
    if cutover.request.mode is Mode.FINISH:
        return f"Make {to} the store of {name}"
    shown = ", ".join(secrets) if len(secrets) <= MOST else f"{len(secrets)} secrets"
    return f"Switch {shown} of {name} {'back ' if cutover.request.is_back else ''}to {to}"


def _remarks(cutover: Cutover) -> Iterator[str]:
    keys = cutover.verified.keys if cutover.verified is not None else ()
    names = {
        likeness: dict.fromkeys(f"{each.cell.secret}/{each.cell.key}" for each in keys if each.likeness is likeness)
        for likeness in Likeness
    }
    if unknown := names[Likeness.UNKNOWN]:
        stores = {each.cell.serving: None for each in keys if each.likeness is Likeness.UNKNOWN}
        silent = ", ".join(each.id for each in stores if each is not None)
        yield f"Without comparison: {silent} did not answer for {', '.join(unknown)}."
    for likeness, what in (
        (Likeness.DIFFERENT, "Accepted with another value"),
        (Likeness.ONLY_THERE, "Not in the store that is left"),
    ):
        if names[likeness]:
            yield f"{what}: {', '.join(names[likeness])}."
    found, switched = cutover.verified, cutover.preview.switched
    if ending := dict.fromkeys(each.secret for each in switched if found is not None and endings_of(found, each)):
        yield f"Deletes itself there: {', '.join(ending)}."
    if also := [before.name for before, _ in cutover.preview.pairs[1:]]:
        yield f"Also of {', '.join(also)}."
