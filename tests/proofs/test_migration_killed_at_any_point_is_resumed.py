from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.proofs.conftest import World

# Every line of the journal stands between two effects, so dying around each of them is dying at every step. The
# program is told when to die by its first two arguments; with `half` a part of the line is on the disk already.
DYING = """
import os, signal, sys
from compiler.cli.main import main
from compiler.operations.runs import line_file

turn, half = int(sys.argv.pop(1)), sys.argv.pop(1) == "half"
append, seen = line_file.LineFile.append, 0

def dying(self, line, **given):
    global seen
    seen += 1
    if seen == turn:
        if half:
            os.write(self._file, b'{"type":"st')
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, line, **given)

line_file.LineFile.append = dying
sys.exit(main(sys.argv[1:]))
"""
# run, two plans, planned, three for each write, end.
LINES = 11
KILLED = -9


def killed(world: World, turn: int, how: str) -> int:
    program = DYING.replace("int(sys.argv.pop(1))", str(turn)).replace("sys.argv.pop(1)", repr(how))
    return world.process(program, "migrate", "prod", "--to", "azure", "--apply").returncode


@pytest.mark.parametrize("turn", range(1, LINES + 1))
def test_proof_4_killed_before_line_i_and_resumed_is_the_uninterrupted_result(world: World, turn: int) -> None:
    world.fill()
    assert killed(world, turn, "half" if turn % 2 else "whole") == KILLED
    before = world.azure_versions()
    done = world.migrate("--apply")
    assert done.code == 0, done
    assert world.azure_object("agents-github") == {"GITHUB_TOKEN": "token-1"}
    assert world.azure_object("agents-jira") == {"JIRA_TOKEN": "token-2", "JIRA_URL": "https://jira.example.com"}
    after = world.azure_versions()
    assert {name: len(versions) for name, versions in after.items()} == {"agents-github": 1, "agents-jira": 1}
    assert all(after[name] == versions for name, versions in before.items())
    again = world.migrate("--apply")
    assert (again.code, world.azure_versions()) == (0, after)

    if turn in range(6, LINES + 1):
        # The whole plan had been noted: it is one run, and undoing it takes back all of it.
        assert ("is resumed" in done.err) == (turn > 4)
        (journal,) = world.journals()
        assert world.run("migrate", "prod", "--undo", journal.stem, "--apply", "--quiet").code == 0
        assert all(world.azure.server.state._secrets[name].phase != "active" for name in after)


def test_proof_4_one_more_line_is_never_written(world: World) -> None:
    world.fill()
    assert killed(world, LINES + 1, "whole") == 0


def test_a_resumed_run_does_not_overwrite_a_writer_who_came_since_whatever_was_asked(world: World) -> None:
    world.fill()
    # The 7th line: one of the two writes is stored and the other one may be.
    assert world.process(
        DYING.replace("int(sys.argv.pop(1))", "11").replace("sys.argv.pop(1)", "''"),
        "migrate", "prod", "--to", "azure", "--apply", "--on-conflict", "overwrite",
    ).returncode == KILLED  # fmt: skip
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "theirs", "JIRA_URL": "https://jira.example.com"}')
    done = world.migrate("--apply", "--on-conflict", "overwrite")
    assert done.code == 1
    assert "another writer was there" in done.out
    assert world.azure_object("agents-jira")["JIRA_TOKEN"] == "theirs"
    # That run has ended: what the user asks for once more is a new plan, and it was told.
    assert json.loads(world.journals()[0].read_text("utf-8").splitlines()[-1])["state"] == "conflict"
    assert world.migrate("--apply", "--on-conflict", "overwrite").code == 0
    assert world.azure_object("agents-jira")["JIRA_TOKEN"] == "token-2"


def test_a_resumed_run_is_narrowed_to_what_it_planned(world: World) -> None:
    world.fill()
    assert killed(world, 5, "whole") == KILLED
    world.put("agents/github", {"GITHUB_TOKEN": "token-1", "GITHUB_APP_KEY": "pem"})
    done = world.migrate("--apply")
    assert done.code == 0
    assert "azure:github-app-key" in done.out.partition("left for the next one:")[2]
    assert world.azure.versions("github-app-key") == []
    assert world.migrate("--apply").code == 0
    assert world.azure.value("github-app-key") == "pem"


STORED = """
import os, signal, sys
from compiler.cli.main import main
from compiler.operations.runs.journal import Journal
from compiler.operations.runs.audit import AuditLog

record = AuditLog.record

def dying(self, *_):
    os.kill(os.getpid(), signal.SIGKILL)

Journal.written = dying
AuditLog.record = lambda self, entry: dying(self) if entry.stage == "written" else record(self, entry)
sys.exit(main(sys.argv[1:]))
"""


def test_killed_after_a_write_and_before_any_note_of_it_neither_undo_nor_audit_forgets_it(world: World) -> None:
    world.fill()
    audit = ("--audit", str(world.root / "audit.jsonl"))
    assert world.process(STORED, "migrate", "prod", "--to", "azure", "--apply", *audit).returncode == KILLED
    stored = {name: versions for name, versions in world.azure_versions().items() if versions}
    assert stored
    (journal,) = world.journals()
    undone = world.run("migrate", "prod", "--undo", journal.stem, "--apply", "--quiet")
    assert undone.code == 1
    assert "the run was stopped while it wrote this" in undone.out
    assert "run the same migration again" in undone.out

    assert world.migrate("--apply", *audit).code == 0
    lines = [json.loads(line) for line in (world.root / "audit.jsonl").read_text("utf-8").splitlines()]
    written = [line for line in lines if line["state"] == "written"]
    after = world.azure_versions()
    assert {(line["name"], line["action"], line["version"], tuple(line["properties"])) for line in written} == {
        ("agents-github", "create", *after["agents-github"], ("GITHUB_TOKEN",)),
        ("agents-jira", "create", *after["agents-jira"], ("JIRA_TOKEN", "JIRA_URL")),
    }
    assert len(written) == 2
    assert {line["run"] for line in lines} == {journal.stem}
    assert world.run("migrate", "prod", "--undo", journal.stem, "--apply", "--quiet").code == 0
    assert all(world.azure.server.state._secrets[name].phase != "active" for name in after)
