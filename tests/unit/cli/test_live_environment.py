from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.cli.invocation import Globals, Invocation
from compiler.cli.running import live_environment, live_environments, refusals
from compiler.refusal import Refusal
from compiler.stores.errors import Action, StoreLocation, UnavailableError


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


def test_several_environments_or_all_are_compiled_at_once(
    project: Path, edit: Callable[[str, str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    invocation = Invocation(Globals(str(project)))
    assert [each.name for each in live_environments([], invocation)] == ["dev", "prod", "staging"]
    assert [each.name for each in live_environments(["prod", "dev"], invocation)] == ["dev", "prod"]
    edit("environments/dev.yaml", "global:", "globl:")
    assert live_environments([], invocation) == ()
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
    refused = UnavailableError(StoreLocation("https://a"), Action.READ, "no answer", "wait")
    with pytest.raises(UnavailableError) as caught, refusals():
        raise refused
    assert caught.value is refused


def test_what_refuses_nothing_passes() -> None:
    with refusals():
        pass
