import json
from pathlib import Path

import pytest

from scripts import bench, bench_status
from scripts.bench import Budget, Figure
from scripts.bench_projects import compile_prod, generate_catalogue
from scripts.bench_status import BYTES, fill, measure_all, page
from tests.api_double import ApiDouble

MET = Figure(Budget("wall", "s", 5, 5), 2.0)
MISSED = Figure(Budget("memory", "MiB", 150, 150), 200)


def test_the_double_is_filled_with_large_pods_that_read_every_secret(tmp_path: Path) -> None:
    generate_catalogue(tmp_path, 2)
    with ApiDouble() as double:
        fill(double, compile_prod(tmp_path), 4)
        pods = [double.get("pods", "ai-platform-engineering", f"pod-{number:05d}") for number in range(4)]
    assert min(len(json.dumps(pod)) for pod in pods) >= BYTES
    assert {str(pod["spec"]["containers"][0]["envFrom"]) for pod in pods} == {
        str([{"secretRef": {"name": f"agent-team-{number:04d}-secrets"}}]) for number in range(2)
    }


@pytest.mark.heavy
def test_a_status_is_measured_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_status, "RUNS", 1)
    figures = measure_all(tmp_path, 3, 5)
    assert [figure.budget.unit for figure in figures] == ["s", "s", "MiB", ""]
    assert all(figure.value > 0 for figure in figures)
    assert figures[-1].value == 3 + 4


def test_the_page_and_the_exit_code_tell_what_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[int, int]] = []

    def measured(_root: Path, secrets: int, pods: int) -> list[Figure]:
        asked.append((secrets, pods))
        return [MET, MISSED]

    monkeypatch.setattr(bench_status, "measure_all", measured)
    monkeypatch.setattr(bench_status, "ROOT", tmp_path)
    monkeypatch.setattr(bench_status, "PAGE", tmp_path / "page.md")
    assert bench.main(["status", "--quick", "--strict-budgets", "--write", "--json", str(tmp_path / "f.json")]) == 1
    assert asked == [(200, 500)]
    assert "over its budget: memory" in capsys.readouterr().out
    assert page([MET, MISSED]).splitlines()[0] == (tmp_path / "page.md").read_text("utf-8").splitlines()[0]
    assert len(json.loads((tmp_path / "f.json").read_text("utf-8"))["figures"]) == 2
    assert bench.main(["status"]) == 0
    assert asked[-1] == (2_000, 5_000)
