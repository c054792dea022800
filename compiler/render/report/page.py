"""Draws the report as one HTML file that makes no request and runs no script but its own.

Its data is a JSON block, which page.js shows as text; the policy allows that script and page.css by their hashes. The
page does not pass the outlet, so it conceals and escapes its texts by itself.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from compiler.text.characters import printable
from compiler.text.credential import conceal

_FOLDER = Path(__file__).parent


def report_page(data: Mapping[str, Any]) -> str:
    """The page of a report's data, whose members page.js names; the same bytes for the same data.

    What looks like a credential is concealed; characters that do not print, such as those that turn the direction of a
    text, are shown by their number.
    """
    # Cached, as a name occurs in each environment.
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
    """What the browser lets the page do: run this script, use this style, and nothing else."""
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
    """What the page has in it and what it has not, for a person who passes it on."""
    contains, without = data.get("contains", ()), data.get("without", ())
    left_out = f" Left out: {', '.join(without)}." if without else ""
    return f"Contains {', '.join(contains)}.{left_out} No secret's value, length or hash."


def _problems(problems: Sequence[Mapping[str, Any]]) -> list[str]:
    if not problems:
        return ["<p>None.</p>"]
    return ["<ul>", *(f"<li>{html.escape(_sentence(each))}</li>" for each in problems), "</ul>"]


def _sentence(problem: Mapping[str, Any]) -> str:
    place = ": ".join((problem["environment"], *_present(problem, "/", "secret", "key")))
    ways_out = (f"{name}: {problem[name]}" for name in ("help", "command") if problem.get(name))
    return " — ".join((f"{problem['severity']}: {place}: {problem['message']}", *ways_out))


def _present(problem: Mapping[str, Any], between: str, *names: str) -> list[str]:
    found = [problem[name] for name in names if problem.get(name)]
    return [between.join(found)] if found else []
