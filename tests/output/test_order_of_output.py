"""What was found stands before the result, whether both streams lead to a terminal or into one pipe."""

import os
import pty
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.own_process import COMPILE, program_with
from tests.platforms import BASE, CATALOGUE, write_project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project with a warning, whose Vault does not listen."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        base = BASE.replace("https://vault.example.com", url)
        write_project(tmp_path, base=base, catalogue=CATALOGUE, prod="secrets: {github: {refreshInterval: 1s}}\n")
        (tmp_path / "chart").mkdir()
        yield tmp_path


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    with program_with((*COMPILE, "compiler.stores.vault.store", "hvac")) as command:
        yield command


def shown(program: Path, where: str, project: Path, *argv: str) -> list[str]:
    """What a command prints, both streams together, as they reach one terminal or one pipe."""
    reading, writing = pty.openpty() if where == "terminal" else os.pipe()
    variables = {"PATH": os.defpath, "NO_COLOR": "1", "VAULT_TOKEN": "t"}
    command = [str(program), "--root", str(project), *argv]
    process = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing)
    os.close(writing)
    text = b""
    try:
        while chunk := os.read(reading, 4096):
            text += chunk
    except OSError:
        # Linux tells the end of a terminal this way.
        pass
    os.close(reading)
    process.wait(30)
    return text.decode().splitlines()


@pytest.mark.parametrize("where", ["terminal", "pipe"])
@pytest.mark.parametrize(
    ("argv", "rule", "result"),
    [
        (("compile", "prod"), "warning[", "chart/values-prod.yaml: written, 1 secret, 1 key"),
        (("verify", "prod"), "error[no-answer]", "prod: 0 of 1 keys OK, 0 remote secrets read"),
    ],
)
def test_findings_stand_before_the_result(
    program: Path, project: Path, where: str, argv: tuple[str, ...], rule: str, result: str
) -> None:
    lines = shown(program, where, project, *argv)
    assert any(rule in line for line in lines[:-1]), lines
    assert lines[-1] == result


@pytest.mark.parametrize("where", ["terminal", "pipe"])
def test_the_result_stands_after_the_report_for_programs_too(program: Path, project: Path, where: str) -> None:
    lines = shown(program, where, project, "verify", "prod", "--format", "json")
    assert lines[0] == "{"
    assert lines[-2:] == ["}", "prod: 0 of 1 keys OK, 0 remote secrets read"]
