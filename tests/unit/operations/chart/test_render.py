from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compiler.operations.chart.helm import HelmError
from compiler.operations.chart.render import helm_to_use, rendered
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from tests.agents_project import write_agents_project

if TYPE_CHECKING:
    from compiler.model.project import Project
    from tests.conftest import Helm

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write_agents_project(tmp_path)
    shutil.copytree(ROOT / "chart", tmp_path / "chart", ignore=shutil.ignore_patterns("values-*"))
    found = compile_project(tmp_path).project
    assert found is not None
    return found


def test_an_environment_is_rendered_in_its_own_namespace_or_another(
    project: Project, tmp_path: Path, helm: Helm
) -> None:
    text = rendered(project, tmp_path, str(helm.path))
    assert "kind: ExternalSecret" in text
    assert list((tmp_path / "chart").glob("values-*")) == []
    assert rendered(project, tmp_path, str(helm.path), namespace="elsewhere")


def test_no_chart_is_refused_before_a_helm_is_looked_for(project: Project, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "chart")
    with pytest.raises(HelmError, match='there is no chart in "chart/"'):
        rendered(project, tmp_path)


def test_without_a_helm_the_ways_to_one_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HelmError) as caught:
        helm_to_use(tmp_path, None)
    assert (caught.value.kind, caught.value.message) == ("cannot run", "no Helm is installed")
    assert "--helm" in (caught.value.help or "")


def test_the_helm_that_is_named_is_used(tmp_path: Path, helm: Helm) -> None:
    assert helm_to_use(tmp_path, str(helm.path)).path == Path(helm.path)
    with pytest.raises(HelmError, match="there is no Helm at"):
        helm_to_use(tmp_path, "/nowhere")


def test_a_folder_that_cannot_be_written_is_refused(
    project: Project, tmp_path: Path, helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(tempfile.TemporaryDirectory[str]):
        def __enter__(self) -> str:
            return "/proc/nowhere"

    monkeypatch.setattr("compiler.operations.chart.render.TemporaryDirectory", Broken)
    with pytest.raises(Refusal, match="cannot be written to a temporary folder") as caught:
        rendered(project, tmp_path, str(helm.path))
    assert caught.value.help == "look at TMPDIR"
