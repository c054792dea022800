from contextlib import closing

import pytest

from compiler.change.apply import apply_plan
from compiler.change.journal import read_run
from compiler.change.plan import Kind, State
from compiler.change.run_log import RunLog
from compiler.model.provider import Provider
from compiler.operations.retire import plan_retirement
from compiler.stores.errors import Action, ForbiddenError, StoreLocation
from compiler.stores.interface import Problem, Use
from tests import providers
from tests.unit.changes import begin_journal
from tests.unit.operations.retire.conftest import Bench

ID = "20250131-120000-4fa1c2"
PLACE = StoreLocation("vault", "agents/jira")
DENIED = ForbiddenError(PLACE, Action.DESCRIBE, "no policy", "add one", permission="p")


def test_what_the_serving_store_holds_too_is_deleted_with_every_version(bench: Bench) -> None:
    bench.vault.seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    bench.vault.gone["agents/jira"] = {"v1"}
    bench.vault.seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    plan = bench.plan()
    assert [(write.name, write.versions, write.others) for write in plan.writes] == [
        ("agents/github", ("v1",), ()),
        ("agents/jira", ("v2", "v3"), ("v1",)),
    ]
    assert {step.kind for step in plan.steps} == {Kind.DELETE}
    assert plan.steps[-1].reason == 'versions v2, v3; "azure" holds the same'
    assert (plan.sources, plan.destinations) == (
        {"azure": bench.azure.address.absolute},
        {"vault": bench.vault.address.absolute},
    )
    assert plan.who == {"vault": "tester"}
    assert str(plan.steps[0].source) == "azure:agents-github#GITHUB_TOKEN"


def test_a_deletion_that_the_store_would_deny_is_refused(bench: Bench) -> None:
    bench.vault.denied = (Problem("forbidden", "agents/jira", "no policy grants it", "add one"),)
    plan = bench.plan()
    assert [write.name for write in plan.writes] == ["agents/github"]
    assert {step.kind for step in plan.steps if step.secret == "jira"} == {Kind.REFUSE}
    assert bench.vault.expected["agents/jira"] == {Use.DELETE_VERSIONS}


def test_of_a_key_vault_all_versions_go_together(bench: Bench) -> None:
    bench.write("prod", "store: vault\n")
    steps = bench.steps(store="azure")
    assert steps["JIRA_URL"].reason == 'all versions; "vault" holds the same'
    assert steps["GITHUB_APP_KEY"].kind is Kind.KEEP


def test_a_named_secret_that_is_read_is_refused_and_an_unnamed_one_left_out(bench: Bench) -> None:
    bench.write("staging", "store: vault\nsecrets: {github: null}\n")
    assert set(bench.steps()) == {"GITHUB_TOKEN"}
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.reason) == (Kind.REFUSE, 'still read by "staging/jira"')
    assert ("read", "agents/jira") not in bench.vault.calls


def test_a_deletion_that_was_sent_and_not_recorded_is_adopted_when_the_run_goes_on(bench: Bench) -> None:
    change = bench.change("jira")
    first = change.plan(None)
    journal = begin_journal(bench.root, ID, first, change.identity)
    journal.start(first.writes[0])
    journal.close()
    bench.vault.delete_versions("agents/jira", ("v1",))
    run = read_run(bench.root / ".platform-secrets/runs" / f"{ID}.jsonl")
    planned = plan_retirement(bench.candidates[-1], bench.live(), run=run)
    assert planned.stored == {("vault", "agents/jira"): "v1"}
    with closing(RunLog(run)) as again:
        outcome = apply_plan(planned, again)
    assert (outcome.results, outcome.is_incomplete) == ((), False)
    entry = read_run(run.path).entries["vault", "agents/jira"]
    assert (entry.after, entry.undo) == ("v1", None)


@pytest.mark.parametrize("provider", [providers.VAULT, providers.KEY_VAULT])
def test_what_is_planned_is_deleted_and_nothing_in_the_serving_store_is_touched(
    bench: Bench, provider: Provider
) -> None:
    left, serving = ("vault", "azure") if provider is providers.VAULT else ("azure", "vault")
    bench.write("prod", f"store: {serving}\n")
    planned = bench.change(store=left).plan(None)
    journal = begin_journal(bench.root, ID, planned, {})
    outcome = apply_plan(planned, RunLog(journal.run))
    journal.close()
    assert [result.state for result in outcome.results] == [State.DONE] * 2
    assert bench.store(left).held == {}
    assert len(bench.store(serving).held) == 2


def test_the_store_that_serves_a_secret_is_named_though_it_has_no_place_for_what_is_looked_at(bench: Bench) -> None:
    path = bench.root / "environments/catalogue.yaml"
    text = path.read_text("utf-8").replace(", remote: {azurekv: {name: github-app-key, whole: true}}", "")
    text = text.replace("vault: agents/github, azurekv: agents-github", "vault: agents/github")
    text = text.replace("Token, variants: [pat]", "Token, remote: {azurekv: agents-github}, variants: [pat]")
    text = text.replace("App id,", "App id, remote: {vault: {name: agents/app, property: ID}},")
    path.write_text(text, "utf-8")
    # So that this is all that nobody reads.
    bench.write("staging", "store: vault\nsecrets: {jira: null}\n")
    bench.vault.seed("agents/app", ID="1")
    plan = bench.plan("github")
    assert [(step.key, step.kind) for step in plan.steps][-1] == ("GITHUB_APP_ID", Kind.REFUSE)
    assert plan.sources == {"azure": bench.azure.address.absolute}
