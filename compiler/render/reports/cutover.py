"""Shows the plan of a switch: the gate, the edit, the values by meaning, and what follows in the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compiler.operations.cutover import Cutover, Effect
from compiler.operations.cutover_checks import Check, Verdict
from compiler.operations.cutover_request import Mode
from compiler.render.content import Line, Painted, Piece, Style, envelope
from compiler.render.reports.changes import as_data, change_lines
from compiler.text.wording import listed

_STYLES = {
    Verdict.PASSED: Style.GREEN,
    Verdict.NOTED: Style.YELLOW,
    Verdict.REFUSED: Style.ERROR,
    Verdict.UNANSWERED: Style.ERROR,
}
_WORDS = {
    Verdict.PASSED: "ok",
    Verdict.NOTED: "note",
    Verdict.REFUSED: "refused",
    Verdict.UNANSWERED: "no answer",
}
_WIDEST = max(map(len, _WORDS.values()))


def head_lines(cutover: Cutover) -> Iterator[Line]:
    """What is asked for, and the gate."""
    yield from _heading(cutover)
    for check in cutover.checks:
        yield from _check(check)


def _heading(cutover: Cutover) -> Iterator[Line]:
    name, to = cutover.trial.before.name, cutover.wish.store.id
    if cutover.wish.there:
        yield name, f': already on "{to}": ', listed(cutover.wish.there, len(cutover.wish.there))
    progress = cutover.wish.progress
    if progress is not None and progress.next is not None:
        yield name, f": step {progress.next + 1} of {len(progress.steps)} to ", f'"{to}"'
    for switch in cutover.trial.switches:
        places = f'from "{switch.source.id}" to "{switch.destination.id}"'
        yield switch.environment.name, ": ", switch.secret, " ", places
    if cutover.commands.request.mode is Mode.FINISH and not cutover.is_nothing:
        yield name, ": ", f'"{to}"', " becomes its store, and the overrides that name it are removed"


def _check(check: Check) -> Iterator[Line]:
    word = Painted(_WORDS[check.verdict].ljust(_WIDEST), _STYLES[check.verdict])
    yield "  ", word, "  ", check.message
    if check.verdict is not Verdict.PASSED:
        # A line each: what is pasted is one command.
        yield from ((" " * (_WIDEST + 4), Painted("help: ", Style.HELP), mend) for mend in check.mends)


def values_lines(cutover: Cutover) -> Iterator[Line]:
    """The values files by meaning, and what the edit means in the cluster."""
    for name, changes in cutover.trial.changes().items():
        yield f"chart/values-{name}.yaml", ":" if changes else ": no differences"
        yield from (("  ", *line) for change in changes for line in change_lines(change))
    effects = cutover.effects()
    if effects:
        yield "in the cluster:"
    for effect in effects:
        yield "  ", effect.title, ": the Secret is updated in place; ", *_meaning(effect)


def _meaning(effect: Effect) -> tuple[Piece, ...]:
    readers = f", read by {', '.join(effect.readers)}" if effect.readers else ""
    if not effect.is_live:
        return _meaning_in_stores(effect)
    if effect.changing:
        return "it changes ", listed(effect.changing, len(effect.changing)), readers
    if effect.unknown:
        return "not known whether it changes ", listed(effect.unknown, len(effect.unknown)), readers
    if effect.unread is not None:
        takes = "takes" if effect.unread.is_certain else "may take"
        return f"it {takes} the value that the operator has not read yet", readers
    return ("content equal, so no pod sees a change",)


def _meaning_in_stores(effect: Effect) -> tuple[Piece, ...]:
    """What the stores hold, and nothing of pods: the cluster was not asked."""
    mounts = f" (mounted by {', '.join(effect.readers)}, says the catalogue)" if effect.readers else ""
    if effect.changing:
        said: tuple[Piece, ...] = (
            "the stores hold different values of ",
            listed(effect.changing, len(effect.changing)),
            mounts,
        )
    elif effect.unknown:
        keys = listed(effect.unknown, len(effect.unknown))
        said = "not known whether the stores hold different values of ", keys, mounts
    else:
        said = ("content equal in both stores",)
    return *said, "; the cluster was not asked"


def end_lines(
    cutover: Cutover, written: tuple[str, ...], commit: tuple[str, str], missing: str | None = None
) -> Iterator[Line]:
    """What was done, and what is to be done next; `missing` is what this machine lacks for asking a cluster."""
    commands, to = cutover.commands, cutover.wish.store.id
    if cutover.is_refused:
        yield "nothing was written: the gate is closed"
    elif cutover.is_nothing:
        progress = cutover.wish.progress
        is_end = progress is not None and progress.next is None
        yield "nothing to do" + (": every step is done" if is_end else "")
        if is_end:
            yield Painted("next: ", Style.HELP), commands.finish(to)
    elif not written:
        yield "nothing was written; add --apply to write this"
    else:
        yield from ((file, ": written") for file in written)
        yield "commit it:"
        yield from (("  ", line) for line in commit)
        if cutover.wish.secrets:
            yield Painted("watch it take effect: ", Style.HELP), commands.watch(cutover.wish.secrets)
            if missing is not None:
                yield "  which needs ", missing
        if commands.request.mode is not Mode.BACK:
            yield from _way_back(cutover)


def _way_back(cutover: Cutover) -> Iterator[Line]:
    own = [each for each in cutover.trial.switches if each.environment is cutover.trial.before]
    for source in dict.fromkeys(each.source.id for each in own):
        secrets = [each.secret for each in own if each.source.id == source]
        yield Painted("to go back: ", Style.HELP), cutover.commands.back(secrets, source)


def cutover_report(
    cutover: Cutover, written: tuple[str, ...], commit: tuple[str, str] | None, exit_code: int
) -> dict[str, Any]:
    """The whole object; `commit` is None where nothing can be committed."""
    request, progress = cutover.commands.request, cutover.wish.progress
    comparison = cutover.comparison
    changes = cutover.trial.changes() if not cutover.is_refused else {}
    content = {
        "mode": str(request.mode),
        "to": cutover.wish.store.id,
        "step": progress.next + 1 if progress is not None and progress.next is not None else None,
        "steps": [list(step) for step in progress.steps] if progress is not None else [],
        "alreadyThere": list(cutover.wish.there),
        "switches": [_switch(each) for each in cutover.effects()],
        "keys": [
            {
                "environment": each.switch.environment.name,
                "secret": each.switch.secret,
                "key": each.key,
                "comparison": str(each.likeness),
            }
            for each in (comparison.keys if comparison is not None else ())
        ],
        "checks": [_check_object(each) for each in cutover.checks],
        "dependants": list(cutover.trial.names),
        "file": cutover.file,
        "diff": list(cutover.diff()),
        "changes": [{"environment": name, **as_data(each)} for name, found in changes.items() for each in found],
        "written": list(written),
        "commit": list(commit) if commit is not None else [],
    }
    return envelope("cutover", cutover.trial.before.name, exit_code, content)


def _switch(effect: Effect) -> dict[str, Any]:
    switch = effect.switch
    return {
        "environment": switch.environment.name,
        "secret": switch.secret,
        "from": switch.source.id,
        "to": switch.destination.id,
        "target": effect.title,
        "changing": list(effect.changing),
        "unknown": list(effect.unknown),
        "readers": list(effect.readers),
    }


def _check_object(check: Check) -> dict[str, Any]:
    return {
        "about": str(check.about),
        "verdict": str(check.verdict),
        "message": check.message,
        "mend": "; ".join(check.mends) or None,
    }
