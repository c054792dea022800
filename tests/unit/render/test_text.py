import re

from compiler.cli.terminal.contents import text_of
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.document import Source, Span
from compiler.render.content import CommandRun, Shown, ShownRelated
from compiler.render.formats import lines, render_text, summary

EXPECTED = """\
environments/prod.yaml:3:3: error[unknown-secret]: no secret named "gihub" in the catalogue
3 |   gihub: {}
  |   ^^^^^
  note: "github" is defined at environments/catalogue.yaml:2:3
  help: did you mean "github"?

environments/prod.yaml:7:13: warning[insecure-address]: the address is not https
7 |     server: http://vault.example.com
  |             ^^^^^^^^^^^^^^^^^^^^^^^^

1 error, 1 warning
"""


def test_text(two: tuple[Shown, ...]) -> None:
    assert text_of(render_text(two, (), CommandRun("compile"))) == EXPECTED


def test_nothing_for_none() -> None:
    assert text_of(render_text((), (), CommandRun("compile"))) == ""


def test_a_file_that_could_not_be_read_has_no_excerpt(two: tuple[Shown, ...]) -> None:
    unread = two[1]._replace(source_line=None, help="make it readable")
    assert text_of(render_text([unread], (), CommandRun("compile"))) == (
        "environments/prod.yaml:7:13: warning[insecure-address]: the address is not https\n"
        "help: make it readable\n\n1 warning\n"
    )


def test_colour_only_adds_escapes(two: tuple[Shown, ...]) -> None:
    coloured = text_of(render_text(two, (), CommandRun("compile")), colour=True)
    assert "\x1b[1;31merror[unknown-secret]:\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == EXPECTED
    assert all(line.count("\x1b[0m") * 2 == line.count("\x1b") for line in coloured.splitlines())


def test_summary_counts_in_words(two: tuple[Shown, ...]) -> None:
    error = two[0]._replace(severity=Severity.ERROR)
    assert summary([error, error]) == "2 errors"
    assert summary([two[1], two[1], error]) == "1 error, 2 warnings"
    note = two[1]._replace(severity=Severity.NOTE)
    assert summary([note, two[1], note]) == "1 warning, 2 notes"


def test_a_note_is_named_as_one(two: tuple[Shown, ...]) -> None:
    shown = text_of(render_text([two[1]._replace(severity=Severity.NOTE)], (), CommandRun("compile")))
    assert shown.startswith("environments/prod.yaml:7:13: note[insecure-address]: the address is not https\n")
    assert shown.endswith("\n1 note\n")


def test_what_is_omitted_is_said_and_counted(two: tuple[Shown, ...]) -> None:
    omitted = [Diagnostic("insecure-address", Severity.WARNING, "x", Span(Source("a.yaml")))] * 980
    run = CommandRun("compile", left_out=omitted, see_all="`--all` shows them")
    assert text_of(render_text(two, (), run)) == EXPECTED.replace(
        "1 error, 1 warning",
        '980 more findings of "insecure-address" not shown; `--all` shows them\n\n1 error, 981 warnings',
    )


def brief(*keys: str, path: str = "environments/catalogue.yaml") -> Shown:
    about = 'of "github"'
    notes = [ShownRelated(f'"{key}" {about}', path, 8 + line, 7, about, key) for line, key in enumerate(keys)]
    return Shown(
        "missing-secret",
        Severity.ERROR,
        '"gh" is not in "vault"',
        "environments/dev.yaml",
        3,
        3,
        3,
        9,
        source_line="  github: {}",
        help="create it",
        related=tuple(notes),
        brief=True,
    )


def test_what_the_line_says_nothing_of_is_told_without_it_and_one_below_the_other() -> None:
    assert text_of(render_text([brief("A", "B"), brief("A")], (), CommandRun("verify"))) == (
        'environments/dev.yaml:3:3: error[missing-secret]: "gh" is not in "vault"; '
        '"A", "B" of "github" at environments/catalogue.yaml:8-9\n'
        "  help: create it\n"
        'environments/dev.yaml:3:3: error[missing-secret]: "gh" is not in "vault"; '
        '"A" of "github" at environments/catalogue.yaml:8:7\n'
        "  help: create it\n"
        "\n"
        "2 errors\n"
    )


def test_keys_that_are_more_than_a_line_are_counted_and_each_file_has_its_own_note() -> None:
    many = brief(*(f"A_KEY_OF_SOME_LENGTH_{number}" for number in range(5)))
    elsewhere = ShownRelated('"B" of "github"', "environments/other.yaml", 2, 1, 'of "github"', "B")
    plain = ShownRelated("removed here", "environments/other.yaml", 9, 1)
    text = text_of(render_text([many._replace(related=(*many.related, plain, elsewhere))], (), CommandRun("verify")))
    five = '5 keys of "github" at environments/catalogue.yaml:8-12'
    assert [line for line in text.splitlines() if " at " in line] == [
        f'environments/dev.yaml:3:3: error[missing-secret]: "gh" is not in "vault"; {five}',
        "  note: removed here at environments/other.yaml:9:1",
        '  note: "B" of "github" at environments/other.yaml:2:1',
    ]


def test_keys_of_one_line_have_that_line() -> None:
    one_line = tuple(note._replace(line=8) for note in brief("A", "B").related)
    text = text_of(render_text([brief()._replace(related=one_line)], (), CommandRun("verify")))
    assert '; "A", "B" of "github" at environments/catalogue.yaml:8\n' in text


def test_each_place_has_a_note_where_that_is_asked_for() -> None:
    text = text_of(lines([brief("A", "B")], each_place=True))
    assert text.count("  note: ") == 2
    assert 'note: "B" of "github" at environments/catalogue.yaml:9:7\n' in text
