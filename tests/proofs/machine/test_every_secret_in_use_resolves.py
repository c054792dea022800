"""Whatever is run and breaks, at every moment each secret in use resolves to a value that somebody put there."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.proofs.conftest import ALL_PROOFS
from tests.proofs.machine.commands import COMMANDS
from tests.proofs.machine.faults import Fault
from tests.proofs.machine.platform import BrokenError, Compiled, Platform
from tests.proofs.machine.walk import Counts, Step, Walk, shortened, walks

SEEDS = range(1, 9) if ALL_PROOFS else range(1, 2)
ROUNDS = 20 if ALL_PROOFS else 4
LEAST, LEAST_EACH = 100 * ROUNDS, 4 * ROUNDS


@pytest.mark.parametrize("seed", SEEDS)
def test_every_secret_in_use_resolves(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counts, compiled, folder = Counts(), Compiled(), tmp_path / "walk"

    def fails(steps: list[Step], told: Counts) -> str | None:
        folder.mkdir()
        try:
            with monkeypatch.context() as patched:
                Walk(Platform(folder / "project", patched, capsys, compiled), told).take(steps)
        except BrokenError as error:
            return str(error)
        finally:
            shutil.rmtree(folder)
        return None

    for steps in walks(seed, ROUNDS):
        if fails(steps, counts) is not None:
            least, said = shortened(steps, lambda fewer: fails(fewer, Counts()))
            pytest.fail(f"seed {seed}, after {counts.steps} commands, with {least}\n{said}", pytrace=False)
    if ALL_PROOFS:
        with capsys.disabled():
            sys.stdout.write(f"\nseed {seed}: {counts.table()}\n")
    assert counts.steps >= LEAST, counts.table()
    assert {name for name in COMMANDS if counts.commands[name] < LEAST_EACH} == set(), counts.table()
    assert {fault for fault in Fault if counts.faults[fault] < LEAST_EACH} == set(), counts.table()
