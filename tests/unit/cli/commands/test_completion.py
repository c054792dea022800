import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from compiler.cli.commands import COMMANDS
from compiler.cli.invocation import parsers_of
from compiler.imports.forms import FORMS
from compiler.rules import ALL_RULES
from compiler.stores.registry import PROVIDERS
from tests.commands import EditFile, RunCommand
from tests.own_process import ANY, program_with

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def names(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
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
        ("", []),
        ("put", ["dev", "prod", "staging"]),
        ("put --store azure", ["dev", "prod", "staging"]),
        ("--root . --debug put", ["dev", "prod", "staging"]),
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
    names: Callable[[str], list[str]], edit: EditFile
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


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("new", ["project", "environment", "secret", "store", "chart"]),
        ("new secret", []),
        ("new secret blog --into", ["dev", "prod", "staging", "base"]),
        ("new store --auth", [method for provider in PROVIDERS.values() for method in provider.log_ins]),
        ("new store --provider", [*PROVIDERS]),
        ("generate", ["argocd", "argocd-health", "platform", "access"]),
        ("generate access", ["dev", "prod", "staging"]),
        ("generate access prod --form", ["hcl", "az"]),
        ("generate argocd --form", ["application", "multi-source", "applicationset", "app-of-apps"]),
        ("generate access prod --for", ["operator", "reader", "writer", "retirer", "importer"]),
        ("import external-secrets", []),
        ("import --environment", ["dev", "prod", "staging"]),
        ("completion", ["bash", "zsh", "fish"]),
        ("compile --format", ["text", "json", "github", "sarif"]),
        ("status --format = ", ["text", "json", "openmetrics"]),
        ("migrate prod --on-conflict", ["fail", "skip", "overwrite"]),
        ("migrate prod --to", ["vault", "azure"]),
        ("verify --store", ["vault", "azure"]),
        ("put prod jira --from-file", []),
        ("put prod jira --accept-cluster", []),
        ("explain prod", SECRETS),
        ("explain prod jira", []),
        ("render prod", []),
        ("nonsense", []),
    ],
)
def test_kinds_and_values_of_options_are_named(
    names: Callable[[str], list[str]], project: Path, words: str, expected: list[str]
) -> None:
    assert names(words) == expected


def test_ids_of_rules_forms_and_runs_are_named(names: Callable[[str], list[str]], project: Path) -> None:
    assert names("rules") == [rule.id for rule in ALL_RULES]
    assert names("import") == list(FORMS)
    runs = project / ".platform-secrets/runs"
    runs.mkdir(parents=True)
    (runs / "20250131-120000-4fa1c2.jsonl").write_text("{}\n", "utf-8")
    assert names("put prod --undo") == ["20250131-120000-4fa1c2"]


def test_what_every_argument_takes_is_known() -> None:
    """A new name for what an argument takes is a decision: can it be completed?"""
    takes = {
        (str(action.metavar), bool(action.option_strings))
        for name, (module, _) in COMMANDS.items()
        for parser in parsers_of(name, module)
        for action in parser._actions
        if action.nargs != 0 and not action.choices
    }
    files = {"FILE", "DIR", "PATH", "CHART", "OLD"}
    words = {
        "URL",
        "TEXT",
        "REV",
        "VERSION",
        "DAYS",
        "DURATION",
        "PARTS",
        "NAME",
        "LAYER",
        "STORE",
        "PATTERN",
        "TYPE",
        "HOST",
    }
    completed = {"ENV", "OTHER", "SECRET", "KEY", "ID", "METHOD", "RUN"}
    assert {each for each, _ in takes if "=" not in each} == files | words | completed


def test_outside_a_project_there_is_nothing_to_complete(
    names: Callable[[str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert names("put") == []


def test_a_shell_must_be_named(run: RunCommand) -> None:
    assert run("completion").code == 2
    assert run("completion", "tcsh").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_in_the_script(run: RunCommand, shell: str) -> None:
    script = run("completion", shell).out
    assert all(name in script for name in COMMANDS)
    assert "prune" in script
    assert "completion --names" in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_takes_the_script(run: RunCommand, shell: str) -> None:
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
    "platform-secrets --root . compile --pru": ["--prune"],
    "platform-secrets rules --f": ["--format"],
    "platform-secrets --de": ["--debug"],
    "platform-secrets put prod gi": ["github"],
    "platform-secrets --root . put prod --store azure gi": ["github"],
    "platform-secrets put prod jira ATLASSIAN_E": ["ATLASSIAN_EMAIL"],
    "platform-secrets status dev --only sl": ["slack"],
    "platform-secrets new se": ["secret"],
    "platform-secrets generate access prod --for w": ["writer"],
    "platform-secrets migrate prod --to az": ["azure"],
    "platform-secrets rules shadow": ["shadowed-variable"],
}


COMPLETING = """
eval "$(platform-secrets completion bash)"
while read -r line; do
  COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
  _platform_secrets </dev/null
  echo "${COMPREPLY[@]}"
done
"""


def completing(shell: str, *arguments: str, lines: Iterable[str], **variables: str) -> list[str]:
    """What a shell prints that gets the lines. It finds the program, and nothing that people have set up."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    with program_with((*ANY, "compiler.cli.commands.completion")) as program:
        path = os.pathsep.join((str(program.parent), str(Path(found).parent), os.defpath))
        done = subprocess.run(
            [found, *arguments],
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            env={"PATH": path, "HOME": str(Path.cwd()), "TERM": "dumb", **variables},
        )
    return done.stdout.splitlines()


def test_bash_completes(project: Path) -> None:
    assert project == Path.cwd()
    found = completing("bash", "-c", COMPLETING, lines=COMPLETED)
    assert dict(zip(COMPLETED, map(str.split, found), strict=True)) == COMPLETED


# What bash leaves to its own reading of a line.
WITH_SIGN = {"platform-secrets put prod --store=az": ["--store=azure"]}
IN_FISH = """
platform-secrets completion fish | source
while read line
  string split -f 1 \\t -- (complete -C "$line") | string join " "
end
true
"""


def test_fish_completes(project: Path) -> None:
    assert project == Path.cwd()
    lines = {**COMPLETED, **WITH_SIGN, "platform-secrets backup prod cha": ["chart/"]}
    found = completing("fish", "--no-config", "-c", IN_FISH, lines=lines)
    assert {line: sorted(words.split()) for line, words in zip(lines, found, strict=True)} == lines


# A shell at a terminal gets each line, a tab, and a key by which it tells what the line is then.
IN_ZSH = """
zmodload zsh/zpty
: > told
zpty shell "zsh -f -i"
zpty -w shell 'PS1=; autoload -Uz compinit; compinit -u -D; eval "$(platform-secrets completion zsh)"'
zpty -w shell 'tell() { print -r -- "$BUFFER" >> told; BUFFER= }; zle -N tell; bindkey "^X" tell; print . >> told'
typeset -i count=1
while read -r line; do
  while (( $(wc -l < told) < count )); do sleep 0.05; done
  zpty -w -n shell "$line"$'\\t\\x18'
  count+=1
done
while (( $(wc -l < told) < count )); do sleep 0.05; done
zpty -d shell
tail -n +2 told
"""


def test_zsh_completes(project: Path) -> None:
    assert project == Path.cwd()
    lines = {line: words for line, words in (COMPLETED | WITH_SIGN).items() if len(words) == 1}
    found = completing("zsh", "-f", "-c", IN_ZSH, lines=lines)
    completed = [f"{line.rpartition(' ')[0]} {word} " for line, (word,) in lines.items()]
    assert found == completed
