from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import compiler.cli.commands.migrate as command
from compiler.cli.terminal.progress import Progress
from tests.unit.cli.two_ends import AZURE, KEY, journal, lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.commands import Done
    from tests.unit.cli.two_ends import Ends


@pytest.mark.parametrize("options", [(), ("--to", "azure", "--undo", "run")])
def test_either_a_destination_or_a_run_is_named(
    run: Callable[..., Done], project: Path, options: tuple[str, ...]
) -> None:
    found = run("migrate", "dev", *options)
    assert (found.code, "name either the destination with --to, or a run with --undo" in found.err) == (2, True)


def test_an_environment_with_errors_is_not_migrated(
    migrate: Callable[..., Done], edit: Callable[[str, str, str], None], ends: Ends
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


def test_a_plan_writes_nothing_and_says_how_to_go_on(project: Path, migrate: Callable[..., Done], ends: Ends) -> None:
    found = migrate()
    assert found.code == 0
    assert found.out.splitlines()[-2:] == [
        "plan: 1 create; 1 remote secret to write",
        "nothing was written; --apply writes this plan",
    ]
    assert ends.azure.versions == {}
    assert not (project / ".platform-secrets").exists()


def test_apply_shows_plan_progress_and_result(project: Path, migrate: Callable[..., Done]) -> None:
    found = migrate("--apply")
    assert (found.code, "create" in found.out) == (0, True)
    assert f"run {journal(project).stem}: 1 of 1 done and verified" in found.out
    assert f"1/1 azure:{AZURE} done, version v1\n" in found.err
    again = migrate("--apply")
    assert (again.code, "there is nothing left to write" in again.out) == (0, True)


def test_what_stops_a_plan_is_not_applied(migrate: Callable[..., Done], ends: Ends) -> None:
    ends.azure.seed(AZURE, **{KEY: "theirs"})
    planned = migrate()
    assert (planned.code, planned.out.splitlines()[-1]) == (1, "nothing was written: 1 key stops this plan")
    found = migrate("--apply")
    assert (found.code, "nothing was written: 1 key stops this plan" in found.out) == (1, True)
    skipped = migrate("--apply", "--on-conflict", "skip")
    assert (skipped.code, "there is nothing left to write" in skipped.out) == (1, True)
    assert len(ends.azure.versions[AZURE]) == 1


def test_a_failure_is_incomplete_and_resumed_by_the_same_command(
    project: Path, migrate: Callable[..., Done], ends: Ends
) -> None:
    from compiler.stores.errors import Action, UnavailableError  # noqa: PLC0415 - beside its use

    def before(method: str, name: str) -> None:
        if method == "write":
            raise UnavailableError(ends.azure.place(name), Action.WRITE, "no answer", "wait")

    ends.azure.before = before
    found = migrate("--apply")
    assert found.code == 4
    assert f"azure:{AZURE} failed: no answer; wait" in found.out
    # Why is said once.
    assert found.err.endswith(f"\n1/1 azure:{AZURE} failed\n")
    assert "incomplete; run the same command again to go on from here" in found.out
    ends.azure.before = lambda _method, _name: None
    run = journal(project).stem
    again = migrate("--apply", "--format", "json")
    assert (again.code, json.loads(again.out)["run"]) == (0, run)
    assert f"note: the run {run} is resumed" in again.err


def test_a_resumed_run_that_is_stopped_by_another_writer_ends(
    project: Path, migrate: Callable[..., Done], ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_rest: object, **_options: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(command, "apply_migration", interrupted)
        assert migrate("--apply").code == 130
    ends.azure.seed(AZURE, **{KEY: "theirs"})
    assert migrate("--apply").code == 1
    assert lines(journal(project))[-1]["state"] == "conflict"


def test_an_interrupt_says_how_to_go_on(migrate: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(Progress):
        def step(self, line: str, *, is_fine: bool = True) -> None:
            del line, is_fine
            raise KeyboardInterrupt

    monkeypatch.setattr("compiler.cli.run_output.Progress", Interrupting)
    found = migrate("--apply")
    assert (found.code, "interrupted; run the same command again" in found.out) == (130, True)


def test_a_conflict_at_the_write_exits_1(migrate: Callable[..., Done], ends: Ends) -> None:
    def before(method: str, name: str) -> None:
        if method == "write":
            ends.azure.seed(name, **{KEY: "theirs"})

    ends.azure.before = before
    found = migrate("--apply", "--quiet")
    assert (found.code, found.err, f"azure:{AZURE} conflict" in found.out) == (1, "note: " + found.err[6:], True)


def test_the_audit_file_is_written_or_the_run_is_not_begun(
    project: Path, migrate: Callable[..., Done], ends: Ends, tmp_path: Path
) -> None:
    refused = migrate("--apply", "--audit", str(tmp_path / "none" / "audit"))
    assert (refused.code, "the audit file cannot be opened" in refused.err) == (3, True)
    assert ends.azure.versions == {}
    assert not (project / ".platform-secrets/runs").exists()
    assert migrate("--apply", "--audit", str(tmp_path / "audit")).code == 0
    _, line = lines(tmp_path / "audit")
    assert (line["who"], line["action"], line["name"], line["properties"]) == ("tester", "create", AZURE, [KEY])


class TestADefect:
    """What nothing expected ends as a run that can go on, without a value and without a traceback."""

    @pytest.fixture(autouse=True)
    def broken(self, ends: Ends) -> None:
        def before(method: str, _name: str) -> None:
            if method == "write":
                raise KeyError("s3ntinel")

        ends.azure.before = before

    def test_the_command_says_where_and_that_it_can_go_on(
        self, project: Path, migrate: Callable[..., Done], ends: Ends
    ) -> None:
        found = migrate("--apply", "--quiet")
        assert found.code == 4
        assert found.out.endswith("incomplete; run the same command again to go on from here\n")
        assert "internal error: KeyError at compiler/" in found.err
        assert "--debug` shows the way there" in found.err
        assert "Traceback" not in found.err
        assert "s3ntinel" not in found.out + found.err
        assert lines(journal(project))[-1]["state"] == "incomplete"

        ends.azure.before = lambda _method, _name: None
        again = migrate("--apply")
        assert (again.code, "is resumed" in again.err) == (0, True)

    @pytest.mark.usefixtures("project")
    @pytest.mark.parametrize("first", [True, False])
    def test_debug_shows_the_way_there_and_no_text(
        self,
        run: Callable[..., Done],
        first: bool,  # noqa: FBT001
    ) -> None:
        words = ("migrate", "dev", "--to", "azure", "--only", "github", "--apply", "--quiet")
        found = run("--debug", *words) if first else run(*words, "--debug")
        assert "compiler/operations/change/write_remote.py" in found.err
        assert "s3ntinel" not in found.out + found.err

    def test_a_report_for_programs_has_it_too(self, migrate: Callable[..., Done]) -> None:
        report = json.loads(migrate("--apply", "--quiet", "--format", "json").out)
        assert (report["exitCode"], report["results"][0]["code"]) == (4, "defect")
