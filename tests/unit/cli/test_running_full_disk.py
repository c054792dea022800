"""A disk that fills up at any write to the journal or the audit file: nothing is stored that no line announces."""

import errno
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from compiler.operations.age_file import encrypt_to
from compiler.operations.backup import Backup, encode
from compiler.stores.secret_value import SecretValue
from tests.commands import EditFile, RunCommand
from tests.unit.cli.two_ends import Ends, journal, lines, with_few_secrets

pytestmark = pytest.mark.heavy
FILES = {"audit": ("audit.jsonl",), "journal": ("runs",), "disk": ("audit.jsonl", "runs")}
# The two remote secrets that every command below writes; the second one is there with another property.
NAMES = ("ai-platform-engineering-argocd", "argocd-token")
IS_THERE = NAMES[1]
REMOTE = "remote: {azurekv: {name: argocd-token, property: ARGOCD_TOKEN}}, "
KNOWN = {IS_THERE: 1}
VALUES = {"ARGOCD_TOKEN": "token", "ARGOCD_API_URL": "https://argocd.example.com", "ARGOCD_VERIFY_SSL": "true"}
# Every way for a disk to be full is tried on one command and its undo; the others are noted by the same code.
WAYS = [("write", files, once) for files in FILES for once in (False, True)] + [("fsync", "disk", True)]
TRIED = [("migrate", *way) for way in WAYS] + [("undo", *way) for way in WAYS]
TRIED += [(command, "write", files, False) for command in ("put", "restore") for files in ("journal", "disk")]


@dataclass
class Disk:
    """Counts the calls of `function` in `os` for the files in `full`, and fails those from `room` on, or one `once`."""

    full: tuple[str, ...] = ()
    room: int = 0
    once: bool = False
    function: str = "write"
    calls: int = 0
    # A second thread must not be counted between a call and its number.
    counting: threading.Lock = field(default_factory=threading.Lock)

    def fill(self, full: tuple[str, ...], room: int = 0, *, once: bool = False) -> None:
        self.full, self.room, self.once = full, room, once
        self.calls = 0

    def call(self, name: str, original: Callable[..., object], descriptor: int, *content: bytes) -> object:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if name == self.function and any(part in path for part in self.full):
            with self.counting:
                self.calls += 1
                number = self.calls
            if number == self.room + 1 or (number > self.room and not self.once):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(descriptor, *content)


@pytest.fixture
def project(project: Path) -> Path:
    return with_few_secrets(project)


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
    run: RunCommand
    disk: Disk
    audit: Path

    def fresh(self, command: str) -> tuple[str, ...]:
        """The command line, of an `undo` that of a migration."""
        self.disk.fill(())
        shutil.rmtree(self.project / ".platform-secrets", ignore_errors=True)
        self.audit.unlink(missing_ok=True)
        self.ends.azure.versions.clear()
        self.ends.azure.deleted.clear()
        self.ends.azure.seed(IS_THERE, OLD="old")
        given = {
            "migrate": ("--to", "azure", "--only", "argocd"),
            "put": ("argocd", "--store", "azure", "--from-file", "values.json"),
            "restore": ("dev.age", "--identity", "key", "--to", "azure"),
        }
        rest = ("--apply", "--quiet", "--audit", str(self.audit))
        if command != "undo":
            return (command, "dev", *given[command], *rest)
        assert self.run("migrate", "dev", *given["migrate"], *rest).code == 0
        return ("migrate", "dev", "--undo", journal(self.project).stem, *rest)

    def known(self) -> dict[str, int]:
        return {name: len(versions) for name, versions in self.ends.azure.versions.items()}

    def stored(self, known: dict[str, int]) -> set[tuple[str, bool]]:
        """The names with a version beyond `known`, and those that are deleted."""
        found = self.ends.azure
        made = {(name, False) for name, versions in found.versions.items() if len(versions) > known.get(name, 0)}
        return made | {(name, True) for name in found.deleted}

    def announced(self) -> set[tuple[str, bool]]:
        """The names that the audit file says are written or deleted, or about to be."""
        found = lines(self.audit) if self.audit.exists() else []
        return {(line["name"], line["action"] == "delete") for line in found}


@pytest.fixture
def bench(project: Path, ends: Ends, run: RunCommand, edit: EditFile, disk: Disk, tmp_path: Path) -> Bench:
    ends.vault.seed("ai-platform-engineering/argocd-secret", **VALUES)
    edit("environments/catalogue.yaml", *(f"{{{more}description: Argo CD API token" for more in ("", REMOTE)))
    (project / "values.json").write_text(json.dumps(VALUES), "utf-8")
    identity = x25519.Identity.generate()
    (project / "key").write_text(f"{identity}\n", "utf-8")
    backup = Backup(
        "dev", "2026-01-02T03:04:05+00:00", {("argocd", key): SecretValue(VALUES[key]) for key in VALUES}, ()
    )
    (project / "dev.age").write_bytes(encrypt_to(encode(backup), [str(identity.to_public())]))
    for name in ("values.json", "key"):
        (project / name).chmod(0o600)
    return Bench(project, ends, run, disk, tmp_path / "audit.jsonl")


@pytest.mark.parametrize(("command", "function", "files", "once"), TRIED)
def test_the_same_command_once_more_completes_the_run_wherever_the_disk_was_full(
    bench: Bench, command: str, function: str, files: str, *, once: bool
) -> None:
    bench.disk.function = function
    room, failed = 0, True
    while failed:
        argv = bench.fresh(command)
        known = bench.known()
        bench.disk.fill(FILES[files], room, once=once)
        found = bench.run(*argv)
        failed = bench.disk.calls > room
        assert "internal error" not in found.err
        stored = bench.stored(known)
        if failed:
            assert found.code == 4 if stored else found.code in {3, 4}, (room, found)
        assert stored <= bench.announced(), (room, found)
        bench.disk.fill(())
        again = bench.run(*argv)
        assert again.code == 0, (room, found, again)
        assert bench.stored(known) <= bench.announced(), (room, found, again)
        assert len(bench.stored(known)) == len(NAMES)
        room += 1
    assert room > len(NAMES)
