"""Finds which secrets of the project's environments read a store, by its resolved address."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.operations.live.identity import folded, identities, is_same
from compiler.pipeline import VALUES_FOLDER, compile_project, plan_values
from compiler.refusal import Refusal
from compiler.text.command_line import command_line
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from compiler.model.environment import Environment, Store
    from compiler.model.project import Project
    from compiler.operations.live.stores import LiveStores
    from compiler.pipeline import Result
    from compiler.stages.outside import Outside


@dataclass(slots=True)
class Readers:
    """Who reads each remote secret of one store: `names` by its folded name, `below` whoever reads all under a path."""

    provider: str
    names: dict[str, list[str]] = field(default_factory=dict)
    below: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, reader: str) -> None:
        found = self.names.setdefault(folded(name, self.provider), [])
        if reader not in found:
            found.append(reader)

    def of(self, name: str) -> tuple[str, ...]:
        own = folded(name, self.provider)
        return (*self.names.get(own, ()), *(reader for path, reader in self.below if own.startswith(path)))


def every_environment(root: Path, outside: Outside) -> tuple[Environment, ...]:
    """All environments of the project. Raises Refusal where one cannot be read, or its values file is not up to date.

    What an environment with errors reads is unknown, and what its values file says is what the cluster reads.
    """
    projects = tuple(_projects(root, outside))
    for project in projects:
        files, refused = plan_values(project, root / VALUES_FOLDER, VALUES_FOLDER, root)
        if refused:
            raise Refusal("found", f"what the cluster reads is not known: {refused[0].message}", refused[0].help)
        stale = [file.environment for file in files if file.is_stale and file.old is not None]
        if stale:
            message = f"the values file of {listed(stale)} is out of date: the cluster may read something else"
            raise Refusal("found", message, f"compile and commit it first: {command_line('compile', *stale)}")
    return tuple(environment for project in projects for environment in project.environments)


def _projects(root: Path, outside: Outside) -> Iterator[Project]:
    """The project with all environments, or once with each where one is complete only with an address from outside."""
    result = compile_project(root)
    if not result.failed and result.project is not None:
        yield result.project
        return
    for name in result.project.names if result.project is not None else ():
        one = compile_project(root, (name,))
        if one.failed:
            one = compile_project(root, (name,), outside)
        if one.failed or one.project is None:
            raise _unknown(one)
        yield one.project
    if result.project is None:
        raise _unknown(result)


def _unknown(result: Result) -> Refusal:
    error = next(each for each in result.diagnostics if each.severity is Severity.ERROR)
    message = f"what the environments read is not known, as one has an error: {error.span.where}: {error.message}"
    return Refusal("found", message, f"correct it; {command_line('compile', '--all')} shows all")


def in_files(environments: Iterable[Environment], store: Store, stores: LiveStores) -> Readers:
    """Who reads `store` in `environments`. Raises AddressError for a `store` without address."""
    own, readers = identities(store, stores), Readers(store.provider)
    for environment in environments:
        for other in environment.stores_in_use():
            if other.provider != store.provider or not is_same(other, own, stores):
                continue
            for secret in environment.secrets.values():
                if secret.store is other:
                    for key in secret.keys:
                        if key.place is not None:
                            readers.add(key.place.remote_key, f"{environment.name}/{secret.id}")
    return readers


def still_read(names: Iterable[str]) -> str:
    """Why a remote secret stays."""
    return f"still read by {', '.join(quoted(name) for name in names)}"
