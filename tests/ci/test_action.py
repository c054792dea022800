"""The shell lines of action.yml, run as a runner does it, on a pull request that would have its own code run."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.conftest import Workspace
from tests.own_process import COMPILE, processes_with

ROOT = Path(__file__).resolve().parents[2]
ACTION: Any = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
(STEP,) = ACTION["runs"]["steps"]
# The runner's Python, whose environments find the running packages: the lock is satisfied, and no index is asked. Pip
# is one of them: what installs another, for six seconds, is begun as `venv` begins it, and only prints its version.
# With IS_INSTALLED nothing is installed, and the program runs in a process that has imported its modules. With
# ARE_WORDS_PRINTED an environment's Python prints its arguments, each with a NUL behind it, in place of running them.
PYTHON = """#!/bin/sh
if [ "$3" = venv ] && [ -n "$IS_INSTALLED$ARE_WORDS_PRINTED" ]; then
  run='shift 2; exec "{ready}" "$@"'
  [ -z "$ARE_WORDS_PRINTED" ] || run='printf "%s\\0" "$@"'
  mkdir bin && printf '%s\\n' '#!/bin/sh' '[ "$3" = pip ] || {{ '"$run"'; }}' >bin/python && chmod +x bin/python
  exit
fi
[ "$2" != -c ] || [ -z "$ARE_WORDS_PRINTED" ] || exit 0
[ "$3" = venv ] || exec "{python}" "$@"
"{python}" "$@" --without-pip || exit
cd "$4" && env -u PYTHONPATH bin/python -m ensurepip --version >/dev/null || exit
echo "{packages}" >"$(echo lib/python3*/site-packages)/running.pth"
"""
# What an environment's Python of IS_INSTALLED has imported.
MODULES = (*COMPILE, "compiler.cli.commands.report")

COMMAND = ["compile", "--check", "--format", "github"]


@pytest.fixture(scope="module")
def ready() -> Iterator[Path]:
    with processes_with(MODULES) as processes:
        yield processes.command


@pytest.fixture
def check(workspace: Workspace, tmp_path: Path, ready: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the step with the inputs `root` and `arguments`."""
    programs, temporary = tmp_path / "bin", tmp_path / "temporary"
    programs.mkdir()
    temporary.mkdir()
    python = programs / "python3"
    paths = {"python": sys.executable, "ready": ready, "packages": sysconfig.get_path("purelib")}
    python.write_text(PYTHON.format(**paths), "utf-8")
    python.chmod(0o755)
    bash = shutil.which("bash")
    assert bash is not None

    def run(root: str = ".", arguments: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        given = {
            "${{ github.action_path }}": str(ROOT),
            "${{ inputs.root }}": root,
            "${{ inputs.arguments }}": arguments,
        }
        script = tmp_path / "step.sh"
        script.write_text(STEP["run"], "utf-8")
        return subprocess.run(
            [bash, "--noprofile", "--norc", "-e", "-o", "pipefail", script],
            cwd=workspace.root,
            env={
                "PATH": f"{programs}:{os.defpath}",
                "HOME": str(tmp_path),
                "RUNNER_TEMP": str(temporary),
                "PIP_NO_INDEX": "1",
                **variables,
                **{name: given[expression] for name, expression in STEP["env"].items()},
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_inputs_reach_the_shell_as_variables_alone() -> None:
    assert "${{" not in STEP["run"]
    assert "run" in STEP
    assert {name: STEP["env"][name] for name in ("ROOT", "ARGUMENTS")} == {
        "ROOT": "${{ inputs.root }}",
        "ARGUMENTS": "${{ inputs.arguments }}",
    }


def test_only_wheels_of_known_hashes_are_installed() -> None:
    lines = STEP["run"].replace("\\\n", " ").splitlines()
    (install,) = [line for line in lines if "pip install" in line]
    assert {"--require-hashes", "--only-binary"} <= set(install.split())
    assert re.search(r'--only-binary :all: +-r "\$ACTION/requirements/runtime\.txt"', install)
    assert all(" -I " in line for line in lines if re.search(r"python3? ", line) and "echo" not in line)


def test_no_code_of_the_pull_request_is_run(
    workspace: Workspace, check: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (workspace.root / "chart/values-prod.yaml").unlink()
    # A Python that looks into the workspace by itself looks there with this variable, too.
    done = check(PYTHONPATH=".")
    assert not workspace.ran.exists(), workspace.ran.read_text("utf-8")
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=chart/values-prod.yaml,line=1,")
    assert "chart/values-dev.yaml: up to date" in done.stderr


def test_a_project_without_a_finding_is_green(check: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = check(IS_INSTALLED="1")
    assert (done.returncode, done.stdout) == (0, "")
    assert "chart/values-prod.yaml: up to date" in done.stderr


def test_the_summary_has_the_offline_table_without_addresses(
    workspace: Workspace, check: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", "utf-8")
    prod = workspace.root / "environments/prod.yaml"
    prod.write_text(prod.read_text("utf-8") + "moves: {to: azure, steps: [[all]]}\n", "utf-8")
    done = check(IS_INSTALLED="1", GITHUB_STEP_SUMMARY=str(summary), GITHUB_ACTIONS="true")
    text = summary.read_text("utf-8")
    assert text.startswith("before\n### Secrets by environment\n\n| secret | `dev` | `prod` | `staging` |\n")
    assert "| `github` | V · from base | A · ≠ store | V · from base |\n" in text
    assert not re.search(r"https?://|vault\.azure\.net|present|missing", text)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_summary_is_asked_for_without_a_store_and_without_addresses(
    check: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    assert check(ARE_WORDS_PRINTED="1", GITHUB_STEP_SUMMARY=str(summary)).returncode == 0
    *_, action, root, command, form, markdown, without, parts, end = summary.read_text("utf-8").split("\0")
    assert (action, root, command, end) == (str(ROOT), "--root=.", "report", "")
    assert (form, markdown, without, parts) == ("--format", "markdown", "--without", "addresses,owners")


def test_an_error_in_the_files_leaves_the_summary_as_it_is(
    workspace: Workspace, check: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (workspace.root / "environments/dev.yaml").write_text("store: gone\n", "utf-8")
    done = check(IS_INSTALLED="1", GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"))
    assert (done.returncode, (tmp_path / "summary.md").read_text("utf-8")) == (1, "")
    nowhere = check(IS_INSTALLED="1", GITHUB_STEP_SUMMARY=str(tmp_path / "no/summary.md"), arguments="prod")
    assert (nowhere.returncode, "no/summary.md" in nowhere.stderr) == (0, True)


HOSTILE = [
    '$(touch "$RAN")',
    '`touch "$RAN"`',
    '"; touch "$RAN"; "',
    "'; touch \"$RAN\"; '",
    "x\ntouch $RAN",
    "&& touch $RAN",
]


@pytest.mark.parametrize("text", [*HOSTILE, "-x", "--debug", "--out", "x\n::error::told"])
def test_a_hostile_root_is_one_word(
    workspace: Workspace, check: Callable[..., subprocess.CompletedProcess[str]], text: str
) -> None:
    done = check(root=text, RAN=str(workspace.ran), ARE_WORDS_PRINTED="1")
    assert words(done) == [str(ROOT), f"--root={text}", *COMMAND]
    assert not workspace.ran.exists()


@pytest.mark.parametrize("text", [*HOSTILE, "*", "chart/*", "--roo", "$HOME", "\\\n"])
def test_hostile_arguments_are_words_and_no_more(
    workspace: Workspace, check: Callable[..., subprocess.CompletedProcess[str]], text: str
) -> None:
    before = sorted(workspace.root.rglob("*"))
    done = check(arguments=text, RAN=str(workspace.ran), ARE_WORDS_PRINTED="1")
    # As they were written: neither a variable's content nor the names of files.
    assert words(done) == [str(ROOT), "--root=.", *COMMAND, *text.split()]
    assert not workspace.ran.exists()
    assert sorted(workspace.root.rglob("*")) == before


def words(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The words behind the program's text, of the check."""
    assert done.returncode == 0, done.stderr
    isolated, code, text, *given, end = done.stdout.split("\0")
    assert (isolated, code, end) == ("-I", "-c", "")
    assert "from compiler.__main__ import run" in text
    return given


def test_a_hostile_root_is_a_folder_that_does_not_exist_and_drives_no_runner(
    workspace: Workspace, check: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = check(root="x\n::error::told", RAN=str(workspace.ran), IS_INSTALLED="1")
    assert done.returncode == 2
    assert 'error: no folder "environments" in ' in done.stderr
    assert not any(line.startswith("::") for line in (done.stdout + done.stderr).splitlines())


@pytest.mark.parametrize("text", ['$(touch "$RAN")', "chart/*", "--roo"])
def test_what_hostile_arguments_say_is_refused(
    check: Callable[..., subprocess.CompletedProcess[str]], workspace: Workspace, text: str
) -> None:
    done = check(arguments=text, RAN=str(workspace.ran), IS_INSTALLED="1")
    assert done.returncode == 2
    assert done.stderr.startswith(("error: there is no environment ", "error: unknown option "))
    assert str(workspace.root.parent) not in done.stderr
    assert "values-" not in done.stderr


def test_several_options_are_several_words(check: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = check(IS_INSTALLED="1", arguments=" --strict\n  prod  --quiet ")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_old_python_is_told_before_all_else(
    workspace: Workspace, check: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "bin/python3").write_text("#!/bin/sh\nexit 1\n", "utf-8")
    done = check()
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith("::error::Python 3.11 or newer is needed")
