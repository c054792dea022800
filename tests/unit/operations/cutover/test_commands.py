from __future__ import annotations

import shlex
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path

from compiler.operations.cutover_request import Commands, Mode, Request
from compiler.text.command_line import name_project

ROOT = Path("/srv/project")


def commands(request: Request, given: str | None = None, here: Path = ROOT, cluster: tuple[str, ...] = ()) -> Commands:
    return Commands(ROOT, given, here, "prod", request, cluster)


def test_the_same_command_is_written_with_all_that_was_given() -> None:
    request = Request(
        Mode.BACK, ("jira", "slack"), "vault", ("A", "jira/B"), without_comparison=True, with_dependants=True
    )
    found = commands(request, cluster=("--cluster", "--context", "a b")).again("--more")
    assert found == (
        "platform-secrets cutover prod jira slack --back --to vault --accept-differences A jira/B "
        "--without-comparison --with-dependants --cluster --context 'a b' --more --apply"
    )
    assert commands(Request(Mode.TO, ("jira",), "azure")).again() == "platform-secrets cutover prod jira --to azure"
    assert commands(Request(Mode.NEXT)).accepting(["A"]).endswith("cutover prod --next --accept-differences A")


def test_what_goes_on_with_a_switch_keeps_its_options() -> None:
    going = replace(commands(Request(Mode.NEXT), cluster=("--cluster",)), applies=True)
    assert going.switch("dev", ["a", "b"], "azure") == ("platform-secrets cutover dev a b --to azure --cluster --apply")
    assert going.again("--with-dependants").endswith("cutover prod --next --cluster --with-dependants --apply")


def test_every_command_finds_the_project_again() -> None:
    found = commands(Request(Mode.NEXT), given="../my project")
    copy_context().run(check_all_name_the_project, found)


def check_all_name_the_project(found: Commands) -> None:
    name_project("../my project")
    for line in (
        found.again(),
        found.switch("prod", ["jira"], "azure"),
        found.back(["jira"], "vault"),
        found.finish("azure"),
        found.migrate("prod", ["jira"], "azure", "--apply"),
        found.verify("prod", ["jira"], "--cluster"),
        found.compile(["prod"]),
        found.rule("missing-remote"),
        found.diff("prod"),
    ):
        assert shlex.split(line)[:3] == ["platform-secrets", "--root", "../my project"]
    assert shlex.split(found.migrate("prod", ["a", "b"], "azure"))[3:] == [
        *("migrate", "prod", "--to", "azure", "--only", "a", "--only", "b")
    ]


def test_a_commit_names_the_files_as_they_are_seen_from_here() -> None:
    files, subject = ["environments/prod.yaml", "chart/values-prod.yaml"], "Switch jira's store"
    add, commit = commands(Request(Mode.NEXT), here=ROOT / "chart").commit(files, subject, "")
    assert add == "git add ../environments/prod.yaml values-prod.yaml"
    assert shlex.split(commit) == ["git", "commit", "-m", subject]
    add, commit = commands(Request(Mode.NEXT), given="/p").commit(files, subject, "Why.")
    assert add == "git -C /p add environments/prod.yaml chart/values-prod.yaml"
    assert shlex.split(commit) == ["git", "-C", "/p", "commit", "-m", subject, "-m", "Why."]
