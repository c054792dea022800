from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.cli.invocation import InputError, live_environments, refusals
from compiler.refusal import Refusal
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from tests.commands import invocation_of
from tests.refusals import is_refused


def test_an_environment_is_what_its_files_say_and_the_variable_is_said_to_be_ignored(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    (environment,) = live_environments(["dev"], invocation_of())
    assert environment.default_store is not None
    assert environment.default_store.id == "vault"
    assert "AI_PLATFORM_SECRET_STORE is ignored" in capsys.readouterr().err


def test_the_errors_of_an_environment_are_shown_and_end_the_command(
    project: Path, edit: Callable[[str, str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    edit("environments/dev.yaml", "global:", "globl:")
    with pytest.raises(InputError):
        live_environments(["dev"], invocation_of())
    assert "error[unknown-secret]" in capsys.readouterr().err


def test_several_environments_or_all_are_compiled_at_once(
    project: Path, edit: Callable[[str, str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    invocation = invocation_of()
    assert [each.name for each in live_environments([], invocation)] == ["dev", "prod", "staging"]
    assert [each.name for each in live_environments(["prod", "dev"], invocation)] == ["dev", "prod"]
    edit("environments/dev.yaml", "global:", "globl:")
    with pytest.raises(InputError):
        live_environments([], invocation)
    assert "error[unknown-secret]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(13, "Permission denied", "/x"), 'files: "/x" permission denied'),
        (OSError(), "cannot use the run's files: unknown reason"),
    ],
)
def test_what_a_runs_files_fail_with_is_a_refusal(error: OSError, message: str) -> None:
    with pytest.raises(Refusal) as caught, refusals():
        raise error
    assert caught.value.kind == "cannot run"
    assert message in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_refusal_passes_as_it_is() -> None:
    refused = StoreError(StoreLocation("https://a"), Action.READ, "no answer", "wait", Code.UNAVAILABLE)
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)) as caught, refusals():
        raise refused
    assert caught.value is refused


def test_what_refuses_nothing_passes() -> None:
    with refusals():
        pass
