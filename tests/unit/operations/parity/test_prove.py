import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from compiler.helm import Helm, HelmError, helm_at
from compiler.model.environment import Project
from compiler.operations import parity
from compiler.operations.parity import expected_manifests, parent_chart, prove
from compiler.pipeline import compile_project
from compiler.stages.emit import read_values
from tests.conftest import Helm as Installed

ROOT = Path(__file__).resolve().parents[4]
HELMS = (Helm(Path("helm4"), "4.3"), Helm(Path("helm3"), "3.22"))

CATALOGUE = """
secrets:
  llm: {description: LLM, target: llm-secrets, remote: {vault: team/llm, azurekv: team-llm}, syncWave: -50,
    keys: {LLM_KEY: {description: Key, remote: {azurekv: {name: llm-key, whole: true}}}}}
  only: {description: Only, target: only-secrets, remote: {vault: team/only}, syncWave: -49,
    keys: {ONLY: {description: Only}}}
"""
ENVIRONMENT = """
namespace: team
store: vault
refreshInterval: 1h
externalSecretsOperator: "2.9"
stores:
  vault: {provider: vault, name: vault-secret-store, server: https://vault.example.com}
  azure: {provider: azurekv, name: azure-keyvault-store, vaultUrl: https://team.vault.azure.net}
secrets: {llm: {store: vault, fetch: bundle}, only: {}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/catalogue.yaml").write_text(CATALOGUE)
    (tmp_path / "environments/one.yaml").write_text(ENVIRONMENT)
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart/Chart.yaml").write_text("name: platform-secrets\n")
    result = compile_project(tmp_path)
    assert result.project is not None
    assert not result.failed, [each.message for each in result.diagnostics]
    return result.project


@pytest.fixture
def rendering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Helm, dict[str, Any]], str]], list[Any]]:
    """Puts a function of Helm and values in Helm's place; what it was given is in the list."""

    def install(render: Callable[[Helm, dict[str, Any]], str]) -> list[Any]:
        asked: list[Any] = []
        lock = threading.Lock()

        def template(helm: Helm, chart: Path, values_files: Sequence[Path]) -> str:
            (path,) = values_files
            values: Any = read_values(path.read_text())
            with lock:
                asked.append((helm.version, values))
            return render(helm, values)

        monkeypatch.setattr(parity, "template", template)
        return asked

    return install


def test_every_secret_is_put_on_every_store_that_it_has_a_name_for(
    project: Project, tmp_path: Path, rendering: Callable[..., list[Any]]
) -> None:
    asked = rendering(lambda _helm, _values: "")
    prove(project, tmp_path / "chart", HELMS[:1])
    tried = {
        tuple((name, each["storeRef"]["name"], each["fetch"]) for name, each in values["externalSecrets"].items())
        for _, values in asked
    }
    # A bundle where it could not be one is read key by key, and what has no name there stays out.
    assert tried == {
        (("llm", "vault-secret-store", "bundle"), ("only", "vault-secret-store", "perKey")),
        (("llm", "azure-keyvault-store", "perKey"),),
    }
    assert len(asked) == 3


def test_a_difference_is_one_diagnostic_at_the_secret_with_all_that_saw_it(
    project: Project, tmp_path: Path, rendering: Callable[..., list[Any]]
) -> None:
    rendering(lambda _helm, _values: "")
    first, *_ = prove(project, tmp_path / "chart", HELMS)
    assert first.rule == "unproven-chart"
    assert first.message == 'in "one", ExternalSecret "team/llm-secrets" is not rendered'
    assert first.span.where == "environments/one.yaml:9:11"
    assert first.help == (
        "seen with Helm 4.3, as configured; Helm 3.22, as configured; "
        'Helm 4.3, with every secret on the store "vault"; Helm 3.22, with every secret on the store "vault"; '
        'Helm 4.3, with every secret on the store "azure"; Helm 3.22, with every secret on the store "azure"'
    )


