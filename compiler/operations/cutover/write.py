"""Writes the edited environment and its values files together, and words the commit that a person then makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.cutover.comparison import Likeness
from compiler.operations.cutover.request import Mode
from compiler.pipeline import VALUES_FOLDER
from compiler.refusal import Refusal
from compiler.stages.write import Output, write_all
from compiler.text.system_reason import system_reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.operations.cutover.run import Cutover

_MOST = 5


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
