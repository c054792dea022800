from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler.model.environment import Environment
from compiler.model.values import manifests_of, values_of
from compiler.operations.parity import differences, expected_manifests
from compiler.pipeline import compile_project
from compiler.stages.emit import values_text
from tests.conftest import Helm
from tests.unit.model.test_values import environment

ROOT = Path(__file__).resolve().parents[3]
# Keys that lie elsewhere stand between those that do not, and not in the order of their names.
MIXED = """\
secrets:
  github:
    target: agent-github-secrets
    remote: {vault: platform/github, azurekv: platform-github}
    syncWave: -49
    keys:
      URL: {remote: {vault: {property: HOST}}}
      TOKEN: {}
      APP_KEY: {remote: {vault: {name: app, property: KEY}, azurekv: {name: app-key, whole: true}}}
      ID: {}
"""
SAID = [
    "",
    'labels: {a: b}\nannotations: {c: "1"}\nsecretLabels: {e: f}\nsecretAnnotations: {g: "h: i"}\npartOf: shop\n',
    "store: azure\nexternalSecretsOperator: '2.4'\n",
]


def of_names(made: Environment) -> dict[str, Any]:
    return {each.name: each.object for each in manifests_of(made).values()}


@pytest.mark.parametrize("said", SAID)
def test_they_are_what_the_chart_renders_item_by_item(said: str, helms: tuple[Helm, ...], tmp_path: Path) -> None:
    made = environment(said, MIXED)
    values = tmp_path / "values.yaml"
    values.write_text(values_text(values_of(made), "prod", ("prod.yaml",)), "utf-8")
    for helm in helms:
        rendered = list(yaml.safe_load_all(helm.template(values)))
        assert {each["metadata"]["name"]: each for each in rendered} == of_names(made)


def test_the_order_of_keys_is_that_of_the_chart() -> None:
    (found,) = manifests_of(environment("", MIXED)).values()
    assert [each["secretKey"] for each in found.object["spec"]["data"]] == ["TOKEN", "ID", "APP_KEY", "URL"]


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_they_are_what_separate_code_derives_from_catalogue_and_environment(name: str) -> None:
    project = compile_project(ROOT, [name]).project
    assert project is not None
    (made,) = project.environments
    root: Any = made.root.plain_data()
    catalogue: Any = made.catalogue.document.root.plain_data()
    expected = [each for each in expected_manifests(root, catalogue) if each["kind"] == "ExternalSecret"]
    assert list(differences(expected, of_names(made).values())) == []


def test_each_names_its_secret_its_store_and_its_line() -> None:
    made = environment("", MIXED)
    assert manifests_of(made, ["none"]) == {}
    (found,) = manifests_of(made, ["github"]).values()
    assert (found.secret, found.store.id, found.title) == ("github", "vault", "ai-platform/agent-github-secrets")
    assert found.span == made.secrets["github"].node.key_span
