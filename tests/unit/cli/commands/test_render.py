import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import EditFile, RunCommand
from tests.conftest import Helm

_REFUSING = """#!/bin/sh
[ "$1" = version ] && echo v3.18.0 && exit 0
echo 'token: ghp_s3ntinels3ntinels3ntinels3ntinel0' >&2
exit 1
"""


# What a chart file, or an annotation of several lines, brings into a log.
_PRINTING = """#!/bin/sh
[ "$1" = version ] && echo v3.18.0 && exit 0
printf -- '---\\n# Source: chart/templates/a.yaml\\na: b\\n---\\n# Source: chart/templates/b.yaml\\n'
printf -- '%s'
"""


def _manifests(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


def test_manifests_are_printed_and_nothing_stays(
    run: RunCommand, project: Path, helm: Helm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    done = run("render", "prod", "--helm", helm.path)
    assert (done.code, done.err) == (0, "")
    manifests = _manifests(done.out)
    assert len(manifests) == 7
    assert {each["spec"]["secretStoreRef"]["name"] for each in manifests} == {"azure-keyvault-store"}
    assert list(folder.iterdir()) == []
    assert not list((project / "chart").glob("values-*.yaml"))


def test_another_store_and_release(run: RunCommand, project: Path, helms: tuple[Helm, ...]) -> None:
    done = run("render", "prod", "--helm", helms[-1].path, "--store", "vault", "--release", "other")
    assert done.err == 'note: --store chooses the store "vault"\n'
    assert {each["spec"]["secretStoreRef"]["name"] for each in _manifests(done.out)} == {"vault-secret-store"}


def test_a_helm_on_the_path_is_found(
    run: RunCommand, project: Path, helms: tuple[Helm, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(helms[-1].path).parent))
    assert run("render", "prod").code == 0


def test_without_a_helm_it_could_not_run(run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = run("render", "prod")
    assert (done.code, done.out) == (3, "")
    assert "error: no Helm is installed\nhelp: put Helm 3 or 4 on PATH" in done.err


def test_a_helm_that_refuses_is_quoted_without_credentials(run: RunCommand, project: Path) -> None:
    program = project / "helm"
    program.write_text(_REFUSING, "utf-8")
    program.chmod(0o755)
    done = run("render", "prod", "--helm", program)
    assert (done.code, done.out) == (3, "")
    assert done.err == "error: Helm 3.18 refuses the chart\n  token: …\n"


def test_no_chart_and_no_helm_at_a_path(run: RunCommand, project: Path) -> None:
    assert "there is no Helm at" in run("render", "prod", "--helm", "nowhere").err
    (project / "chart/Chart.yaml").unlink()
    done = run("render", "prod")
    assert (done.code, done.out) == (3, "")
    assert 'error: there is no chart in "chart/"\nhelp: add it with `platform-secrets new chart --upgrade`' in done.err
    shutil.rmtree(project / "chart")
    assert "add it with `platform-secrets new chart`, or" in run("render", "prod").err


def test_no_helm_is_given_a_chart_that_leads_out_of_itself(run: RunCommand, project: Path) -> None:
    program = project / "helm"
    program.write_text("#!/bin/sh\ntouch ran\necho v4.3\n", "utf-8")
    program.chmod(0o755)
    (project / "chart/templates/note").symlink_to("/etc/hostname")
    schema = project / "chart/values.schema.json"
    schema.write_text(schema.read_text("utf-8").replace('"#/definitions/id"', '"http://127.0.0.1/x"', 1), "utf-8")
    done = run("render", "prod", "--helm", program)
    assert (done.code, done.out) == (1, "")
    assert "chart/templates/note:1:1: error[unconfined-chart]: chart/templates/note is a link" in done.err
    assert "chart/values.schema.json:12:17: error[unconfined-chart]: the schema refers to" in done.err
    # Asked for its version at most, elsewhere.
    assert not (project / "ran").exists()


def test_errors_come_first(run: RunCommand, project: Path, edit: EditFile) -> None:
    edit("environments/dev.yaml", "secrets:\n", "secrets:\n  gihub: {}\n")
    done = run("render", "dev")
    assert (done.code, done.out) == (1, "")
    assert "error[unknown-secret]" in done.err


@pytest.fixture
def printing(project: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A Helm that prints two manifests and then the text, with the escapes of `printf`."""

    def made(text: str) -> Path:
        program = tmp_path / "helm"
        program.write_text(_PRINTING % text, "utf-8")
        program.chmod(0o755)
        return program

    return made


@pytest.mark.parametrize(
    ("text", "number"), [("  ::add-mask::planted\\n", 6), ("a: |\\n\\t ::error file=x::planted\\n", 7)]
)
def test_a_runner_of_ci_is_given_no_command(
    run: RunCommand, printing: Callable[[str], Path], text: str, number: int
) -> None:
    helm = printing(text)
    done = run("render", "prod", "--helm", helm)
    assert (done.code, done.out) == (3, "")
    place = f'line {number}, from "chart/templates/b.yaml"'
    assert done.err.splitlines() == [
        f"error: a runner of CI would take a line of the output for a command: {place}",
        "help: write it to a file with `--out FILE`, or change it at its source",
    ]
    written = run("render", "prod", "--helm", helm, "--out", "manifests.yaml")
    assert (written.code, written.out, written.err) == (0, "manifests.yaml: written\n", "")
    content = Path("manifests.yaml").read_bytes()
    assert content.endswith(text.encode("latin-1").decode("unicode_escape").encode("latin-1"))


def test_a_file_is_replaced_and_a_link_is_not_followed(
    run: RunCommand, printing: Callable[[str], Path], project: Path
) -> None:
    helm = printing("")
    (project / "old.yaml").write_text("old", "utf-8")
    (project / "link.yaml").symlink_to("old.yaml")
    refused = run("render", "prod", "--helm", helm, "--out", "link.yaml")
    assert (refused.code, '"link.yaml" is a link' in refused.err) == (3, True)
    assert (project / "old.yaml").read_text("utf-8") == "old"
    assert run("render", "prod", "--helm", helm, "--out", "old.yaml").code == 0
    assert (project / "old.yaml").read_text("utf-8").startswith("---\n# Source: chart/templates/a.yaml\n")
