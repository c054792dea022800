import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compiler.live.ages import AgeState, KeyAge
from compiler.operations.due import DueKey
from compiler.operations.status import LiveState, from_files
from compiler.render.reports.metrics import metrics
from tests.unit.operations.cutover_bench import Bench

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


def test_a_collector_takes_every_metric_that_the_alerts_ask_for(promtool: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    status = from_files(Bench(tmp_path).environment())
    ages = (KeyAge(AgeState.OVERDUE, now, now), KeyAge(AgeState.NOT_KNOWN, why="gone"))
    keys = tuple(
        DueKey("jira", f"KEY_{number}", "vault", 'the "best" team', has_limit=True, age=age)
        for number, age in enumerate(ages)
    )
    rows = tuple(replace(row, keys=keys if row.secret.id == "jira" else (), live=LiveState()) for row in status.rows)
    text = "".join(f"{line}\n" for line in metrics([replace(status, rows=rows)], now))
    done = subprocess.run(
        (promtool, "check", "metrics"), input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    asked = set(re.findall(r"platform_secrets?_\w+", RULES.read_text("utf-8").replace("`", "")))
    assert asked <= {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
