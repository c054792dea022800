"""A disk that fills up at any write to the journal or the audit file: no stored version stays without its line."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compiler.pipeline import compile_project
from tests.unit.cli.two_ends import lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.commands import Done
    from tests.unit.cli.two_ends import Ends

FILES = {"audit": ("audit.jsonl",), "journal": ("runs",), "disk": ("audit.jsonl", "runs")}
SECRETS = ("github", "slack")


@dataclass
class Disk:
    """Counts the calls of `function` in `os` for the files in `full`, and fails those from `room` on, or one `once`."""

    full: tuple[str, ...] = ()
    room: int = 0
    once: bool = False
    function: str = "write"
    calls: list[str] = field(default_factory=list)

    def call(self, name: str, original: Callable[..., object], descriptor: int, *rest: object) -> object:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if name == self.function and any(part in path for part in self.full):
            self.calls.append(path)
            if len(self.calls) == self.room + 1 or (len(self.calls) > self.room and not self.once):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(descriptor, *rest)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    found = Disk()
    for name in ("write", "fsync"):
        monkeypatch.setattr(os, name, partial(found.call, name, getattr(os, name)))
    return found


@dataclass
class Bench:
    """The stores and the command lines; `fresh` puts all back to before the first run."""

    project: Path
    ends: Ends
    run: Callable[..., Done]
    disk: Disk
    audit: Path

    def fresh(self, *, undone: bool) -> tuple[str, ...]:
        """The command line: a migration over old values of which one is not there yet, or its undo."""
        self.disk.full, self.disk.calls = (), []
        shutil.rmtree(self.project / ".platform-secrets", ignore_errors=True)
        self.audit.unlink(missing_ok=True)
        self.ends.azure.versions.clear()
        self.ends.azure.deleted.clear()
        for name in SECRETS[1:]:
            self.ends.azure.seed(f"ai-platform-engineering-{name}", OLD="old")
        only = (option for name in SECRETS for option in ("--only", name))
        argv = ("migrate", "dev", "--to", "azure", *only, "--apply", "--quiet", "--audit", str(self.audit))
        if not undone:
            return argv
        assert self.run(*argv).code == 0
        (run,) = (path.stem for path in (self.project / ".platform-secrets/runs").iterdir())
        return ("migrate", "dev", "--undo", run, "--apply", "--quiet", "--audit", str(self.audit))

    def known(self) -> dict[str, int]:
        return {name: len(versions) for name, versions in self.ends.azure.versions.items()}

    def stored(self, known: dict[str, int]) -> set[tuple[str, str, str]]:
        """What is in the store beyond `known`, and deleted there, as the audit file is to name it."""
        made = {
            (name, found.version, "written")
            for name, versions in self.ends.azure.versions.items()
            for found in versions[known.get(name, 0) :]
        }
        return made | {(name, self.ends.azure.versions[name][-1].version, "delete") for name in self.ends.azure.deleted}

    def said(self) -> set[tuple[str, str, str]]:
        found = lines(self.audit) if self.audit.exists() else []
        return {
            (line["name"], line["version"], "delete" if line["action"] == "delete" else "written")
            for line in found
            if line["state"] == "written"
        }


@pytest.fixture
def bench(project: Path, ends: Ends, run: Callable[..., Done], disk: Disk, tmp_path: Path) -> Bench:
    result = compile_project(project, ["dev"])
    assert result.project is not None
    for secret in result.project.environments[0].secrets.values():
        keys = {item.place.property: "token" for item in secret.keys if item.place and item.place.property}
        ends.vault.seed(secret.remote or "", **keys)
    return Bench(project, ends, run, disk, tmp_path / "audit.jsonl")


@pytest.mark.parametrize("undone", [False, True], ids=["migrate", "undo"])
@pytest.mark.parametrize(
    ("function", "files", "once"),
    [*((("write", files, once)) for files in FILES for once in (False, True)), ("fsync", "disk", True)],
)
def test_the_same_command_once_more_completes_the_audit_wherever_the_disk_was_full(
    bench: Bench,
    function: str,
    files: str,
    undone: bool,  # noqa: FBT001
    once: bool,  # noqa: FBT001
) -> None:
    bench.disk.function = function
    room, failed, lacked = 0, True, 0
    while failed:
        argv = bench.fresh(undone=undone)
        known = bench.known()
        bench.disk.full, bench.disk.room, bench.disk.once = FILES[files], room, once
        found = bench.run(*argv)
        failed = len(bench.disk.calls) > room
        assert "internal error" not in found.err
        stored = bench.stored(known)
        if failed:
            assert found.code == 4 if stored else found.code in {3, 4}, (room, found)
            lacked += bool(stored - bench.said())
        # Still no room: whatever is missing, it is not said to be complete.
        bench.disk.calls, bench.disk.room, bench.disk.once = [], 0, False
        still = bench.run(*argv)
        if bench.stored(known) - bench.said():
            assert still.code == 4, (room, still)
        assert "internal error" not in still.err
        bench.disk.full = ()
        again = bench.run(*argv)
        assert again.code == 0, (room, found, again)
        assert bench.stored(known) <= bench.said(), (room, found, again)
        assert len(bench.stored(known)) == len(SECRETS)
        room += 1
    assert room > len(SECRETS)
    # A line of which only the wait for the disk failed is there.
    assert (lacked > 0) is (function == "write" and "audit.jsonl" in FILES[files])


class TestWithoutTheFile:
    """A run that was begun with an audit file goes on without one, and is not complete."""

    @pytest.fixture
    def argv(self, bench: Bench) -> tuple[str, ...]:
        argv = bench.fresh(undone=False)
        # Room for the first write to be announced, none for how it ended.
        bench.disk.full, bench.disk.room = FILES["audit"], 1
        assert bench.run(*argv).code == 4
        bench.disk.full = ()
        return argv

    def test_what_is_missing_is_said_with_the_way_out(self, bench: Bench, argv: tuple[str, ...]) -> None:
        found = bench.run(*argv[:-2])
        missing = bench.stored({f"ai-platform-engineering-{name}": 1 for name in SECRETS[1:]}) - bench.said()
        assert found.code == 4
        for name, version, _ in missing:
            assert f"error: the audit file has no line of azure:{name}, version {version}\n" in found.err
        assert "help: run the same command again with --audit FILE" in found.err
        report = bench.run(*argv[:-2], "--format", "json").report
        assert {(each["name"], each["version"]) for each in report["unaudited"]} == {each[:2] for each in missing}
        assert report["exitCode"] == 4
        assert bench.run(*argv).code == 0
        assert bench.run(*argv[:-2]).code == 0

    def test_another_writer_does_not_end_it_before_it_is_told(self, bench: Bench, argv: tuple[str, ...]) -> None:
        known = {f"ai-platform-engineering-{name}": 1 for name in SECRETS[1:]}
        ((name, version, _),) = bench.stored(known)
        bench.ends.azure.seed(name, **dict.fromkeys(bench.ends.azure.shown(name), "theirs"))
        blocked = bench.run(*argv[:-2])
        assert (blocked.code, f"{name}, version {version}\n" in blocked.err) == (4, True)
        assert "this plan" in blocked.out
        assert bench.run(*argv).code == 1
        assert (name, version, "written") in bench.said()

    def test_an_undo_tells_it_too(self, bench: Bench, argv: tuple[str, ...]) -> None:
        assert bench.run(*argv[:-2]).code == 4
        stored = bench.stored({f"ai-platform-engineering-{name}": 1 for name in SECRETS[1:]})
        (run,) = (path.stem for path in (bench.project / ".platform-secrets/runs").iterdir())
        undo = ("migrate", "dev", "--undo", run, "--apply", "--quiet")
        assert bench.run(*undo).code == 4
        assert bench.run(*undo, "--audit", str(bench.audit)).code == 0
        assert stored <= bench.said()
