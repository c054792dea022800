"""A pull request's project whose files are named as the modules that Python would look for first."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the tools of a check import by name, and what each Python imports by itself.
MODULES = (
    *("venv", "ensurepip", "pip", "runpy", "json", "subprocess", "logging", "sitecustomize", "usercustomize"),
    *("yaml", "jsonschema", "ruamel", "compiler", "hatchling"),
)


@dataclass(frozen=True)
class Workspace:
    """The project's folder, and a file that appears when code of it is run."""

    root: Path
    ran: Path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root, ran = tmp_path / "workspace", tmp_path / "ran"
    shutil.copytree(ROOT / "environments", root / "environments")
    (root / "chart").mkdir()
    for path in (ROOT / "chart").glob("values-*.yaml"):
        shutil.copy2(path, root / "chart")
    code = f"open({str(ran)!r}, 'a').write(__name__ + chr(10))\n"
    for name in MODULES:
        (root / f"{name}.py").write_text(code, "utf-8")
        (root / name).mkdir()
        for module in ("__init__", "__main__"):
            (root / name / f"{module}.py").write_text(code, "utf-8")
    (root / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/\n", "utf-8")
    (root / "setup.cfg").write_text("[install]\nprefix = elsewhere\n", "utf-8")
    return Workspace(root, ran)
