"""The command takes no Python module from the folder that it runs in, which may be a stranger's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = ("compiler/__init__.py", "compiler/__main__.py", "yaml.py", "sitecustomize.py")


@pytest.mark.parametrize("words", [("platform-secrets",), ("python", "-I", "-m", "compiler")], ids=" ".join)
def test_what_lies_in_the_working_folder_is_not_imported(tmp_path: Path, words: tuple[str, ...]) -> None:
    for name in PLANTED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('planted')\n", "utf-8")
    program, *rest = words
    argv = [str(Path(sys.executable).parent / program), *rest, "rules"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(argv, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "unknown-secret" in done.stdout, "planted" in done.stderr) == (0, True, False), done.stderr
