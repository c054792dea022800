from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Done
from tests.unit.cli.two_ends import AZURE, KEY, Ends, Writing


def test_a_destination_is_named(run: Callable[..., Done], project: Path) -> None:
    found = run("migrate", "dev")
    assert (found.code, "give either the store with --to or a run with --undo" in found.err) == (2, True)
    assert "help: add --to vault or --to azure" in found.err


def test_an_environment_with_errors_is_not_migrated(
    migrate: Writing, edit: Callable[[str, str, str], None], ends: Ends
) -> None:
    edit("environments/dev.yaml", "global:", "globl:")
    assert migrate().code == 1
    assert ends.azure.calls == ends.vault.calls == []


@pytest.mark.parametrize("store", ["--to", "--from"])
def test_an_unknown_store_is_a_usage_error(run: Callable[..., Done], project: Path, ends: Ends, store: str) -> None:
    found = run("migrate", "dev", "--to", "azure", store, "azur")
    assert (found.code, 'did you mean "azure"?' in found.err) == (2, True)


def test_a_store_is_not_copied_into_itself(run: Callable[..., Done], project: Path, ends: Ends) -> None:
    found = run("migrate", "dev", "--to", "azure", "--from", "azure")
    assert (found.code, 'error: --from and --to both name the store "azure"' in found.err) == (2, True)
    assert ends.azure.calls == []


def test_what_stops_a_plan_is_not_applied(migrate: Writing, ends: Ends) -> None:
    ends.azure.seed(AZURE, **{KEY: "theirs"})
    planned = migrate()
    assert (planned.code, planned.out.splitlines()[-1]) == (1, "nothing was written: 1 key blocks this plan")
    found = migrate("--apply")
    assert (found.code, "nothing was written: 1 key blocks this plan" in found.out) == (1, True)
    skipped = migrate("--apply", "--on-conflict", "skip")
    assert (skipped.code, "there are no changes to write" in skipped.out) == (1, True)
    assert len(ends.azure.versions[AZURE]) == 1
