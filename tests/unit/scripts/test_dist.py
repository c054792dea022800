"""What the build of a release says where it cannot go on; tests/release looks at what it builds."""

import sys
from pathlib import Path

import pytest

from scripts import dist


def test_without_a_helm_that_packs_alike_it_says_so_and_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    helm3 = tmp_path / "helm"
    helm3.write_text("#!/bin/sh\necho v3.19.0\n", "utf-8")
    helm3.chmod(0o755)
    monkeypatch.setenv("HELM4", str(helm3))
    monkeypatch.setattr(dist, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(dist.NotBuiltError, match="Helm 4 packs the chart, and there is none"):
        dist._helm()
    # This folder is no clone either.
    monkeypatch.setattr(sys, "argv", ["dist.py", "--out", str(tmp_path / "out")])
    assert dist.main() == 1
    assert capsys.readouterr().err.startswith("error: git failed:\nfatal: not a git repository")
    assert not (tmp_path / "out").exists()


def test_a_program_that_is_missing_or_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(dist.NotBuiltError, match="lister: No such file or directory"):
        dist._run(tmp_path / "lister", folder=tmp_path)
    with pytest.raises(dist.NotBuiltError, match="sh failed:\nno room\n"):
        dist._run("/bin/sh", "-c", "echo no room >&2; exit 3", folder=tmp_path)
