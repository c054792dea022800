"""How many modules a command executes: what a person reads who follows it from the command line to the stores."""

import json
import os
import subprocess
import sys

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
# A module more needs a reason that a newcomer would accept.
MOST = {"compile": 45, "verify": 60, "migrate": 75, "cutover": 75, "status": 71}


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
    }
    project = compile_project(world.root, ["prod"]).project
    assert project is not None
    with ApiDouble() as double:
        LivePlatform(double).run(project.environments[0])
        kubeconfig = str(double.kubeconfig(world.root))
        ran["status"] = executed(world, "status", "prod", "--wait", "--timeout", "20s", KUBECONFIG=kubeconfig)
    excess = {command: (len(modules), modules) for command, modules in ran.items() if len(modules) > MOST[command]}
    assert not excess
