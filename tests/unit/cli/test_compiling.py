from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.cli.compiling import compiled, environments, report, report_errors
from compiler.cli.errors import UsageError
from compiler.render.interface import Run
from compiler.stages.outside import Outside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_an_unknown_environment_is_a_usage_error(project: Path) -> None:
    with pytest.raises(UsageError) as caught:
        compiled(project, ["prd"])
    assert (str(caught.value), caught.value.help) == ('there is no environment "prd"', 'did you mean "prod"?')


def test_a_run_without_errors_tells_what_came_from_outside(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = environments(compiled(project, ["dev"], Outside("azure", "--store", "kv-dev")))
    assert [each.name for each in found] == ["dev"]
    assert capsys.readouterr().err.splitlines() == [
        'note: --store chooses the store "azure"',
        'note: AZURE_KEYVAULT_NAME gives the vaultUrl of the store "azure"',
    ]


def test_errors_are_shown_without_the_warnings(
    project: Path, capsys: pytest.CaptureFixture[str], edit: Callable[[str, str, str], None]
) -> None:
    edit("environments/dev.yaml", "use: [openai]", "usr: [openai]")
    result = compiled(project, ["dev"])
    assert environments(result) == ()
    report_errors(result.diagnostics)
    err = capsys.readouterr().err
    assert "error[unknown-key]" in err
    assert "warning" not in err


def test_text_goes_to_standard_error_and_other_formats_to_standard_output(
    project: Path, capsys: pytest.CaptureFixture[str], edit: Callable[[str, str, str], None]
) -> None:
    edit("environments/dev.yaml", "use: [openai]", "usr: [openai]")
    diagnostics = compiled(project, ["dev"]).diagnostics
    report(diagnostics, Run("compile"))
    captured = capsys.readouterr()
    assert (captured.out, "unknown-key" in captured.err) == ("", True)
    report(diagnostics, Run("compile"), "github")
    captured = capsys.readouterr()
    assert ("\n::error file=environments/dev.yaml" in captured.out, captured.err) == (True, "")
