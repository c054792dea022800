"""Shows the plan of a switch: the gate, the edit, the values by meaning, and what follows in the cluster."""

from collections.abc import Iterator
from typing import Any

from compiler.model.environment import FEW, shorten
from compiler.operations.cutover import Cutover, Effect
from compiler.operations.cutover_gate import Mode, Verdict
from compiler.render.content import Line, Painted, Piece, Style, members
from compiler.render.reports.changes import as_data, change_lines
from compiler.text.wording import command_line, list_names, repeat_option

_WORDS = {
    Verdict.PASSED: Painted("ok", Style.GREEN),
    Verdict.NOTED: Painted("note", Style.YELLOW),
    Verdict.REFUSED: Painted("refused", Style.ERROR),
    Verdict.UNANSWERED: Painted("no answer", Style.ERROR),
}
_WIDEST = max(len(word.text) for word in _WORDS.values())


def head_lines(cutover: Cutover) -> Iterator[Line]:
    """The switch that is asked for, and the gate."""
    name, to = cutover.request.environment, cutover.switches.to.id
    if cutover.switches.there:
        yield name, f': already on "{to}": ', list_names(cutover.switches.there, len(cutover.switches.there))
    progress = cutover.switches.progress
    if progress is not None and progress.next is not None:
        yield name, f": step {progress.next + 1} of {len(progress.steps)} to ", f'"{to}"'
    for switch in cutover.preview.switched:
        places = f'from "{switch.source.id}" to "{switch.destination.id}"'
        yield switch.environment.name, ": ", switch.secret, " ", places
    if cutover.request.mode is Mode.FINISH and not cutover.is_nothing:
        yield name, ": ", f'"{to}"', " becomes its store, and the overrides that name it are removed"
    for check in cutover.checks:
        word = _WORDS[check.verdict]
        yield "  ", word._replace(text=word.text.ljust(_WIDEST)), "  ", check.message
        if check.verdict is not Verdict.PASSED:
            # A line each: what is pasted is one command.
            yield from ((" " * (_WIDEST + 4), Painted("help: ", Style.HELP), mend) for mend in check.mends)


def values_lines(cutover: Cutover) -> Iterator[Line]:
    """The changes of values files, and what they do in the cluster."""
    for name, changes in cutover.preview.changes().items():
        yield f"chart/values-{name}.yaml", ":" if changes else ": no differences"
        yield from (("  ", *line) for change in changes for line in change_lines(change))
    if cutover.effects:
        yield "in the cluster:"
    for effect in cutover.effects:
        yield "  ", effect.title, ": the Secret is updated in place; ", *_meaning(effect)


def _meaning(effect: Effect) -> tuple[Piece, ...]:
    readers = f", read by {', '.join(effect.readers)}" if effect.readers else ""
    if not effect.is_live:
        return _meaning_in_stores(effect)
    if effect.changing:
        return "it changes ", list_names(effect.changing, len(effect.changing)), readers
    if effect.unknown:
        return "not known whether it changes ", list_names(effect.unknown, len(effect.unknown)), readers
    if effect.takes:
        return f"it {effect.takes} the value that the operator has not read yet", readers
    return ("content equal, so no pod sees a change",)


def _meaning_in_stores(effect: Effect) -> tuple[Piece, ...]:
    mounts = f" (mounted by {', '.join(effect.readers)}, says the catalogue)" if effect.readers else ""
    keys = effect.changing or effect.unknown
    if not keys:
        return "content equal in both stores", "; the cluster was not asked"
    doubt = "" if effect.changing else "not known whether "
    values = f"{doubt}the stores hold different values of "
    return values, list_names(keys, len(keys)), mounts, "; the cluster was not asked"


def end_lines(
    cutover: Cutover, written: tuple[str, ...], commit: tuple[str, str], missing: str | None = None
) -> Iterator[Line]:
    """What was done, and the next step; `missing` is what this machine lacks to ask a cluster."""
    name, to, secrets = cutover.request.environment, cutover.switches.to.id, cutover.switches.secrets
    if cutover.is_refused:
        yield "nothing was written: the gate is closed"
    elif cutover.is_nothing:
        progress = cutover.switches.progress
        is_end = progress is not None and progress.next is None
        yield "nothing to do" + (": every step is done" if is_end else "")
        if is_end:
            yield Painted("next: ", Style.HELP), command_line("cutover", name, "--finish", "--to", to)
    elif not written:
        yield "nothing was written; add --apply to write this"
    else:
        yield from ((file, ": written") for file in written)
        yield "commit it:"
        yield from (("  ", line) for line in commit)
        if secrets:
            only = repeat_option("--only", secrets) if len(secrets) <= FEW else []
            watch = command_line("status", name, *only, "--wait", *cutover.request.context)
            yield Painted("watch it take effect: ", Style.HELP), watch
            if missing is not None:
                yield "  which needs ", missing
        if not cutover.request.is_back:
            yield from _way_back(cutover)


def _way_back(cutover: Cutover) -> Iterator[Line]:
    name, (_, after) = cutover.request.environment, cutover.preview.pairs[0]
    own = [each for each in cutover.preview.switched if each.environment.name == name]
    for source in dict.fromkeys(each.source.id for each in own):
        secrets = shorten(after, [each.secret for each in own if each.source.id == source], source)
        back = command_line("cutover", name, *secrets, "--back", "--to", source, "--apply")
        yield Painted("to go back: ", Style.HELP), back


def cutover_content(cutover: Cutover, written: tuple[str, ...], commit: tuple[str, str] | None) -> dict[str, Any]:
    """The report as JSON; `commit` is None if nothing can be committed."""
    request, progress = cutover.request, cutover.switches.progress
    changes = cutover.preview.changes() if not cutover.is_refused else {}
    return {
        "mode": request.mode,
        "to": cutover.switches.to.id,
        "step": progress.next + 1 if progress is not None and progress.next is not None else None,
        "steps": progress.steps if progress is not None else [],
        "alreadyThere": cutover.switches.there,
        "switches": [_switch(each) for each in cutover.effects],
        "keys": [
            {
                **members(each.cell, "environment", "secret", "key"),
                "comparison": each.likeness,
            }
            for each in (cutover.verified.keys if cutover.verified is not None else ())
        ],
        "checks": [
            {**members(each, "about", "verdict", "message"), "mend": "; ".join(each.mends) or None}
            for each in cutover.checks
        ],
        "dependants": cutover.preview.dependants,
        "file": cutover.file,
        "diff": list(cutover.diff()),
        "changes": [{"environment": name, **as_data(each)} for name, found in changes.items() for each in found],
        "written": written,
        "commit": commit or [],
    }


def _switch(effect: Effect) -> dict[str, Any]:
    switch = effect.switch
    return {
        "environment": switch.environment.name,
        "secret": switch.secret,
        "from": switch.source.id,
        "to": switch.destination.id,
        "target": effect.title,
        **members(effect, "changing", "unknown", "readers"),
    }
