"""The report's page as people meet it: with a keyboard, a screen reader, a phone, a printer, and hostile names."""

from pathlib import Path

import pytest

from compiler.render.reports.page import report_page
from tests.look.conftest import Open, View
from tests.look.documents import HOSTILE, LONG, hostile, platform

TABS = ("matrix", "due", "moves", "problems")
CELLS = "document.querySelectorAll('.secret > .cell').length"


def visible_rows(view: View) -> list[str]:
    names: list[str] = view.run(
        "[...document.querySelectorAll('.secret:not([hidden]) .open')].map(each => each.textContent)"
    )
    return names


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_tab_unfolded_filtered_or_in_the_panel(open_page: Open, scheme: str) -> None:
    view = open_page(color_scheme=scheme)
    view.shot(scheme)
    found: dict[str, list[str]] = {}
    for tab in TABS:
        view.show(tab)
        found[tab] = view.axe()
        view.shot(f"{tab}-{scheme}")
    view.show("matrix")
    view.page.click("#show-missing")
    found["filtered"] = view.axe()
    view.page.click("#clear")
    view.page.click("text=Unfold all")
    found["unfolded"] = view.axe()
    view.page.click(".secret .open >> text=github")
    found["panel"] = view.axe()
    view.shot(f"panel-{scheme}")
    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize("plant", ["name", "contrast"])
def test_axe_reports_a_planted_violation(open_page: Open, plant: str) -> None:
    view = open_page()
    if plant == "contrast":
        view.run("document.querySelector('.secret .open').style.color = '#ccc'")
        assert view.axe()[0].startswith("color-contrast: ")
    else:
        view.run("document.querySelector('.fold').removeAttribute('aria-label')")
        assert view.axe()[0].startswith("button-name: ")


def test_a_planted_handler_script_or_style_is_refused_by_the_policy(open_page: Open, drawn: Path) -> None:
    plant = (
        '<img src=x onerror="window.ran = true"><p id="planted" style="color: rgb(1, 2, 3)">planted</p>'
        "<script>window.ran = true</script></body>"
    )
    (drawn / "planted.html").write_text(report_page(platform()).replace("</body>", plant), "utf-8")
    view = open_page("planted")
    assert not view.run("window.ran")
    assert view.run("getComputedStyle(document.getElementById('planted')).color") != "rgb(1, 2, 3)"
    reported, view.reported = view.reported, []
    assert sum("Content Security Policy" in each for each in reported) >= 3
    with pytest.raises(Exception, match="TrustedHTML"):
        view.run("document.body.innerHTML = '<b>markup</b>'")
    view.reported.clear()


MARKUP = "document.querySelectorAll('img, iframe, [onerror], [onclick], [style]:not(.table), body b > *').length"


@pytest.mark.parametrize("width", [1440, 400])
def test_hostile_names_are_text_on_every_tab(open_page: Open, width: int) -> None:
    view = open_page("hostile", width=width)
    view.page.click("text=Unfold all")
    for tab in TABS:
        view.show(tab)
        assert view.run(MARKUP) == 0
        assert view.run("document.documentElement.scrollWidth") == width
    view.show("due")
    shown = HOSTILE.replace("\u202e", "\\u202e").replace("\u2066", "\\u2066")
    assert shown in view.page.inner_text("#due")
    assert LONG in view.page.inner_text("#due")
    assert "javascript:alert(1)" in view.page.inner_text("#due")
    links = view.run("[...document.querySelectorAll('a')].map(each => [each.protocol, each.rel])")
    assert links == [["https:", "noreferrer"]] * 2
    view.show("matrix")
    view.page.click(".open >> text=__proto__")
    assert shown in view.page.inner_text("#panel")
    view.shot(f"hostile-{width}")
    assert not view.run("window.ran")


def test_a_hostile_name_that_became_markup_would_be_noticed(open_page: Open, drawn: Path) -> None:
    (drawn / "broken.html").write_text(report_page(hostile()).replace("\\u003c", "<"), "utf-8")
    view = open_page("broken")
    assert view.run(MARKUP) > 0
    assert not view.run("window.ran")
    assert view.reported
    view.reported.clear()


@pytest.mark.parametrize(
    "fragment", [f"#tab={HOSTILE}&environment=constructor&show=toString,missing&open=__proto__", "#%"]
)
def test_an_address_from_anybody_chooses_only_what_there_is(open_page: Open, fragment: str) -> None:
    view = open_page(fragment=fragment)
    assert view.run("[filters.tab, filters.environment, filters.open]") == ["matrix", "", ""]
    assert view.run("filters.show") in ([], ["missing"])


