import shlex
from contextvars import copy_context

from compiler.operations.cutover import commit
from compiler.operations.cutover_gate import CutoverRequest, Mode
from compiler.text.wording import name_project
from tests.unit.memory_store import secrets
from tests.unit.operations.cutover.conftest import Bench


def test_the_same_command_is_written_with_all_that_was_given() -> None:
    request = CutoverRequest(
        *("prod", Mode.BACK, ("jira", "slack"), "vault", ("A", "jira/B")),
        without_comparison=True,
        with_dependants=True,
        cluster=("--cluster", "--context", "a b"),
    )
    assert request.again("--more") == (
        "platform-secrets cutover prod jira slack --back --to vault --accept-differences A jira/B "
        "--without-comparison --with-dependants --cluster --context 'a b' --more --apply"
    )
    assert (
        CutoverRequest("prod", Mode.TO, ("jira",), "azure").again() == "platform-secrets cutover prod jira --to azure"
    )


def test_what_goes_on_with_a_switch_keeps_its_options() -> None:
    going = CutoverRequest("prod", Mode.NEXT, cluster=("--cluster",), applies=True)
    assert going.switch("dev", ["a", "b"], "azure") == ("platform-secrets cutover dev a b --to azure --cluster --apply")
    assert going.again("--with-dependants").endswith("cutover prod --next --cluster --with-dependants --apply")


def test_every_command_finds_the_project_again(bench: Bench) -> None:
    bench.write("canary", "extends: [prod]\n")
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other"))
    copy_context().run(check_all_name_the_project, bench)


def check_all_name_the_project(bench: Bench) -> None:
    name_project("../my project")
    found = bench.to_azure("jira")
    bench.azure.deleted.add("agents-github")
    both = bench.to_azure("jira", "github", with_dependants=True)
    lines = [line for each in (*found.checks, *both.checks) for line in each.mends]
    commands = [words for line in lines if (words := shlex.split(line.partition("platform-secrets ")[2]))]
    assert {words[2] for words in commands} >= {"cutover", "migrate"}
    assert all(words[:2] == ["--root", "../my project"] for words in commands)


def test_a_commit_names_the_files_as_they_are_seen_from_here(bench: Bench) -> None:
    found = bench.to_azure("jira")
    subject = "Switch jira of prod to azure"
    add, line = commit(found, here=bench.root / "chart")
    assert add == "git add ../environments/prod.yaml values-prod.yaml"
    assert shlex.split(line) == ["git", "commit", "-m", subject]
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    add, line = commit(bench.to_azure("jira", accepted=("JIRA_TOKEN",)), "/p", bench.root / "chart")
    assert add == "git -C /p add environments/prod.yaml chart/values-prod.yaml"
    why = "Accepted with another value: jira/JIRA_TOKEN."
    assert shlex.split(line) == ["git", "-C", "/p", "commit", "-m", subject, "-m", why]
