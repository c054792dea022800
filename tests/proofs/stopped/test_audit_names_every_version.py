"""Of every version in a store an auditor can say who wrote it, or was about to, also after a kill."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.proofs.conftest import World
from tests.proofs.stopped.conftest import NAMES, VALUES, ready

# Dies before or after a line of the journal or of the audit file, both counted from 1.
DYING = """
import os, signal, sys
from compiler.cli.main import main
from compiler.change.run_log import AuditLog
from compiler.change.run_files import LineFile

add, seen = LineFile._add, {"journal": 0, "audit": 0}

def dying(self, *line, **rest):
    file = "audit" if isinstance(self, AuditLog) else "journal"
    seen[file] += 1
    is_turn = (file, seen[file]) == TURN
    if is_turn and HOW == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, *line, **rest)
    if is_turn and HOW == "after":
        os.kill(os.getpid(), signal.SIGKILL)

LineFile._add = dying
sys.exit(main(sys.argv[1:]))
"""
# The lines of a run are: run, a plan for each of the two writes, planned; started, written and done of each write; end.
# An undo adds started and done of each. The audit file has two lines of each write.
POINTS: dict[str, tuple[tuple[tuple[str, int], str], ...]] = {
    "migrate": (
        *((("journal", turn), how) for turn, how in ((5, "after"), (6, "before"), (8, "after"), (10, "before"))),
        *((("audit", turn), how) for turn in (1, 3) for how in ("before", "after")),
    ),
    "undo": ((("journal", 1), "after"), (("journal", 2), "before"), (("audit", 2), "before"), (("audit", 2), "after")),
    # The same engine.
    "put": ((("journal", 8), "after"), (("audit", 2), "before")),
    "restore": ((("journal", 6), "before"), (("audit", 2), "after")),
}
KILLED = -9
CASES = [(command, *point) for command, points in POINTS.items() for point in points]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def unaccounted(world: World, audit: Path, known: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Versions in the store that are neither `known`, nor said to be written, nor the newest of an announced write."""
    found = lines(audit)
    written = {(line["name"], line["version"]) for line in found if line["state"] == "written"}
    last = {line["name"]: line["state"] for line in found}
    stored = [(name, version) for name, versions in world.azure_versions().items() for version in versions]
    return [
        (name, version)
        for name, version in stored
        if version not in known.get(name, ())
        and (name, version) not in written
        and not (last.get(name) == "writing" and version == world.azure_versions()[name][-1])
    ]


@pytest.mark.parametrize(("command", "turn", "how"), CASES)
def test_killed_around_any_line_each_version_is_written_or_announced(
    world: World, commands: dict[str, tuple[str, ...]], tmp_path: Path, command: str, turn: tuple[str, int], how: str
) -> None:
    argv, audit = ready(world, commands, command), tmp_path / "audit.jsonl"
    known = world.azure_versions()
    died = world.process(DYING.replace("TURN", repr(turn)).replace("HOW", repr(how)), *argv, "--audit", str(audit))
    assert died.returncode == KILLED, died.stderr
    assert unaccounted(world, audit, known) == []

    # The command once more ends as if nothing had happened.
    again = world.run(*argv, "--audit", str(audit))
    assert again.code == 0, again.out + again.err
    assert unaccounted(world, audit, known) == []
    count = 3 if command == "undo" else 1
    assert {name: len(versions) for name, versions in world.azure_versions().items()} == dict.fromkeys(NAMES, count)
    assert not any(value in audit.read_text("utf-8") for value in VALUES.values())


def test_a_version_of_another_writer_is_without_a_name(
    world: World, commands: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    audit = tmp_path / "audit.jsonl"
    assert world.run(*commands["put"], "--audit", str(audit)).code == 0
    assert unaccounted(world, audit, {}) == []
    theirs = world.azure.seed("github-app-key", "theirs")
    assert unaccounted(world, audit, {}) == [("github-app-key", theirs)]
