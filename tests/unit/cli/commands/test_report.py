"""The page and the Markdown of `report`, from files of environments and from reports of `status`."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler.cli.terminal.contents import text_of
from compiler.model.files import is_temporary
from compiler.operations.report import merge_reports
from compiler.render.reports.page import matrix_markdown
from tests.commands import Done
from tests.unit.operations.status_reports import HERE, NOW

LEGEND = (
    "V is `vault`, A is `azure`, ≠ is unlike most environments, `from` names the layer that a store is inherited from."
)
SILENT = (
    '- error: `staging`: the store "vault" (https://vault.example.com:8200/secret) cannot be read: '
    "the connection was refused; 3 keys not checked"
)
Run = Callable[..., Done]


def block(page: str) -> dict[str, Any]:
    """The data in the page."""
    text = page.partition('type="application/json"')[2].partition(">")[2].partition("</script>")[0]
    found: dict[str, Any] = json.loads(text)
    return found


def test_without_reports_the_page_has_every_environment_from_its_files(run: Run, project: Path) -> None:
    done = run("report", "--out", "secrets.html")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("secrets.html: written; contains names of secrets and keys, ")
    path = project / "secrets.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    data = block(path.read_text("utf-8"))
    assert [each["name"] for each in data["environments"]] == ["dev", "prod", "staging"]
    assert {each["state"] for each in data["cells"]} == {"not-asked"}


def test_reports_of_status_are_merged_and_parts_are_left_out(run: Run, project: Path) -> None:
    files = [str(HERE / name) for name in ("moving.json", "silent.json")]
    done = run("report", "--from", *files, "--without", "owners,addresses", "--out", "secrets.html")
    assert (done.code, "left out: owners, addresses" in done.out) == (0, True)
    page = (project / "secrets.html").read_text("utf-8")
    assert [each["name"] for each in block(page)["environments"]] == ["prod", "staging"]
    assert "vault.example.com" not in page
    assert "payments" not in page.replace("?team=payments", "")


def test_status_prints_what_report_reads(run: Run, project: Path) -> None:
    (project / "prod.json").write_text(run("status", "prod", "--offline", "--format", "json").out, "utf-8")
    done = run("report", "--from", "prod.json", "--format", "markdown")
    assert done.code == 0
    assert "| secret | `prod` |" in done.out


def test_a_file_is_replaced_only_where_that_is_asked_for_and_no_link_is_followed(run: Run, project: Path) -> None:
    (project / "secrets.html").write_text("mine", "utf-8")
    done = run("report", "--out", "secrets.html")
    assert (done.code, "already exists" in done.err, "add --replace" in done.err) == (3, True, True)
    assert (project / "secrets.html").read_text("utf-8") == "mine"
    assert run("report", "--out", "secrets.html", "--replace").code == 0
    (project / "target").write_text("mine", "utf-8")
    (project / "link.html").symlink_to("target")
    assert "is a link" in run("report", "--out", "link.html", "--replace").err
    assert (project / "target").read_text("utf-8") == "mine"
    assert not [each for each in project.iterdir() if is_temporary(each.name)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "add --out FILE, or --format markdown to print it"),
        (("--out", "x", "--without", "values"), "use addresses or owners"),
        (("--format", "markdown", "--replace"), "--replace needs --out"),
        (("--from", "gone.json", "--out", "x"), "gone.json cannot be read: no such file"),
        (("--from", "environments", "--out", "x"), "environments cannot be read: is a directory"),
        (("--from", "environments/prod.yaml", "--out", "x"), "environments/prod.yaml:1:1: this is not JSON"),
    ],
)
def test_what_cannot_be_drawn_is_refused(run: Run, project: Path, words: tuple[str, ...], said: str) -> None:
    done = run("report", *words)
    assert (done.code, said in done.err) == (2, True), done.err
    assert not (project / "x").exists()


def test_an_environment_with_an_error_is_told_and_no_page_is_written(run: Run, project: Path) -> None:
    (project / "environments/dev.yaml").write_text("store: gone\n", "utf-8")
    done = run("report", "--out", "secrets.html")
    assert (done.code, done.rules) == (1, ["unknown-store"])
    assert not (project / "secrets.html").exists()


def test_markdown_shows_secrets_moves_and_problems(run: Run, project: Path) -> None:
    files = [str(HERE / name) for name in ("moving.json", "silent.json")]
    done = run("report", "--from", *files, "--format", "markdown")
    assert done.out.splitlines() == [
        "### Secrets by environment",
        "",
        "| secret | `prod` | `staging` |",
        "|---|---|---|",
        "| `github` | A · differs between stores · due 2026-12-05 | V · no access · from base · ≠ store |",
        "| `jira` | V → A · not in effect · overdue · from base | A · deleted · ≠ store |",
        "",
        LEGEND,
        "",
        "#### Moves",
        "",
        "- `prod` to `azure`: step 2 of 2 is next",
        "",
        "#### Problems",
        "",
        '- error: `prod/jira`: the pod "agents/agent-jira" is not ready (CrashLoopBackOff)',
        SILENT,
        '- error: `staging/jira`: cannot read "agents-jira" in https://agents.vault.azure.net: it is soft-deleted',
        '- warning: `prod/github`: "vault" holds other values of "GITHUB\\_TOKEN"',
    ]
    assert run("report", "--from", *files, "--format", "markdown", "--out", "matrix.md").code == 0
    assert (project / "matrix.md").read_text("utf-8") == done.out


HOSTILE = "</td>|`<img src=x onerror=alert(1)>\n::error::x ##[group] \u202e[a](javascript:b) *" + "x" * 300


def test_no_name_ends_a_cell_or_becomes_a_mark() -> None:
    report = json.loads((HERE / "moving.json").read_text("utf-8"))
    (found,) = report["environments"]
    found["environment"] = HOSTILE
    found["stores"][0]["store"] = found["secrets"][1]["store"] = HOSTILE
    found["secrets"][1]["secret"] = found["keys"][1]["secret"] = found["keys"][2]["secret"] = HOSTILE
    found["keys"][1]["decidedBy"]["layer"] = HOSTILE
    found["notAnswered"] = [HOSTILE]
    found["moves"] = {"to": HOSTILE, "steps": [[HOSTILE]], "next": 1}
    text = text_of(matrix_markdown(merge_reports([("a", report)], NOW)))
    outside = "".join(text.replace("\\`", "").split("`")[::2])
    assert "<" not in outside
    assert "alert(1)" in outside
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table} == {3}
    assert not [line for line in text.splitlines() if line.startswith("::")]
    assert "\u202e" not in text


def test_a_long_table_is_cut_and_says_so() -> None:
    report = json.loads((HERE / "moving.json").read_text("utf-8"))
    (found,) = report["environments"]
    found["secrets"] = [{**found["secrets"][0], "secret": f"s-{number}"} for number in range(5002)]
    found["notAnswered"] = ["no"] * 103
    lines = text_of(matrix_markdown(merge_reports([("a", report)], NOW))).splitlines()
    assert "2 more secrets not shown." in lines
    assert lines[-1].endswith("more problems not shown")
