from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from compiler.cli import main
from compiler.cli.commands import COMMANDS
from compiler.cli.invocation import kinds_of, parser_of, parsers_of
from compiler.cli.parser import Parser, add_format
from compiler.refusal import Refusal
from tests.commands import RunCommand
from tests.leaks import leaks

# A run, as its undo names it.
RUN = "20250131-120000-4fa1c2"


def test_paragraphs_are_filled_and_lists_and_examples_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    parser = Parser(
        "try",
        "Tries what was not tried before, and again,\nand again with --a-long-option.\n  one: thing\n\nThen no more.",
        ("platform-secrets try a --store vault --without-any-comparison --apply",),
    )
    parser.add_argument("--store", metavar="ID", help="the store that is tried first, by --a-long-option-too")
    assert (
        parser.format_help()
        == """\
usage: platform-secrets try [-h] [--store ID]

Tries what was not tried before, and again, and again with
--a-long-option.
  one: thing

Then no more.

options:
  -h, --help  show this help message and exit
  --store ID  the store that is tried first, by
              --a-long-option-too

examples:
  platform-secrets try a --store vault --without-any-comparison --apply
"""
    )


@pytest.mark.parametrize("width", [60, 80])
def test_every_commands_help_is_no_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    too_long = []
    for name, (module, _) in COMMANDS.items():
        for parser in (parser_of(name, module), *parsers_of(name, module)):
            usage, _, rest = parser.format_help().partition("\n\n")
            rest, _, examples = rest.partition("\nexamples:\n")
            # A part of the usage is broken nowhere; it stands alone where it is too long. Commands are copied whole.
            too_long += [line for line in usage.split("\n") if len(line) > width and "] [" in line]
            too_long += [line for line in rest.split("\n") if len(line) > width and "platform-secrets " not in line]
            # One of several lines is copied whole too.
            too_long += [line for line in examples.split("\n") if len(line) > 80]
    assert too_long == []


@pytest.mark.parametrize(("given", "used"), [("300", "100"), ("20", "50")])
def test_neither_a_very_wide_nor_a_very_narrow_terminal_is_filled(
    given: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = parser_of("verify", COMMANDS["verify"][0])
    monkeypatch.setenv("COLUMNS", used)
    expected = parser.format_help()
    monkeypatch.setenv("COLUMNS", given)
    assert parser.format_help() == expected


def test_without_a_terminal_help_is_80_columns_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "compiler", "verify", "--help"]
    monkeypatch.setenv("COLUMNS", "80")
    expected = parser_of("verify", COMMANDS["verify"][0]).format_help()
    monkeypatch.delenv("COLUMNS")
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert done.stdout == expected


def test_the_programs_own_help_fits_in_80_columns() -> None:
    assert max(map(len, main.help_text().split("\n"))) <= 80


