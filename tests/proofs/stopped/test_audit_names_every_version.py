"""Of every version in a store an auditor can say who wrote it or who was about to, whenever the program was killed."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.proofs.conftest import World
from tests.proofs.stopped.conftest import NAMES, VALUES, ready

# Dies around the line of a turn: with `before` it is not on the disk, with `after` it is.
DYING = """
import os, signal, sys
from compiler.cli.main import main
from compiler.change.run_log import AuditLog

record, seen = AuditLog.record, 0

def dying(self, *line):
    global seen
    seen += 1
    mine = seen
    if (mine, "before") == (TURN, HOW):
        os.kill(os.getpid(), signal.SIGKILL)
    record(self, *line)
    if (mine, "after") == (TURN, HOW):
        os.kill(os.getpid(), signal.SIGKILL)

AuditLog.record = dying
sys.exit(main(sys.argv[1:]))
"""
# Two writes in every case below, a line before and one after each: around each write and at the end.
POINTS = ((1, "after"), (2, "before"), (3, "after"), (4, "before"), (4, "after"))
KILLED = -9
# Every point of one command and of its undo; of the others, which note by the same engine, those around a write.
CASES = [(command, *point) for command in ("migrate", "undo") for point in POINTS]
CASES += [(command, *point) for command in ("put", "restore") for point in POINTS[1:3]]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def unaccounted(world: World, audit: Path, known: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Versions in the store that are neither `known` nor said to be written, nor to be about to be."""
    found = lines(audit)
    written = {(line["name"], line["version"]) for line in found if line["state"] == "written"}
    missing = []
    for name, versions in world.azure_versions().items():
        for before, version in zip([None, *versions], versions, strict=False):
            announced = [line for line in found if line["state"] == "writing" and line["name"] == name]
            about_to = any(line["before"] == before for line in announced)
            if version not in known.get(name, ()) and (name, version) not in written and not about_to:
                missing.append((name, version))
    return missing


@pytest.mark.parametrize(("command", "turn", "how"), CASES)
def test_killed_around_any_line_of_the_audit_file_no_version_is_without_a_name(
    world: World, commands: dict[str, tuple[str, ...]], tmp_path: Path, command: str, turn: int, how: str
) -> None:
    argv, audit = ready(world, commands, command), tmp_path / "audit.jsonl"
    known = world.azure_versions()
    program = DYING.replace("TURN", str(turn)).replace("HOW", repr(how))
    died = world.process(program, *argv, "--audit", str(audit))
    assert died.returncode == KILLED, died.stderr
    assert unaccounted(world, audit, known) == []
    made = sum(len(versions) for versions in world.azure_versions().values()) - sum(map(len, known.values()))
    said = [line["state"] for line in lines(audit)]
    assert said.count("written") <= made <= said.count("writing")

    # The command once more ends as if nothing had happened, and still no version is without a name.
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
