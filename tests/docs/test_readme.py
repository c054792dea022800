"""README's list of commands runs as it stands in the project of a demo that stays, as README says."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
(LISTED,) = re.findall(r"## The commands\n[^#]*?```bash\n(.*?)```", README, re.DOTALL)
# What a person's terminal, or a cluster, is needed for.
WITHOUT_TERMINAL = dict.fromkeys(("put", "rotate", "backup"), "error: no terminal to ask for ")
WITHOUT_CLUSTER = "no usable kubeconfig (there is no file "


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a demo that is kept."""
    home = tmp_path_factory.mktemp("home")
    (home / "bin").mkdir()
    program = home / "bin/platform-secrets"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {sys.executable} -m compiler "$@"\n')
    program.chmod(0o755)
    (home / "said").write_text(run(home, "platform-secrets demo --keep").stdout)
    yield home
    run(home, "platform-secrets demo --stop")


def run(home: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", line],
        cwd=home,
        env={"HOME": str(home), "PATH": f"{home}/bin:{os.defpath}", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("line", LISTED.splitlines())
def test_each_command_of_readme_runs_in_the_demo_that_stays(home: Path, line: str) -> None:
    first_two = [said.partition(": ")[2] for said in (home / "said").read_text().splitlines()[1:3]]
    done = run(home, " && ".join((*first_two, line.partition("  #")[0])))
    command = line.split()[1]
    if command in WITHOUT_TERMINAL:
        assert WITHOUT_TERMINAL[command] in done.stderr
    elif "--cluster" in line.partition("  #")[0]:
        assert (done.returncode, WITHOUT_CLUSTER in done.stderr) == (3, True), done.stderr
    else:
        # The stores are empty: what looks at values finds that they are missing.
        assert done.returncode == (1 if command in ("verify", "migrate", "cutover") or line.startswith(EMPTY) else 0)


EMPTY = "platform-secrets status dev  "


@pytest.mark.parametrize("role", ["reader", "writer", "retirer"])
def test_the_role_of_a_command_is_one_whose_policy_names_it(home: Path, role: str) -> None:
    store = "--store vault" if role == "retirer" else ""
    project = (home / "said").read_text().splitlines()[2].partition(": ")[2]
    done = run(home, f"{project} && platform-secrets generate access dev --for {role} --form hcl {store}")
    (named,) = re.findall(r", for: (.*)", done.stdout)
    with_role = {line.split()[1] for line in LISTED.splitlines() if re.search(rf"\[{role}\b", line)}
    assert with_role
    assert with_role - {"rotate"} <= set(re.findall(r"[a-z]+", named)), named


def test_readme_names_the_extras_the_folder_and_the_path() -> None:
    (line,) = re.findall(r"^pipx install .*", README, re.MULTILINE)
    assert "'./dist/platform_secrets-" in line
    assert re.search(r"\[([\w,]+)\]", line)[1].split(",") == ["vault", "azure", "backup", "cluster", "demo"]  # type: ignore[index]
    assert 'export PATH="$PWD/.venv/bin:$PATH"' in BLOCKS[0]
    assert "pipx ensurepath" in BLOCKS[1]
