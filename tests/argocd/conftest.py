"""Argo CD's own definitions where they are at hand, and a copy of the shipped project to generate from."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.commands import Done, run_command
from tests.custom_resources import METADATA, Definition

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = ROOT.parent / "shared" / "crds" / "argocd"


@cache
def _definition(kind: str) -> Definition:
    path = DEFINITIONS / f"{kind.lower()}.json"
    if not path.is_file():
        pytest.skip("Argo CD's definitions are not beside this repository (../shared/crds/argocd)")
    (version,) = json.loads(path.read_text("utf-8"))["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"]["metadata"] = METADATA
    return Definition(schema)


@pytest.fixture(scope="session")
def definition() -> Callable[[str], Definition]:
    """The definition of a kind, such as `Application`; skips where there is none."""
    return _definition


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped input; the working folder."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "environments", root / "environments")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def generate(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs `generate argocd` with a repository."""
    del project
    repo = "https://git.example.com/secrets.git"
    return lambda *words: run_command(capsys, "generate", "argocd", "--repo", repo, *words)
