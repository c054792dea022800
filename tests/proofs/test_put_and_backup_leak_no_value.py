import json
from pathlib import Path

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from tests.commands import Done
from tests.faulty_key_vault import Fault, FaultKind
from tests.leaks import leaks
from tests.proofs.conftest import World

SENTINEL = 's3ntinel/"4711"+é&'
BARE = "s3ntinel"


def leaked(text: str) -> list[str]:
    return [*leaks(text, SENTINEL), *leaks(text, BARE)]


def assert_clean(texts: list[str]) -> None:
    for text in texts:
        assert not leaked(text), text


def shown(seen: list[Done]) -> list[str]:
    return [done.out + done.err for done in seen]


def files_of(folder: Path, except_for: set[Path]) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path not in except_for]
    assert paths
    return [path.read_bytes().decode("utf-8", "replace") for path in paths]


def undos(world: World, command: str, *options: str) -> list[Done]:
    """The undo of each run of a command, newest first, as a plan and done."""
    runs = sorted(world.journals(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    argv = [(command, "prod", "--undo", run.stem, "--debug") for run in runs]
    assert argv
    return [world.run(*each, *more) for each in argv for more in ((), ("--format", "json"), ("--apply", *options))]


def test_put_shows_and_keeps_no_value(world: World) -> None:
    good, bad = world.root.parent / "in.json", world.root.parent / "bad"
    good.write_text(json.dumps({"JIRA_TOKEN": SENTINEL, "JIRA_URL": SENTINEL}), "utf-8")
    audit = ("--audit", str(world.root / "audit.jsonl"))
    seen: list[Done] = []

    def put(*options: str, text: str | None = None) -> None:
        path = good
        if text is not None:
            path = bad
            path.write_text(text, "utf-8")
        seen.append(world.run("put", "prod", "jira", "--from-file", str(path), "--debug", *options))

    put()
    put("--format", "json")
    put("--apply", *audit)
    world.put("agents/jira", {"JIRA_TOKEN": SENTINEL + "2"})
    put("--apply", *audit)
    put("--apply", *audit, "--store", "azure")
    for text in (
        SENTINEL,
        f"{SENTINEL}=",
        f"{BARE}==",
        f'JIRA_URL="{SENTINEL}',
        f"JIRA_URL=<{SENTINEL}>",
        f'{{"JIRA_URL": "{SENTINEL}"',
        f'{{"{SENTINEL}": "x"}}',
        f'{{"JIRA_URL": ["{BARE}"]}}',
        json.dumps({"JIRA_URL": SENTINEL + "\0"}),
        json.dumps({"JIRA_URL": SENTINEL * 2_000}),
    ):
        put("--apply", "--store", "azure", text=text)
    for kind in (FaultKind.FORBID, FaultKind.LIE, FaultKind.HTML):
        world.azure.add_fault(Fault(kind, method="PUT"))
        put("--apply", "--store", "azure", text=json.dumps({"JIRA_URL": SENTINEL + kind.name}))
        world.azure.clear_faults()
    seen.append(world.run("put", "prod", "jira", f"JIRA_URL={SENTINEL}"))
    seen += undos(world, "put", *audit)
    assert {done.code for done in seen} >= {0, 1, 2}
    assert_clean([*shown(seen), *files_of(world.root, set())])


def test_backup_and_restore_show_and_keep_no_value(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put("agents/github", {"GITHUB_TOKEN": SENTINEL, "EXTRA": SENTINEL})
    world.put("agents/jira", {"JIRA_TOKEN": SENTINEL, "JIRA_URL": SENTINEL})
    identity = x25519.Identity.generate()
    private = str(identity)
    key = world.root.parent / "key"
    key.write_text(private, "utf-8")
    path = world.root / "prod.age"
    backup = ("backup", "prod", str(path), "--debug", "--replace", "--recipient", str(identity.to_public()))
    restore = ("restore", "prod", str(path), "--debug", "--identity", str(key), "--audit", str(world.root / "audit"))
    seen = [world.run(*backup), world.run(*restore, "--to", "azure", "--apply")]
    world.put("agents/jira", {"JIRA_TOKEN": SENTINEL + "2", "JIRA_URL": 5})
    seen += [world.run(*restore), world.run(*restore, "--apply", "--on-conflict", "overwrite"), world.run(*backup)]
    world.put("agents/jira", {"JIRA_TOKEN": {"deep": SENTINEL}, "JIRA_URL": f" {SENTINEL}"})
    seen.append(world.run(*backup))
    seen.append(world.run("backup", "prod", str(world.root / "x.age"), "--recipient", private))
    with monkeypatch.context() as patch:
        # A defect while the values are in every frame.
        patch.setattr("compiler.cli.commands.backup.write_private", lambda *parts, **_: int(repr(parts)))
        world.put("agents/jira", {"JIRA_TOKEN": SENTINEL, "JIRA_URL": SENTINEL})
        seen.append(world.run(*backup))
    seen += undos(world, "restore")
    assert {done.code for done in seen} >= {0, 1, 2, 3}
    assert_clean([*shown(seen), *files_of(world.root, set())])
    assert private not in "".join(shown(seen))
    assert "JIRA_URL" not in path.read_bytes().decode("latin-1")


def test_no_value_is_in_the_process_list(world: World) -> None:
    program = """
import pathlib, sys
from compiler.cli import running
from compiler.__main__ import run
asked = running.carry_out
def look(*parts):
    shown = pathlib.Path("/proc/self/cmdline").read_bytes() + pathlib.Path("/proc/self/environ").read_bytes()
    assert b"s3" + b"ntinel" not in shown
    sys.stderr.write("looked\\n")
    return asked(*parts)
running.carry_out = look
sys.exit(run())
"""
    path = world.root / "token"
    path.write_text(SENTINEL, "utf-8")
    done = world.process(program, "put", "prod", "jira", "JIRA_TOKEN", "--from-file", str(path), "--apply")
    assert done.returncode == 0, done.stderr
    assert "looked" in done.stderr
    assert world.get("agents/jira") == {"JIRA_TOKEN": SENTINEL}
