from pathlib import Path

import pytest

from compiler.operations.cutover import commit, outputs, write
from compiler.operations.cutover_gate import Mode
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from tests.unit.memory_store import secrets
from tests.unit.operations.cutover.conftest import Bench

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


def test_the_commit_says_what_was_done_and_what_could_not_be_known(bench: Bench) -> None:
    bench.change("prod", "labels", "moves: {to: azure, steps: [[jira], [all]]}\nlabels")
    add = "git add environments/prod.yaml chart/values-prod.yaml"
    assert commit(bench.to_azure("jira")) == (add, "git commit -m 'Switch jira of prod to azure'")
    assert commit(bench.plan(Mode.NEXT))[1] == "git commit -m 'Switch jira of prod to azure'"
    assert commit(bench.plan(Mode.FINISH, to="azure"))[1] == "git commit -m 'Make azure the store of prod'"
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    accepted = bench.to_azure("jira", accepted=("JIRA_TOKEN",))
    assert commit(accepted)[1].endswith("-m 'Accepted with another value: jira/JIRA_TOKEN.'")
    bench.silent.add("vault")
    unknown = "-m 'Without comparison: vault did not answer for jira/JIRA_TOKEN, jira/JIRA_URL.'"
    assert commit(bench.to_azure("jira", without_comparison=True))[1].endswith(unknown)
    bench.write("canary", "extends: [prod]\n")
    taken = bench.to_azure("jira", without_comparison=True, with_dependants=True)
    assert commit(taken)[0] == "git add environments/prod.yaml chart/values-canary.yaml chart/values-prod.yaml"
    assert commit(taken)[1].endswith("Also of canary.'")


def test_a_commit_of_the_way_back_and_of_many_says_so(bench: Bench) -> None:
    bench.write("prod", "secrets: {jira: {store: azure}}\n")
    assert commit(bench.plan(Mode.BACK, "jira"))[1] == "git commit -m 'Switch jira of prod back to vault'"
