"""Runs a program within limits of time and output, so that endless output never fills the memory."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BLOCK = 64 * 1024


class OutputTooLargeError(Exception):
    """The program printed more than the limit, and was ended."""


def run_bounded(
    command: Sequence[str], env: Mapping[str, str], seconds: float, most: int, folder: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `command` without input, in `folder`, and return what it printed, undecodable bytes replaced.

    Raises OutputTooLargeError past `most` bytes on either stream, subprocess.TimeoutExpired and OSError; the program
    is ended then, and with any other exception that leaves.
    """
    deadline = time.monotonic() + seconds
    with subprocess.Popen(  # noqa: S603 - the caller gives a full path, and there is no shell
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
        cwd=folder,
    ) as process:
        try:
            out, err = _read(process, deadline, most)
            process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            # A program that has ended is not disturbed.
            process.kill()
    texts = (b"".join(blocks).decode("utf-8", "replace") for blocks in (out, err))
    return subprocess.CompletedProcess(list(command), process.returncode, *texts)


def _read(process: subprocess.Popen[bytes], deadline: float, most: int) -> tuple[list[bytes], list[bytes]]:
    pipes = [pipe.fileno() for pipe in (process.stdout, process.stderr) if pipe is not None]
    read: dict[int, list[bytes]] = {pipe: [] for pipe in pipes}
    sizes = dict.fromkeys(pipes, 0)
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, 0)
            for key, _ in selector.select(left):
                block = os.read(key.fd, _BLOCK)
                read[key.fd].append(block)
                sizes[key.fd] += len(block)
                if sizes[key.fd] > most:
                    raise OutputTooLargeError
                if not block:
                    selector.unregister(key.fd)
    return read[pipes[0]], read[pipes[1]]
