"""How much a command goes through: what a person reads who follows it from the command line to the stores."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from compiler.pipeline import compile_project
from tests.api_double import ApiDouble
from tests.live_platform import LivePlatform
from tests.proofs.conftest import ROOT, World

# Runs a command, and says at its end which modules it has executed. `__init__` is where a room is described, and each
# rule is read by itself.
PROGRAM = """
import json, os, sys

end = os._exit
def tell(code):
    files = [name for name, module in sys.modules.items() if not hasattr(module, "__path__")]
    ran = [name for name in files if name.startswith("compiler.") and ".rules." not in name]
    sys.__stderr__.write("\\n" + json.dumps([code, sorted(ran)]))
    sys.__stderr__.flush()
    end(code)

os._exit = tell
from compiler.__main__ import run
run()
"""
# Migrates one secret between stores in memory, and says at its end which classes it has made an object of, and which
# modules have called each other: neither can be read without the other.
MIGRATION = """
import json, sys, threading
from compiler.cli import running
from compiler.cli.main import main
from compiler.live.stores import LiveStores
from tests.unit.cli.two_ends import KEY, VAULT, Ends

ends = Ends()
ends.vault.seed(VAULT, **{KEY: "token"})
running.LiveStores = lambda environ: LiveStores(environ, ends.open)
made, calls = set(), set()

def name_of(frame):
    return frame.f_globals.get("__name__", "") if frame is not None else ""

def follow(frame, event, _):
    if event != "call":
        return
    caller, callee = name_of(frame.f_back), name_of(frame)
    if not callee.startswith("compiler."):
        return
    code = frame.f_code
    if code.co_name == "__init__":
        kind = type(frame.f_locals[code.co_varnames[0]])
        made.add(f"{kind.__module__}.{kind.__qualname__}")
    is_import = "<module>" in (code.co_name, frame.f_back.f_code.co_name if frame.f_back else "")
    if caller.startswith("compiler.") and caller != callee and not is_import:
        calls.add((caller, callee))

threading.setprofile(follow)
sys.setprofile(follow)
code = main(["migrate", "dev", "--to", "azure", "--only", "github", "--apply"])
sys.setprofile(None)
own = sorted(name for name in made if name.startswith("compiler."))
print(json.dumps([code, own, sorted(pair for pair in calls if pair < pair[::-1] and pair[::-1] in calls)]))
"""
MOST_CLASSES, MOST_PAIRS = 60, 5
# A module more needs a reason that a newcomer would accept.
# `cluster/` has a module for the states, and one that judges store objects: three commands ask for the latter alone.
# `status` has one that finds the causes, and decides what comes next.
# So has what is read of the operator's messages: no other module may show a word of them.
# And so have the operator's times, which say nothing of what the objects are, and the difference of two specs.
MOST = {"compile": 33, "verify": 44, "migrate": 57, "cutover": 57, "retire": 59, "status": 64}


def executed(world: World, *argv: str, **variables: str) -> list[str]:
    """The modules that a command executes, which succeeds."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--root", str(world.root), *argv],
        env={"PATH": os.defpath, "HOME": str(world.root), "PYTHONPATH": str(ROOT), **world.variables, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    code, modules = json.loads(done.stderr.rpartition("\n")[2])
    assert code == 0, done.stdout + done.stderr
    return list(modules)


def test_a_command_executes_no_more_modules_than_it_needs(world: World) -> None:
    world.fill()
    ran = {
        "compile": executed(world, "compile", "prod"),
        "verify": executed(world, "verify", "prod"),
        "migrate": executed(world, "migrate", "prod", "--to", "azure", "--apply"),
        "cutover": executed(world, "cutover", "prod", "jira", "--to", "azure", "--apply"),
        "retire": executed(world, "retire", "prod", "jira", "--store", "vault", "--without-cluster", "--apply"),
    }
    project = compile_project(world.root, ["prod"]).project
    assert project is not None
    with ApiDouble() as double:
        LivePlatform(double).run(project.environments[0])
        kubeconfig = str(double.kubeconfig(world.root))
        ran["status"] = executed(world, "status", "prod", "--wait", "--timeout", "20s", KUBECONFIG=kubeconfig)
    excess = {command: (len(modules), modules) for command, modules in ran.items() if len(modules) > MOST[command]}
    assert not excess


def test_a_migration_makes_few_classes_and_few_modules_call_each_other(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "environments", tmp_path / "environments")
    done = subprocess.run(
        [sys.executable, "-c", MIGRATION],
        cwd=tmp_path,
        env={"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "AZURE_KEYVAULT_NAME": "ai-platform"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    code, classes, pairs = json.loads(done.stdout.rstrip("\n").rpartition("\n")[2])
    assert code == 0, done.stdout + done.stderr
    assert "compiler.change.operations.Put" in classes
    assert len(classes) <= MOST_CLASSES, classes
    assert len(pairs) <= MOST_PAIRS, pairs
