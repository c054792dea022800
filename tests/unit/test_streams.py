import os
import sys

import pytest

from compiler.start import LossyFile, code_of_output, open_streams


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
