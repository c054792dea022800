import os
from pathlib import Path

import pytest

from compiler import helm as module
from compiler.helm import VARIABLE, Helm, HelmError, find_helms, helm_at, template
from tests.conftest import Helm as Installed

ROOT = Path(__file__).resolve().parents[3]
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


def test_named_ones_come_before_the_variable_and_the_variable_before_path(tmp_path: Path) -> None:
    programs = {name: _program(tmp_path / name / "helm", f"echo v{name}.1+g1") for name in ("3.22", "4.2", "4.3")}
    root = tmp_path / "project"
    environ = {"PATH": str(tmp_path / "3.22"), VARIABLE: f"{programs['4.2']}:{programs['3.22']}:{programs['4.2']}:"}
    assert find_helms(root, [str(programs["4.3"])], environ) == (Helm(programs["4.3"], "4.3"),)
    assert [each.version for each in find_helms(root, [], environ)] == ["4.2", "3.22"]
    assert [each.version for each in find_helms(root, [], {**environ, VARIABLE: ""})] == ["3.22"]
    # What is named is meant: none of them is passed over.
    with pytest.raises(HelmError, match="there is no Helm at"):
        find_helms(root, [], {**environ, VARIABLE: f"{programs['4.2']}:/nowhere/helm"})


@pytest.mark.parametrize(
    "path", [".", "", "bin", "{root}/bin", "{root}/node_modules/.bin", "{alias}/bin", "../project/bin"]
)
def test_no_program_of_the_project_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    root, ran = tmp_path / "project", tmp_path / "ran"
    places = ("helm", "bin/helm", "node_modules/.bin/helm", ".tools/helm4/helm", ".tools/helm3/helm", "tools/helm")
    for place in places:
        _program(root / place, f"touch {ran}; echo v4.3")
    (tmp_path / "alias").symlink_to(root)
    monkeypatch.chdir(root)
    search = path.format(root=root, alias=tmp_path / "alias")
    with pytest.raises(HelmError, match="no Helm is installed") as raised:
        find_helms(root, [], {"PATH": search})
    assert "must be named to be run" in str(raised.value.help)
    mine = _program(tmp_path / "mine/helm", "echo v4.3")
    assert find_helms(root, [], {"PATH": f"{search}:{tmp_path}/mine"}) == (Helm(mine, "4.3"),)
    assert not ran.exists()
    # A person may still name it.
    assert find_helms(root, ["bin/helm"], {"PATH": ""}) == (Helm(Path("bin/helm"), "4.3"),)
    assert ran.exists()


def test_a_variable_with_a_relative_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "helm", "echo v4.3")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HelmError, match=f"{VARIABLE} holds a relative path"):
        find_helms(tmp_path, [], {VARIABLE: "/bin/helm:helm"})


def test_without_any_it_is_said_what_to_do_and_where_a_clone_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "a clone/helm"
    monkeypatch.setattr("compiler.helm._OF_CLONE", mine)

    def way_out() -> str | None:
        with pytest.raises(HelmError, match="no Helm is installed") as raised:
            find_helms(tmp_path, [], {"PATH": str(tmp_path)})
        return raised.value.help

    general = f"put Helm 3 or 4 on PATH, or name one with --helm or {VARIABLE}"
    assert way_out() == general
    # It is only named: nothing in a folder that may be the project's is run unasked.
    ran = tmp_path / "ran"
    _program(mine, f"touch {ran}; echo v4.3")
    assert way_out() == f"{general}; the one of the clone is --helm '{mine}'"
    assert not ran.exists()


@pytest.mark.parametrize("said", ["v3.11.3", "v3.0.0+g1"])
def test_a_helm_whose_templates_could_ask_the_network_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(HelmError, match="is too old: Helm") as raised:
        helm_at(_program(tmp_path / "helm", f"echo {said}"))
    assert "3.12" in str(raised.value.help)


@pytest.mark.parametrize("said", ["v2.17.0", "v5.0.0", "nonsense", ""])
def test_what_is_no_helm_of_ours_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(HelmError, match="is not Helm 3 or 4") as raised:
        helm_at(_program(tmp_path / "helm", f"echo '{said}'"))
    assert "Helm 3 or 4" in str(raised.value.help)


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "helm").write_text("", "utf-8")
    with pytest.raises(HelmError, match="cannot be run: permission denied"):
        helm_at(tmp_path / "helm")
    with pytest.raises(HelmError, match="there is no Helm at") as raised:
        helm_at(tmp_path / "nowhere")
    assert "the one on PATH" in str(raised.value.help)


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
    monkeypatch.setenv("HTTPS_PROXY", "http://user:s3ntinel@proxy")
    monkeypatch.chdir(tmp_path)
    program = _program(
        tmp_path / "helm", 'env | cut -d= -f1 | sort; for a in "$@"; do echo "<$a>"; done; echo "<$PWD>"'
    )
    shown = template(Helm(program, "4.3"), Path("chart"), [Path("-v.yaml")], release="-r", namespace="-n")
    names = {line for line in shown.splitlines() if not line.startswith("<")} - {"PWD", "_", "SHLVL", "OLDPWD"}
    assert names == {"GOGC", "GOMEMLIMIT", "HOME", "KUBECONFIG", "PATH", "TMPDIR"}
    *arguments, folder = [line for line in shown.splitlines() if line.startswith("<")]
    assert Path(folder.strip("<>")) != tmp_path
    assert arguments == [
        "<template>",
        f"<--values={tmp_path}/-v.yaml>",
        "<--namespace=-n>",
        "<-->",
        "<-r>",
        f"<{tmp_path}/chart>",
    ]


def test_a_helm_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.2)
    program = _program(tmp_path / "helm", f"exec {os.defpath.split(':')[0]}/sleep 30")
    with pytest.raises(HelmError, match="did not end within"):
        helm_at(program)
