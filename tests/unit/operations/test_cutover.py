import shlex
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.view import ClusterError, ClusterName, ClusterView
from compiler.operations.cutover import (
    Preview,
    check_edit,
    commit,
    outputs,
    preview_edit,
    write,
)
from compiler.operations.cutover_cluster import OPTIONAL
from compiler.operations.cutover_gate import CutoverRequest, Mode, Verdict
from compiler.pipeline import Result, compile_project
from compiler.refusal import Refusal
from compiler.text.wording import name_project
from tests.memory_store import secrets
from tests.unit.operations.cutover_bench import OUTSIDE, Bench

MOVED = "labels: {team: platform}\nsecrets: {jira: {store: azure}}\n"


def preview(bench: Bench, text: str = MOVED, *, with_dependants: bool = False) -> Preview:
    return preview_edit(bench.environment(), text, bench.root, OUTSIDE, with_dependants=with_dependants)


def found(made: Preview, request: CutoverRequest | None = None) -> list[tuple[str, str, str | None]]:
    checks = check_edit(made, request or CutoverRequest("prod", Mode.TO, ("jira",), "azure"))
    return [(str(each.about), str(each.verdict), each.mend) for each in checks if each.verdict is not Verdict.PASSED]


def test_the_project_is_compiled_once_before_and_once_after_the_edit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []

    def counted(*given: Any) -> Result:  # noqa: ANN401 - the arguments of compile_project
        compiled.append(given)
        return compile_project(*given)

    environment = bench.environment()
    for module in ("pipeline", "operations.cutover"):
        monkeypatch.setattr(f"compiler.{module}.compile_project", counted)
    preview_edit(environment, MOVED, bench.root, OUTSIDE)
    assert len(compiled) == 2


def test_what_was_read_counts_although_the_file_changes_meanwhile(bench: Bench) -> None:
    environment = bench.environment()
    bench.write("prod", "labels: {team: other}\n")
    made = preview_edit(environment, MOVED, bench.root, OUTSIDE)
    assert made.environment.document.source.text == environment.document.source.text


def test_a_file_in_the_way_of_the_values_refuses(bench: Bench) -> None:
    (bench.root / "chart").mkdir()
    (bench.root / "chart/values-prod.yaml").write_text("mine: true\n", "utf-8")
    assert [each[:2] for each in found(preview(bench))] == [("compiles", "refused")]


def test_a_dependant_with_errors_cannot_be_taken_along(bench: Bench) -> None:
    bench.write("canary", "extends: [prod]\nsecrets: {gihub: {}}\n")
    made = preview(bench, with_dependants=True)
    assert [each.rule for each in made.new] == ["unknown-secret"]


