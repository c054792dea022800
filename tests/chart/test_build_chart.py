"""scripts/build_chart.py: what is committed is what it writes, and `--check` says when it is not."""

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def build_chart() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_chart", ROOT / "scripts/build_chart.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "chart").mkdir()
    for name in ("chart/values.yaml", "chart/values.schema.json", "chart/README.md"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def test_committed_files_are_fresh(build_chart: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    code = build_chart.main(["--check"])
    assert capsys.readouterr().out == ""
    assert code == 0


def test_chart_schema_adds_only_global(build_chart: ModuleType) -> None:
    values = json.loads((ROOT / "schemas/values.schema.json").read_text("utf-8"))
    chart = json.loads((ROOT / "chart/values.schema.json").read_text("utf-8"))
    assert chart["properties"].pop("global")["type"] == "object"
    assert chart == values


@pytest.mark.parametrize("name", ["chart/values.schema.json", "chart/README.md"])
def test_a_stale_file_is_shown_then_rewritten(
    name: str, build_chart: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = (project / name).read_text("utf-8")
    stale = fresh.replace("The namespace of both.", "Out of date.")
    (project / name).write_text(stale, "utf-8")
    assert build_chart.main(["--check"], project) == 1
    diff = capsys.readouterr().out
    assert diff.startswith(f"--- {name}\n+++ {name}, regenerated\n")
    assert "Out of date." in diff
    assert (project / name).read_text("utf-8") == stale
    assert build_chart.main([], project) == 0
    assert (project / name).read_text("utf-8") == fresh
    assert build_chart.main(["--check"], project) == 0


def test_prose_of_the_readme_is_kept(build_chart: ModuleType, project: Path) -> None:
    page = project / "chart/README.md"
    page.write_text(
        page.read_text("utf-8").replace("## With Helm\n", "## With Helm\n\nA person's sentence.\n"), "utf-8"
    )
    assert build_chart.main([], project) == 0
    assert "A person's sentence." in page.read_text("utf-8")


def test_a_readme_without_its_markers_is_an_error(build_chart: ModuleType, project: Path) -> None:
    (project / "chart/README.md").write_text("# nothing\n", "utf-8")
    with pytest.raises(ValueError, match="values markers"):
        build_chart.main([], project)


def test_the_reference_names_every_field_once(build_chart: ModuleType) -> None:
    text = (ROOT / "chart/README.md").read_text("utf-8")
    for row in (
        "| `data.<key>.property` | string |  |",
        "| `conditions[].namespaces` | list | yes |",
        "| `auth.kubernetes.mountPath` | string | yes |",
        "| `authType` | `WorkloadIdentity`, `ManagedIdentity`, `ServicePrincipal` | yes |",
        "| `nullBytePolicy` | `Ignore` |  |",
        "| `labels` | map |  |",
        "| externalSecrets | object | `{}` |",
    ):
        assert text.count(row) == 1, row
