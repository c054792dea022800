from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.cli.errors import CannotRunError, CommandError, UsageError
from compiler.cli.invocation import Globals, Invocation
from compiler.cli.live_environment import live_environment, refusals
from compiler.operations.live.stores import NoAddressError
from compiler.operations.migrate.routes import UnknownNameError
from compiler.operations.runs.audit import AuditError
from compiler.operations.runs.journal import JournalError
from compiler.operations.runs.lock import AnotherRunError
from compiler.stores.errors import Action, Place, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_an_environment_is_what_its_files_say_and_the_variable_is_said_to_be_ignored(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    environment = live_environment("dev", Invocation(Globals(str(project))))
    assert environment is not None
    assert environment.default_store is not None
    assert environment.default_store.id == "vault"
    assert "AI_PLATFORM_SECRET_STORE is ignored" in capsys.readouterr().err


def test_an_environment_with_errors_is_none_and_they_are_shown(
    project: Path, edit: Callable[[str, str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    edit("environments/dev.yaml", "global:", "globl:")
    assert live_environment("dev", Invocation(Globals(str(project)))) is None
    assert "error[unknown-secret]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "kind", "message", "help_text"),
    [
        (
            UnavailableError(Place("https://a", "x\n"), Action.READ, "no answer; none", "wait"),
            CannotRunError,
            'cannot read "x\\n" in https://a: no answer; none',
            "wait",
        ),
        (UnknownNameError("store", "azur", ["azure"], "prod"), UsageError, "has no store", 'did you mean "azure"?'),
        (JournalError("there is no run", "look"), UsageError, "there is no run", "look"),
        (AuditError("the audit file is full"), CannotRunError, "the audit file is full", "--audit"),
        (AnotherRunError("run 1"), CannotRunError, "another run is under way: run 1", "killed"),
        (OSError(13, "Permission denied", "/x"), CannotRunError, 'cannot be used: "/x" permission denied', None),
        (OSError(), CannotRunError, "cannot be used: unknown reason", None),
    ],
)
def test_what_stores_and_runs_refuse_is_a_message_with_a_way_out(
    error: Exception, kind: type[CommandError], message: str, help_text: str | None
) -> None:
    with pytest.raises(kind) as caught, refusals():
        raise error
    assert message in str(caught.value)
    assert (help_text or "") in (caught.value.help or "")
    assert caught.value.__suppress_context__


def test_a_store_without_address_is_told_with_the_variable(project: Path) -> None:
    environment = live_environment("dev", Invocation(Globals(str(project))))
    assert environment is not None
    with pytest.raises(CannotRunError, match='the store "azure" has no address') as caught, refusals():
        raise NoAddressError(environment.stores["azure"])
    assert "AZURE_KEYVAULT_NAME" in (caught.value.help or "")


def test_what_refuses_nothing_passes() -> None:
    with refusals():
        pass