class Silent:
    """A cluster that does not answer."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of a Cluster
        def refuse(*_: str) -> None:
            raise ClusterError("it gave no usable answer (MaxRetryError)", "check the network")

        return refuse


@pytest.mark.parametrize("mode", [Mode.TO, Mode.NEXT])
def test_a_cluster_that_does_not_answer_is_no_way_on(bench: Bench, mode: Mode) -> None:
    bench.write("prod", "moves: {to: azure, steps: [[github], [jira]]}\nsecrets: {github: {store: azure}}\n")
    silent: Any = Silent()
    words = ("jira",) if mode is Mode.TO else ()
    more: dict[str, Any] = {"to": "azure"} if mode is Mode.TO else {}
    found = bench.plan(mode, *words, view=ClusterView(silent, OPTIONAL), **more)
    assert (found.is_refused, found.is_unanswered) == (True, True)
    assert found.checks[-1].message == "the cluster cannot be asked: it gave no usable answer (MaxRetryError)"
    assert not bench.plan(mode, *words, **more).is_refused


class Standing:
    """A cluster in which nothing is deployed but a store object of the Key Vault that leads to `provider`."""

    name = ClusterName("here", "https://cluster.example.com")

    def __init__(self, provider: dict[str, Any]) -> None:
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        self._azure = {"kind": "ClusterSecretStore", "spec": {"provider": provider}, "status": status}

    def operator_deployments(self) -> tuple[dict[str, Any], ...]:
        return ()

    def store_object(self, _kind: str, name: str, _namespace: str) -> dict[str, Any] | None:
        return self._azure if name == "azure-store" else None

    def collection(self, _plural: str, _namespace: str) -> tuple[dict[str, Any], ...]:
        return ()


@pytest.mark.parametrize(
    ("mode", "words", "more"),
    [
        (Mode.TO, ("jira",), {"to": "azure"}),
        (Mode.BACK, ("jira",), {"to": "azure"}),
        (Mode.NEXT, (), {}),
        (Mode.FINISH, (), {"to": "azure"}),
    ],
)
def test_no_form_of_a_switch_passes_the_gate_of_the_cluster(
    bench: Bench, mode: Mode, words: tuple[str, ...], more: dict[str, Any]
) -> None:
    bench.write("prod", "moves: {to: azure, steps: [[github, jira]]}\n" if mode is Mode.NEXT else "store: vault\n")
    assert not bench.plan(mode, *words, **more).is_refused
    fake: Any = Standing({"fake": {}})
    found = bench.plan(mode, *words, view=ClusterView(fake, OPTIONAL), **more)
    assert found.is_refused
    why = {each.message for each in found.checks if str(each.verdict) == "refused"}
    assert any("leads to another store than" in each for each in why)
    assert any("there is no ExternalSecret" in each for each in why)


FILES = ("environments/prod.yaml", "chart/values-prod.yaml")


def test_the_environment_is_written_first_and_its_values_with_it(bench: Bench) -> None:
    found = bench.to_azure("jira")
    assert tuple(output.shown for output in outputs(found)) == FILES
    assert write(found) == FILES
    assert bench.text() == found.text
    assert "azure-store" in (bench.root / FILES[1]).read_text("utf-8")
    assert not compile_project(bench.root, ["prod"]).failed


def test_the_mode_of_the_file_stays(bench: Bench) -> None:
    path = bench.root / FILES[0]
    path.chmod(0o640)
    write(bench.to_azure("jira"))
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_edit_that_somebody_made_meanwhile_is_not_lost(bench: Bench) -> None:
    found = bench.to_azure("jira")
    bench.write("prod", "labels: {team: other}\n")
    with pytest.raises(Refusal) as refused:
        write(found)
    assert "environments/prod.yaml was changed by somebody else meanwhile" in refused.value.message
    assert (bench.text(), (bench.root / FILES[1]).exists()) == ("labels: {team: other}\n", False)


def test_a_file_that_somebody_removed_meanwhile_stays_away(bench: Bench) -> None:
    found = bench.to_azure("jira")
    (bench.root / FILES[0]).unlink()
    with pytest.raises(Refusal, match=r"environments/prod\.yaml cannot be written: no such file"):
        write(found)
    assert not (bench.root / FILES[0]).exists()


def test_a_file_that_is_read_only_or_out_of_the_project_is_not_written(bench: Bench, tmp_path: Path) -> None:
    path = bench.root / FILES[0]
    path.chmod(0o444)
    with pytest.raises(Refusal, match=r"environments/prod\.yaml is read-only"):
        write(bench.to_azure("jira"))
    path.chmod(0o644)
    (bench.root / "chart").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (bench.root / "chart").symlink_to(tmp_path / "elsewhere")
    found = bench.to_azure("jira")
    before = bench.text()
    with pytest.raises(ValueError, match="what the gate refuses is not written"):
        write(found)
    assert bench.text() == before
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_chart_folder_that_cannot_be_made_is_refused(bench: Bench) -> None:
    found = bench.to_azure("jira")
    (bench.root / "chart").write_text("a file", "utf-8")
    before = bench.text()
    with pytest.raises(Refusal) as refused:
        write(found)
    assert (refused.value.message, bench.text()) == ("chart cannot be created: file exists", before)
    assert refused.value.help is None


def test_a_link_inside_the_project_stays_a_link(bench: Bench) -> None:
    real = bench.root / "environments/real.txt"
    (bench.root / FILES[0]).rename(real)
    (bench.root / FILES[0]).symlink_to("real.txt")
    write(bench.to_azure("jira"))
    assert (bench.root / FILES[0]).is_symlink()
    assert "store: azure" in real.read_text("utf-8")


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