@pytest.mark.parametrize(
    ("words", "own", "foreign"),
    [
        (
            ("generate",),
            ("{argocd,argocd-health,platform,access}", "generate KIND --help"),
            ("--repo URL", "--revision"),
        ),
        (
            ("generate", "argocd"),
            ("--repo URL", ", app-of-apps", "generate argocd prod"),
            ("hcl", "--against", " access "),
        ),
        (("generate", "access"), ("--form {hcl,az}", "[ENV ...]"), ("application", "--repo", "generate platform")),
        (("generate", "argocd-health"), ("health checks",), ("ENV", "--check", "generate argocd prod")),
        (("new",), ("{project,environment,secret,store,chart}", "new KIND --help"), ("--key KEY ",)),
        (("new", "secret", "project"), ("--key KEY", "[NAME]", "new secret db"), ("--auth", "--extends", "new store")),
        (("new", "store"), ("--auth METHOD", "its name in the cluster"), ("--key", "that of the folder")),
        (("new", "chart"), ("Creates the chart",), ("NAME", "examples")),
    ],
)
def test_the_help_of_a_kind_has_its_own_options_and_examples_alone(
    run: RunCommand, words: tuple[str, ...], own: tuple[str, ...], foreign: tuple[str, ...]
) -> None:
    done = run(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert [text for text in own if text not in done.out] == []
    assert [text for text in foreign if text in done.out] == []
    assert run("--no-color", words[0], "--help", *words[1:]).out == done.out


def test_no_options_help_repeats_its_choices() -> None:
    repeated = []
    for name, (module, _) in COMMANDS.items():
        for action in (action for parser in parsers_of(name, module) for action in parser._actions):
            words = set(re.findall(r"[\w-]+", action.help or ""))
            # The default is worth a word; where another word stands for the choices, the help alone has them.
            if action.metavar is None and len({str(choice) for choice in action.choices or ()} & words) > 1:
                repeated.append((name, action.help))
    assert repeated == []


SENTINEL = "ghp_s3ntinels3ntinels3ntinels3ntinel0"


@pytest.fixture
def parser() -> Parser:
    parser = Parser("try", "Tries.", ("platform-secrets try it",))
    parser.add_argument("names", nargs="*")
    parser.add_argument("--strict", action="store_true")
    add_format(parser, ("text", "json"))
    parser.add_option("--store", "ID", "the store")
    return parser


def test_options_may_stand_anywhere(parser: Parser) -> None:
    parsed = parser.parse(["a", "--strict", "b", "--store", "azure", "c"])
    assert (parsed.names, parsed.strict, parsed.store, parsed.format) == (["a", "b", "c"], True, "azure", "text")


def test_the_next_argument_of_an_unfinished_line_is_known(parser: Parser) -> None:
    own = Parser("own", "", ())
    own.add_argument("environment", metavar="ENV")
    own.add_argument("file", metavar="FILE", nargs="?")
    own.add_argument("names", metavar="NAME", nargs="*")
    own.add_flag("--strict", "")
    own.add_option("--store", "ID", "")

    def following(*words: str) -> list[str]:
        return [str(action.metavar) for action in own.next_arguments(words)]

    assert following() == following("--strict") == following("--store", "azure") == following("--nonsense") == ["ENV"]
    assert following("prod", "--store") == ["ID"]
    assert following("prod") == ["FILE"]
    assert following("prod", "a") == following("prod", "a", "b") == ["NAME"]
    # Both of two that take several may stand there.
    several = Parser("several", "", ())
    several.add_argument("environments", metavar="ENV", nargs="*")
    several.add_secrets("secrets")
    assert [action.metavar for action in several.next_arguments(["prod"])] == ["ENV", "SECRET"]
    assert parser.next_arguments(["--format"])[0].choices == ("text", "json")


@pytest.mark.parametrize(
    ("arguments", "message", "way_out"),
    [
        (["--strict", "--apply"], "--strict cannot be combined with --apply", "leave one of them out"),
        (["a", "--strict"], "--strict cannot be combined with NAME", "leave one of them out"),
        (["--all"], "--all needs --strict", "add --strict, or leave --all out"),
        (["--to", "b"], "--to needs --all, --apply or --strict", "add one of them, or leave --to out"),
        (["--strict", "--all", "--to", "b"], "", ""),
        (["a", "--apply"], "", ""),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: list[str], message: str, way_out: str) -> None:
    parser = Parser("try", "Tries.", ())
    parser.add_argument("names", metavar="NAME", nargs="*")
    parser.add_argument("--to", default="a")
    for option in ("--strict", "--apply", "--all"):
        parser.add_argument(option, action="store_true")
    parser.exclude("--strict", "--apply", "NAME")
    parser.require("--all", "--strict")
    parser.require("--to", "--all", "--apply", "--strict")
    try:
        parser.parse(arguments)
        found: tuple[str, str | None] = "", ""
    except Refusal as refusal:
        found = refusal.message, refusal.help
    assert found == (message, way_out)


@pytest.mark.parametrize("command", ["verify", "cutover", "retire", "status", "consumers"])
def test_a_context_of_which_nothing_is_asked_is_refused(command: str) -> None:
    parser = parser_of(command, COMMANDS[command][0])
    with pytest.raises(Refusal, match="--context needs --cluster"):
        parser.parse(["prod", "--context", "there"])
    assert parser.parse(["prod", "--context", "there", "--cluster"]).context == "there"


@pytest.mark.parametrize("option", ["--wait", "--force-sync"])
def test_what_implies_the_cluster_may_have_a_context(option: str) -> None:
    assert parser_of("status", "status").parse(["prod", option, "--context", "there"]).context == "there"


def test_the_help_ends_with_examples_and_hides_what_is_common(parser: Parser) -> None:
    assert parser.format_help().endswith("examples:\n  platform-secrets try it\n")
    assert parser.options() == ("--help", "--strict", "--format", "--store")


@pytest.mark.parametrize(
    ("arguments", "message", "way_out"),
    [
        (["--strikt"], 'unknown option "--strikt"', 'did you mean "--strict"?'),
        (["--zzz=1"], 'unknown option "--zzz"', "`platform-secrets try --help` lists the arguments"),
        (["-s3ntinel"], "unknown option", "`platform-secrets try --help` lists the arguments"),
        (["--s3ntinel"], "unknown option", "`platform-secrets try --help` lists the arguments"),
        (["--stric"], 'unknown option "--stric"', 'did you mean "--strict"?'),
        (["--format", "xml"], "unknown value for --format", 'the choices are "text", "json"'),
        (["--format", "jsn"], "unknown value for --format", 'did you mean "json"?'),
        (["--store"], "--store needs a value", "`platform-secrets try --help` lists the arguments"),
    ],
)
def test_what_is_wrong_is_raised(parser: Parser, arguments: list[str], message: str, way_out: str) -> None:
    with pytest.raises(Refusal) as caught:
        parser.parse(arguments)
    assert (str(caught.value), caught.value.help) == (message, way_out)


def _valued(parser: Parser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.nargs != 0]


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, (module, _) in COMMANDS.items() for kind in kinds_of(module) or [""]]
)
def test_no_argument_of_any_command_may_be_empty(name: str, kind: str) -> None:
    parser = parser_of(name, COMMANDS[name][0], [kind])
    positional = [action for action in _valued(parser) if not action.option_strings]
    sound = [str(next(iter(action.choices or ["x"]))) for action in positional]
    for action in _valued(parser):
        if action.option_strings:
            arguments = [*sound, action.option_strings[0], ""]
        else:
            arguments = ["" if each is action else text for each, text in zip(positional, sound, strict=True)]
        with pytest.raises(Refusal, match=r"is empty|invalid .*''|is not a number"):
            parser.parse(arguments)


