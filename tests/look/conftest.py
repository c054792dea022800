"""Opens drawn pages in Chromium and watches what they run, ask for and complain about."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from compiler.render.reports.page import report_page
from tests.look.documents import hostile, large, platform

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "build/look"
DOCUMENTS = {make.__name__: make for make in (platform, hostile, large)}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class View:
    """A page in the browser, with all that it reported: messages of its console, errors, and requests."""

    page: Any
    devtools: Any = None
    reported: list[str] = field(default_factory=list)

    def run(self, script: str) -> Any:  # noqa: ANN401 - what the script returns
        return self.page.evaluate(script)

    def report(self, what: str, but_of: str = "nothing") -> None:
        if not what.startswith(but_of):
            self.reported.append(what)

    def wait(self, script: str, seconds: float = 20) -> None:
        """Until `script` is true. Playwright's own wait evaluates a string, which the page's policy refuses."""
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"waited in vain for {script}"
            time.sleep(0.02)

    def seconds(self) -> float:
        """How long the page's thread has computed since it was opened as `measured`."""
        metrics = self.devtools.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    def show(self, tab: str) -> None:
        self.page.click(f"#tab-{tab}")

    def axe(self) -> list[str]:
        """What axe finds, as rule and selector. Not by a script element, which the page's policy refuses."""
        if not self.run("typeof axe === 'object'"):
            self.run(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
        found = self.page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
        return [f"{each['id']}: {node['target']}" for each in found for node in each["nodes"]]

    def shot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")


Open = Callable[..., View]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright, which `make look` brings")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium is on PATH, and `make look` has not installed one")
    # Chromium has no sandbox for root.
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pages, each drawn when it is first opened."""
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def open_page(browser: Any, drawn: Path) -> Iterator[Open]:  # noqa: ANN401 - Playwright is not always there
    """Opens a page from its file; what it reports fails the test, unless that takes it from `reported`."""
    views: list[View] = []

    def open_page(
        name: str = "platform",
        fragment: str = "",
        width: int = 1440,
        *,
        measured: bool = False,
        **options: Any,  # noqa: ANN401 - as Playwright has them
    ) -> View:
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        view = View(page)
        views.append(view)
        page.on("console", lambda message: view.report(f"console: {message.text}"))
        page.on("pageerror", lambda error: view.report(f"error: {error}"))
        page.on("request", lambda sent: view.report(f"request: {sent.url}", but_of="request: file:"))
        if measured:
            view.devtools = page.context.new_cdp_session(page)
            view.devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        file = drawn / f"{name}.html"
        if not file.exists():
            file.write_text(report_page(DOCUMENTS[name]()), "utf-8")
        page.goto(f"file://{file}{fragment}")
        return view

    yield open_page
    for view in views:
        view.page.close()
    assert [each for view in views for each in view.reported] == []
