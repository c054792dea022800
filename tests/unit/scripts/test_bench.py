import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.pipeline import compile_project
from scripts import bench
from scripts.bench import Budget, Figure, Usage
from scripts.bench_projects import generate, generate_catalogue

SECONDS = Budget("1,000 environments", "s", 2.0, 1.0)


@pytest.mark.parametrize(("value", "verdict"), [(1.0, "aim"), (1.01, "must"), (2.0, "must"), (2.01, "MISSED")])
def test_a_figure_reaches_the_aim_the_must_or_nothing(value: float, verdict: str) -> None:
    assert Figure(SECONDS, value).verdict == verdict


def test_the_table_lines_up_and_shows_what_was_compared() -> None:
    figures = [Figure(SECONDS, 1.234, 0.5), Figure(Budget("help", "ms", 60, 45), 16.4)]
    assert bench.table(figures) == (
        "| figure             | measured | must   | aim    | reached | bare Python |\n"
        "| ---                | ---      | ---    | ---    | ---     | ---         |\n"
        "| 1,000 environments | 1.23 s   | 2.00 s | 1.00 s | must    | 0.50 s      |\n"
        "| help               | 16 ms    | 60 ms  | 45 ms  | aim     | -           |\n"
    )


def test_a_process_is_measured_whole() -> None:
    used = bench.run(("-c", "block = bytearray(64 * 2**20)\nfor number in range(2_000_000): pass"))
    assert 0.01 < used.cpu < 10
    # No upper bound: the kernel counts what the child shared with the process that started it, before it ran.
    assert used.memory > 64


def test_a_process_that_fails_ends_the_measuring() -> None:
    with pytest.raises(SystemExit, match="ended with exit code 3"):
        bench.run(("-c", "import sys; sys.exit(3)"))


def test_children_keep_their_bytecode_and_know_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    bench.run(("-c", "import os, sys; sys.exit(sys.dont_write_bytecode or 'AI_PLATFORM_SECRET_STORE' in os.environ)"))


def test_what_is_measured_runs_with_the_users_packages_alone(tmp_path: Path) -> None:
    python = bench.users_python(tmp_path / "venv")
    bench.run(("-c", "import jsonschema, ruamel.yaml, yaml; yaml.CSafeLoader"), python)
    find = "any(map(importlib.util.find_spec, ('pytest', 'hvac')))"
    bench.run(("-c", f"import importlib.util, sys; sys.exit({find})"), python)


def test_the_median_is_of_time_and_the_largest_of_memory() -> None:
    found = iter([Usage(9, 9), Usage(1, 10), Usage(3, 30), Usage(2, 20)])
    assert bench.median(lambda: next(found), 3) == Usage(2, 30)
    assert bench.median(lambda: Usage(4, 40), 1) == Usage(4, 40)


def test_two_are_measured_in_turns_and_the_least_of_each_counts() -> None:
    order: list[str] = []

    def measure(name: str, figures: Iterator[float]) -> Usage:
        order.append(name)
        return Usage(next(figures), 0)

    first, second = iter([9.0, 3.0, 2.0, 4.0]), iter([9.0, 5.0, 7.0, 6.0])
    assert bench.in_turns(lambda: measure("a", first), lambda: measure("b", second), 3) == (2.0, 5.0)
    assert order == ["a", "b"] * 4


def test_lines_of_both_streams_are_counted(tmp_path: Path) -> None:
    root = generate(tmp_path / "shared", 3, on_one_vault=True)
    # Two findings of five lines with an empty one after each, the count, a line for each file, and the note of the
    # stores that nothing in the project makes.
    assert bench.lines_of(Path(sys.executable), root) == 2 * 6 + 1 + 3 + 1


def test_the_generated_projects_compile_without_a_word(tmp_path: Path) -> None:
    result = compile_project(generate(tmp_path / "many", 3))
    assert result.diagnostics == ()
    assert result.project is not None
    assert [len(environment.secrets) for environment in result.project.environments] == [6, 6, 6]
    result = compile_project(generate(tmp_path / "shared", 3, on_one_vault=True))
    assert [each.rule for each in result.diagnostics] == ["shared-place"] * 2
    result = compile_project(generate_catalogue(tmp_path / "catalogue", 20))
    assert result.diagnostics == ()
    assert result.project is not None
    assert [len(environment.secrets) for environment in result.project.environments] == [20]


def test_bare_python_makes_the_same_secrets(tmp_path: Path) -> None:
    bench.bare(Path(sys.executable), generate(tmp_path / "one", 1), tmp_path / "out")()
    text = (tmp_path / "out/e00000.yaml").read_text()
    assert text.count("kind: ExternalSecret\n") == 6
    assert "AZURE_OPENAI_API_KEY" in text
    assert "AWS_REGION" not in text


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    def figures(_folder: Path, _runs: int, *, quick: bool) -> Iterator[Figure]:
        yield Figure(SECONDS, 3.0, 1.5)
        if not quick:
            yield Figure(Budget("10,000", "s", 2, 1), 1.5)

    monkeypatch.setattr(bench, "measure_all", figures)
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(bench, "PAGE", tmp_path / "performance.md")
    return tmp_path


def test_what_misses_its_budget_is_named(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--quick"]) == 0
    assert capsys.readouterr().out.endswith("over its budget: 1,000 environments\n")
    assert bench.main(["--quick", "--strict-budgets"]) == 1
    assert not (measured / "performance.md").exists()


def test_json_and_the_page_have_every_figure(measured: Path) -> None:
    assert bench.main(["--json", str(measured / "figures.json"), "--write"]) == 0
    data = json.loads((measured / "figures.json").read_text())
    assert data["figures"] == [
        {"title": "1,000 environments", "unit": "s", "must": 2.0, "aim": 1.0, "value": 3.0, "bare": 1.5}
        | {"reached": "MISSED"},
        {"title": "10,000", "unit": "s", "must": 2, "aim": 1, "value": 1.5, "bare": None, "reached": "must"},
    ]
    page = (measured / "performance.md").read_text()
    assert page.startswith("# Performance\n")
    assert "| 10,000             | 1.50 s   | 2.00 s | 1.00 s | must    | -           |\n" in page
