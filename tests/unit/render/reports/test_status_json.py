from dataclasses import replace
from datetime import UTC, datetime

from compiler.cluster.judge import ClusterProblem, ClusterState
from compiler.live.ages import AgeState, KeyAge
from compiler.live.read_many import Likeness
from compiler.operations.due import DueKey, DueList
from compiler.operations.status import LiveState, NextStep, StoreFindings, WaitEnd, WaitResult
from compiler.operations.verify import KeyState
from compiler.render.content import as_json
from compiler.render.reports.status import status_data
from tests.unit.operations.status.conftest import World, world

__all__ = ["world"]
MOMENT = datetime(2026, 10, 17, tzinfo=UTC)


def test_who_had_not_answered_when_the_time_was_up_is_told(world: World) -> None:
    waited = WaitResult(WaitEnd.TIME_UP, 5, {}, {}, unanswered="the stores")
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
    aged = replace(status.rows[1], keys=(key,), rotations=("20261101-101010-abcdef",))
    rows = (status.rows[0], replace(aged, values=values, live=found))
    waited = WaitResult(WaitEnd.TIME_UP, 600, {}, {"jira": ("UID",)})
    closed = ("it does not answer", "nor that one", "who knows")
    helps = {"it does not answer": "start it", "nor that one": "start it"}
    status = replace(status, rows=rows, closed=closed, helps=helps)
    shown = status_data(
        replace(status, waited=waited, forced=("jira",)),
        NextStep(("next",), "deploy"),
        {"jira": NextStep(("own",), "first")},
    )
    found = as_json(shown)
    assert found["moves"] == {"to": "azure", "steps": [["github"], ["jira"]], "next": 2}
    assert (found["notAnswered"], found["waysOut"]) == (list(closed), ["start it"])
    assert (found["next"], found["forced"]) == (["next"], ["jira"])
    assert found["wait"] == {
        "end": "time-up",
        "timeoutSeconds": 600,
        "unanswered": None,
        "notCompared": [{"secret": "jira", "what": ["UID"]}],
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
        "written": "2026-10-17T00:00:00+00:00",
        "expires": "2026-10-17T00:00:00+00:00",
        "rotations": [{"run": "20261101-101010-abcdef", "since": "2026-11-01T10:10:10+00:00"}],
        "live": {
            "state": "pods-not-ready",
            "problems": [{"state": "pods-not-ready", "message": "a"}],
            "causes": ["why"],
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
