from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from compiler.cli.terminal.contents import text_of
from compiler.operations.cutover import Cutover, commit
from compiler.operations.cutover_gate import Mode
from compiler.render.content import Line, as_json
from compiler.render.reports.cutover import cutover_content, end_lines, head_lines, values_lines
from tests.memory_store import secrets
from tests.unit.operations.cutover_bench import Bench, bench

__all__ = ["bench"]


def told(lines: Iterable[Line]) -> list[str]:
    return text_of(lines).splitlines()


def end(cutover: Cutover, *written: str) -> list[str]:
    return told(end_lines(cutover, written, commit(cutover)))


def test_the_gate_is_listed_check_by_check(bench: Bench) -> None:
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    found = told(head_lines(bench.to_azure("jira")))
    assert found[:4] == [
        'prod: jira from "vault" to "azure"',
        "  ok         the edited environment compiles without a new error",
        "  ok         the Secret keeps its name and keys",
        '  ok         "azure" holds every key: 2 keys, at https://agents.vault.azure.net',
    ]
    assert found[4] == '  refused    values of "jira" differ in "azure" and "vault": "JIRA_TOKEN"'
    assert found[5].startswith('             help: to accept those of "azure": platform-secrets cutover prod jira --to')
    bench.silent.add("vault")
    assert told(head_lines(bench.to_azure("jira")))[4].startswith("  no answer  ")


def test_the_heading_says_what_is_there_already_which_step_it_is_and_what_a_finish_does(bench: Bench) -> None:
    bench.write("prod", "moves: {to: azure, steps: [[github], [jira]]}\nsecrets: {github: {store: azure}}\n")
    assert told(head_lines(bench.to_azure("github", "jira")))[:2] == [
        'prod: already on "azure": "github"',
        'prod: jira from "vault" to "azure"',
    ]
    assert told(head_lines(bench.plan(Mode.NEXT)))[0] == 'prod: step 2 of 2 to "azure"'
    assert told(head_lines(bench.plan(Mode.FINISH, to="azure")))[:2] == [
        'prod: jira from "vault" to "azure"',
        'prod: "azure" becomes its store, and the overrides that name it are removed',
    ]


SAME = "the Secret is updated in place; content equal"


def live(cutover: Cutover, **more: Any) -> Cutover:  # noqa: ANN401 - fields of an effect
    """The plan with the cluster asked, which has said `more`."""
    return replace(cutover, effects=tuple(replace(each, is_live=True, **more) for each in cutover.effects))


def test_values_and_meaning_are_told_for_every_environment(bench: Bench) -> None:
    bench.write("canary", "extends: [prod]\n")
    found = told(values_lines(bench.to_azure("jira", with_dependants=True)))
    assert [line for line in found if not line.startswith("    ")] == [
        "chart/values-prod.yaml:",
        "  changed agents/agent-jira-secrets",
        "chart/values-canary.yaml:",
        "  changed agents/agent-jira-secrets",
        "in the cluster:",
        *[f"  agents/agent-jira-secrets: {SAME} in both stores; the cluster was not asked"] * 2,
    ]


def test_of_pods_is_said_what_the_cluster_showed(bench: Bench) -> None:
    cutover = live(bench.to_azure("jira"))
    assert told(values_lines(cutover))[-1] == f"  agents/agent-jira-secrets: {SAME}, so no pod sees a change"
    for takes in ("may take", "takes"):
        cutover = live(cutover, takes=takes, readers=("deployment/jira",))
        assert told(values_lines(cutover))[-1] == (
            "  agents/agent-jira-secrets: the Secret is updated in place; "
            f"it {takes} the value that the operator has not read yet, read by deployment/jira"
        )


def test_keys_that_change_are_named_with_who_reads_them(bench: Bench) -> None:
    bench.change(
        "catalogue", "    target: agent-jira-secrets\n", "    target: agent-jira-secrets\n    mountedBy: [mcp-jira]\n"
    )
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    found = bench.to_azure("jira")
    told_live = told(values_lines(live(found)))[-1]
    assert told_live.endswith('in place; it changes "JIRA_TOKEN", read by mcp-jira')
    # Without the cluster nothing is said of pods but what the catalogue says.
    mounts = "(mounted by mcp-jira, says the catalogue); the cluster was not asked"
    assert told(values_lines(found))[-1].endswith(
        f'in place; the stores hold different values of "JIRA_TOKEN" {mounts}'
    )
    bench.silent.add("vault")
    found = bench.to_azure("jira")
    keys = '"JIRA_TOKEN", "JIRA_URL"'
    assert told(values_lines(found))[-1].endswith(
        f"not known whether the stores hold different values of {keys} {mounts}"
    )
    told_live = told(values_lines(live(found)))[-1]
    assert told_live.endswith(f"in place; not known whether it changes {keys}, read by mcp-jira")


def test_a_finish_that_changes_no_value_says_so(bench: Bench) -> None:
    bench.write("prod", "secrets: {jira: {store: azure}, github: {store: azure}}\n")
    found = bench.plan(Mode.FINISH, to="azure")
    assert told(values_lines(found)) == ["chart/values-prod.yaml: no differences"]
    assert end(found, "environments/prod.yaml")[-1].startswith("  git commit")


def test_the_way_back_of_many_is_one_word_where_that_means_the_same(bench: Bench) -> None:
    names = [f"n{number}" for number in range(5)]
    entry = "  {0}: {{target: {0}, remote: {{vault: a/{0}, azurekv: a-{0}}}, syncWave: -49, keys: {{KEY: {{}}}}}}\n"
    bench.write("catalogue", bench.text("catalogue") + "".join(map(entry.format, names)))
    for name in names:
        bench.vault.seed(f"a/{name}", KEY="k")
        bench.azure.seed(f"a-{name}", KEY="k")
    listed = ", ".join(f"{name}: {{}}" for name in names)
    bench.write("prod", f"secrets: {{{listed}}}\n")
    back = "to go back: platform-secrets cutover prod {} --back --to vault --apply"
    assert end(bench.to_azure("all"), "a")[-1] == back.format("all")
    # One that was there before does not go back, and one that stays is not meant.
    bench.write("prod", f"secrets: {{jira: {{store: azure}}, {listed}}}\n")
    assert end(bench.to_azure("all"), "a")[-1] == back.format(" ".join(["github", *names]))


def test_the_end_names_what_is_next(bench: Bench) -> None:
    found = bench.to_azure("jira")
    assert end(found) == ["nothing was written; add --apply to write this"]
    assert end(found, "a", "b") == [
        "a: written",
        "b: written",
        "commit it:",
        "  git add environments/prod.yaml chart/values-prod.yaml",
        "  git commit -m 'Switch jira of prod to azure'",
        "watch it take effect: platform-secrets status prod --only jira --wait",
        "to go back: platform-secrets cutover prod jira --back --to vault --apply",
    ]
    needing = told(end_lines(found, ("a",), commit(found), "a kubeconfig: set KUBECONFIG"))
    assert needing[-3:-1] == [
        "watch it take effect: platform-secrets status prod --only jira --wait",
        "  which needs a kubeconfig: set KUBECONFIG",
    ]
    bench.azure.versions.clear()
    assert end(bench.to_azure("jira")) == ["nothing was written: the gate is closed"]
    bench.write("prod", "store: azure\nmoves: {to: azure, steps: [[all]]}\n")
    assert end(bench.to_azure("jira")) == ["nothing to do"]
    assert end(bench.plan(Mode.NEXT)) == [
        "nothing to do: every step is done",
        "next: platform-secrets cutover prod --finish --to azure",
    ]


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
