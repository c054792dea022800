"""The examples of every command's help do what they say: each is run, whole, in a copy of the shipped project."""

import os
import shlex
from pathlib import Path

import pytest

from compiler.cli.commands import COMMANDS
from compiler.cli.invocation import command
from tests.commands import RunCommand
from tests.conftest import Helm
from tests.platform.charts import write_chart

# The commands that need no store; those that do are run against local ones by their own tests.
OFFLINE = ("compile", "explain", "diff", "render", "generate", "rules", "new", "completion", "report", "runs")
EXAMPLES = [example for name in OFFLINE for example in command(COMMANDS[name][0]).EXAMPLES]
# `diff` says with 1 that there are differences.
DIFFERS = {"platform-secrets diff dev prod", "platform-secrets diff prod --store vault --format markdown"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(
    example: str,
    run: RunCommand,
    project: Path,
    tmp_path: Path,
    helms: tuple[Helm, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "helm get" in example or "--stores" in example:
        pytest.skip("it asks a cluster, or stores")
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(helms[-1].path).parent), os.defpath)))
    if "chart/values" in example or "--check" in example:
        assert run("compile").code == 0
    if "--against" in example and "generate" in example:
        write_chart(project, "0.5.24").rename(project / "ai-platform-engineering")
    if "report --from" in example:
        for name in ("prod", "staging"):
            Path(f"{name}.json").write_text(run("status", name, "--offline", "--format", "json").out, "utf-8")
    if "--audit" in example:
        Path("audit.jsonl").touch()
    # Examples write beside the project where a person would write to /tmp.
    program, *words = shlex.split(example.replace("/tmp/", f"{tmp_path}/scratch/"))  # noqa: S108
    assert program == "platform-secrets"
    done = run(*words)
    assert done.code == (1 if example in DIFFERS else 0), done.err
    assert done.out
