from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.cli.terminal.contents import text_of
from compiler.cluster.pods import SecretRead, Way
from compiler.consumers.findings import secrets_of
from compiler.consumers.look import Look, UpgradeNeed
from compiler.consumers.readers import ObjectIndex, Workload
from compiler.generate.platform import PlatformValues
from compiler.render.content import as_json
from compiler.render.reports.consumers import consumers_content, lines, platform_content
from tests.platforms import environment_of, write_agents_project

READS = (
    SecretRead("agent-jira-secrets", "B", Way.ENV, optional=True),
    SecretRead("agent-jira-secrets", None, Way.ENV_FROM),
    SecretRead("agent-jira-secrets", "A", Way.ENV),
)
AGENT = Workload("Deployment", "agents", "agent", frozenset(), tuple(READS), ())
NEED = UpgradeNeed("agents", "new", None, ("K",), is_optional=False, workloads=(AGENT,), steps=("# first", "a command"))


@pytest.fixture
def look(tmp_path: Path) -> Look:
    write_agents_project(tmp_path)
    return Look(secrets_of(environment_of(tmp_path)), ObjectIndex([AGENT]), ())


def told(look: Look) -> list[str]:
    return text_of(lines(look)).splitlines()


def test_each_secret_that_is_read_has_a_line(look: Look) -> None:
    assert told(look) == [
        'jira: "agent-jira-secrets" is read by Deployment "agent"',
        "prod: 1 of 2 Secrets is read, 1 workload looked at",
    ]


def test_secrets_of_namespaces_without_a_workload_are_counted_apart(look: Look, tmp_path: Path) -> None:
    assert look.gathered is not None
    there = replace(look, gathered=ObjectIndex([replace(AGENT, namespace="other")]))
    assert told(there)[-1] == "prod: 0 of 0 Secrets are read, 1 workload looked at; 2 Secrets are in other namespaces"
    live = replace(there, namespaces=frozenset({"agents", "other"}))
    assert told(live)[-1].endswith("1 workload looked at; 2 Secrets are in namespaces without a workload")
    (tmp_path / "environments/prod.yaml").write_text("secrets: {github: {namespace: web}}\n", "utf-8")
    apart = replace(look, own=secrets_of(environment_of(tmp_path)))
    assert told(apart)[-1] == "prod: 1 of 1 Secret is read, 1 workload looked at; 1 Secret is in other namespaces"


def test_of_refused_manifests_nothing_is_told(look: Look) -> None:
    refused = replace(look, gathered=None)
    assert told(refused) == []
    assert consumers_content(refused, ["a"], []) == consumers_content(None, ["a"], [])


def test_an_upgrade_is_told_as_lines_to_paste(look: Look) -> None:
    optional = replace(NEED, name="other", is_optional=True)
    ours = replace(NEED, secret="jira", keys=(), steps=("put",))
    _, *found, _ = told(replace(look, needs=(NEED, optional, ours), unneeded=("github", "jira")))
    assert found == [
        "before the upgrade:",
        '# Deployment "agent" needs "K" of the Secret "new" in "agents"',
        "# first",
        "a command",
        '# Deployment "agent" would read "K" of the Secret "other" in "agents"',
        "# first",
        "# a command",
        '# Deployment "agent" needs the Secret "new" in "agents"',
        "put",
        "# what the store has already needs no `put`:",
        "platform-secrets verify prod jira",
        "after the upgrade, nobody reads: github, jira",
    ]
    assert told(replace(look, needs=()))[1] == "the upgrade needs no other Secrets"


def test_programs_get_every_secret_with_its_readers(look: Look) -> None:
    upgraded = replace(look, needs=(NEED,), unneeded=("github",))
    found: dict[str, Any] = as_json(consumers_content(upgraded, ["-"], ["old"]))
    github, jira = found["secrets"]
    assert (github["readBy"], jira["namespace"], jira["target"]) == ([], "agents", "agent-jira-secrets")
    assert jira["readBy"] == [
        {"kind": "Deployment", "name": "agent", "ways": ["env", "envFrom"], "keys": ["A", "B"], "optional": False}
    ]
    assert (found["manifests"], found["since"], found["workloads"]) == (["-"], ["old"], 1)
    assert found["upgrade"] == {
        "needs": [
            {
                "secret": None,
                "namespace": "agents",
                "target": "new",
                "keys": ["K"],
                "optional": False,
                "neededBy": [{"kind": "Deployment", "name": "agent"}],
                "steps": ["# first", "a command"],
            }
        ],
        "unneeded": ["github"],
    }


def test_programs_are_told_of_the_version_and_who_reads_what(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    look = Look(secrets_of(environment_of(tmp_path)), ObjectIndex(), ())
    text = PlatformValues("a: 1\n", ("github",), ("a note",), ("newer", "lacks a key"), is_newer=True)
    told = as_json(platform_content("charts/caipe", "9.0.0", "caipe", look, text))
    assert told == {
        "target": "platform",
        "chart": "charts/caipe",
        "chartVersion": "9.0.0",
        "newerThanKnown": True,
        "release": "caipe",
        "notes": ["a note", "lacks a key"],
        "unread": ["github"],
        "workloads": 0,
        "secrets": [
            {"secret": each, "namespace": "agents", "target": f"agent-{each}-secrets", "readBy": []}
            for each in ("github", "jira")
        ],
    }
    empty = platform_content("charts/caipe", "9.0.0", "caipe")
    assert empty == {**told, "newerThanKnown": False, "notes": [], "unread": [], "secrets": []}
