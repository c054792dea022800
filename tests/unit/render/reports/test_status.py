from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from compiler.cli.terminal.contents import text_of
from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.view import ClusterError
from compiler.live.ages import AgeState, KeyAge
from compiler.live.observation import Likeness, StoredVersion
from compiler.operations.causes import Cause, NextStep, next_step
from compiler.operations.due import DueKey, DueList
from compiler.operations.status import (
    LiveState,
    Row,
    Status,
    StepContext,
    StoreFindings,
    WaitEnd,
    WaitResult,
)
from compiler.operations.verify import KeyState
from compiler.render.content import Line, Painted, Style, as_json
from compiler.render.reports.status import due_lines, status_data, status_lines, wait_lines, word_of
from compiler.stores.errors import FailureSide
from tests.unit.operations.status_world import World, world

__all__ = ["world"]

NOW = datetime(2026, 11, 26, tzinfo=UTC)
OLD, SOON = datetime(2026, 10, 17, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
MOVE = "moves: {to: azure, steps: [[github], [all]]}\n"


def told(lines: Iterable[Line]) -> list[str]:
    return text_of(lines).splitlines()


def shown(status: Status, *commands: str) -> list[str]:
    return told(status_lines(status, NextStep(commands), NOW))


def with_row(status: Status, secret: str, **changed: object) -> Status:
    rows: list[Row] = [replace(row, **changed) if row.secret.id == secret else row for row in status.rows]  # type: ignore[arg-type]
    return replace(status, rows=tuple(rows))


def test_a_row_a_secret_with_the_next_command_below(world: World) -> None:
    world.bench.write("prod", f"{MOVE}secrets: {{github: {{store: azure}}}}\n")
    status = with_row(
        world.status(), "github", values=StoreFindings(Likeness.EQUAL, written=OLD, expires=SOON), live=LiveState()
    )
    assert shown(status, "platform-secrets cutover prod --next") == [
        'prod: 1 of 2 secrets on "azure"; step 2 of 2 is next',
        "SECRET  STORE  NEXT   OTHER STORE       AGE  EXPIRES     LIVE",
        "github  azure  -      vault: equal      40d  2027-01-01  in effect",
        "jira    vault  azure  azure: not asked  -    -           not asked",
        "next: platform-secrets cutover prod --next",
    ]


def test_without_a_move_and_at_its_end(world: World) -> None:
    assert shown(world.status())[0] == "prod: 2 secrets"
    world.bench.write("prod", f"{MOVE}store: azure\n")
    assert shown(world.status())[0] == 'prod: 2 of 2 secrets on "azure"; every step of the move is done'
    behind = with_row(world.status(), "jira", live=LiveState((ClusterProblem(ClusterState.NOT_SYNCED, "no"),)))
    assert shown(behind)[0] == (
        'prod: 2 of 2 secrets on "azure"; every step is in the files, 1 secret is not in effect in the cluster'
    )


def test_what_differs_or_is_missing_is_named_by_key(world: World) -> None:
    status = with_row(world.status(), "jira", values=StoreFindings(Likeness.DIFFERENT, ("JIRA_TOKEN",)))
    status = with_row(status, "github", values=StoreFindings(Likeness.MISSING, missing=("GITHUB_TOKEN",)))
    status = replace(status, closed=("the store does not answer",))
    assert shown(status)[-3:] == [
        "not answered: the store does not answer",
        'github: "azure" lacks "GITHUB_TOKEN"',
        'jira: "azure" holds other values of "JIRA_TOKEN"',
    ]


def test_what_only_the_other_store_holds_is_no_other_value(world: World) -> None:
    status = with_row(world.status(), "jira", values=StoreFindings(Likeness.ONLY_THERE, only_there=("JIRA_TOKEN",)))
    assert shown(status)[-1] == 'jira: only "azure" holds "JIRA_TOKEN"'
    assert " ".join(shown(status)[3].split()) == "jira vault - azure: only there - - not asked"


def test_of_different_values_it_says_which_is_later_and_the_command_for_each_case(world: World) -> None:
    vault = StoredVersion("vault", "https://vault", "agents/jira", "3", SOON)
    azure = StoredVersion("azure", "https://azure", "agents-jira", "a", OLD)
    values = StoreFindings(Likeness.DIFFERENT, ("JIRA_TOKEN",), versions=(vault, azure))
    status = with_row(world.status(), "jira", values=values)
    copy = "platform-secrets migrate prod --to {} --from {} --only jira --on-conflict overwrite"
    later = '"vault" was written later, 2027-01-01 00:00:00 UTC'
    runs = "  help: to see which runs wrote: platform-secrets runs prod"
    assert shown(status)[-4:] == [
        f'jira: "azure" holds other values of "JIRA_TOKEN"; {later}, "azure" 2026-10-17 00:00:00 UTC',
        f'  help: if that of "vault" is right: {copy.format("azure", "vault")}',
        f'  help: if that of "azure" is right: {copy.format("vault", "azure")}',
        runs,
    ]
    # From a store that lacks another key, or has it blank, nothing is copied.
    lacking = with_row(status, "jira", values=replace(values, only_there=("JIRA_URL",)))
    helps = [line for line in shown(lacking) if line.startswith("  help: ")]
    assert helps == [f'  help: if that of "azure" is right: {copy.format("vault", "azure")}', runs]


def test_a_silent_store_in_use_is_not_laid_to_the_other(world: World) -> None:
    status = with_row(world.status(), "jira", values=StoreFindings(Likeness.NO_ACCESS, closed=("it is sealed",)))
    status = with_row(status, "github", values=StoreFindings(Likeness.NO_ACCESS))
    assert [" ".join(line.split()) for line in shown(status)[2:4]] == [
        "github vault - azure: no access - - not asked",
        "jira vault - azure: not compared - - not asked",
    ]


def test_what_did_not_answer_has_its_way_out_once(world: World) -> None:
    helps = {"a": "run: pip install it", "b": "run: pip install it", "c": "log in"}
    status = replace(world.status(), closed=("a", "b", "c", "d"), helps=helps)
    assert shown(status)[-6:] == [
        "not answered: a",
        "not answered: b",
        "  help: run: pip install it",
        "not answered: c",
        "  help: log in",
        "not answered: d",
    ]


def reported(status: Status, asked: StepContext) -> list[str]:
    """What is printed of a status and its causes."""
    return told(status_lines(status, next_step(status, asked), NOW))


ASKED = StepContext(("--cluster",))
FORCE = "  next: platform-secrets status prod --only jira --wait --force-sync"


def test_a_cause_explains_the_rest_and_stands_with_what_shows_it_and_what_mends_it(world: World) -> None:
    problems = (
        ClusterProblem(ClusterState.NOT_READY, "it is not ready"),
        ClusterProblem(ClusterState.PODS, "a pod is not ready"),
    )
    found = LiveState(problems, ("property X does not exist",), 125, (), ("pods: you may not",), None)
    assert reported(with_row(world.status(), "jira", live=found), ASKED)[-6:] == [
        "not asked: pods: you may not",
        "cause[not-ready]: it is not ready",
        "  property X does not exist",
        "  the operator tries again within 2m5s",
        "  secret: jira",
        FORCE,
    ]


ACCEPTS = 'accept that "jira" cannot be compared with "azure"'


def test_a_way_round_stands_below_what_mends_it_with_what_is_accepted(world: World) -> None:
    world.bench.write("prod", f"{MOVE}secrets: {{jira: {{store: azure}}}}\n")
    closed = StoreFindings(closed=("no answer; 2 keys not checked",), helps=("unseal it, then run again",))
    values = replace(closed, other_holds=True, side=FailureSide.SERVER, closed_by="no-answer")
    live = LiveState((ClusterProblem(ClusterState.NOT_READY, "it is not ready"),), is_other_ready=True)
    status = replace(
        with_row(world.status(), "jira", values=values, live=live), closed=("no answer; 9 keys not checked",)
    )
    assert reported(status, ASKED)[-5:] == [
        "cause[no-answer]: no answer",
        "  secret: jira",
        "  next: unseal it",
        "  next: platform-secrets status prod --only jira --wait --force-sync",
        f"  if that takes long: {ACCEPTS}, then: platform-secrets cutover prod jira --back --to vault --cluster",
    ]
    # It is said once.
    assert [line for line in reported(status, ASKED) if "no answer" in line] == ["cause[no-answer]: no answer"]


def test_a_hundred_secrets_of_a_sealed_vault_take_24_lines(world: World) -> None:
    entry = "  {0}: {{target: {0}, remote: {{vault: a/{0}, azurekv: a-{0}}}, syncWave: -49, keys: {{KEY: {{}}}}}}\n"
    names = [f"service-number-{number}" for number in range(99)]
    world.bench.write("catalogue", world.bench.text("catalogue") + "".join(map(entry.format, names)))
    world.bench.write("prod", f"store: azure\nsecrets: {{{', '.join(f'{name}: {{}}' for name in names)}}}\n")
    message = "the store is sealed; {} not checked"
    values = StoreFindings(
        closed=(message.format("1 key"),), helps=("unseal it",), side=FailureSide.SERVER, other_holds=True
    )
    status = replace(world.status(), closed=(message.format("100 keys"),))
    for number, name in enumerate((*names, "jira")):
        problem = ClusterProblem(ClusterState.NOT_READY, f"{name} is not ready", evidence="they are not ready")
        live = LiveState((problem,), (f"{number}h ago: no {number % 10}",), number + 1, is_other_ready=True)
        status = with_row(status, name, values=values, live=live)
    lines = reported(with_row(status, "github", live=LiveState()), ASKED)
    assert len(lines) <= 24
    assert [" ".join(line.split()) for line in lines[1:4]] == [
        "SECRET STORE NEXT OTHER STORE AGE EXPIRES LIVE",
        "github azure - vault: not asked - - in effect",
        "100 secrets azure - vault: not compared - - not ready",
    ]
    assert lines[4:9] == [
        "cause[no-answer]: the store is sealed",
        "  99h ago: no 9",
        "  0h ago: no 0",
        "  and 8 more such messages",
        "  the operator tries again within 1s",
    ]
    assert lines[9].startswith("  100 secrets: jira, service-number-0, ")
    assert (lines[-4].endswith(" more"), max(map(len, lines[9:-3])) <= 80) == (True, True)
    assert lines[-3:-1] == ["  next: unseal it", "  next: platform-secrets status prod --wait --force-sync"]
    assert "cutover prod jira service-number-0 " in lines[-1]


def test_what_may_not_be_asked_is_said_once(world: World) -> None:
    found = LiveState(not_asked=("pods: you may not", "the store: you may not"))
    lines = shown(with_row(with_row(world.status(), "jira", live=found), "github", live=found))
    assert lines[-2:] == ["not asked: pods: you may not", "not asked: the store: you may not"]
    assert sum("you may not" in line for line in lines) == 2


def test_rows_that_are_too_long_take_lines_of_their_own(world: World) -> None:
    store = replace(world.status().rows[1].store, id="a-store-with-a-long-name-in-some-far-away-region")
    found = LiveState((ClusterProblem(ClusterState.RESTART, "restart"),))
    values = StoreFindings(Likeness.EQUAL, written=OLD, expires=SOON)
    status = with_row(world.status(), "jira", store=store, to=store, values=values, live=found)
    lines = shown(status)
    assert lines[1:3] == ["github", "  on vault; azure: not asked; age -; not asked"]
    assert lines[3] == "jira"
    assert " ".join(line.strip() for line in lines[4:7]) == (
        f"on {store.id}; to {store.id}; azure: equal; age 40d; expires 2027-01-01; restart needed"
    )
    assert max(map(len, lines[:7])) <= 80


def aged(status: Status, *ages: KeyAge, owner: str | None = "agents", **changed: object) -> Status:
    keys = tuple(DueKey("jira", f"KEY_{number}", "vault", owner, True, age) for number, age in enumerate(ages, 1))
    return with_row(status, "jira", keys=keys, **changed)


LATE = KeyAge(AgeState.OVERDUE, OLD, OLD)
DOUBT = KeyAge(AgeState.NOT_KNOWN, why="version 3 is disabled")
IN_TIME = KeyAge(AgeState.IN_TIME, OLD, SOON)


def test_where_keys_have_limits_it_says_when_the_first_is_due_and_whose_it_is(world: World) -> None:
    status = with_row(world.status(), "github", values=StoreFindings(Likeness.EQUAL))
    assert shown(aged(status, IN_TIME, values=StoreFindings(Likeness.EQUAL)))[1:4] == [
        "SECRET  STORE  NEXT  OTHER STORE   AGE  EXPIRES  DUE         OWNER   LIVE",
        "github  vault  -     azure: equal  -    -        -           -       not asked",
        "jira    vault  -     azure: equal  40d  -        2027-01-01  agents  not asked",
    ]


def test_without_an_owner_or_a_limit_there_is_no_such_column(world: World) -> None:
    assert shown(aged(world.status(), IN_TIME, owner=None))[1].split()[-2:] == ["DUE", "LIVE"]
    unlimited = DueKey("jira", "JIRA_TOKEN", "vault", "agents", has_limit=False, age=IN_TIME)
    assert "DUE" not in shown(with_row(world.status(), "jira", keys=(unlimited,)))[1]


def test_an_overdue_key_is_named_and_none_is_green(world: World) -> None:
    status = aged(world.status(), LATE, LATE, DOUBT, live=LiveState())
    lines = shown(status)
    assert lines[3].split()[-4:] == ["overdue", "agents", "in", "effect"]
    assert lines[4:] == [
        'jira: "KEY_1" is overdue since 2026-10-17',
        'jira: "KEY_2" is overdue since 2026-10-17',
        'jira: it is not known when "KEY_3" changed: version 3 is disabled',
    ]
    (painted,) = (line for line in status_lines(status, NextStep(), NOW) if line[0] == "jira    ")
    assert [(each.text.strip(), each.style) for each in painted if isinstance(each, Painted)] == [
        ("overdue", Style.ERROR),
        ("in effect", Style.GREEN),
    ]
    store = replace(status.rows[1].store, id="a-store-with-a-long-name-in-some-far-away-region")
    for age, style in ((LATE, Style.ERROR), (DOUBT, Style.WARNING), (IN_TIME, Style.GREEN)):
        long = status_lines(aged(status, age, store=store, to=store), NextStep(), NOW)
        assert (Painted("jira", style),) in list(long)


def test_too_wide_a_table_goes_without_columns_that_say_nothing(world: World) -> None:
    lines = shown(aged(world.status(), DOUBT, owner="the-team-of-the-agents"))
    assert lines[1:4] == [
        "SECRET  STORE  OTHER STORE       DUE        OWNER                   LIVE",
        "github  vault  azure: not asked  -          -                       not asked",
        "jira    vault  azure: not asked  not known  the-team-of-the-agents  not asked",
    ]
    wider = shown(aged(world.status(), DOUBT, owner="the team of the agents and of all their friends"))
    assert " ".join(line.strip() for line in wider[4:6]) == (
        "on vault; azure: not asked; age -; due not known; owner the team of the agents and of all their friends; "
        "not asked"
    )
    assert max(map(len, wider[:6])) <= 80


def test_why_a_date_is_not_known_is_said_once(world: World) -> None:
    status = aged(world.status(), DOUBT, DOUBT, values=StoreFindings(closed=("sealed",)))
    assert not any("it is not known" in line for line in shown(status))
    status = aged(world.status(), DOUBT, DOUBT)
    assert shown(status)[-1] == 'jira: it is not known when "KEY_1", "KEY_2" changed: version 3 is disabled'


def due(status: Status, *keys: DueKey, without_limit: int = 0) -> list[str]:
    return told(due_lines(status, DueList(SOON, keys, without_limit), NextStep(("rotate it",))))


def test_what_is_due_is_a_row_a_key_with_its_owner(world: World) -> None:
    status = replace(aged(world.status(), LATE, DOUBT, IN_TIME), closed=("the other is sealed",))
    assert due(status, *status.rows[1].keys, without_limit=14) == [
        "prod: 2 keys are due by 2027-01-01; 1 is not known",
        "DUE                       KEY         OWNER",
        "overdue since 2026-10-17  jira/KEY_1  agents",
        "not known                 jira/KEY_2  agents",
        "2027-01-01                jira/KEY_3  agents",
        "not answered: the other is sealed",
        'jira: it is not known when "KEY_2" changed: version 3 is disabled',
        "14 keys have no limit",
        "next: rotate it",
    ]
    assert due(status, status.rows[1].keys[2], without_limit=1)[0] == "prod: 1 key is due by 2027-01-01"
    assert due(world.status(), without_limit=1) == [
        "prod: 0 keys are due by 2027-01-01",
        "1 key has no limit",
        "next: rotate it",
    ]


def test_of_several_stores_each_key_has_its_own(world: World) -> None:
    status = aged(world.status(), LATE)
    azure = status.environment.stores["azure"]
    assert due(with_row(status, "github", store=azure), *status.rows[1].keys)[1:3] == [
        "DUE                       KEY         STORE  OWNER",
        "overdue since 2026-10-17  jira/KEY_1  vault  agents",
    ]
    (long,) = aged(status, LATE, owner="a" * 60).rows[1].keys
    lines = due(status, long)
    assert lines[1:3] == ["overdue since 2026-10-17; jira/KEY_1;", "a" * 60]


def test_that_secrets_stay_is_said_once_where_the_operator_does_not_run(world: World) -> None:
    silent = LiveState((ClusterProblem(ClusterState.SILENT, "it seems not to run", "kubectl look"),))
    lines = reported(with_row(with_row(world.status(), "jira", live=silent), "github", live=silent), ASKED)
    assert lines[-4:] == [
        "Secrets stay: running and new pods go on with the last values",
        "cause[operator-silent]: it seems not to run",
        "  2 secrets: github, jira",
        "  next: kubectl look",
    ]
    assert sum(line.startswith("Secrets stay") for line in lines) == 1


def test_what_a_person_does_first_stands_before_the_command(world: World) -> None:
    lines = told(status_lines(world.status(), NextStep(("wait", "more"), "deploy it"), NOW))
    assert lines[-3:] == ["next: deploy it", "next: wait", "next: more"]


def test_what_could_not_be_looked_at_is_the_last_line() -> None:
    found = {"jira": LiveState(not_asked=("keys: no",)), "github": LiveState(not_asked=("keys: no", "pods: no"))}
    lines = told(wait_lines(WaitResult(WaitEnd.UNPROVEN, 600, found), "dev"))
    assert lines[0] == "nothing wrong was found, but not everything may be looked at"
    assert lines[1] == "  help: get roles that allow it, which `platform-secrets status dev --rbac` prints"
    assert lines[-1] == "not looked at: keys: no; pods: no"
    found = {name: LiveState(unproven="vault") for name in ("jira", "github")}
    lines = told(wait_lines(WaitResult(WaitEnd.UNPROVEN, 600, found), "dev"))
    assert lines[0] == 'nothing wrong was found, but it is not proven that the cluster reads "vault"'
    assert lines[1].endswith("or accept that it is the same: --accept-store vault")
    lines = told(wait_lines(WaitResult(WaitEnd.IN_EFFECT, 600, {"jira": LiveState()}), "dev", ["jira"]))
    assert lines == ["all are in effect", 'not looked at: when the values of "jira" were written']


@pytest.mark.parametrize(
    ("is_alone", "without"), [(True, "--without-secrets"), (False, "--without-secrets"), (True, "")]
)
def test_secrets_are_left_out_where_nothing_else_may_not_be_listed(*, is_alone: bool, without: str) -> None:
    waited = WaitResult(WaitEnd.UNPROVEN, 600, {"jira": LiveState()}, lacks_secrets_alone=is_alone)
    lines = told(wait_lines(waited, "dev", without=without))
    assert lines[1].endswith(", or leave the Secrets out: --without-secrets") is (is_alone and bool(without))


def test_a_wait_says_what_it_has_waited_for(world: World) -> None:
    waited = WaitResult(WaitEnd.IN_EFFECT, 600, {})
    assert told(wait_lines(waited, "prod", (), world.status().rows)) == [
        'all are in effect: 2 secrets on "vault", as the files said when this wait began'
    ]
    world.switch()
    assert told(wait_lines(waited, "prod", (), world.status().rows)) == [
        'all are in effect: 1 secret on "vault", 1 secret on "azure", as the files said when this wait began'
    ]


@pytest.mark.parametrize("state", list(ClusterState))
def test_every_state_has_words_that_fit(state: ClusterState) -> None:
    # With the longest names of the shipped secrets and stores a row has 80 columns.
    assert 0 < len(word_of(state)) <= 14


def waited(end: WaitEnd, error: ClusterError | None = None, unanswered: str = "") -> list[str]:
    return told(wait_lines(WaitResult(end, 600, {}, error, unanswered), "dev"))


def test_the_end_of_a_wait_is_told() -> None:
    assert waited(WaitEnd.IN_EFFECT) == ["all are in effect"]
    assert waited(WaitEnd.FAILED) == ["not in effect, and waiting longer will not help"]
    assert waited(WaitEnd.TIME_UP, error=ClusterError("it is gone", "wait")) == [
        "not in effect after 10m",
        "  because: the cluster cannot be asked: it is gone",
    ]
    assert waited(WaitEnd.TIME_UP, unanswered="the stores")[:2] == [
        "not in effect after 10m",
        "  because: no answer yet from the stores",
    ]


MOMENT = datetime(2026, 10, 17, tzinfo=UTC)


def test_who_had_not_answered_when_the_time_was_up_is_told(world: World) -> None:
    waited = WaitResult(WaitEnd.TIME_UP, 5, {}, unanswered="the stores")
    found = as_json(status_data(replace(world.status(), waited=waited), NextStep()))
    assert found["wait"]["unanswered"] == "the stores"


def test_a_row_says_all_that_the_text_does(world: World) -> None:
    world.bench.write("prod", "moves: {to: azure, steps: [[github], [all]]}\nsecrets: {github: {store: azure}}\n")
    status = world.status()
    found = LiveState(
        (ClusterProblem(ClusterState.PODS, "a"),), ("why",), 3, ("do", "more"), ("pods",), 2, ("note",), MOMENT
    )
    values = StoreFindings(Likeness.DIFFERENT, ("JIRA_TOKEN",), ("JIRA_URL",), ("no",), written=MOMENT, expires=MOMENT)
    values = replace(values, only_there=("JIRA_KEY",), states={"JIRA_TOKEN": {"vault": KeyState.PRESENT}})
    key = DueKey("jira", "JIRA_TOKEN", "vault", "agents", True, KeyAge(AgeState.NOT_KNOWN, why="it was destroyed"))
    aged = replace(status.rows[1], keys=(key,))
    rows = (status.rows[0], replace(aged, values=values, live=found))
    waited = WaitResult(WaitEnd.TIME_UP, 600, {})
    closed = ("it does not answer", "nor that one", "who knows")
    helps = {"it does not answer": "start it", "nor that one": "start it"}
    status = replace(status, rows=rows, closed=closed, helps=helps)
    shown = status_data(
        replace(status, waited=waited, forced=("jira",)),
        NextStep(("next",), "deploy", (Cause("pods-not-ready", ("a", "why"), ("jira",), None, "deploy", ("next",)),)),
        {"jira": NextStep(("own",), "first")},
    )
    found = as_json(shown)
    assert found["moves"] == {"to": "azure", "steps": [["github"], ["jira"]], "next": 2}
    assert (found["notAnswered"], found["waysOut"]) == (list(closed), ["start it"])
    assert (found["next"], found["forced"]) == (["next"], ["jira"])
    assert found["causes"] == [
        {
            "code": "pods-not-ready",
            "evidence": ["a", "why"],
            "secrets": ["jira"],
            "store": None,
            "first": "deploy",
            "next": ["next"],
            "fallback": [],
            "accepts": None,
        }
    ]
    assert found["wait"] == {
        "end": "time-up",
        "timeoutSeconds": 600,
        "unanswered": None,
    }
    assert found["due"] is None
    github, jira = found["secrets"]
    assert github["live"] is None
    assert jira == {
        "secret": "jira",
        "target": "agents/agent-jira-secrets",
        "store": "vault",
        "to": "azure",
        "step": 2,
        "other": {
            "store": "azure",
            "comparison": "different",
            "different": ["JIRA_TOKEN"],
            "missing": ["JIRA_URL"],
            "onlyThere": ["JIRA_KEY"],
        },
        "faults": ["no"],
        "warnings": [],
        "written": "2026-10-17T00:00:00+00:00",
        "expires": "2026-10-17T00:00:00+00:00",
        "live": {
            "state": "pods-not-ready",
            "problems": [{"state": "pods-not-ready", "message": "a"}],
            "nextTrySeconds": 3,
            "help": "do",
            "helps": ["do", "more"],
            "notes": ["note"],
            "refreshed": "2026-10-17T00:00:00+00:00",
            "pods": 2,
            "notAsked": ["pods"],
        },
        "first": "first",
        "next": ["own"],
    }
    assert (found["whole"], found["readers"]) == (True, None)
    assert found["stores"][0] == {
        "store": "vault",
        "provider": "vault",
        "title": "Vault",
        "address": "https://vault.example.com:8200",
        "mount": "secret",
    }
    _, token, url = found["keys"]
    assert {**token, "places": []} == {
        "secret": "jira",
        "key": "JIRA_TOKEN",
        "state": "not-in-effect",
        "age": "not-known",
        "changed": None,
        "due": None,
        "why": "it was destroyed",
        "owner": None,
        "issuer": None,
        "places": [],
        "decidedBy": {"file": "environments/base.yaml", "line": 2, "column": 8, "layer": "base"},
    }
    assert token["places"][0] == {
        "store": "vault",
        "remoteKey": "agents/jira",
        "property": "JIRA_TOKEN",
        "inUse": True,
        "state": "present",
    }
    assert (url["state"], url["age"], url["places"][1]["inUse"]) == ("not-asked", None, False)


def test_several_environments_stand_side_by_side(world: World) -> None:
    looked = replace(world.status(), rows=())
    found = as_json(status_data(looked, NextStep()))
    assert (found["moves"], found["wait"], found["whole"], found["keys"]) == (None, None, False, [])


def test_what_is_due_stands_beside_the_secrets(world: World) -> None:
    key = DueKey("jira", "JIRA_TOKEN", "vault", None, True, KeyAge(AgeState.OVERDUE, MOMENT, MOMENT))
    shown = status_data(world.status(), NextStep(), due=DueList(MOMENT, (key,), 2))
    found = as_json(shown)
    assert found["due"] == {
        "until": "2026-10-17T00:00:00+00:00",
        "keys": [
            {
                "secret": "jira",
                "store": "vault",
                "key": "JIRA_TOKEN",
                "owner": None,
                "state": "overdue",
                "changed": "2026-10-17T00:00:00+00:00",
                "due": "2026-10-17T00:00:00+00:00",
                "why": None,
            }
        ],
        "withoutLimit": 2,
    }


def test_an_odd_form_of_a_value_is_named_as_verify_does(world: World) -> None:
    warnings = tuple((f"{n} begins or ends with white space", f"way {n}") for n in range(7))
    status = with_row(world.status(), "jira", values=StoreFindings(warnings=warnings))
    lines = shown(status)
    at = lines.index("jira: 0 begins or ends with white space")
    assert lines[at + 1] == "  help: way 0"
    assert lines[at + 10] == "and 2 more values of an odd form, which this names: platform-secrets verify prod"
    assert status_data(status, NextStep())["secrets"][1]["warnings"] == [message for message, _ in warnings]
    assert status.is_fine
