from compiler.cli.terminal.contents import text_of
from compiler.model.diagnostic import Severity
from compiler.render.content import CommandRun, Shown
from compiler.render.formats import render_github


def test_commands(two: tuple[Shown, ...]) -> None:
    assert text_of(render_github(two, (), CommandRun("compile"))) == (
        "::error file=environments/prod.yaml,line=3,endLine=3,col=3,endColumn=8,title=unknown-secret"
        '::no secret named "gihub" in the catalogue'
        '%0Anote: "github" is defined at environments/catalogue.yaml:2:3'
        '%0Ahelp: did you mean "github"?\n'
        "::warning file=environments/prod.yaml,line=7,endLine=7,col=13,endColumn=37,title=insecure-address"
        "::the address is not https\n"
    )
    assert text_of(render_github((), (), CommandRun("compile"))) == ""


def test_a_note_is_a_notice(two: tuple[Shown, ...]) -> None:
    command = text_of(render_github([two[1]._replace(severity=Severity.NOTE)], (), CommandRun("compile")))
    assert command.startswith("::notice file=environments/prod.yaml,line=7,")


def test_columns_are_left_out_where_github_would_refuse_them(two: tuple[Shown, ...]) -> None:
    command = text_of(render_github([two[1]._replace(end_line=9)], (), CommandRun("compile")))
    assert command.startswith("::warning file=environments/prod.yaml,line=7,endLine=9,title=insecure-address::")


def test_nothing_in_a_diagnostic_can_end_the_command(two: tuple[Shown, ...]) -> None:
    hostile = two[1]._replace(path="a,b:c%\n.yaml", message="100%\r\n::error::x", rule="r,:")
    assert text_of(render_github([hostile], (), CommandRun("compile"))) == (
        "::warning file=a%2Cb%3Ac%25\\x0a.yaml,line=7,endLine=7,col=13,endColumn=37,title=r%2C%3A"
        "::100%25\\x0d\\x0a::error::x\n"
    )
