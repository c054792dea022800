import base64
from itertools import cycle

import pytest

from compiler.cli import parser
from compiler.cli.terminal.contents import text_of
from compiler.model.diagnostic import Diagnostic, Related, Severity
from compiler.model.document import Source, Span
from compiler.render.content import CommandRun, Shown, show
from compiler.render.formats import FORMATS
from compiler.rules.api import Rule

TOKEN = "ghp_0123456789abcdefghij0123456789abcdef"
PASSWORD = "correct-horse-battery"  # nothing tells it from a name: its spans must
AWS = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY"
PEM_LINE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
SENTINELS = (TOKEN, PASSWORD, AWS, PEM_LINE, "shortline")

HOSTILE = f"""\
# {TOKEN}
pasword: {PASSWORD}  # {AWS}
{TOKEN}: 1
stores: {{vault: {{pasword: {PASSWORD}, token: "{TOKEN}", sever: {AWS}}}}}
list: [{TOKEN}, plain]
block: |
  some words
  {TOKEN}
pem: |
  -----BEGIN RSA PRIVATE KEY-----
  {PEM_LINE}
  shortline
  -----END RSA PRIVATE KEY-----
quoted: "postgres://app:{PASSWORD}@db/x?password={PASSWORD}"
"""


@pytest.fixture
def leaking() -> tuple[Shown, ...]:
    """A finding on every line and every word of it, by a rule that repeats the text it looks at."""
    source = Source(f"environments/{TOKEN}.yaml", HOSTILE)
    conceals = []
    start = source.text.find(PASSWORD)
    while start >= 0:
        conceals.append(Span(source, start, start + len(PASSWORD)))
        start = source.text.find(PASSWORD, start + 1)
    careless = f"invalid value {PASSWORD!r} {TOKEN} {AWS} {PEM_LINE}"
    found = [
        Diagnostic(
            "unknown-key",
            severity,
            careless,
            Span(source, offset, min(len(HOSTILE), offset + 30)),
            help=careless,
            related=(Related(careless, Span(source, offset, offset)),),
            conceals=tuple(conceals),
        )
        for offset, severity in zip(range(0, len(HOSTILE), 3), cycle(Severity), strict=False)
    ]
    return show(found)


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_shows_a_secret(name: str, leaking: tuple[Shown, ...], rules: tuple[Rule, ...]) -> None:
    output = text_of(FORMATS[name](leaking, rules, CommandRun("compile")), colour=True)
    assert "unknown-key" in output
    for sentinel in SENTINELS:
        assert sentinel not in output
        assert base64.b64encode(sentinel.encode()).decode().rstrip("=") not in output
        assert sentinel[:12] not in output or sentinel == "shortline"
        assert sentinel[-8:] not in output


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_ends_its_output(name: str, two: tuple[Shown, ...], rules: tuple[Rule, ...]) -> None:
    assert text_of(FORMATS[name](two, rules, CommandRun("compile"))).endswith("\n")


def test_a_command_offers_every_format() -> None:
    assert tuple(FORMATS) == parser.FORMATS
