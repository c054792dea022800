"""Runs the same commands in one surrounding after another, and prints what each run showed and wrote as a line of JSON.

A program of its own: `python many_runs.py ROOT OUT SURROUNDINGS`. What the interpreter reads at its start (the seed of
its hashes, the locale) is the caller's to choose; time zone, umask and folder change from run to run in here.
"""

import json
import os
import stat
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import IO

from compiler.__main__ import open_streams
from compiler.cli.main import main
from compiler.live.stores import LiveStores
from tests.golden.cases import cases, compile_case
from tests.unit.cli.two_ends import AZURE, KEY, VAULT, Ends

# Each form of output once, and many findings with suggestions, lists and related places in the first two.
BROKEN = (
    ("everything-of-a-run-is-said", "text"),
    ("everything-of-a-run-is-said", "json"),
    ("unused-override", "sarif"),
    ("shadowed-variable", "github"),
)
ERRORS = Path(__file__).resolve().parents[1] / "golden/err"


def commands(root: Path, out: Path) -> list[list[str]]:
    project = ["--root", str(root)]
    migrate = [*project, "migrate", "odd", "--to", "azure", "--only", "github", "--on-conflict", "overwrite", "--quiet"]
    broken = [["--root", str(ERRORS / case), "compile", "--check", "--format", form] for case, form in BROKEN]
    return [
        [*project, "compile", "--out", str(out)],
        [*project, "explain", "odd"],
        [*project, "diff", "dev", "odd", "--format", "json"],
        migrate,
        [*migrate, "--format", "json"],
        *broken,
    ]


def stores(environ: dict[str, str]) -> LiveStores:
    """Stores in memory, of which the destination keeps what an overwriting migration has to say of it."""
    ends = Ends()
    ends.vault.seed(f"odd/{VAULT}", **{KEY: "token", "GITHUB_APP_ID": "1", "EXTRA": "x", "OTHER": "\u00e4"})
    ends.azure.seed(AZURE, **{KEY: "other", "BESIDE": "x"})
    return LiveStores(environ, ends.open)


def captured(argv: list[str]) -> tuple[int, str, str]:
    """The exit code and the very bytes on both outputs."""
    kept = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            code = main(argv)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
        for descriptor in kept:
            os.close(descriptor)
        return code, _content(out), _content(err)


def _content(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode("latin-1")


def run(root: Path, out: Path, zone: str, umask: int, folder: str) -> dict[str, object]:
    os.environ["TZ"] = zone
    time.tzset()
    os.umask(umask)
    os.chdir(folder)
    for old in out.glob("*"):
        old.unlink()
    found: dict[str, object] = {" ".join(argv[2:]): captured(argv) for argv in commands(root, out)}
    for path in sorted(out.iterdir()):
        found[path.name] = (path.read_bytes().decode("latin-1"), stat.S_IMODE(path.stat().st_mode))
    return found


if __name__ == "__main__":
    import compiler.cli.running
    from tests.read_once import ONCE

    vars(compiler.cli.running)["LiveStores"] = stores
    # A file's text is all that decides what is read of it, and each process reads each once.
    for name, stage in ONCE.items():
        module, _, function = name.rpartition(".")
        setattr(import_module(module), function, stage)
    # Waiting a hundred times for the disk would prove nothing here.
    vars(os)["fsync"] = lambda _: None
    # As the program itself begins; the interpreter's own streams would have the locale's encoding.
    with open_streams():
        # Every rule's findings, once a process: the seed of the hashes is what could change them.
        found = {case.name: compile_case(case).text for case in cases("err")}
        sys.stdout.write(json.dumps(found) + "\n")
        for surroundings in json.loads(sys.argv[3]):
            sys.stdout.write(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]), **surroundings)) + "\n")
