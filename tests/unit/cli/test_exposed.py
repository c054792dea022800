"""A value on the command line is refused as exposed in every form that people know, and is never repeated."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Done

Run = Callable[..., Done]
KEY = "GITHUB_APP_ID"
PASSWORD = "hunter2"
TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"


def test_what_may_be_a_value_is_not_shown(run: Run, project: Path) -> None:
    for words in (f"put github dev {PASSWORD}", f"put {TOKEN} dev", f"set dev github {PASSWORD}"):
        assert not [each for each in (PASSWORD, TOKEN) if each in run(*words.split()).err], words


@pytest.mark.parametrize(
    "line",
    [
        "put github dev KEY=VALUE",
        "put dev KEY=VALUE",
        "put dev github password=VALUE",
        "put dev github KEY =VALUE",
        "put dev --all KEY=VALUE",
        "put dev github --KEY=VALUE",
        "put dev github --set KEY=VALUE",
        "put dev github -s KEY=VALUE",
        "put dev github KEY --value VALUE",
        "put dev github KEY --value=VALUE",
        "put dev github --from-literal=password=VALUE",
        "put dev github --from-file KEY=VALUE",
        "put dev github --from-file password=VALUE",
        "put dev github --store KEY=VALUE",
        "rotate dev github KEY=VALUE",
        "verify dev KEY=VALUE",
        "verify dev --only KEY=VALUE",
        "restore dev KEY=VALUE",
        "compile KEY=VALUE",
        "new secret blog KEY=VALUE",
        "new secret blog --key KEY=VALUE",
        "set dev github KEY=VALUE",
        "KEY=VALUE put dev github",
    ],
)
def test_a_value_on_the_command_line_is_called_exposed_in_every_form(run: Run, project: Path, line: str) -> None:
    done = run(*line.replace("KEY", KEY).replace("VALUE", "s3ntinel").split())
    assert (done.code, "a value cannot be an argument" in done.err) == (2, True), done.err
    assert "replace that value: it is exposed" in done.err
    assert "s3ntinel" not in done.out + done.err


def test_an_equals_sign_of_a_file_a_map_or_an_unknown_option_is_no_value(run: Run, project: Path) -> None:
    (project / "a=b").write_text("x", "utf-8")
    assert "cannot be an argument" not in run("put", "dev", "github", KEY, "--from-file", "a=b").err
    # As `kubectl create secret --from-file` has it.
    assert "cannot be read" in run("put", "dev", "github", "--from-file", f"{KEY}=a=b").err
    assert "is not KEY=value" in run("put", "dev", "github", "--from-file", "a=b", "--map", f"{KEY}=TOKEN").err
    assert 'help: did you mean "--store"?' in run("verify", "dev", "--stroe=azure").err
    malformed = run("put", "dev", "github", "--from-file", "a=b", "--map", f"{KEY}=s3ntinel/!").err
    assert "if it is a value, replace that: it is exposed" in malformed
    assert "s3ntinel" not in malformed
