from pathlib import Path

import pytest

from compiler.cli.commands import imports
from tests.commands import run_command


@pytest.mark.parametrize(
    ("words", "message", "way_out"),
    [
        (["external-secrets", "a"], "no environment is named", "--environment"),
        (["external-secrets", "--environment", "dev"], "nothing to import", "name files or folders"),
        (["external-secrets", "a", "--environment", "Dev"], "the environment's name is invalid", "lower-case"),
        (["external-secret", "a", "--environment", "dev"], 'unknown FORM "external-secret"', '"external-secrets"'),
        (["external-secrets", "a", "--environment", "d", "--server", "u"], "--server needs --store", "add --store"),
        (["external-secrets", "gone", "--environment", "dev"], "gone cannot be read", "name a file or a folder"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_way_out(
    words: list[str],
    message: str,
    way_out: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run_command(capsys, "new", "project")
    done = run_command(capsys, "import", *words)
    assert done.code == 2
    assert message in done.err
    assert way_out in done.err
    assert "Shows the plan first" in imports.DESCRIPTION
