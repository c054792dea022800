"""The tutorial, executed: a real OpenBao server, the local Key Vault, and every command of the page in order."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from scripts.build_tutorial import KEY_VAULT, OPENBAO, PAGE, built, commands, run_all, steady

if TYPE_CHECKING:
    from pathlib import Path


def test_every_command_of_the_tutorial_prints_what_the_page_shows() -> None:
    page = PAGE.read_text("utf-8")
    after = built(page)
    assert after == page, "".join(difflib.unified_diff(page.splitlines(True), after.splitlines(True)))


def test_the_tutorial_has_every_step_of_the_story() -> None:
    lines = " ".join(commands(PAGE.read_text("utf-8")))
    for step in (
        "new project",
        "new secret",
        "verify dev",
        "--to azure --apply",
        "cutover dev github --to azure --apply",
        "cutover dev github --back --apply",
        "--undo",
        "--recover",
    ):
        assert step in lines


def test_no_value_is_shown_but_where_it_is_set() -> None:
    for line in PAGE.read_text("utf-8").splitlines():
        if "github-0001" in line or "atlassian-0001" in line:
            assert line.startswith("$ printf ")


def test_one_shell_runs_all_lines_and_each_line_has_its_own_output(tmp_path: Path) -> None:
    assert run_all(["mkdir a; cd a", "basename $PWD", "echo x >&2; false", "echo $?"], {}, tmp_path)[:3] == [
        "",
        "a\n",
        "x\n",
    ]


def test_what_differs_from_run_to_run_is_made_steady() -> None:
    version = "0123456789abcdef0123456789abcdef"
    text = (
        f"run 20261125-130630-cbf69a at https://localhost:4 and http://127.0.0.1:5\n1/2 b, version {version}\n2/2 a\n"
    )
    assert steady(text, "https://localhost:4", "http://127.0.0.1:5") == (
        f"run 20250131-120000-4fa1c2 at {KEY_VAULT} and {OPENBAO}\n1/2 a\n2/2 b, version 0f3c…\n"
    )
