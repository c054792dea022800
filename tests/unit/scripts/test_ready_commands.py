import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.ready_commands import ready_commands, run_ready

Shell = Callable[..., subprocess.CompletedProcess[str]]

COMMANDS = {
    "platform-secrets": "compiler.__main__:run",
    **{
        name: f"tests.unit.scripts.commands_to_be_ready:{name}"
        for name in ("surroundings", "patient", "killed", "late", "counting")
    },
}
# Of the whole program this much is run here; the shell of the pages has all of it.
MODULES = ("compiler.__main__", "tests.unit.scripts.commands_to_be_ready")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("ready")
    with ready_commands(folder, COMMANDS, MODULES):
        yield f"{folder}:{os.defpath}"


@pytest.fixture
def shell(path: str, tmp_path: Path) -> Shell:
    """Runs a line in bash, in an empty folder, with no other variables than PATH and those given."""

    def run(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", "-c", line],
            cwd=tmp_path,
            env={"PATH": path, **variables},
            input="what is typed\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_the_program_prints_and_ends_as_in_a_process_of_its_own(shell: Shell) -> None:
    assert shell("platform-secrets --version").stdout.startswith("platform-secrets ")
    done = shell("platform-secrets compile")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith('error: no folder "environments" here')


def test_arguments_folder_variables_umask_and_streams_are_the_shells(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    done = shell("cd b; umask 027; surroundings 'a  b' '' $'\\xe4'; echo $?", A="\u00e4", LC_ALL="C.UTF-8")
    assert done.stdout.splitlines() == [
        f"argv {['surroundings', 'a  b', '', chr(0xDCE4)]!a}",
        f"folder {tmp_path / 'b'}",
        "umask 0o27",
        "A '\\xe4'",
        "PYTHONPATH None",
        "input 'what is typed\\n'",
        "terminal False",
        "7",
    ]
    assert done.stderr == "to standard error\n"


def test_a_command_sees_nothing_that_another_left_behind(shell: Shell) -> None:
    assert shell("counting; counting").stdout == "1\n1\n"


def test_a_command_ends_after_its_threads_and_exit_functions_with_all_its_output(shell: Shell) -> None:
    done = shell("late | cat; echo ${PIPESTATUS[0]}")
    assert (done.stdout, done.stderr) == ("command\nthread\nexit function\n3\n", "")


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM"])
def test_a_signal_reaches_the_command_and_ends_both(shell: Shell, name: str) -> None:
    # By itself a shell has what it starts in the background ignore two of them; with jobs of their own it has not.
    line = f"set -m; mkfifo ready; patient > ready & read -r begun < ready; kill -{name} $!; wait $!; echo $?"
    done = shell(line)
    assert done.stdout.splitlines()[-1] == str(128 + signal.Signals[f"SIG{name}"]), done.stderr


def test_a_command_that_is_killed_ends_so(shell: Shell) -> None:
    assert shell("killed; echo $?").stdout == f"{128 + signal.SIGKILL}\n"


def test_without_a_client_a_command_gets_and_returns_the_same(path: str, tmp_path: Path) -> None:
    folder = Path(path.partition(":")[0])
    (tmp_path / "in").write_text("what is typed\n")
    with (tmp_path / "in").open() as given, (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        files = (given.fileno(), out.fileno(), err.fileno())
        code = run_ready(folder / "surroundings", ["a  b", "\udce4"], {"A": "\u00e4", "LC_ALL": "C.UTF-8"}, files)
        killed = run_ready(folder / "killed", [], {}, files)
    assert (code, killed) == (7, -signal.SIGKILL)
    assert (tmp_path / "err").read_text() == "to standard error\n"
    lines = (tmp_path / "out").read_text().splitlines()
    assert lines[:2] == [f"argv {['surroundings', 'a  b', chr(0xDCE4)]!a}", f"folder {Path.cwd()}"]
    assert lines[3:6] == ["A '\\xe4'", "PYTHONPATH None", "input 'what is typed\\n'"]
