from pathlib import Path

import pytest

from tests.commands import EditFile, RunCommand
from tests.unit.cli.two_ends import AZURE, KEY, VAULT, Ends, Writing


def test_a_destination_is_named(run: RunCommand, project: Path) -> None:
    found = run("migrate", "dev")
    assert (found.code, "give either the store with --to or a run with --undo" in found.err) == (2, True)
    assert "help: add --to vault or --to azure" in found.err


def test_an_environment_with_errors_is_not_migrated(migrate: Writing, edit: EditFile, ends: Ends) -> None:
    edit("environments/dev.yaml", "global:", "globl:")
    assert migrate().code == 1
    assert ends.azure.calls == ends.vault.calls == []


@pytest.mark.parametrize("store", ["--to", "--from"])
def test_an_unknown_store_is_a_usage_error(run: RunCommand, project: Path, ends: Ends, store: str) -> None:
    given = {"--to": "azure", store: "azur"}
    found = run("migrate", "dev", *(word for option in given.items() for word in option))
    assert (found.code, 'did you mean "azure"?' in found.err) == (2, True)


def test_a_store_is_not_copied_into_itself(run: RunCommand, project: Path, ends: Ends) -> None:
    found = run("migrate", "dev", "--to", "azure", "--from", "azure")
    assert (found.code, 'error: --from and --to both name the store "azure"' in found.err) == (2, True)
    assert ends.azure.calls == []


def test_a_blank_source_replaces_no_value_whatever_is_asked(migrate: Writing, ends: Ends) -> None:
    ends.vault.seed(VAULT, **{KEY: " "})
    ends.azure.seed(AZURE, **{KEY: "good"})
    for options in ((), ("--on-conflict", "overwrite"), ("--on-conflict", "overwrite", "--continue-on-error")):
        found = migrate("--apply", *options)
        assert (found.code, "the source's value is empty" in found.out) == (1, True)
        assert ends.azure.shown(AZURE) == {KEY: "good"}


@pytest.mark.parametrize("named", [("github",), ("--only", "github"), ("github", "--only", "github")])
def test_secrets_are_named_behind_the_environment_or_by_only(
    run: RunCommand, project: Path, ends: Ends, named: tuple[str, ...]
) -> None:
    done = run("migrate", "dev", *named, "--to", "azure")
    assert (done.code, "plan: 1 key to create" in done.out) == (0, True), done
    assert done.out.count("jira") == 0
    with_undo = run("migrate", "dev", "github", "--undo", "20250131-120000-4fa1c2")
    assert (with_undo.code, "--undo cannot be combined with SECRET" in with_undo.err) == (2, True)


def test_a_line_with_secrets_goes_on_as_one_with_only(migrate: Writing, run: RunCommand, ends: Ends) -> None:
    ends.azure.seed(AZURE, **{KEY: "theirs"})
    refused = run("migrate", "dev", "github", "--to", "azure", "--apply")
    assert "migrate dev --to azure --only github --on-conflict overwrite --apply" in refused.out
