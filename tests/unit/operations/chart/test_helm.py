from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compiler.operations.chart import helm as module
from compiler.operations.chart.helm import Helm, HelmError, find_helms, helm_at, template

if TYPE_CHECKING:
    from tests.conftest import Helm as Installed

ROOT = Path(__file__).resolve().parents[4]
SAMPLE = ROOT / "tests/chart/values/mixed.yaml"


def _program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)
    return path


def test_both_helms_render(helms: tuple[Installed, ...]) -> None:
    found = [helm_at(Path(each.path)) for each in helms]
    assert [each.major for each in found] == [3, 4]
    for each in found:
        assert "kind: ExternalSecret" in template(each, ROOT / "chart", [SAMPLE], namespace="n")


def test_the_one_on_path_comes_first_and_each_version_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "bin/helm", "echo v3.22.0+g1")
    _program(tmp_path / ".tools/helm4/helm", "echo v4.3")
    _program(tmp_path / ".tools/helm3/helm", "echo v3.22.1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_helms(tmp_path) == (
        Helm(tmp_path / "bin/helm", "3.22"),
        Helm(tmp_path / ".tools/helm4/helm", "4.3"),
    )
    monkeypatch.setenv("PATH", "")
    assert [each.version for each in find_helms(tmp_path)] == ["4.3", "3.22"]
    assert find_helms(tmp_path / "nowhere") == ()


@pytest.mark.parametrize("said", ["v2.17.0", "v5.0.0", "nonsense", ""])
def test_what_is_no_helm_of_ours_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(HelmError, match="is no Helm 3 or 4"):
        helm_at(_program(tmp_path / "helm", f"echo '{said}'"))


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "helm").write_text("", "utf-8")
    with pytest.raises(HelmError, match="cannot be run: permission denied"):
        helm_at(tmp_path / "helm")
    with pytest.raises(HelmError, match="there is no Helm at"):
        helm_at(tmp_path / "nowhere")


def test_a_refusal_carries_the_words_of_helm(tmp_path: Path) -> None:
    program = _program(tmp_path / "helm", "echo 'Error: no chart' >&2; exit 1")
    with pytest.raises(HelmError) as caught:
        template(Helm(program, "4.3"), tmp_path, [])
    assert (str(caught.value), caught.value.details) == ("Helm 4.3 refuses the chart", "Error: no chart")


def test_nothing_of_a_person_reaches_it_and_nothing_becomes_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM_PLUGINS", "/somewhere")
    monkeypatch.setenv("VAULT_TOKEN", "hvs.s3ntinels3ntinels3ntinel")
    program = _program(tmp_path / "helm", 'env | cut -d= -f1 | sort; for a in "$@"; do echo "<$a>"; done')
    shown = template(Helm(program, "4.3"), Path("chart"), [Path("-v.yaml")], release="-r", namespace="-n")
    names = {line for line in shown.splitlines() if not line.startswith("<")} - {"PWD", "_", "SHLVL", "OLDPWD"}
    assert names == {"HOME", "KUBECONFIG", "PATH"}
    assert [line for line in shown.splitlines() if line.startswith("<")] == [
        "<template>",
        "<--values=-v.yaml>",
        "<--namespace=-n>",
        "<-->",
        "<-r>",
        "<chart>",
    ]


def test_a_helm_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.2)
    program = _program(tmp_path / "helm", f"exec {os.defpath.split(':')[0]}/sleep 30")
    with pytest.raises(HelmError, match="did not end within"):
        helm_at(program)
