import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler.cli.commands import COMMANDS
from compiler.cli.commands.completion import TAKE_SECRET, TAKE_SECRETS
from compiler.cli.invocation import parser_of
from tests.own_process import ANY, program_with

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def names(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """What may come after the words."""

    def complete(words: str) -> list[str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(words.replace(" ", "\n").encode())))
        done = run("completion", "--names")
        assert (done.code, done.err) == (0, "")
        return str(done.out).splitlines()

    return complete


SECRETS = ["global", "argocd", "github", "jira", "pagerduty", "slack", "backstage"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ["dev", "prod", "staging"]),
        ("put", ["dev", "prod", "staging"]),
        ("put --store azure", ["dev", "prod", "staging"]),
        ("diff dev", ["prod", "staging"]),
        ("status dev", ["prod", "staging", *SECRETS]),
        ("status dev --only", SECRETS),
        ("migrate prod", SECRETS),
        # The file stands first, and a shell completes its name where none is offered.
        ("backup prod", []),
        ("restore prod prod.age", SECRETS),
        ("put prod", SECRETS),
        ("put --store azure prod", SECRETS),
        ("cutover prod jira slack", [each for each in SECRETS if each not in ("jira", "slack")]),
        ("migrate prod --to azure --only", SECRETS),
        ("put prod jira", ["ATLASSIAN_TOKEN", "ATLASSIAN_EMAIL", "ATLASSIAN_API_URL", "ATLASSIAN_VERIFY_SSL"]),
        ("rotate prod jira ATLASSIAN_TOKEN", ["ATLASSIAN_EMAIL", "ATLASSIAN_API_URL", "ATLASSIAN_VERIFY_SSL"]),
    ],
)
def test_what_may_come_next_is_named(
    names: Callable[[str], list[str]], project: Path, words: str, expected: list[str]
) -> None:
    assert names(words) == expected


def test_names_come_from_files_with_errors_too_and_none_is_code(
    names: Callable[[str], list[str]], edit: Callable[[str, str, str], None]
) -> None:
    edit("environments/prod.yaml", "secrets:\n", 'secrets:\n  "$(id)": {}\n  "`id`": {}\n  my-own: 3\n  a b: {}\n')
    assert names("put prod") == [*SECRETS, "my-own"]
    edit("environments/base.yaml", "secrets:", "secrets: [a]\nothers:")
    assert "github" not in names("put prod")
    edit("environments/prod.yaml", "secrets:", "secrets: [")
    assert names("put prod") == []


def test_no_validator_is_loaded_for_names() -> None:
    code = (
        "import sys; from compiler.cli.main import main; "
        "main(['completion', '--names']); print('jsonschema' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input="put\nprod", capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.splitlines() == [*SECRETS, "False"]


def test_each_command_with_secrets_is_completed_with_them() -> None:
    actions = {name: parser_of(name, module)._actions for name, (module, _) in COMMANDS.items()}
    with_secrets = {name: [each for each in own if each.metavar == "SECRET"] for name, own in actions.items()}
    assert {name for name, own in with_secrets.items() if any(not each.option_strings for each in own)} == {
        *TAKE_SECRETS
    }
    options = {option for own in with_secrets.values() for each in own for option in each.option_strings}
    # `import` names a secret that is to be made.
    assert options - {"--secret"} == {*TAKE_SECRET}


def test_outside_a_project_there_is_nothing_to_complete(
    names: Callable[[str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert names("put") == []


def test_a_shell_must_be_named(run: Callable[..., Any]) -> None:
    assert run("completion").code == 2
    assert run("completion", "tcsh").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_in_the_script(run: Callable[..., Any], shell: str) -> None:
    script = run("completion", shell).out
    assert all(name in script for name in COMMANDS)
    assert "parity" in script
    assert "completion --names" in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_takes_the_script(run: Callable[..., Any], shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [program, "-n"], input=run("completion", shell).out, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


COMPLETED = {
    "platform-secrets com": ["compile", "completion"],
    "platform-secrets compile pr": ["prod"],
    "platform-secrets verify st": ["staging"],
    "platform-secrets compile --ch": ["--check"],
    "platform-secrets --root . compile --par": ["--parity"],
    "platform-secrets rules --f": ["--format"],
    "platform-secrets --de": ["--debug"],
    "platform-secrets put prod gi": ["github"],
    "platform-secrets --root . put prod --store azure gi": ["github"],
    "platform-secrets put prod jira ATLASSIAN_E": ["ATLASSIAN_EMAIL"],
    "platform-secrets status dev --only sl": ["slack"],
}


COMPLETING = """
eval "$(platform-secrets completion bash)"
while read -r line; do
  COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
  _platform_secrets </dev/null
  echo "${COMPREPLY[@]}"
done
"""


def test_bash_completes(project: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    with program_with((*ANY, "compiler.cli.commands.completion")) as program:
        done = subprocess.run(
            [bash, "-c", COMPLETING],
            input="".join(f"{line}\n" for line in COMPLETED),
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": f"{program.parent}:{os.defpath}"},
        )
    assert dict(zip(COMPLETED, map(str.split, done.stdout.splitlines()), strict=True)) == COMPLETED
