from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.operations.runs.lock import FOLDER, AnotherRunError, RunLock

if TYPE_CHECKING:
    from pathlib import Path


def test_the_second_is_told_the_first_and_gets_in_after_it(tmp_path: Path) -> None:
    with RunLock(tmp_path, "first") as lock:
        lock.rename("first, resumed")
        with pytest.raises(AnotherRunError, match=r"first, resumed \(process \d+\)"), RunLock(tmp_path, "second"):
            pytest.fail("two runs at once")
    with RunLock(tmp_path, "third"):
        pass
    assert (tmp_path / FOLDER / "lock").read_text("ascii") == ""


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / "target").write_text("precious")
    (tmp_path / FOLDER / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"), RunLock(tmp_path, "run"):
        pytest.fail("followed a link")
    assert (tmp_path / "target").read_text() == "precious"


@pytest.mark.parametrize("linked", [FOLDER, f"{FOLDER}/runs"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_is_a_link_is_refused(tmp_path: Path, linked: str, *, exists: bool) -> None:
    elsewhere = tmp_path / "elsewhere"
    if exists:
        elsewhere.mkdir()
        (elsewhere / "lock").write_text("precious")
    (tmp_path / linked).parent.mkdir(exist_ok=True)
    (tmp_path / linked).symlink_to(elsewhere)
    with pytest.raises(OSError, match="is a link"), RunLock(tmp_path, "run"):
        pytest.fail("followed a link")
    assert elsewhere.exists() == exists
    assert not exists or (elsewhere / "lock").read_text() == "precious"
