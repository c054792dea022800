"""A real limit on the size of files, reached at any line of the journal or the audit file."""

from pathlib import Path

import pytest

from tests.proofs.conftest import World
from tests.proofs.stopped.conftest import NAMES, ready

PROGRAM = """
import resource, sys
sys.dont_write_bytecode = True  # it would be cut off at the limit, and stay
from compiler.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (@, resource.RLIM_INFINITY))
sys.exit(main(sys.argv[1:]))
"""


# A journal of such a run has some 2,000 bytes, and its undo adds 800; an audit file has some 1,400.
LIMITS = {
    "migrate": (100, 1_000, 1_300, 1_600, 1_850, 2_050),
    "undo": (2_000, 2_200, 2_400, 2_600, 2_750),
    # The same engine: in the middle of the writes, and in the last line.
    "put": (1_300, 1_700),
    "restore": (1_400, 1_750),
}


@pytest.mark.parametrize(("command", "limit"), [(name, limit) for name, limits in LIMITS.items() for limit in limits])
def test_a_disk_that_fills_up_ends_in_order_and_the_command_once_more_completes_it(
    world: World, commands: dict[str, tuple[str, ...]], tmp_path: Path, command: str, limit: int
) -> None:
    argv, audit = (*ready(world, commands, command), "--audit"), tmp_path / "audit.jsonl"
    known = world.azure_versions()
    done = world.process(PROGRAM.replace("@", str(limit)), *argv, str(audit))
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    is_untouched = world.azure_versions() == known and command != "undo"
    assert done.returncode in ({3, 4} if is_untouched else {4}), done.stdout + done.stderr
    assert "unknown reason" not in done.stderr
    # Another file: the first one may end in the middle of what it is allowed to hold, never of a line.
    assert audit.read_bytes().endswith(b"\n") or audit.stat().st_size == 0
    again = world.run(*argv, str(tmp_path / "second.jsonl"))
    assert again.code == 0, again.out + again.err
    count = 3 if command == "undo" else 1
    assert {name: len(found) for name, found in world.azure_versions().items()} == dict.fromkeys(NAMES, count)
