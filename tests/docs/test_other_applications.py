"""The example of other applications, copied as a reader would: compiled, and held against its charts by both Helms."""

import shutil
from pathlib import Path

import pytest

from tests.commands import run_command
from tests.conftest import Helm

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/other-applications"
# The keys of each that its pods name one by one, or that they take as a file.
APPLICATIONS = {"backstage": ["GITHUB_APP_PRIVATE_KEY"], "headlamp": [], "portal": ["NEXTAUTH_SECRET"]}


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(EXAMPLE, folder)
    monkeypatch.chdir(folder)
    return folder


def test_a_copy_compiles_for_two_stores_and_three_namespaces(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(capsys, "new", "chart").code == 0
    done = run_command(capsys, "compile", "--strict")
    assert (done.code, done.rules) == (0, [])
    for environment in ("dev", "prod"):
        values = (copy / f"chart/values-{environment}.yaml").read_text("utf-8")
        assert values.count('"vault-secret-store"') == values.count('"azure-keyvault-store"') == 2
        assert {name for name in APPLICATIONS if f'namespace: "{name}"' in values} == set(APPLICATIONS)


@pytest.mark.parametrize("application", APPLICATIONS)
def test_what_each_chart_reads_is_made(
    application: str, copy: Path, helm: Helm, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--namespace", application)
    values = copy / f"values/{application}.yaml"
    rendered = helm.template(values, chart=copy / f"charts/{application}", options=options)
    (copy / "rendered.yaml").write_text(rendered, "utf-8")
    for environment in ("dev", "prod"):
        words = ("consumers", environment, "--manifests", "rendered.yaml", *options)
        done = run_command(capsys, *words, "--strict", "--format", "json")
        assert (done.code, done.report["diagnostics"]) == (0, [])
        here = [each for each in done.report["secrets"] if each["namespace"] == application]
        assert here
        assert all(each["readBy"] for each in here)
        named = {key for each in here for reader in each["readBy"] for key in reader["keys"]}
        assert named.issuperset(APPLICATIONS[application])


def test_the_private_key_is_a_file_and_no_variable(
    copy: Path, helms: tuple[Helm, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--namespace", "backstage")
    rendered = helms[0].template(copy / "values/backstage.yaml", chart=copy / "charts/backstage", options=options)
    (copy / "rendered.yaml").write_text(rendered, "utf-8")
    words = ("--manifests", "rendered.yaml", "--format", "json")
    secrets = {each["secret"]: each for each in run_command(capsys, "consumers", "prod", *words).report["secrets"]}
    (reader,) = secrets["backstage-github-app"]["readBy"]
    assert reader["ways"] == ["volume"]
