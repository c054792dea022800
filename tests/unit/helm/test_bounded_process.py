import subprocess
import sys
import time

import pytest

from compiler.helm import OutputTooLargeError, run_bounded
from tests.pace import allowed_wall

MOST = 1024 * 1024


def run(program: str, seconds: float = 20, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_bounded([sys.executable, "-c", program], variables, seconds, MOST)


def test_what_it_printed_comes_back_whole() -> None:
    done = run("import sys; sys.stdout.write('o' * 500_000); sys.stderr.write('e' * 500_000); sys.exit(7)")
    assert (done.returncode, done.stdout, done.stderr) == (7, "o" * 500_000, "e" * 500_000)


def test_it_has_the_given_environment_no_input_and_may_print_any_bytes() -> None:
    program = "import os, sys; sys.stdout.buffer.write(os.environ['A'].encode() + b'\\xff' + sys.stdin.buffer.read())"
    assert run(program, A="x").stdout == "x\ufffd"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_program_that_prints_without_end_is_ended(stream: str) -> None:
    start = time.monotonic()
    with pytest.raises(OutputTooLargeError):
        run(f"import sys\nwhile True: sys.{stream}.write('x' * 65536)")
    assert time.monotonic() - start < allowed_wall(10, below=20)


@pytest.mark.parametrize("closing", ["", "os.close(1); os.close(2); "])
def test_a_program_that_does_not_end_is_ended(closing: str) -> None:
    start = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run(f"import os, time; {closing}time.sleep(60)", seconds=0.5)
    assert time.monotonic() - start < allowed_wall(10, below=60)


def test_a_child_of_its_own_that_keeps_its_output_open_is_not_waited_for() -> None:
    start = time.monotonic()
    child = "import time; time.sleep(15)"
    with pytest.raises(subprocess.TimeoutExpired):
        run(f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])", seconds=0.5)
    assert time.monotonic() - start < allowed_wall(10, below=15)


def test_a_program_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        run_bounded(["/nowhere/helm"], {}, 1, MOST)
