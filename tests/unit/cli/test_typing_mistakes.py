from argparse import Namespace
from pathlib import Path

import pytest

from compiler.cli.commands import COMMANDS
from compiler.cli.parser import of_argument, of_command, swapped_environment

WRITING = {"--apply": False, "--to": True, "--from-file": True, "--root": True}
READING = {"--check": False, "--root": True}
PASSWORD = "hunter2"
TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        ("help compile", "`platform-secrets compile --help` prints it"),
        ("help", "`platform-secrets --help` prints it"),
        ("help me", "`platform-secrets --help` prints it"),
        ("update dev stripe", "did you mean `platform-secrets put dev stripe`?"),
        ("update dev stripe STRIPE_API_KEY --apply", "did you mean `platform-secrets put dev stripe STRIPE_API_KEY`?"),
        ("update", "did you mean `platform-secrets put`?"),
        (f"set dev stripe {PASSWORD}", "did you mean `platform-secrets put dev stripe …`?"),
        (f"set dev {TOKEN}", "did you mean `platform-secrets put dev …`?"),
        ("validate", "did you mean `platform-secrets compile --check`?"),
        ("compil", None),
    ],
)
def test_a_foreign_command_has_its_own_word_here(words: str, way_out: str | None) -> None:
    name, *arguments = words.split()
    assert of_command(name, arguments, COMMANDS) == way_out


@pytest.mark.parametrize(
    ("command", "words", "unknown", "way_out"),
    [
        ("compile", "-e prod", "-e", "did you mean `platform-secrets compile prod`?"),
        ("compile", "--env=prod --check", "--env=prod", "did you mean `platform-secrets compile prod --check`?"),
        ("compile", "--environment prod --bogus", "--environment", "did you mean `platform-secrets compile prod`?"),
        ("migrate", "dev azure --apply", "azure", "did you mean `platform-secrets migrate dev --to azure --apply`?"),
        ("migrate", "dev kv az", "kv", "did you mean `platform-secrets migrate dev --from kv --to az`?"),
        ("migrate", "dev a b c", "a", "`migrate` takes one environment"),
        ("migrate", "dev --dry-run", "--dry-run", "without --apply `migrate` shows its plan, and writes nothing"),
        ("put", "dev a --dry-run", "--dry-run", "without --apply `put` shows its plan and asks"),
        ("put", "dev a --yes", "--yes", "did you mean `--apply`?"),
        ("put", "dev a -y", "-y", "did you mean `--apply`?"),
        ("compile", "--dry-run", "--dry-run", "did you mean `--check`?"),
        ("compile", "--yes", "--yes", "leave it out: `compile` asks nothing"),
        (
            "diff",
            "dev staging prod",
            "prod",
            "it compares two environments: `platform-secrets diff dev staging`, then `platform-secrets diff dev prod`",
        ),
        ("render", "dev prod", "prod", "`render` takes one environment"),
        ("put", "dev a --bogus", "--bogus", None),
        # They mean a file or a namespace to others.
        ("put", "dev a -f values.json", "-f", None),
        ("put", "dev a -n agents", "-n", None),
        ("rules", "a b", "b", None),
    ],
)
def test_a_foreign_argument_has_its_right_form(command: str, words: str, unknown: str, way_out: str | None) -> None:
    options = WRITING if command in ("migrate", "put") else READING
    found = of_argument(command, options, words.split(), [unknown])
    assert found == way_out or (way_out is not None and str(found).endswith(way_out))


def test_a_value_of_an_option_is_shown_only_where_it_is_a_name() -> None:
    words = ["-e", "dev", "--to", "azure", "--from-file", "/home/ada/key.pem", "--root", "x", f"--to={TOKEN}"]
    line = of_argument("put", WRITING, words, ["-e"])
    assert line == "did you mean `platform-secrets put dev --to azure --from-file … --to …`?"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/dev.yaml").write_text("", "utf-8")
    return tmp_path


def swapped(root: Path, command: str, words: str, **more: object) -> str | None:
    parsed = Namespace(environment=words.split(maxsplit=1)[0], **more)
    found = swapped_environment(command, parsed, WRITING, words.split(), root)
    return f"{found.message}; {found.help}" if found is not None else None


def test_an_environment_after_the_secret_is_put_before_it(root: Path) -> None:
    said = '"stripe" is not an environment, and "dev" is; did you mean'
    assert swapped(root, "put", "stripe dev A_KEY") == f"{said} `platform-secrets put dev stripe A_KEY`?"
    assert swapped(root, "verify", "stripe jira dev") == f"{said} `platform-secrets verify dev stripe jira`?"
    assert (
        swapped(root, "cutover", "stripe --to azure dev --apply")
        == f"{said} `platform-secrets cutover dev stripe --to azure --apply`?"
    )


def test_what_may_be_a_value_is_not_shown(root: Path) -> None:
    said = swapped(root, "put", f"stripe dev {PASSWORD}")
    assert said is not None
    assert PASSWORD not in said
    assert said.endswith("`platform-secrets put dev stripe …`?")
    other = swapped(root, "put", f"{TOKEN} dev")
    assert other == 'the first name is not an environment, and "dev" is; did you mean `platform-secrets put dev …`?'
    # The command itself says that the value is exposed.
    assert swapped(root, "put", "stripe dev KEY=value") is None


def test_names_in_another_order_or_unknown_ones_are_no_swap(root: Path) -> None:
    assert swapped(root, "put", "stripe staging") is None
    assert swapped(root, "put", "stripe ../environments/dev") is None
    assert swapped(root, "diff", "stripe dev", other="dev") is None
