"""Finds the references to variables, `$(NAME)`, in the texts of a container, which Kubernetes expands.

The form is `$(NAME)`; a name that the container does not set stays as it is written. `$$` is a dollar sign. Which
variables the kubelet knows differs from place to place (read in its `container/helpers.go`, `prober.go` and
`lifecycle/handlers.go`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from compiler.operations.cluster.slim import child
from compiler.operations.consumers.pod_specs import maps, text
from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from compiler.operations.consumers.pod_specs import Path, PlainMap

# What Kubernetes takes as the name of a variable, in every version; a command of a shell, as in `$(cat file)`, is none.
_NAME = regex(r"[-._a-zA-Z][-._a-zA-Z0-9]{0,252}")
_PROBES, _HOOKS = ("livenessProbe", "readinessProbe", "startupProbe"), ("postStart", "preStop")
# An option by which a shell, or another interpreter, is given its script.
_SCRIPT_OPTION = regex(r"-[a-z]{0,8}c")


class Where(StrEnum):
    """In what a reference stands, and so what the kubelet puts there."""

    START = "start"  # the command, the arguments and the variables: every variable of the container
    SUB_PATH = "the path of a volume"  # the same, and without a value the container is not made
    PROBE = "the command of a probe"  # what `env` writes out; nothing for a variable that it takes from elsewhere
    HOOK = "the command of a hook"  # none


class Reference(NamedTuple):
    """One `$(NAME)`, with the path from the container to the text that has it.

    `variable` is the one in whose value it stands, None for the command and the arguments; `earlier` is how many
    variables of `env` are set before that one, None for all. `is_script` says whether it stands in a shell's script,
    where `$(date)` is a command.
    """

    name: str
    path: Path
    variable: str | None = None
    earlier: int | None = None
    is_script: bool = False
    where: Where = Where.START


def references(container: PlainMap) -> Iterator[Reference]:
    """Every reference of a container, each once for each text that has it."""
    yield from _in_words(Where.START, [*_words(container, "command"), *_words(container, "args")])
    earlier = 0
    for at, variable in maps(container.get("env")):
        if set_one := text(variable, "name"):
            value = variable.get("value")
            for name in names_in(value) if isinstance(value, str) else ():
                yield Reference(name, ("env", at, "value"), set_one, earlier)
            earlier += 1
    for at, mount in maps(container.get("volumeMounts")):
        if path := text(mount, "subPathExpr"):
            yield from _in_words(Where.SUB_PATH, [(path, ("volumeMounts", at, "subPathExpr"))])
    for where, above in (
        *((Where.PROBE, (probe,)) for probe in _PROBES),
        *((Where.HOOK, ("lifecycle", hook)) for hook in _HOOKS),
    ):
        yield from _in_words(where, _words(container, *above, "exec", "command"))


def _words(container: PlainMap, *path: str) -> list[tuple[str, Path]]:
    every = child(container, *path[:-1]).get(path[-1])
    words = enumerate(every) if isinstance(every, list | tuple) else ()
    return [(word, (*path, at)) for at, word in words if isinstance(word, str)]


def _in_words(where: Where, words: Iterable[tuple[str, Path]]) -> Iterator[Reference]:
    is_script = False
    for word, path in words:
        for name in names_in(word):
            yield Reference(name, path, is_script=is_script or "\n" in word, where=where)
        is_script = _SCRIPT_OPTION.fullmatch(word) is not None


def names_in(written: str) -> Iterator[str]:
    """The names that `written` refers to, each once, as the kubelet's `expansion.Expand` reads it."""
    seen = set()
    at = written.find("$")
    while at >= 0:
        end = at + 1
        if written.startswith("(", end):
            end = written.find(")", end)
            if end < 0:
                # No later reference has an end either.
                return
            name = written[at + 2 : end]
            if name not in seen and _NAME.fullmatch(name):
                seen.add(name)
                yield name
        # Of `$$(NAME)` the second sign is text, and so is what follows any other sign.
        at = written.find("$", end + 1)
