"""Runs health scripts on gopher-lua, the Lua of Argo CD; `lua/main.go` gives them what Argo CD gives and no more."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

_SOURCE = Path(__file__).parent / "lua"
ARGO_CD = (_SOURCE / "argo-cd.lua").read_text("utf-8")


@dataclass(frozen=True)
class Case:
    """A script with the object that it judges; `now` in Unix seconds, None for no clock; `zone` in seconds."""

    script: str
    object: dict[str, Any]
    now: int | None = None
    zone: int = 0


@dataclass(frozen=True)
class Health:
    """What a script returns, or how it failed."""

    status: str
    message: str
    error: str = ""


def built(folder: Path) -> Path:
    """The program that runs the scripts, built into `folder`. Skips where Go or its modules cannot be had."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on PATH: Argo CD's Lua is a Go module")
    # The module as go.sum has it: no newer one, and no other Go than this.
    environment = {
        **os.environ,
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    try:
        subprocess.run(
            [go, "mod", "download"], cwd=_SOURCE, env=environment, check=True, capture_output=True, timeout=60
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("gopher-lua cannot be had: `go mod download` in tests/argocd/lua fails")
    program = folder / "health"
    # Unoptimised: half of the processor time where Go has nothing of it built yet.
    quick = ["-gcflags=all=-N -l", "-ldflags=-s -w"]
    subprocess.run([go, "build", *quick, "-o", program, "."], cwd=_SOURCE, env=environment, check=True, timeout=300)
    return program


def judged(program: Path, cases: Sequence[Case]) -> list[Health]:
    """What each case's script says, in their order."""
    given = json.dumps([asdict(case) for case in cases])
    done = subprocess.run([program], input=given, capture_output=True, text=True, check=True, timeout=60)
    return [Health(**answer) for answer in json.loads(done.stdout)]
