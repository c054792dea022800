import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs/examples/observe/alerts.yaml"


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool") or shutil.which(ROOT / ".tools/promtool/promtool")
    if found is None:
        pytest.skip("promtool is not on PATH, and `make observe` has not put one into .tools")
    return found


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else(promtool: str) -> None:
    for argv in (("check", "rules", RULES), ("test", "rules", ROOT / "tests/observe/test_alerts.yaml")):
        done = subprocess.run((promtool, *argv), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
