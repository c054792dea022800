from compiler.operations.cutover import commit
from compiler.operations.cutover_gate import Mode
from compiler.render.content import as_json
from compiler.render.reports.cutover import cutover_content
from tests.unit.memory_store import secrets
from tests.unit.operations.cutover.conftest import Bench, bench

__all__ = ["bench"]


def test_a_plan_is_reported_whole(bench: Bench) -> None:
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    found = bench.to_azure("jira", accepted=("JIRA_TOKEN",))
    report = as_json(cutover_content(found, ("environments/prod.yaml",), commit(found)))
    assert (report["mode"], report["to"]) == ("to", "azure")
    assert report["switches"] == [
        {
            "environment": "prod",
            "secret": "jira",
            "from": "vault",
            "to": "azure",
            "target": "agents/agent-jira-secrets",
            "changing": ["JIRA_TOKEN"],
            "unknown": [],
            "readers": [],
        }
    ]
    assert [(each["key"], each["comparison"]) for each in report["keys"]] == [
        ("JIRA_TOKEN", "different"),
        ("JIRA_URL", "equal"),
    ]
    assert report["checks"][-1]["verdict"] == "noted"
    assert (report["written"], len(report["commit"]), report["step"]) == (["environments/prod.yaml"], 2, None)
    assert report["changes"][0]["environment"] == "prod"


def test_a_refused_plan_has_neither_changes_nor_a_commit(bench: Bench) -> None:
    bench.azure.versions.clear()
    report = as_json(cutover_content(bench.to_azure("jira"), (), None))
    assert (report["changes"], report["commit"]) == ([], [])
    assert any(each["mend"] for each in report["checks"])


def test_steps_are_reported_with_the_next(bench: Bench) -> None:
    bench.write("prod", "moves: {to: azure, steps: [[github], [all]]}\nsecrets: {github: {store: azure}}\n")
    report = as_json(cutover_content(bench.plan(Mode.NEXT), (), None))
    assert (report["step"], report["steps"]) == (2, [["github"], ["jira"]])
    bench.write("prod", "moves: {to: azure, steps: [[all]]}\nstore: azure\n")
    assert cutover_content(bench.plan(Mode.NEXT), (), None)["step"] is None