def test_the_way_by_keyboard_leads_to_a_tab_a_key_the_panel_and_back(open_page: Open) -> None:
    view = open_page()
    press = view.page.keyboard.press

    def focus() -> str:
        name: str = view.run("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent")
        return name

    def tab_to(name: str) -> None:
        for _ in range(40):
            press("Tab")
            if focus() == name:
                outline = view.run("getComputedStyle(document.activeElement).outlineStyle")
                assert outline == "solid", f"no focus is seen on {name}"
                return
        pytest.fail(f"Tab does not reach {name}")

    tab_to("Due 54")
    press("Enter")
    assert view.page.is_visible("#due")
    press("ArrowLeft")
    press("Enter")
    assert view.page.is_visible("#matrix")
    tab_to("Keys of github")
    press("Enter")
    assert view.page.is_visible("text=GITHUB_APP_ID")
    tab_to("github")
    press("Enter")
    assert view.page.is_visible("#panel")
    tab_to("Copy: platform-secrets migrate prod --only github")
    press("Enter")
    view.wait("/Copied|Selected/.test(document.activeElement.textContent)")
    press("Escape")
    assert not view.page.is_visible("#panel")
    assert focus() == "github"
    press("ArrowDown")
    assert focus() == "global"
    view.show("due")
    tab_to("webex / WEBEX_TOKEN")
    press("Enter")
    press("Escape")
    assert focus() == "webex / WEBEX_TOKEN"


def test_the_address_keeps_the_filters_and_counts_are_toggles(open_page: Open) -> None:
    view = open_page()
    assert view.page.inner_text("#show-missing") == "missing 1"
    view.page.click("#show-missing")
    assert visible_rows(view) == ["jira"]
    view.page.click("#show-overdue")
    assert visible_rows(view) == ["github", "jira", "webex"]
    view.page.select_option("#environment", "prod")
    view.page.fill("#text", "jir")
    assert visible_rows(view) == ["jira"]
    assert view.run("location.hash") == "#text=jir&environment=prod&show=missing%2Coverdue"
    view.page.reload()
    assert visible_rows(view) == ["jira"]
    assert view.page.input_value("#text") == "jir"
    assert view.page.get_attribute("#show-missing", "aria-pressed") == "true"
    view.show("problems")
    assert "1 problem" in view.page.inner_text("#problems")
    view.page.click("#clear")
    assert view.run("location.hash") == "#tab=problems"
    assert "7 problems" in view.page.inner_text("#problems")


def test_a_cell_says_its_store_and_state_in_letters_a_symbol_and_words(open_page: Open) -> None:
    view = open_page()
    cell = view.page.locator(".secret", has_text="github").locator(".cell").nth(2)
    assert " ".join(cell.inner_text().split()) == "V → A stores differ base 103 d old · overdue 2026-11-16"
    symbols = view.run(
        "[...document.querySelectorAll('#toggles button')].map(each => getComputedStyle(each, '::before').content)"
    )
    assert len(set(symbols) - {"none", "normal"}) == len(symbols) == 11
    global_row = view.page.locator(".secret", has_text="global").locator(".cell").first
    assert global_row.locator(".differs").inner_text() == "store"
    cell.click()
    panel = view.page.inner_text("#panel")
    for part in (
        "agents/agent-github-secrets",
        "environments/base.yaml:4:8",
        "inherited from base",
        "Deployment agents/",
    ):
        assert part in panel
    assert "agents/github [GITHUB_APP_ID]" in panel
    assert "agents-github [GITHUB_APP_ID]" in panel


def test_a_phone_shows_one_environment_at_a_time(open_page: Open) -> None:
    view = open_page(width=400)
    head = "[role=columnheader].cell"
    assert view.page.locator(head).count() == 1
    view.page.click("[aria-label='Next environment: staging']")
    view.page.click("[aria-label='Next environment: prod']")
    assert "prod" in view.page.inner_text(head)
    view.shot("phone")
    assert view.axe() == []
    for tab in TABS:
        view.show(tab)
        assert view.run("document.documentElement.scrollWidth") == 400


def test_print_has_the_problems_and_what_is_due(open_page: Open, tmp_path: Path) -> None:
    view = open_page()
    view.page.emulate_media(media="print")
    # The page is told of the medium by an event, which a quick machine may not have sent yet.
    view.wait("document.querySelector('#due').innerText.includes('GITHUB_APP_ID')")
    assert view.page.is_visible("#due >> text=GITHUB_APP_ID")
    assert view.page.is_visible("#problems >> text=the remote secret")
    assert not view.page.is_visible("#matrix")
    assert not view.page.is_visible("#filters")
    view.page.set_viewport_size({"width": 794, "height": 1123})
    view.shot("print")
    assert b"%PDF" in view.page.pdf(path=tmp_path / "page.pdf", format="A4")


def test_without_javascript_the_problems_are_there(open_page: Open) -> None:
    view = open_page(java_script_enabled=False)
    assert view.page.locator("noscript li").count() == 7
    assert not view.page.is_visible("#filters")


def test_a_large_matrix_is_drawn_in_time(open_page: Open) -> None:
    """In the time that it has of a processor, the quicker of two: another program may have the machine's."""
    drawn: list[float] = []
    for _ in range(2):
        view = open_page("large", measured=True)
        view.wait("performance.getEntriesByType('paint').length > 0")
        drawn.append(view.seconds())
        view.wait(f"{CELLS} === 20000")
    painted = view.run("performance.getEntriesByType('paint')[0].startTime") / 1000
    print(f"200 secrets in 100 environments: {min(drawn):.2f} s of a processor, seen after {painted:.2f} s")  # noqa: T201
    assert min(drawn) < 1.5
    view.shot("large")
    view.show("due")
    assert view.page.locator("#due tbody tr").count() == 200
