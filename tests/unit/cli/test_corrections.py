"""What the program answers to a mistyped line: one to paste, which parses and names what the project has, or less."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.cli.commands import COMMANDS
from compiler.cli.invocation import parser_of
from tests.commands import Done

Run = Callable[..., Done]
KEY = "GITHUB_APP_ID"
# A run, as the undo names it.
RUN = "20250131-120000-4fa1c2"
PASSWORD = "hunter2"
TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"


def help_of(run: Run, words: str) -> str:
    done = run(*shlex.split(words))
    assert done.code == 2, done
    return done.err.partition("help: ")[2].strip()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("dev verify", "verify dev"),
        ("dev verify github --store azure", "verify dev github --store azure"),
        ("put github dev", "put dev github"),
        (f"put github dev {KEY}", f"put dev github {KEY}"),
        (f"put github dev {PASSWORD}", "put dev github …"),
        (f"put {TOKEN} dev", "put dev …"),
        ("verify github jira dev", "verify dev github jira"),
        ("cutover github --to azure dev --apply", "cutover dev github --to azure --apply"),
        ("explain github dev", "explain dev github"),
        ("status github dev", "status dev github"),
        ("migrate dev azure", "migrate dev --to azure"),
        ("migrate dev github azure --apply", "migrate dev github --to azure --apply"),
        ("migrate dev vault azure", "migrate dev --from vault --to azure"),
        ("migrate azure dev", "migrate dev --to azure"),
        ("verify dev azure", "verify dev --store azure"),
        ("retire dev github azure", "retire dev github --store azure"),
        ("cutover dev azure", "cutover dev … --to azure"),
        ("put dev azure", "put dev … --store azure"),
        ("compile -e prod", "compile prod"),
        ("compile --env=prod --check", "compile prod --check"),
        ("compile --environment prod --bogus", "compile prod"),
        ("put -e dev github --from-file /home/ada/key.pem", "put dev github --from-file …"),
        ("consumers dev made.yaml", "consumers dev --manifests made.yaml"),
        ("consumers made.yaml", "consumers … --manifests made.yaml"),
        ("restore made.yaml", "restore … made.yaml"),
        ("restore made.yaml dev github", "restore dev made.yaml github"),
        ("demo keep", "demo --keep"),
        ("--root . verify --env dev", "--root . verify dev"),
        ("verify --env dev --root .", "--root . verify dev"),
    ],
)
def test_a_line_with_names_elsewhere_is_answered_by_the_right_one(
    run: Run, project: Path, words: str, line: str
) -> None:
    (project / "made.yaml").write_text("", "utf-8")
    assert help_of(run, words) == f"did you mean `platform-secrets {line}`?"


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        ("help compile", "`platform-secrets compile --help` prints it"),
        ("help", "`platform-secrets --help` prints it"),
        ("help me", "`platform-secrets --help` prints it"),
        ("version", "`platform-secrets --version` prints it"),
        (f"undo {RUN}", "`platform-secrets runs` lists the runs, each with the line that undoes it"),
        (f"runs dev --undo {RUN}", "`platform-secrets runs` lists the runs, each with the line that undoes it"),
        ("compil", 'did you mean "compile"?'),
        # The word of another program: what it does there, no command may do here.
        ("apply dev", "`platform-secrets --help` lists them"),
        (f"set dev stripe {PASSWORD}", "`platform-secrets --help` lists them"),
        ("--env dev", "the environment's name stands behind the command, without an option"),
        ("rotate dev --all", "`platform-secrets rotate --help` lists the arguments"),
        ("report dev", "`report` takes no environment"),
        ("report --env dev", "`report` takes no environment"),
        ("rules -e dev", "`rules` takes no environment"),
        ("completion -e bash", "`completion` takes no environment"),
        ("generate access -e dev", "write the environment's name without -e"),
        ("new secret pay -e dev", "`platform-secrets new --help` lists the arguments"),
        ("render dev prod", "`render` takes one environment"),
        ("migrate dev prod --to azure", "name one of the environments"),
        ("put dev prod", "name one of the environments"),
        ("verify dev prod", "for that one, run `platform-secrets verify prod`"),
        (
            "verify dev github prod --store azure",
            "for that one, run `platform-secrets verify prod github --store azure`",
        ),
        (
            "diff dev staging prod",
            "it compares two environments: `platform-secrets diff dev staging`, then `platform-secrets diff dev prod`",
        ),
        ("migrate dev --dry-run", "leave it out: without --apply `migrate` shows its plan, and writes nothing"),
        ("put dev a --dry-run", "leave it out: without --apply `put` shows its plan and asks"),
        ("put dev a --yes", "did you mean `--apply`?"),
        ("put dev a -y", "did you mean `--apply`?"),
        ("compile --dry-run", "did you mean `--check`?"),
        ("compile --yes", "leave it out: `compile` asks nothing"),
        # They mean a file or a namespace to others.
        ("put dev a -f values.json", "`platform-secrets put --help` lists the arguments"),
        ("status dev --due 1month", "write it as 30d"),
        ("migrate dev --to vault --to azure", "give it once"),
        ("--root . --root project compile", "give it once"),
        ("new secret pay --key USER,PASSWORD", "give it once for each: `--key USER --key PASSWORD`"),
        (
            "new secret --key USER",
            "write it after `new secret`: use lower-case letters, digits and inner hyphens, at most 63",
        ),
        (
            "generate access prod",
            "--for is one of operator, reader, writer, retirer, importer; --form is one of hcl, az",
        ),
        ("demo somewhere", "leave it out, or add --stop"),
    ],
)
def test_where_no_line_is_right_less_is_said(run: Run, project: Path, words: str, way_out: str) -> None:
    assert help_of(run, words) == way_out


def test_no_line_names_what_the_project_does_not_have(run: Run, project: Path) -> None:
    assert "did you mean `" not in help_of(run, "verify githb dev")
    assert "did you mean `" not in help_of(run, "put github dev NO_SUCH_KEY")
    assert "did you mean `" not in help_of(run, "migrate github ../environments/dev")
    assert "did you mean `" not in help_of(run, "compile github dev")


def test_no_line_is_proposed_that_is_the_one_typed(run: Run, project: Path) -> None:
    done = run("backup", "dev", "azure", "x.age", "--recipient", "age1x")
    assert "did you mean" not in done.err, done
    assert done.code != 0


def test_outside_a_project_no_line_is_proposed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert help_of(run, "dev verify") == "`platform-secrets --help` lists them"
    assert help_of(run, "verify -e dev") == "write the environment's name without -e"


def test_an_environment_in_the_place_of_a_key_is_left_to_the_command(run: Run, project: Path) -> None:
    assert "has no key" in run("put", "dev", "github", "prod").err
    assert "has no key" in run("put", "dev", "github", "azure").err


def test_no_option_with_one_value_takes_two() -> None:
    for name, (module, _) in COMMANDS.items():
        for action in parser_of(name, module)._actions:
            if action.option_strings and action.nargs not in (0, "+") and "append" not in type(action).__name__.lower():
                assert type(action).__name__ == "_StoreOnce", (name, action.option_strings)
