import re
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.cli.invocation import InputError, report, report_errors, require_sound
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.document import Source, Span
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from compiler.render.content import CommandRun
from compiler.stages.resolve import Outside
from tests import providers


def test_an_unknown_environment_is_a_usage_error(project: Path) -> None:
    with pytest.raises(Refusal) as caught:
        compile_project(project, ["prd"])
    assert (str(caught.value), caught.value.help) == ('there is no environment "prd"', 'did you mean "prod"?')


def test_a_run_without_errors_tells_what_came_from_outside(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = require_sound(
        compile_project(project, ["dev"], Outside("azure", "--store", {providers.KEY_VAULT: "kv-dev"}))
    ).environments
    assert [each.name for each in found] == ["dev"]
    assert capsys.readouterr().err.splitlines() == [
        'note: --store chooses the store "azure"',
        'note: AZURE_KEYVAULT_NAME gives the vaultUrl of the store "azure"',
    ]


def test_errors_are_shown_without_the_warnings(
    project: Path, capsys: pytest.CaptureFixture[str], edit: Callable[[str, str, str], None]
) -> None:
    edit("environments/dev.yaml", "use: [openai]", "usr: [openai]")
    result = compile_project(project, ["dev"])
    with pytest.raises(InputError):
        require_sound(result)
    err = capsys.readouterr().err
    assert "error[unknown-key]" in err
    assert "warning" not in err


@pytest.fixture
def many() -> list[Diagnostic]:
    source = Source("environments/prod.yaml", "a: b\n")
    return [Diagnostic("unknown-key", Severity.ERROR, f"finding {number}", Span(source)) for number in range(1000)]


def test_text_shows_the_first_of_a_rule_and_how_to_see_the_rest(
    many: list[Diagnostic], capsys: pytest.CaptureFixture[str]
) -> None:
    report(many, CommandRun("compile"), see_all="`--all` shows them")
    err = capsys.readouterr().err
    assert (err.count("error["), err.count("\n")) == (20, 83)
    assert err.endswith('980 more findings of "unknown-key" not shown; `--all` shows them\n\n1000 errors\n')
    report_errors(many)
    assert "980 more findings" in (err := capsys.readouterr().err)
    assert "`platform-secrets compile --all` shows them" in err
    report(many, CommandRun("compile"), see_all=None)
    err = capsys.readouterr().err
    assert (err.count("error["), "not shown" in err) == (1000, False)


@pytest.mark.parametrize("form", ["json", "github", "sarif", "junit"])
def test_formats_for_programs_have_every_finding(
    many: list[Diagnostic], capsys: pytest.CaptureFixture[str], form: str
) -> None:
    report(many, CommandRun("compile"), form, "`--all` shows them")
    out = capsys.readouterr().out
    assert set(re.findall("finding ([0-9]+)", out)) == {str(number) for number in range(1000)}
    assert "--all" not in out


def test_text_goes_to_standard_error_and_other_formats_to_standard_output(
    project: Path, capsys: pytest.CaptureFixture[str], edit: Callable[[str, str, str], None]
) -> None:
    edit("environments/dev.yaml", "use: [openai]", "usr: [openai]")
    diagnostics = compile_project(project, ["dev"]).diagnostics
    report(diagnostics, CommandRun("compile"))
    captured = capsys.readouterr()
    assert (captured.out, "unknown-key" in captured.err) == ("", True)
    report(diagnostics, CommandRun("compile"), "github")
    captured = capsys.readouterr()
    assert ("\n::error file=environments/dev.yaml" in captured.out, captured.err) == (True, "")
