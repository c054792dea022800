from collections.abc import Callable

import pytest

from compiler.model.document import Diagnostic, Related, Severity, Source, Span
from compiler.render.content import Shown, show
from compiler.rules.api import Rule
from compiler.rules.environments import find_unknown_secret
from compiler.stores.vault.rules.stores import find_insecure_address

UNKNOWN_SECRET = find_unknown_secret
INSECURE_ADDRESS = find_insecure_address._replace(severity=Severity.WARNING)

PROD = Source(
    "environments/prod.yaml",
    "store: azure\nsecrets:\n  gihub: {}\n  slack: {}\nstores:\n  vault:\n    server: http://vault.example.com\n",
)
CATALOGUE = Source("environments/catalogue.yaml", "secrets:\n  github:\n    target: agent-github-secrets\n")


def span_of(source: Source, text: str) -> Span:
    start = source.text.index(text)
    return Span(source, start, start + len(text))


@pytest.fixture
def at() -> Callable[[Source, str], Span]:
    return span_of


@pytest.fixture
def rules() -> tuple[Rule, ...]:
    return (INSECURE_ADDRESS, UNKNOWN_SECRET)


@pytest.fixture
def typo() -> Diagnostic:
    return Diagnostic(
        "unknown-secret",
        Severity.ERROR,
        'no secret named "gihub" in the catalogue',
        span_of(PROD, "gihub"),
        help='did you mean "github"?',
        related=(Related('"github" is defined', span_of(CATALOGUE, "github")),),
    )


@pytest.fixture
def two(typo: Diagnostic) -> tuple[Shown, ...]:
    """An error with a note and help, and a warning without."""
    address = span_of(PROD, "http://vault.example.com")
    return show([typo, Diagnostic("insecure-address", Severity.WARNING, "the address is not https", address)])
