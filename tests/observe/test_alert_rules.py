import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from compiler.cluster.problem import ClusterProblem, ClusterState
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
    cases = sorted((ROOT / "tests/observe").glob("*.yaml"))
    for argv in (("check", "rules", RULES), *(("test", "rules", each) for each in cases)):
        done = subprocess.run((promtool, *argv), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    alerts = {rule["alert"] for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]}
    cases = [yaml.safe_load(each.read_text("utf-8")) for each in (ROOT / "tests/observe").glob("*.yaml")]
    fired = {
        each["alertname"]
        for case in cases
        for test in case["tests"]
        for each in test["alert_rule_test"]
        if each["exp_alerts"]
    }
    assert fired == alerts


def test_a_collector_takes_every_metric_that_the_alerts_ask_for(promtool: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    status = from_files(Bench(tmp_path).environment())
    ages = (KeyAge(AgeState.OVERDUE, now, now), KeyAge(AgeState.NOT_KNOWN, why="gone"))
    keys = tuple(
        DueKey("jira", f"KEY_{number}", "vault", 'the "best" team', has_limit=True, age=age)
        for number, age in enumerate(ages)
    )
    broken = LiveState((ClusterProblem(ClusterState.NOT_READY, "no"),), pods=1, operator_runs=True, store_ready=False)
    rows = tuple(replace(row, keys=keys if row.secret.id == "jira" else (), live=broken) for row in status.rows)
    found = replace(status, rows=rows, is_asked=True, is_live=True)
    text = "".join(f"{line}\n" for line in metrics([found], now))
    done = subprocess.run(
        (promtool, "check", "metrics"), input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    asked = set(re.findall(r"platform_secrets?_\w+", RULES.read_text("utf-8").replace("`", "")))
    # With a sample each: one that is never written keeps an alert silent for ever.
    assert asked <= {re.split("[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}
