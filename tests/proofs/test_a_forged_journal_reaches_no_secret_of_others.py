"""Whoever can change a journal cannot have an undo delete, change or recover what is not the project's."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.proofs.conftest import World, on_stores

THEIRS = "payments/prod"
# What the run is said to have done with a secret of others, whose newest version is the second.
FORGED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "made it": ({"kind": "create", "before": None}, {"before": None, "after": "2"}),
    "changed it": ({"kind": "update", "before": "1"}, {"before": "1", "after": "2"}),
    "recovered it": (
        {"kind": "recover", "before": None, "recover": True, "deleted": "2"},
        {"before": None, "after": "2"},
    ),
    "deleted it": ({"kind": "delete", "before": "2", "versions": ["1", "2"]}, {"before": "2", "after": "2"}),
}


@pytest.fixture
def journal(world: World) -> Path:
    """That of a run which set a key of jira."""
    world.put("agents/jira", {"JIRA_TOKEN": "t", "JIRA_URL": "https://jira.example.com"})
    value = world.private("value", "https://other.example.com")
    assert world.run("put", "prod", "jira", "JIRA_URL", "--from-file", str(value), "--apply").code == 0
    for number in ("one", "two"):
        world.put(THEIRS, {"PASSWORD": number})
    (path,) = world.journals()
    return path


def forge(path: Path, plan: dict[str, Any], step: dict[str, Any]) -> None:
    forged = []
    for line in map(json.loads, path.read_text("utf-8").splitlines()):
        said = {"plan": plan, "step": step if "after" in line else {}}.get(line["type"], {})
        # Nor does it tell the time by which a version of theirs is not the run's.
        kept = {name: held for name, held in line.items() if name != "made"}
        forged.append(kept | said | ({"name": THEIRS} if "name" in line else {}))
    path.write_text("".join(f"{json.dumps(line)}\n" for line in forged), "utf-8")


@pytest.mark.parametrize("said", FORGED)
def test_it_is_refused_and_stays_as_it_is(world: World, journal: Path, said: str) -> None:
    forge(journal, *FORGED[said])
    if said == "deleted it":
        world.bao.call("POST", f"{world.mount}/delete/{THEIRS}", {"versions": [1, 2]})
    before = world.bao.call("GET", f"{world.mount}/metadata/{THEIRS}")["data"]["versions"]
    for options in ((), ("--apply",)):
        done = world.run("put", "prod", "--undo", journal.stem, *options)
        assert done.code == 1, done
        assert "the catalogue has no key there" in done.out
    assert world.bao.call("GET", f"{world.mount}/metadata/{THEIRS}")["data"]["versions"] == before


@pytest.mark.parametrize("store", on_stores(["vault"], ["azure"]))
def test_nor_is_a_version_that_no_store_knows_said_to_be_written(world: World, tmp_path: Path, store: str) -> None:
    world.serve_from(store)
    world.put("agents/jira", {"JIRA_TOKEN": "t", "JIRA_URL": "https://jira.example.com"})
    value, audit = world.root / "value", tmp_path / "audit.jsonl"
    value.write_text("https://other.example.com", "utf-8")
    value.chmod(0o600)
    words = ("put", "prod", "jira", "JIRA_URL", "--from-file", str(value), "--apply")
    assert world.run(*words).code == 0
    (path,) = world.journals()
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    forged = [line | ({"after": "77", "owes": True} if "after" in line else {}) for line in lines]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in forged), "utf-8")
    done = world.run("put", "prod", "--undo", path.stem, "--apply", "--audit", str(audit))
    assert done.code == 1, done
    said = [json.loads(line) for line in audit.read_text("utf-8").splitlines()] if audit.exists() else []
    assert [line["state"] for line in said if line["version"] is not None] == []
    assert {line["state"] for line in said} <= {"unknown"}
