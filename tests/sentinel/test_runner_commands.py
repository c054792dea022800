"""Commands for runners of CI that somebody plants in a project give these runners none, whatever prints them."""

import re
import shutil
from pathlib import Path

import pytest

from compiler.cli.parser import FORMATS
from tests.commands import run_command

ROOT = Path(__file__).resolve().parents[2]
PLANTED = "##vso[task.setvariable variable=planted]x ##TeamCity[planted] ##[planted]"
# As the runners look for them, in any line of a log.
OBEYED = re.compile(r"##[a-z]*\[|^\s*::[a-z-]+ [^\n]*::[^\n]*##[a-z]*\[", re.IGNORECASE | re.MULTILINE)
SHOWN = (
    *("compile --check", "compile dev", "explain dev", "explain dev --format json", "diff dev prod"),
    *("diff dev prod --format json", "diff dev prod --format markdown", "status dev --offline --format json"),
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped project with the planted text in an annotation, an owner and two descriptions."""
    for folder in ("environments", "chart"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    environment = tmp_path / "environments/dev.yaml"
    environment.write_text(
        f"{environment.read_text('utf-8')}  other: {{}}\nannotations: {{example.com/note: '{PLANTED}'}}\n", "utf-8"
    )
    other = f"  other:\n    description: '{PLANTED}'\n    target: other\n    remote: {{vault: a/other}}\n"
    other += f"    syncWave: -5\n    keys:\n      KEY: {{owner: '{PLANTED}', description: '{PLANTED}'}}\n"
    catalogue = tmp_path / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8").replace("\nsecrets:\n", f"\nsecrets:\n{other}", 1), "utf-8")
    return tmp_path


@pytest.mark.parametrize("words", SHOWN)
def test_no_command_of_a_project_reaches_a_log(project: Path, capsys: pytest.CaptureFixture[str], words: str) -> None:
    assert project.is_dir()
    done = run_command(capsys, *words.split())
    assert (done.code in (0, 1), "planted" in done.out + done.err) == (True, True), done
    assert not OBEYED.search(done.out + done.err)


@pytest.mark.parametrize("form", FORMATS)
def test_nor_do_findings_about_it(project: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    (project / "environments/prod.yaml").write_text(f"store: '{PLANTED}'\n", "utf-8")
    done = run_command(capsys, "compile", "prod", "--format", form)
    assert (done.code, "planted" in done.out + done.err) == (1, True), done
    assert not OBEYED.search(done.out + done.err)
