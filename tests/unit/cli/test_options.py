import argparse
from collections.abc import Callable

import pytest

from compiler.cli.commands import COMMANDS
from compiler.cli.invocation import parser_of
from compiler.cli.parser import Parser, add_format
from compiler.refusal import Refusal
from tests.commands import Done
from tests.leaks import leaks

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


def test_an_environment_as_argument_is_known(parser: Parser) -> None:
    assert not parser.takes_environment
    parser.add_argument("environment", metavar="ENV")
    assert parser.takes_environment


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


@pytest.mark.parametrize("name", COMMANDS)
def test_no_argument_of_any_command_may_be_empty(name: str) -> None:
    parser = parser_of(name, COMMANDS[name][0])
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
    assert parser.written_files(parser.parse(["a", "b"])) == {"FILE": "b"}
    assert parser.written_files(parser.parse(["b", "--audit", "c"])) == {"--audit": "c", "FILE": "b"}


@pytest.mark.parametrize("arguments", [[f"--{SENTINEL}"], ["--format", SENTINEL], ["--quiet=" + SENTINEL]])
def test_what_looks_like_a_credential_is_not_repeated(run: Callable[..., Done], arguments: list[str]) -> None:
    done = run("compile", *arguments)
    assert (done.code, done.out) == (2, "")
    assert not leaks(done.err, SENTINEL)
