"""Shows the data of `report` as Markdown for a pull request: secrets by environment, moves and problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from compiler.operations.verify import KeyState
from compiler.render.content import CodeSpan, Line, Piece, Words
from compiler.text.wording import counted

# A summary of GitHub holds 1 MiB.
_MOST_CELLS = 5000
_MOST_PROBLEMS = 100
_UNLIKE = "≠"
_WORDS = {KeyState.DIFFERS: "differs between stores"}


def matrix_markdown(data: Mapping[str, Any]) -> Iterator[Line]:
    """A section with a table whose rows are secrets; no character of a name is a mark or ends a cell."""
    environments, secrets = data["environments"], data["secrets"]
    yield "### Secrets by environment"
    yield ""
    yield ("| secret |", *(piece for each in environments for piece in (" ", CodeSpan(each["name"]), " |")))
    yield "|---|" + "---|" * len(environments)
    shown = secrets[: max(1, _MOST_CELLS // max(1, len(environments)))]
    yield from (_row(each, environments, data["cells"]) for each in shown)
    yield ""
    if left := len(secrets) - len(shown):
        yield f"{counted(left, 'more secret')} not shown."
        yield ""
    yield from _legend(environments)
    yield from _moves(data["moves"])
    yield from _problems(data["problems"])


def _row(secret: Mapping[str, Any], environments: Sequence[Mapping[str, Any]], cells: Sequence[Any]) -> Line:
    pieces: list[Piece] = ["| ", CodeSpan(secret["id"]), " |"]
    for each in environments:
        number = secret["cells"].get(each["name"])
        text = _cell(cells[number], each["stores"]) if number is not None else "not used"
        pieces += [" ", Words(text), " |"]
    return tuple(pieces)


def _cell(cell: Mapping[str, Any], stores: Mapping[str, Any]) -> str:
    places = [cell["store"], *([cell["to"]] if "to" in cell else [])]
    letters = [stores[each]["letter"] for each in places if each in stores]
    state = KeyState(cell["state"])
    unlike = ", ".join(cell.get("differs", ()))
    parts = [
        " → ".join(letters),
        "" if state is KeyState.NOT_ASKED else _WORDS.get(state, state.replace("-", " ")),
        "overdue" if cell.get("overdue") is True else f"due {cell['due']}" if "due" in cell else "",
        f"from {cell['layer']}" if "layer" in cell else "",
        f"{_UNLIKE} {unlike}" if unlike else "",
    ]
    return " · ".join(part for part in parts if part)


def _legend(environments: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    stores = {store: each for environment in environments for store, each in environment["stores"].items()}
    pieces = [part for store, each in stores.items() for part in (f"{each['letter']} is ", CodeSpan(store), ", ")]
    yield (*pieces, f"{_UNLIKE} is unlike most environments, `from` names the layer that a store is inherited from.")


def _moves(moves: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    if moves:
        yield from ("", "#### Moves", "")
    for each in moves:
        steps = each["steps"]
        where = f": step {each['next']} of {len(steps)} is next" if "next" in each else ": every step is done"
        yield "- ", CodeSpan(each["environment"]), " to ", CodeSpan(each["to"]), where


def _problems(problems: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    if problems:
        yield from ("", "#### Problems", "")
    for each in problems[:_MOST_PROBLEMS]:
        place = f"{each['environment']}/{each['secret']}" if "secret" in each else each["environment"]
        yield f"- {each['severity']}: ", CodeSpan(place), ": ", Words(each["message"])
    if (left := len(problems) - _MOST_PROBLEMS) > 0:
        yield f"- {counted(left, 'more problem')} not shown"
