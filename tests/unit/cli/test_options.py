from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.cli.errors import UsageError
from compiler.cli.options import Parser, add_format, add_store
from tests.leaks import leaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.commands import Done

SENTINEL = "ghp_s3ntinels3ntinels3ntinels3ntinel0"


@pytest.fixture
def parser() -> Parser:
    parser = Parser("try", "Tries.", ("platform-secrets try it",))
    parser.add_argument("names", nargs="*")
    parser.add_argument("--strict", action="store_true")
    add_format(parser, ("text", "json"))
    add_store(parser, "the store")
    return parser


def test_options_may_stand_anywhere(parser: Parser) -> None:
    parsed = parser.parse(["a", "--strict", "b", "--store", "azure", "c"])
    assert (parsed.names, parsed.strict, parsed.store, parsed.format) == (["a", "b", "c"], True, "azure", "text")


def test_an_environment_as_argument_is_known(parser: Parser) -> None:
    assert not parser.takes_environment
    parser.add_argument("environment", metavar="ENV")
    assert parser.takes_environment


def test_the_help_ends_with_examples_and_hides_what_is_common(parser: Parser) -> None:
    assert parser.format_help().endswith("examples:\n  platform-secrets try it\n")
    assert parser.options() == ("--help", "--strict", "--format", "--store")


@pytest.mark.parametrize(
    ("arguments", "message", "way_out"),
    [
        (["--strikt"], 'there is no option "--strikt"', 'did you mean "--strict"?'),
        (["--zzz=1"], 'there is no option "--zzz"', "`platform-secrets try --help` shows what there is"),
        (["--stric"], 'there is no option "--stric"', 'did you mean "--strict"?'),
        (["--store"], "argument --store: expected one argument", "`platform-secrets try --help` shows what there is"),
    ],
)
def test_what_is_wrong_is_raised(parser: Parser, arguments: list[str], message: str, way_out: str) -> None:
    with pytest.raises(UsageError) as caught:
        parser.parse(arguments)
    assert (str(caught.value), caught.value.help) == (message, way_out)


@pytest.mark.parametrize("arguments", [[f"--{SENTINEL}"], ["--format", SENTINEL], ["--quiet=" + SENTINEL]])
def test_what_looks_like_a_credential_is_not_repeated(run: Callable[..., Done], arguments: list[str]) -> None:
    done = run("compile", *arguments)
    assert (done.code, done.out) == (2, "")
    assert not leaks(done.err, SENTINEL)