def test_keys_that_depend_on_the_store_are_seen_without_the_table(
    project: Project, tmp_path: Path, rendering: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(_helm: Helm, values: dict[str, Any]) -> str:
        store = values["externalSecrets"]["llm"]["storeRef"]["name"]
        return (
            "{kind: ExternalSecret, metadata: {name: llm-secrets, namespace: team}, "
            f"spec: {{target: {{name: llm-secrets}}, data: [{{secretKey: {store}}}]}}}}"
        )

    rendering(render)
    monkeypatch.setattr(parity, "differences", lambda _expected, _rendered: ())
    (found,) = prove(project, tmp_path / "chart", HELMS[:1])
    assert found.message == 'in "one", the Secret "llm-secrets" has different keys than as configured'
    assert found.help == 'seen with Helm 4.3, with every secret on the store "azure"'


def test_a_refusal_of_helm_is_a_diagnostic_without_its_words(
    project: Project, tmp_path: Path, rendering: Callable[..., list[Any]]
) -> None:
    def refuse(_helm: Helm, _values: dict[str, Any]) -> str:
        raise HelmError("refused", "sentinel")

    rendering(refuse)
    (found,) = prove(project, tmp_path / "chart", HELMS)
    assert found.message == 'in "one", Helm refuses the chart with these values'
    assert "sentinel" not in repr(found)


def test_a_helm_that_cannot_be_run_ends_it(
    project: Project, tmp_path: Path, rendering: Callable[..., list[Any]]
) -> None:
    def fail(_helm: Helm, _values: dict[str, Any]) -> str:
        raise HelmError("cannot be run")

    rendering(fail)
    with pytest.raises(HelmError, match="cannot be run"):
        prove(project, tmp_path / "chart", HELMS)


def test_what_is_no_yaml_is_a_diagnostic(project: Project, tmp_path: Path, rendering: Callable[..., list[Any]]) -> None:
    rendering(lambda _helm, _values: "{")
    (found,) = prove(project, tmp_path / "chart", HELMS)
    assert found.message == 'in "one", the output of Helm is not YAML'


@pytest.mark.heavy
def test_the_shipped_environments_are_proven(helms: tuple[Installed, ...]) -> None:
    result = compile_project(ROOT)
    assert result.project is not None
    assert prove(result.project, ROOT / "chart", [helm_at(Path(helm.path)) for helm in helms]) == ()


def test_the_table_counts_each_shipped_secret() -> None:
    result = compile_project(ROOT)
    assert result.project is not None
    catalogue: Any = result.project.catalogue.document.root.plain_data()
    for environment in result.project.environments:
        data: Any = environment.root.plain_data()
        assert len(expected_manifests(data, catalogue)) == len(environment.secrets)


def nested(tmp_path: Path, name: str = "secrets") -> Project:
    (tmp_path / "environments").mkdir(exist_ok=True)
    (tmp_path / "environments/catalogue.yaml").write_text(CATALOGUE)
    (tmp_path / "environments/one.yaml").write_text(f"{ENVIRONMENT}subchart: {name}\n")
    result = compile_project(tmp_path)
    assert result.project is not None
    return result.project


def test_a_subchart_is_proven_through_a_parent(tmp_path: Path, helms: tuple[Installed, ...]) -> None:
    project = nested(tmp_path)
    assert prove(project, ROOT / "chart", [helm_at(Path(helm.path)) for helm in helms]) == ()


def test_values_under_another_name_than_the_parents_are_found(
    tmp_path: Path, helms: tuple[Installed, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "parent_chart", lambda folder, chart, _name: parent_chart(folder, chart, "other"))
    found = prove(nested(tmp_path), ROOT / "chart", [helm_at(Path(helms[-1].path))])
    # The chart refuses to print nothing.
    assert 'in "one", Helm refuses the chart with these values' in {each.message for each in found}


def test_the_parent_is_given_the_values_as_they_are_written(
    tmp_path: Path, rendering: Callable[..., list[Any]]
) -> None:
    asked = rendering(lambda _helm, _values: "")
    prove(nested(tmp_path, "on"), ROOT / "chart", HELMS[:1])
    assert len(asked) == 3
    assert all(list(values) == ["on"] and "externalSecrets" in values["on"] for _, values in asked)
