"""Hostile files in place of what this program wrote: none holds a command up, is replaced, or is removed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.model import facts
from compiler.stages.emit import HEADER
from tests.own_process import OwnProcesses
from tests.pace import allowed

FIRST = f"{HEADER}environments/prod.yaml. Do not edit; run `make values ENV=prod`.\n"
_LEVELS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
BOMB = f"{FIRST}a0: &a0 [x]\n{_LEVELS}externalSecrets: {{s: {{name: *a8}}}}\n"
HOSTILE = {
    "aliases": (BOMB, ":2:5: ", "it has an anchor"),
    "circle": (f"{FIRST}externalSecrets: &a {{s: *a}}\n", ":2:18: ", "it has an anchor"),
    "deep": (FIRST + "a: " + "[" * 500, ":2:35: ", "it has more than 32 levels"),
    "deepest": (FIRST + "a: " + "[" * 100_000, ":2:", "it has more than 32 levels"),
    "many": (FIRST + "a: [" + "x," * 220_000 + "]", ":2:40001: ", "it has more than 20000 values"),
    "tag": (f"{FIRST}a: !!python/object:os.system x\n", ":2:4: ", "it has a tag"),
}
# Runs a command with little memory and tells how much time it took of the processor, last on standard error. Files may
# have a fifth of the values that they may have as shipped, and all that it has is in 200 MB, of which Python takes 40:
# as much as 700 MB of a whole file. tests/hostile/test_resources.py goes up to what is shipped.
MOST = facts.MAX_NODES // 5
PROGRAM = f"""
import resource, sys, time
from compiler.model import facts
from compiler.stages import emit, load
load.MAX_NODES = facts.MAX_NODES = {MOST}
emit.MAX_MANIFEST_NODES //= 5
resource.setrlimit(resource.RLIMIT_AS, (200 * 1024 * 1024,) * 2)
from compiler.cli.main import main
code = main(sys.argv[1:])
sys.stderr.write(f"seconds: {{time.process_time()}}\\n")
sys.exit(code)
"""


Command = Callable[..., tuple[int, str, float]]


@pytest.fixture
def command(own_processes: OwnProcesses, project: Path) -> Command:
    """Exit code, standard error and seconds of a command."""

    def run(*argv: str) -> tuple[int, str, float]:
        done = own_processes.run(PROGRAM, "--root", str(project), *argv, variables={"PATH": os.defpath})
        said, _, seconds = done.stderr.rpartition("seconds: ")
        return done.returncode, said, float(seconds)

    return run


@pytest.fixture
def chart(project: Path) -> Path:
    (project / "chart").mkdir()
    return project / "chart"


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("options", [(), ("--check",)])
def test_a_values_file_that_is_none_of_ours_is_left_alone(
    command: Command, chart: Path, name: str, options: tuple[str, ...]
) -> None:
    text, place, why = HOSTILE[name]
    (chart / "values-prod.yaml").write_text(text, "utf-8")
    code, said, seconds = command("compile", *options, "--quiet")
    assert (code, seconds < allowed(3)) == (1, True), seconds
    first = said.splitlines()[0]
    assert first.startswith(f"chart/values-prod.yaml{place}"), first
    assert first.endswith(f"error[foreign-output]: chart/values-prod.yaml was not written by this compiler: {why}")
    assert "stale-values" not in said
    assert "*a7" not in said
    assert (chart / "values-prod.yaml").read_text("utf-8") == text


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_not_pruned_either(command: Command, chart: Path, name: str) -> None:
    text, place, _ = HOSTILE[name]
    (chart / "values-gone.yaml").write_text(text, "utf-8")
    code, said, seconds = command("compile", "--prune", "--quiet")
    assert (code, seconds < allowed(3)) == (1, True), seconds
    assert f"chart/values-gone.yaml{place}" in said
    assert "error[foreign-output]" in said
    assert (chart / "values-gone.yaml").read_text("utf-8") == text


@pytest.mark.parametrize("size", [5 * 1024 * 1024, 3 * 1024 * 1024 * 1024])
def test_gigabytes_are_not_read(command: Command, chart: Path, size: int) -> None:
    for name in ("prod", "gone"):
        with (chart / f"values-{name}.yaml").open("wb") as file:
            file.write(FIRST.encode())
            file.truncate(size)
    for options in ((), ("--check",), ("--prune",)):
        code, said, seconds = command("compile", *options, "--quiet")
        assert (code, seconds < allowed(2)) == (1, True), seconds
        assert "was not written by this compiler: it has more than 4194304 bytes" in said
    (chart / "values-prod.yaml").unlink()
    code, said, _ = command("compile", "--prune", "--quiet")
    assert (code, "chart/values-gone.yaml was not written by this compiler" in said) == (1, True)
    assert (chart / "values-gone.yaml").stat().st_size == size


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_to_compare_with_is_refused_at_its_place(command: Command, chart: Path, name: str) -> None:
    text, place, _ = HOSTILE[name]
    (chart / "other.yaml").write_text(text, "utf-8")
    code, said, seconds = command("diff", "prod", "--against", str(chart / "other.yaml"))
    assert seconds < allowed(10)
    # Manifests may have ten times as many values.
    where = "at line 2, column 400001" if name == "many" else f"at line 2, column {place.split(':')[2].strip()}"
    assert (code, where in said) == (3, True), said


@pytest.mark.parametrize("name", HOSTILE)
def test_a_values_file_to_verify_is_refused_at_its_place(command: Command, chart: Path, name: str) -> None:
    text, _, _ = HOSTILE[name]
    (chart / "other.yaml").write_text(text, "utf-8")
    code, said, seconds = command("verify", "--values", str(chart / "other.yaml"))
    assert (code, seconds < allowed(3)) == (1, True), seconds
    assert f"{chart / 'other.yaml'}:2:" in said


def test_two_thousand_secrets_are_compiled_and_compared_again(command: Command, project: Path, chart: Path) -> None:
    folder = project / "environments"
    entries = (
        f"  s{each}: {{target: t{each}, remote: {{vault: p/s{each}}}, syncWave: -49, keys: {{KEY_{each}: {{}}}}}}"
        for each in range(2_000)
    )
    (folder / "catalogue.yaml").write_text("\n".join(["secrets:", *entries, ""]), "utf-8")
    stores = "stores: {vault: {provider: vault, name: v, server: 'https://vault.example.com', mount: secret}}"
    secrets = (f"  s{number}: {{}}" for number in range(2_000))
    base = ["namespace: agents", "store: vault", 'externalSecretsOperator: "2.9"', stores, "secrets:", *secrets, ""]
    (folder / "base.yaml").write_text("\n".join(base), "utf-8")
    (folder / "prod.yaml").write_text("refreshInterval: 1h\n", "utf-8")
    code, said, seconds = command("compile", "--format", "json")
    assert (code, seconds < allowed(3)) == (0, True), said
    assert "chart/values-prod.yaml: written, 2000 secrets, 2000 keys" in said
    (folder / "prod.yaml").write_text("refreshInterval: 2h\n", "utf-8")
    code, said, seconds = command("compile", "--check")
    assert (code, seconds < allowed(3)) == (1, True), said
    assert "error[stale-values]" in said
    # It has more values than an input file may have, and one of 10,000 secrets fits (docs/reference/rules.md).
    written = (chart / "values-prod.yaml").read_text("utf-8")
    assert written.count(": ") > MOST
    assert len(written) * 10_000 / 2_000 < facts.MAX_BYTES


def test_a_file_of_repeated_lines_is_not_compared_for_minutes(command: Command, chart: Path) -> None:
    assert command("compile", "--quiet")[0] == 0
    path = chart / "values-prod.yaml"
    path.write_text(FIRST + "# a\n#\n" * 60_000 + path.read_text("utf-8"), "utf-8")
    code, said, seconds = command("compile", "--check")
    assert (code, "error[stale-values]" in said, seconds < allowed(3)) == (1, True, True), seconds
