"""Checks that the tests notice each planted mistake of tests/mutants: prints every mutant that survives its tests.

A mutant is a file, a text that occurs in it once, the text in its place, tests of which one must fail, and what would
go wrong. One that changes no behaviour says so in `equivalent`, and is not run. All runs are in copies of the tree.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "tests/mutants"
CANNOT_RUN = 3
# A mutant that makes the program wait for ever is noticed, too.
_PATIENCE = 300
# What the tests need beside the tracked files; the binaries of Helm are large.
_LINKED = (".tools", ".venv")
# pytest's own: tests failed; no test was run, for one.
_PASSED, _FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted mistake."""

    source: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]  # paths or node ids
    why: str
    equivalent: str | None = None
    # Whom it protects against (`against`) and what SECURITY.md says (`text`).
    promise: Mapping[str, str] | None = None

    @property
    def line(self) -> str:
        """The first line that the mistake changes or takes away."""
        kept = self.new.splitlines()
        return next((line for line in self.old.splitlines() if line not in kept), self.old.splitlines()[0]).strip()

    def __str__(self) -> str:
        return f"{self.source}: {self.file}: {self.old.strip().splitlines()[0]!r}: {self.why}"

    def apply(self, root: Path) -> str:
        """The file's text with the mistake. Raises ValueError where the old text is not there exactly once."""
        text = (root / self.file).read_text("utf-8")
        if (times := text.count(self.old)) != 1:
            message = f"{self}: the old text occurs {times} times"
            raise ValueError(message)
        return text.replace(self.old, self.new)


def load(root: Path, sources: Iterable[Path]) -> list[Mutant]:
    return [
        Mutant(source.relative_to(root).as_posix(), **{**entry, "tests": tuple(entry["tests"])})
        for source in sources
        for entry in yaml.load(source.read_text("utf-8"), yaml.CSafeLoader)
    ]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help=f"a file of {FOLDER}; all without one")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    mutants = load(root, [path.resolve() for path in options.files] or sorted((root / FOLDER).glob("*.yaml")))
    running = [each for each in mutants if each.equivalent is None]
    for each in running:
        each.apply(root)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.workers):
            copies.put(copy_tree(root, Path(folder) / str(number)))
        first = copies.get()
        if run_tests(first, sorted({test for each in running for test in each.tests})) != _PASSED:
            print("the tests fail without any mutant", file=sys.stderr)
            return CANNOT_RUN
        copies.put(first)
        with ThreadPoolExecutor(options.workers) as pool:
            results = list(pool.map(lambda each: is_killed(each, copies), running))
    survivors = [each for each, killed in zip(running, results, strict=True) if not killed]
    for each in survivors:
        print(f"survived: {each}")
    argued = [each for each in mutants if each.equivalent is not None]
    for each in argued:
        print(f"equivalent: {each}: {each.equivalent}")
    print(f"{len(running) - len(survivors)} of {len(running)} mutants killed, {len(argued)} argued as equivalent")
    return 1 if survivors else 0


def copy_tree(root: Path, target: Path) -> Path:
    """A copy of what git tracks or would add, as it is in the working tree, with links to the installed tools."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    # Python checks this bytecode against the text, so that of a mutant only the changed module is compiled.
    compiled = ("-m", "compileall", "-qq", "--invalidation-mode", "checked-hash", str(target))
    subprocess.run([sys.executable, *compiled], check=False)
    for name in _LINKED:
        if (root / name).is_dir():
            (target / name).symlink_to(root / name)
    return target


def is_killed(mutant: Mutant, copies: SimpleQueue[Path]) -> bool:
    copy = copies.get()
    path = copy / mutant.file
    before = path.read_text("utf-8")
    try:
        path.write_text(mutant.apply(copy), "utf-8")
        return run_tests(copy, mutant.tests) == _FAILED
    finally:
        path.write_text(before, "utf-8")
        copies.put(copy)


def run_tests(root: Path, tests: Iterable[str]) -> int:
    """Pytest's exit code; 1 where the tests do not end."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    # Two writes in one second may have the same size: Python would take the bytecode of the text before.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        return subprocess.run(
            command, cwd=root, env=environment, timeout=_PATIENCE, check=False, stdout=subprocess.DEVNULL
        ).returncode
    except subprocess.TimeoutExpired:
        return _FAILED


if __name__ == "__main__":
    sys.exit(main())
