"""The record of checksums: missing, made, right, and never made anew for what a tag has released."""

import json
import subprocess
from pathlib import Path

import pytest

from compiler import __version__
from compiler.edit import chart
from compiler.edit.chart import release_checksums
from scripts import record_release
from scripts.record_release import is_released, main

OLD = {"0.9.0": {"chart/Chart.yaml": "0" * 64}}


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A record that knows an older release alone, of a project that no tag has released."""
    path = tmp_path / "released.json"
    path.write_text(json.dumps(OLD), "utf-8")
    for module in (chart, record_release):
        monkeypatch.setattr(module, "RELEASED", path)
    monkeypatch.setattr(record_release, "is_released", lambda _version: False)
    return path


def test_a_version_is_recorded_beside_the_older_ones(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = record.read_bytes()
    assert (main(["--check"]), record.read_bytes()) == (1, before)
    assert capsys.readouterr().err.startswith(
        f"not recorded as of {__version__}: run `make schemas`\n  chart/.helmignore\n"
    )
    assert (main([]), main(["--check"])) == (0, 0)
    assert list(release_checksums()) == ["0.9.0", __version__]
    assert release_checksums()["0.9.0"] == OLD["0.9.0"]
    assert capsys.readouterr().err == ""


def test_what_is_released_is_not_recorded_anew(
    record: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([]) == 0
    changed = release_checksums()
    changed[__version__]["chart/values.yaml"] = "0" * 64
    record.write_text(json.dumps(changed), "utf-8")
    monkeypatch.setattr(record_release, "is_released", lambda version: version == __version__)
    assert main([]) == 1
    assert release_checksums() == changed
    assert capsys.readouterr().err == (
        f"{__version__} is released, and these differ from it: raise the version\n  chart/values.yaml\n"
    )


def test_a_tag_says_what_is_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_release, "ROOT", tmp_path)
    assert not is_released("1.0.0")
    git = ["/usr/bin/git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    assert not is_released("1.0.0")
    subprocess.run([*git, "tag", "v1.0.0"], check=True)
    assert is_released("1.0.0")
    assert not is_released("1.0")