def test_a_file_to_write_is_known_by_its_argument(parser: Parser) -> None:
    parser.add_written_file("--audit", "the audit file")
    parser.add_written_file("file", "the file")
    assert parser.files_to_write(parser.parse(["a", "b"])) == {"FILE": "b"}
    assert parser.files_to_write(parser.parse(["b", "--audit", "c"])) == {"--audit": "c", "FILE": "b"}


@pytest.mark.parametrize("arguments", [[f"--{SENTINEL}"], ["--format", SENTINEL], ["--quiet=" + SENTINEL]])
def test_what_looks_like_a_credential_is_not_repeated(run: RunCommand, arguments: list[str]) -> None:
    done = run("compile", *arguments)
    assert (done.code, done.out) == (2, "")
    assert not leaks(done.err, SENTINEL)


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        ("help compile", 'did you mean "--help"?'),
        ("version", 'did you mean "--version"?'),
        (f"undo {RUN}", 'did you mean "runs"?'),
        ("switch dev", 'did you mean "cutover"?'),
        ("dev verify", "`platform-secrets --help` lists them"),
        (f"runs dev --undo {RUN}", "`platform-secrets runs` lists the runs, each with the line that undoes it"),
        ("compil", 'did you mean "compile"?'),
        # The word of another program: what it does there, no command may do here.
        ("apply dev", "`platform-secrets --help` lists them"),
        ("set dev stripe hunter2", "`platform-secrets --help` lists them"),
        ("--env dev", "the environment's name stands behind the command, without an option"),
        ("rotate dev --all", "`platform-secrets rotate --help` lists the arguments"),
        ("report --env dev", "`platform-secrets report --help` lists the arguments"),
        ("verify --env=dev", "write the environment's name without --env"),
        ("generate access -e dev", "write the environment's name without -e"),
        ("new secret pay -e dev", "`platform-secrets new secret --help` lists the arguments"),
        ("migrate dev --dry-run", "leave it out: without --apply `migrate` shows its plan first"),
        ("put dev a --dry-run", "leave it out: without --apply `put` shows its plan first"),
        ("put dev a --yes", 'did you mean "--apply"?'),
        ("put dev a -y", 'did you mean "--apply"?'),
        ("compile --dry-run", 'did you mean "--check"?'),
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
def test_a_habit_or_a_slip_is_answered_by_the_right_word(
    run: RunCommand, project: Path, words: str, way_out: str
) -> None:
    done = run(*shlex.split(words))
    assert (done.code, done.err.partition("help: ")[2].strip()) == (2, way_out)


def test_no_option_with_one_value_takes_two() -> None:
    for name, (module, _) in COMMANDS.items():
        for action in (action for parser in parsers_of(name, module) for action in parser._actions):
            if action.option_strings and action.nargs not in (0, "+") and "append" not in type(action).__name__.lower():
                assert type(action).__name__ == "_StoreOnce", (name, action.option_strings)
