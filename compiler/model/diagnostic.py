"""Defines a diagnostic, a message to the user about input: the rule, the severity, the place and the remedy."""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from compiler.model.document import Source, Span

# Nobody reads more of one kind in one file; a file of 100,000 mistakes must not take minutes or gigabytes to report.
MOST_OF_A_KIND = 100
# Findings of one rule that one run shows as text: after these, people know what the others say.
MOST_OF_A_RULE = 20


class Severity(Enum):
    """An error stops the writing of values; a warning does not; a note never changes the exit code, strict or not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Related(NamedTuple):
    """Another place that explains a diagnostic, such as an earlier definition."""

    message: str
    span: Span
    about: str = ""  # places of keys have this in common and a `key` each: text for people shows them in one line
    key: str = ""


class Diagnostic(NamedTuple):
    """One finding."""

    rule: str
    severity: Severity
    # Like `help`: lower case, no full stop, quotes only keys, known words and names, never what may be a secret.
    message: str
    span: Span
    help: str | None = None
    related: tuple[Related, ...] = ()
    # Spans whose text no output may show, whichever diagnostic's source line they stand on: values under unknown keys,
    # what looks like a credential, lines that could not be parsed.
    conceals: tuple[Span, ...] = ()
    # The path in the merged environment or catalogue that a waiver must cover (`secrets`, `github`).
    scope: tuple[str, ...] = ()
    brief: bool = False  # the source line explains nothing, so text for people does not show it


def file_error(rule: str, path: str, message: str, way_out: str | None = None) -> Diagnostic:
    """An error of a file as a whole, at its first line: none of its text is known."""
    return Diagnostic(rule, Severity.ERROR, message, Span(Source(path)), help=way_out)


def first_of_a_kind(found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """The first MOST_OF_A_KIND of `found`, and where there are more, one that says so."""
    for count, diagnostic in enumerate(found):
        if count == MOST_OF_A_KIND:
            yield and_more(diagnostic)
            return
        yield diagnostic


def and_more(last: Diagnostic) -> Diagnostic:
    """The diagnostic that stands for all further ones of its kind, at the place of the first one left off."""
    message = f"there are more like the {MOST_OF_A_KIND} before; they are not listed"
    return last._replace(message=message, help=None, related=())
