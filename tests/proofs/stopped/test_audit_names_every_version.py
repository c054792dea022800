"""Of every version in a store an auditor can say who wrote it, after the command that follows a killed one."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.proofs.conftest import World
from tests.proofs.stopped.conftest import NAMES, VALUES, ready

# Dies before or after a line of the journal, counted from 1, or the lines of the audit file.
DYING = """
import os, signal, sys
from compiler.cli.main import main
from compiler.change.run_log import AuditLog
from compiler.change.run_files import LineFile

add, seen = LineFile._add, 0

def dying(self, *line, **rest):
    global seen
    is_audit = isinstance(self, AuditLog)
    seen += not is_audit
    is_turn = TURN == ("audit" if is_audit else seen)
    if is_turn and HOW == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, *line, **rest)
    if is_turn and HOW == "after":
        os.kill(os.getpid(), signal.SIGKILL)

LineFile._add = dying
sys.exit(main(sys.argv[1:]))
"""
# The lines of a run are: run, a plan for each of the two writes, planned; started, written and done of each write;
# audited and end. An undo adds started and done of each, and audited.
AUDIT = (("audit", "before"), ("audit", "after"))
POINTS: dict[str, tuple[tuple[int | str, str], ...]] = {
    "migrate": ((5, "after"), (6, "before"), (8, "after"), (10, "before"), *AUDIT),
    "undo": ((1, "after"), (2, "before"), (4, "before"), *AUDIT),
    # The same engine.
    "put": ((8, "after"), ("audit", "before")),
    "restore": ((6, "before"), ("audit", "after")),
}
KILLED = -9
CASES = [(command, *point) for command, points in POINTS.items() for point in points]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def unaccounted(world: World, audit: Path, known: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Versions in the store that are neither `known` nor said to be written."""
    written = {(line["name"], line["version"]) for line in lines(audit) if line["state"] == "written"}
    stored = [(name, version) for name, versions in world.azure_versions().items() for version in versions]
    return [
        (name, version)
        for name, version in stored
        if version not in known.get(name, ()) and (name, version) not in written
    ]


@pytest.mark.parametrize(("command", "turn", "how"), CASES)
def test_killed_around_any_line_the_command_once_more_names_each_version_once(
    world: World, commands: dict[str, tuple[str, ...]], tmp_path: Path, command: str, turn: int | str, how: str
) -> None:
    argv, audit = ready(world, commands, command), tmp_path / "audit.jsonl"
    known = world.azure_versions()
    died = world.process(DYING.replace("TURN", repr(turn)).replace("HOW", repr(how)), *argv, "--audit", str(audit))
    assert died.returncode == KILLED, died.stderr

    # The command once more ends as if nothing had happened.
    again = world.run(*argv, "--audit", str(audit))
    assert again.code == 0, again.out + again.err
    assert unaccounted(world, audit, known) == []
    count = 3 if command == "undo" else 1
    assert {name: len(versions) for name, versions in world.azure_versions().items()} == dict.fromkeys(NAMES, count)
    written = [line for line in lines(audit) if line["state"] == "written"]
    # Where it died right after its lines were added, nobody knows that: they are added again, as they were.
    each_once = {json.dumps(line) for line in written}
    assert len(each_once) == len(NAMES)
    assert len(written) == len(NAMES) * (2 if (turn, how) == ("audit", "after") else 1)
    assert not any(value in audit.read_text("utf-8") for value in VALUES.values())


def test_a_version_of_another_writer_is_without_a_name(
    world: World, commands: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    audit = tmp_path / "audit.jsonl"
    assert world.run(*commands["put"], "--audit", str(audit)).code == 0
    assert unaccounted(world, audit, {}) == []
    theirs = world.azure.seed("github-app-key", "theirs")
    assert unaccounted(world, audit, {}) == [("github-app-key", theirs)]
