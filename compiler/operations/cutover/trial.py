"""Compiles the project with an edited environment before anything is written, and tells what the edit would change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.model.outline import compare
from compiler.operations.chart.diff import differences, side_of_environment
from compiler.operations.cutover.check import About, Check, Verdict, stated
from compiler.operations.cutover.request import Mode
from compiler.pipeline import VALUES_FOLDER, compile_project, plan_values
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.environment import Environment, Store
    from compiler.model.outline import SecretChange
    from compiler.model.project import Project
    from compiler.operations.cutover.commands import Commands
    from compiler.pipeline import Result, ValuesFile
    from compiler.stages.outside import Outside

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
    before, after = compile_project(root, (), outside, as_read), compile_project(root, (), outside, texts)
    old, new = _by_name(before.project), _by_name(after.project)
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
    found = (*_new(before.diagnostics, after.diagnostics), *failed)
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


def _new(before: Sequence[Diagnostic], after: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """The diagnostics that only the edited project has, compared without their lines."""
    known = Counter((each.rule, each.span.path, each.message) for each in before)
    for each in after:
        key = (each.rule, each.span.path, each.message)
        known[key] -= 1
        if known[key] < 0:
            yield each


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
