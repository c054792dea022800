"""Finds the variables that Kubernetes puts into the command, the arguments and the variables of a container.

The form is `$(NAME)`; a name that the container does not set stays as it is written. `$$` is a dollar sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from compiler.operations.consumers.pod_specs import maps, text
from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.operations.consumers.pod_specs import Path, PlainMap

# What Kubernetes takes as the name of a variable, in every version; a command of a shell, as in `$(cat file)`, is none.
_NAME = regex(r"[-._a-zA-Z][-._a-zA-Z0-9]{0,252}")
# An option by which a shell, or another interpreter, is given its script.
_SCRIPT_OPTION = regex(r"-[a-z]{0,8}c")


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


def references(container: PlainMap) -> Iterator[Reference]:
    """Every reference of a container, each once for each text that has it."""
    words = [
        (word, (member, at))
        for member in ("command", "args")
        if isinstance(every := container.get(member), list | tuple)
        for at, word in enumerate(every)
        if isinstance(word, str)
    ]
    is_script = False
    for word, path in words:
        for name in names_in(word):
            yield Reference(name, path, is_script=is_script or "\n" in word)
        is_script = _SCRIPT_OPTION.fullmatch(word) is not None
    earlier = 0
    for at, variable in maps(container.get("env")):
        if set_one := text(variable, "name"):
            value = variable.get("value")
            for name in names_in(value) if isinstance(value, str) else ():
                yield Reference(name, ("env", at, "value"), set_one, earlier)
            earlier += 1


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
