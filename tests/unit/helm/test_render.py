import shutil
import tempfile
from pathlib import Path

import pytest

from compiler.helm import helm_at, rendered
from compiler.model.environment import Project
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from tests.agents_project import write_agents_project
from tests.conftest import Helm

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write_agents_project(tmp_path)
    shutil.copytree(ROOT / "chart", tmp_path / "chart", ignore=shutil.ignore_patterns("values-*"))
    found = compile_project(tmp_path).project
    assert found is not None
    return found


def rendering(project: Project, helm: Helm, tmp_path: Path, **options: str) -> str:
    return rendered(project, helm_at(Path(helm.path)), tmp_path / "chart", **options)


def test_an_environment_is_rendered_in_its_own_namespace_or_another(
    project: Project, tmp_path: Path, helm: Helm
) -> None:
    text = rendering(project, helm, tmp_path)
    assert "kind: ExternalSecret" in text
    assert list((tmp_path / "chart").glob("values-*")) == []
    assert rendering(project, helm, tmp_path, namespace="elsewhere")


def test_a_folder_that_cannot_be_written_is_refused(
    project: Project, tmp_path: Path, helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(tempfile.TemporaryDirectory[str]):
        def __enter__(self) -> str:
            return "/proc/nowhere"

    found = helm_at(Path(helm.path))
    monkeypatch.setattr("compiler.helm.TemporaryDirectory", Broken)
    with pytest.raises(Refusal, match="cannot be written to a temporary folder") as caught:
        rendered(project, found, tmp_path / "chart")
    assert caught.value.help == "check TMPDIR"


def test_what_is_nested_for_a_parent_is_rendered_as_the_parent_would(
    project: Project, tmp_path: Path, helm: Helm
) -> None:
    plain = rendering(project, helm, tmp_path)
    (tmp_path / "environments/prod.yaml").write_text("labels: {team: platform}\nsubchart: secrets\n", "utf-8")
    nested = compile_project(tmp_path).project
    assert nested is not None
    assert rendering(nested, helm, tmp_path) == plain
