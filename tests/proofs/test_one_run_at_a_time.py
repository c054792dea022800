"""One run at a time writes from a project: another one waits for it, and says so, or ends; reading is always free."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.change.run_files import run_lock
from compiler.demo.local_key_vault import VaultRequest
from tests.proofs.conftest import World
from tests.proofs.writing import Writing

HOLD = """
import os, sys
from pathlib import Path
from compiler.change.run_files import run_lock
with run_lock(Path(sys.argv[2]), "run 20250131-120000-4fa1c2"):
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""
MAIN = "import sys; from compiler.cli.main import main; sys.exit(main(sys.argv[1:]))"


def start(world: World, program: str, *argv: str) -> subprocess.Popen[str]:
    variables = {"PATH": os.defpath, "HOME": str(world.root), **world.variables}
    command: list[str | Path] = [world.processes.command, program, "--root", str(world.root), *argv]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=variables, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@contextmanager
def held(world: World) -> Iterator[int]:
    """Within, another process holds the lock, until it is killed: the one of this number."""
    with start(world, HOLD) as first:
        assert first.stdout is not None
        holder = int(first.stdout.readline())
        yield holder
        with suppress(ProcessLookupError):
            os.kill(holder, signal.SIGKILL)


@contextmanager
def held_until_waited_for(world: World) -> Iterator[None]:
    """Within, another process holds the lock, until this one waits for it."""
    with start(world, HOLD) as first, world.monkeypatch.context() as patch:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdout.readline()
        end = first.stdin.close

        def sleep(seconds: float) -> None:
            end()
            time.sleep(seconds)

        patch.setattr("compiler.change.run_files.time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
        yield


def test_the_second_of_two_names_the_first_and_ends_when_it_has_waited(
    world: World, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]

    def sleep(pause: float) -> None:
        seconds[0] += pause

    with held(world) as first:
        with monkeypatch.context() as patch:
            clock = SimpleNamespace(monotonic=lambda: seconds[0], sleep=sleep)
            patch.setattr("compiler.change.run_files.time", clock)
            world.azure.forget_requests()
            done = writing("--apply")
        holder = f"run 20250131-120000-4fa1c2 (process {first})"
        assert done.code == 3
        assert done.err.count(f"note: waiting for another run: {holder}\n") == 1
        assert f"error: another run is in progress: {holder}\n" in done.err
        assert 10 <= seconds[0] < 11
        # Nobody was asked for anything that is written to, before the lock was there.
        assert world.azure.requests() == []
        # Looking is allowed at any time.
        assert writing().code == 0
    # Killed, it left its name in the file, and the lock is free all the same.
    assert "20250131-120000" in (world.root / ".platform-secrets/lock").read_text("ascii")
    assert writing("--apply").code == 0


def test_the_second_of_two_goes_on_when_the_first_ends(world: World, writing: Writing) -> None:
    with held_until_waited_for(world):
        done = writing("--apply")
        undone = writing.undo("--apply")
    assert (done.code, undone.code) == (0, 0)
    assert "note: waiting for another run: run 20250131-120000-4fa1c2" in done.err
    assert "note: waiting" not in undone.err


def test_a_switch_is_written_under_the_same_lock_and_only_shown_without(world: World) -> None:
    (world.root / "environments/prod.yaml").write_text("store: vault\n", "utf-8")
    world.fill()
    assert world.migrate("--apply").code == 0
    switch = ("cutover", "prod", "jira", "--to", "azure")
    before = (world.root / "environments/prod.yaml").read_bytes()
    with held(world), start(world, MAIN, *switch, "--apply") as second:
        assert second.stderr is not None
        assert second.stderr.readline().startswith("note: waiting for another run: run 20250131-120000-4fa1c2")
        assert world.run(*switch).code == 0
        second.terminate()
    assert (world.root / "environments/prod.yaml").read_bytes() == before
    with held_until_waited_for(world):
        done = world.run(*switch, "--apply")
    assert (done.code, "note: waiting for another run" in done.err) == (0, True)
    assert (world.root / "environments/prod.yaml").read_bytes() != before


def test_what_a_switch_put_to_use_while_a_retirement_waited_is_not_deleted(world: World) -> None:
    (world.root / "environments/prod.yaml").write_text("store: azure\n", "utf-8")
    world.fill()
    assert world.migrate("--from", "vault", "--apply").code == 0
    retire = ("retire", "prod", "jira", "--store", "vault", "--without-cluster", "--apply")
    with held(world) as first, start(world, MAIN, *retire) as second:
        assert second.stderr is not None
        assert second.stderr.readline().startswith("note: waiting for another run")
        # What `cutover prod jira --back` writes; it holds the lock for that.
        (world.root / "environments/prod.yaml").write_text("store: azure\nsecrets: {jira: {store: vault}}\n", "utf-8")
        os.kill(first, signal.SIGKILL)
        out, err = second.communicate(timeout=30)
    assert (second.returncode, 'still read by "prod/jira"' in out) == (1, True), out + err
    assert world.run("verify", "prod", "jira").code == 0


def test_the_lock_is_let_go_when_a_run_ends(world: World) -> None:
    with run_lock(world.root, "one"):
        pass
    with run_lock(world.root, "two"):
        assert (world.root / ".platform-secrets/lock").read_text("ascii") == f"two (process {os.getpid()})\n"


def test_an_interrupt_finishes_what_is_under_way_says_how_to_go_on_and_is_resumed(world: World) -> None:
    for number in range(40):
        world.azure.seed(f"warm-{number}", "{}")
    keys = "".join(f"\n      K{n}: {{description: d, remote: {{azurekv: {{name: k{n}}}}}}}" for n in range(40))
    catalogue = world.root / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8") + keys.lstrip("\n") + "\n", "utf-8")
    world.fill()
    values = {f"K{number}": f"value {number}" for number in range(40)}
    world.put("agents/jira", {"JIRA_TOKEN": "t", "JIRA_URL": "u", **values})
    is_told, handle = threading.Event(), world.azure.handle

    def answer_late(request: VaultRequest) -> Any:  # noqa: ANN401 - passed on
        """What is written is stored at once, and answered once the interrupt has come."""
        answer = handle(request)
        assert request.method != "PUT" or is_told.wait(60)
        return answer

    with (
        world.monkeypatch.context() as patch,
        start(world, MAIN, "migrate", "prod", "--to", "azure", "--apply") as process,
    ):
        patch.setattr(world.azure, "handle", answer_late)
        assert process.stdout is not None
        assert process.stderr is not None
        while not any(version for name, version in world.azure_versions().items() if name.startswith("k")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        err = ""
        while "requests in progress are finished first" not in err:
            err += process.stderr.readline()
            assert process.poll() is None, err
        is_told.set()
        out, err = process.stdout.read(), err + process.stderr.read()
    assert process.returncode == 130, err
    assert "interrupted; run the same command again to continue" in out
    assert "not started" in out
    assert "Traceback" not in err
    stored = [name for name in world.azure_versions() if name.startswith("k")]
    assert 0 < len(stored) < 40
    (journal,) = world.journals()
    lines = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    assert lines[-1] == {**lines[-1], "type": "end", "state": "interrupted"}
    # No half item: everything that began is stored, verified and noted.
    assert {line["name"] for line in lines if line.get("state") == "started"} == {
        line["name"] for line in lines if line.get("state") == "done"
    }

    assert world.migrate("--apply").code == 0
    assert all(len(versions) == 1 for versions in world.azure_versions().values())
    assert len([name for name in world.azure_versions() if name.startswith("k")]) == 40
