"""Backups that earlier releases wrote are restored: version 1, and version 2, which says how old a value is."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.stores.interface import VALUE_SINCE
from tests.commands import Done
from tests.unit.cli.two_ends import AZURE, KEY, Ends

RECORDED = Path(__file__).parent / "recorded_backups"
# Made for these files; it opens nothing else.
IDENTITY = "AGE-SECRET-KEY-1AEQS4YJT5VR4QZFHPF5EHDPN74F0N9KE4YLV735MRFK0F6CGPZ3SJYNVU8"


@pytest.mark.parametrize(
    ("version", "tags"),
    [("version-1", {VALUE_SINCE: "unknown"}), ("version-2", {VALUE_SINCE: "2026-10-01T00:00:00+00:00"})],
)
def test_a_recorded_backup_is_restored(
    project: Path, run: Callable[..., Done], ends: Ends, version: str, tags: dict[str, str]
) -> None:
    shutil.copy(RECORDED / f"{version}.age", project / "dev.age")
    (project / "key").write_text(f"{IDENTITY}\n", "utf-8")
    (project / "key").chmod(0o600)
    done = run("restore", "dev", "dev.age", "--identity", "key", "--to", "azure", "--apply")
    assert done.code == 0, done.out + done.err
    assert ends.azure.shown(AZURE) == {KEY: "token"}
    assert ends.azure.held[AZURE].attributes.tags == tags
