import json
import shutil
from functools import cache
from pathlib import Path

import pytest
import yaml

from compiler.operations.parity import parent_chart
from tests.conftest import Helm

ROOT = Path(__file__).resolve().parents[4]
VALUES = ROOT / "tests/chart/values/mixed.yaml"


def manifests_in(rendered: str) -> list[object]:
    return list(yaml.load_all(rendered, yaml.CSafeLoader))


@cache
def alone(helm: Helm) -> list[object]:
    """What the chart prints by itself."""
    return manifests_in(helm.template(VALUES))


@pytest.mark.parametrize("alias", ["secrets", "platform-secrets", "y"])
def test_the_parent_prints_what_the_chart_prints(alias: str, helm: Helm, tmp_path: Path) -> None:
    chart = parent_chart(tmp_path / "parent", ROOT / "chart", alias)
    nested = tmp_path / "nested.yaml"
    nested.write_text(json.dumps({alias: yaml.safe_load(VALUES.read_text("utf-8"))}), "utf-8")
    rendered = manifests_in(helm.template(nested, chart=chart))
    assert rendered == alone(helm)
    assert rendered
    # What is not under the name does not reach it.
    done = helm.run("template", "parent", chart, "--values", VALUES)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no ExternalSecret and no store is given" in done.stderr


def test_the_dependency_is_the_chart_by_its_own_name_and_of_any_version(helm: Helm, tmp_path: Path) -> None:
    chart = shutil.copytree(ROOT / "chart", tmp_path / "chart")
    text = (chart / "Chart.yaml").read_text("utf-8")
    (chart / "Chart.yaml").write_text(
        text.replace("name: platform-secrets", "name: ours").replace("version: 1.0.0", "version: 1.0.0-rc.1"), "utf-8"
    )
    parent = parent_chart(tmp_path / "parent", chart, "secrets")
    (dependency,) = json.loads((parent / "Chart.yaml").read_text("utf-8"))["dependencies"]
    assert (dependency["name"], dependency["alias"]) == ("ours", "secrets")
    nested = tmp_path / "nested.yaml"
    nested.write_text(json.dumps({"secrets": yaml.safe_load(VALUES.read_text("utf-8"))}), "utf-8")
    assert "kind: ExternalSecret" in helm.template(nested, chart=parent)


def test_no_values_of_an_environment_come_along(tmp_path: Path) -> None:
    parent = parent_chart(tmp_path / "parent", ROOT / "chart", "secrets")
    names = {path.name for path in (parent / "charts/secrets").iterdir()}
    assert "values.yaml" in names
    assert not [name for name in names if name.startswith("values-")]


def test_a_chart_without_a_name_is_left_for_helm_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart/Chart.yaml").write_text("- a\n", "utf-8")
    parent = parent_chart(tmp_path / "parent", tmp_path / "chart", "secrets")
    (dependency,) = json.loads((parent / "Chart.yaml").read_text("utf-8"))["dependencies"]
    assert dependency["name"] is None
