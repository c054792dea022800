import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from compiler.render.reports.page import report_page
from tests.look.documents import HOSTILE, LONG, hostile, platform

FOLDER = Path(__file__).resolve().parents[4] / "compiler/render/reports"
PLATFORM, HOSTILE_PAGE = report_page(platform()), report_page(hostile())


class Elements(HTMLParser):
    """The elements of a page as a browser would find them, and the text of its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        assert tag != self._inside or self.texts
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts.append((self._inside, data))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def data_of(page: str) -> dict[str, Any]:
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    data: dict[str, Any] = json.loads(block)
    return data


def test_the_policy_allows_the_script_and_the_style_of_the_page_and_nothing_else() -> None:
    elements = Elements(PLATFORM)
    (policy,) = (meta["content"] for meta in elements.of("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    style, _, script = (text for _, text in elements.texts)
    assert allowed == {
        "default-src": "'none'",
        "script-src": f"'{digest(script)}'",
        "style-src": f"'{digest(style)}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@pytest.mark.parametrize("page", [PLATFORM, HOSTILE_PAGE], ids=["platform", "hostile"])
def test_the_page_asks_for_nothing_and_styles_and_runs_nothing_in_place(page: str) -> None:
    elements = Elements(page)
    attributes = {name for _, each in elements.found for name in each}
    assert not attributes & {"src", "href", "srcset", "style", "action"}
    assert not [name for name in attributes if name.startswith("on")]
    assert len(elements.of("script")) == 2
    assert not elements.of("img")


def test_hostile_names_stay_in_the_data_and_are_shown_as_text() -> None:
    (secret, long, _) = data_of(HOSTILE_PAGE)["secrets"]
    assert secret["id"] == HOSTILE.replace("\u202e", "\\u202e").replace("\u2066", "\\u2066")
    assert long["id"] == LONG
    assert "<img" not in HOSTILE_PAGE
    assert "</noscript>" not in HOSTILE_PAGE.split("<noscript>")[1].split("</noscript>\n<header")[0]
    assert HOSTILE_PAGE.isascii() or not set(HOSTILE_PAGE) & set("\u202e\u2066")


def test_the_data_is_the_given_one_with_credentials_concealed() -> None:
    given = platform()
    assert data_of(PLATFORM) == json.loads(json.dumps(given))
    token = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
    given["problems"][0]["message"] = f"not sent: {token}"
    page = report_page(given)
    assert token not in page
    assert data_of(page)["problems"][0]["message"] == "not sent: …"


def test_the_same_data_makes_the_same_bytes() -> None:
    assert report_page(platform()) == PLATFORM


def test_the_page_says_what_it_contains_and_what_was_left_out() -> None:
    page = report_page({**platform(), "contains": ["names of secrets"], "without": ["addresses", "owners"]})
    said = "Contains names of secrets. Left out: addresses, owners. No secret&#x27;s value, length or hash."
    assert page.count(said) == 2


def test_without_javascript_the_page_lists_the_problems() -> None:
    shown = PLATFORM.split("<noscript>")[1].split("</noscript>")[0]
    assert shown.count("<li>") == 7
    assert (
        "<li>error: prod: jira/ATLASSIAN_TOKEN: the remote secret &quot;agents/jira&quot; does not exist"
        " — help: write it with put, or name another place in the catalogue"
        " — command: platform-secrets put prod jira ATLASSIAN_TOKEN</li>"
    ) in shown
    assert "<li>warning: staging: the store" in shown
    assert "<p>None.</p>" in report_page({**platform(), "problems": []})


def test_the_script_is_small_and_has_no_way_to_make_markup_of_text() -> None:
    script = (FOLDER / "page.js").read_text("utf-8")
    assert len(script.encode()) <= 25_000
    ways = r"(?:inner|outer|Adjacent)HTML|document\.write|DOMParser|ContextualFragment|srcdoc|eval\(|Function\("
    assert not re.findall(ways, script)
    assert not re.findall(r"\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(|new Image", script)
