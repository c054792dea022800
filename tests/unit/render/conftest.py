from collections.abc import Callable

import pytest

from compiler.model.document import Diagnostic, Related, Severity, Source, Span
from compiler.render.content import Shown, show
from compiler.rules.api import Rule, Scope

UNKNOWN_SECRET = Rule(
    "unknown-secret",
    Severity.ERROR,
    Scope.ENVIRONMENT,
    docstring="An environment lists a secret that the catalogue does not have.\n\nNothing would be rendered for it.\n",
)
INSECURE_ADDRESS = Rule(
    "insecure-address",
    Severity.WARNING,
    Scope.ENVIRONMENT,
    docstring="A store is reached without TLS.\n\nUse `https:`.\n",
    waivable=True,
)

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
