"""That a wrong line is found, whatever is wrong with it: what a command proposes is held to be right in every test."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from compiler.cli import main as program
from compiler.cli.commands import put
from compiler.cli.terminal.outlet import standard_error
from tests.memory_store import MemoryStore
from tests.platforms import write_agents_project
from tests.proposed_lines import ProposedLines, problem_of, proposals_in, text_of, trouble_of

RUN = "20250131-120000-4fa1c2"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_agents_project(tmp_path)
    (tmp_path / ".platform-secrets/runs").mkdir(parents=True)
    (tmp_path / f".platform-secrets/runs/{RUN}.jsonl").touch()
    return tmp_path


def problems(text: str, folder: Path) -> list[str]:
    return [problem for each in proposals_in(text, folder) if (problem := problem_of(each)) is not None]


@pytest.mark.parametrize(
    "text",
    [
        "help: `platform-secrets put prod jira JIRA_TOKEN` creates it; or correct its name",
        "next: platform-secrets cutover prod jira --to azure --cluster",
        "            platform-secrets migrate prod --to azure --only jira --apply",
        "next: platform-secrets compile && platform-secrets put prod jira",
        "next: platform-secrets new secret pay --key KEY --into prod\n      platform-secrets put prod pay",
        f"to undo it: platform-secrets migrate prod --undo {RUN} --apply",
        "help: did you mean `platform-secrets verify … --store azure`?",
        "help: `platform-secrets put ENV jira --expires DATE` sets a new value and its date",
        "help: continue it there, or close it there:\n      platform-secrets rotate prod --confirm-revoked elsewhere",
        "help: `helm template NAME CHART | platform-secrets consumers prod --manifests -` reads them",
        "help: `kubectl -n a delete secret b`, and `--all` shows `moves:`",
        "the words platform-secrets prints, and what it says of `compile`",
    ],
)
def test_a_line_that_can_be_pasted_is_right(project: Path, text: str) -> None:
    assert problems(text, project) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("help: `platform-secrets put prod jira --sooner` sets it", 'it does not parse: unknown option "--sooner"'),
        ("next: platform-secrets migrate prod --to", "it does not parse: --to needs a value"),
        ("next: platform-secrets switch prod", 'there is no command "switch"'),
        ("next: platform-secrets verify qa", 'there is no environment "qa"'),
        ("next: platform-secrets verify azure", 'there is no environment "azure"'),
        ("next: platform-secrets verify prod prod", 'there is no secret "prod"'),
        ("next: platform-secrets migrate prod --to azure --only jria", 'there is no secret "jria"'),
        ("next: platform-secrets migrate prod --to jira", 'there is no store "jira"'),
        ("next: platform-secrets put prod jira TOKEN", 'there is no key "TOKEN"'),
        ("next: platform-secrets put prod pay", 'there is no secret "pay"'),
        (
            "to undo it: platform-secrets put prod --undo 20250131-120000-000000",
            'there is no run "20250131-120000-000000"',
        ),
        ("run `platform-secrets restore prod gone.age`", 'there is no file "gone.age"'),
        ("run `platform-secrets rules no-such-rule`", 'there is no rule "no-such-rule"'),
        ("run `platform-secrets new secret pay --key A --into nowhere`", 'there is no environment or layer "nowhere"'),
        ("run `kubectl get pods -l 'a`", "no shell takes it: No closing quotation"),
        ("correct it; then run platform-secrets compile --all shows all", 'there is no environment "all"'),
    ],
)
def test_a_line_that_cannot_be_pasted_is_found(project: Path, text: str, problem: str) -> None:
    (found,) = problems(text, project)
    assert found.startswith(problem)


def trouble(text: str, project: Path, copy: Path) -> str | None:
    (proposal,) = proposals_in(text, project)
    shutil.copytree(project, copy)
    return trouble_of(proposal, project, copy)


def test_a_line_that_is_refused_for_how_it_is_written_is_found(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("copies") / "copy"
    found = trouble("next: platform-secrets cutover prod jira", project, copy)
    assert (found or "").startswith("it ends with 2: error: no store is named")


def test_a_correction_may_leave_another_mistake(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = tmp_path_factory.mktemp("copies") / "copy"
    assert trouble("help: did you mean `platform-secrets cutover prod jira`?", project, copy) is None


def test_a_line_that_writes_is_found_and_what_is_asked_for_is_not(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path_factory.mktemp("copies")
    assert trouble("next: platform-secrets compile", project, copies / "compile") is None
    assert list((copies / "compile").rglob("values-prod.yaml")) != []
    assert list(project.rglob("values-prod.yaml")) == []

    def writing(_: object) -> int:
        Path("left").touch()
        return 0

    monkeypatch.setattr(put, "run", writing)
    assert trouble("next: platform-secrets put prod jira", project, copies / "put") == "it changes files: left"
    store = MemoryStore()
    monkeypatch.setattr(put, "run", lambda _: store.soft_delete("a", "1"))
    assert (
        trouble("next: platform-secrets put prod jira", project, copies / "store") == "it changes a store: soft_delete"
    )


def test_a_report_for_programs_is_read_in_its_order(project: Path) -> None:
    report = '{"steps": ["platform-secrets new secret pay --key A", "platform-secrets put prod pay"], "n": [1, null]}'
    assert problems(text_of(report), project) == []
    assert text_of("{no report") == "{no report"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("verify prod jira", None),
        ("verify prod jria", 'platform-secrets verify prod jria: there is no secret "jria"'),
        ("cutover prod jira", "platform-secrets cutover prod jira: it ends with 2: error: no store is named"),
    ],
)
def test_a_test_whose_commands_propose_a_wrong_line_fails_and_names_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str | None
) -> None:
    monkeypatch.chdir(project)
    listener = ProposedLines()
    real = listener.runs

    def planted(argv: Sequence[str]) -> int:
        if "status" not in argv:
            return real(argv)
        standard_error().show([f"next: platform-secrets {line}"])
        return 0

    listener.runs = planted
    try:
        test = listener.pytest_pyfunc_call()
        next(test)
        program.main(["status", "prod"])
        with pytest.raises(StopIteration if said is None else pytest.fail.Exception) as caught:
            test.send(None)
        assert (said or "") in str(caught.value)
    finally:
        listener.runs = real
        listener.pytest_unconfigure()
