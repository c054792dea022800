"""Shows the data of `report` as one HTML file, or as Markdown for a pull request.

The file makes no request, and its policy allows page.js and page.css alone, by their hashes. page.js shows a JSON block
as text. The page does not pass the outlet, so it conceals and escapes texts by itself.
"""

import base64
import hashlib
import html
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from compiler.operations.verify import KeyState
from compiler.render.content import CodeSpan, Line, Piece, Words
from compiler.text.characters import printable
from compiler.text.credential import conceal
from compiler.text.wording import pluralize

_FOLDER = Path(__file__).parent


def report_page(data: Mapping[str, Any]) -> str:
    """The page of a report's data, the same bytes for the same data, without credentials."""
    # A cache, as a name occurs in each environment.
    shown = _each_text(data, cache(_harmless))
    style, script = _part("page.css"), _part("page.js")
    return Template(_part("page.html")).substitute(
        policy=_policy(script, style),
        style=style,
        script=script,
        contents=html.escape(_contents(shown)),
        problems="\n".join(_problems(shown.get("problems", ()))),
        # Inside a script element, only `<` can end the block or begin a comment.
        data=json.dumps(shown, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _part(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def _policy(script: str, style: str) -> str:
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _harmless(text: str) -> str:
    return printable(conceal(text))


def _each_text(value: object, change: Callable[[str], str]) -> Any:  # noqa: ANN401 - of JSON, any member
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(name): _each_text(each, change) for name, each in value.items()}
    return [_each_text(each, change) for each in value] if isinstance(value, Sequence) else value


def _contents(data: Mapping[str, Any]) -> str:
    contains, without = data.get("contains", ()), data.get("without", ())
    left_out = f" Left out: {', '.join(without)}." if without else ""
    return f"Contains {', '.join(contains)}.{left_out} No secret's value, length or hash."


def _problems(problems: Sequence[Mapping[str, Any]]) -> list[str]:
    if not problems:
        return ["<p>None.</p>"]
    return ["<ul>", *(f"<li>{html.escape(_sentence(each))}</li>" for each in problems), "</ul>"]


def _sentence(problem: Mapping[str, Any]) -> str:
    key = "/".join(problem[name] for name in ("secret", "key") if problem.get(name))
    place = f"{problem['environment']}: {key}" if key else problem["environment"]
    ways_out = (f"{name}: {problem[name]}" for name in ("help", "command") if problem.get(name))
    return " — ".join((f"{problem['severity']}: {place}: {problem['message']}", *ways_out))


# A summary of GitHub holds 1 MiB.
_MOST_CELLS = 5000
_MOST_PROBLEMS = 100
_UNLIKE = "≠"
_WORDS = {KeyState.DIFFERS: "differs between stores"}


def matrix_markdown(data: Mapping[str, Any]) -> Iterator[Line]:
    """A section with a table of secrets; no character of a name is Markdown."""
    environments, secrets = data["environments"], data["secrets"]
    yield "### Secrets by environment"
    yield ""
    yield ("| secret |", *(piece for each in environments for piece in (" ", CodeSpan(each["name"]), " |")))
    yield "|---|" + "---|" * len(environments)
    shown = secrets[: max(1, _MOST_CELLS // max(1, len(environments)))]
    yield from (_row(each, environments, data["cells"]) for each in shown)
    yield ""
    if left := len(secrets) - len(shown):
        yield f"{pluralize(left, 'more secret')} not shown."
        yield ""
    yield from _legend(environments)
    yield from _moves(data["moves"])
    yield from _problem_lines(data["problems"])


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


def _problem_lines(problems: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    if problems:
        yield from ("", "#### Problems", "")
    for each in problems[:_MOST_PROBLEMS]:
        place = f"{each['environment']}/{each['secret']}" if "secret" in each else each["environment"]
        yield f"- {each['severity']}: ", CodeSpan(place), ": ", Words(each["message"])
    if (left := len(problems) - _MOST_PROBLEMS) > 0:
        yield f"- {pluralize(left, 'more problem')} not shown"
