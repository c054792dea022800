from pathlib import Path

import pytest

from compiler.edit.new_project import Draft, compile_drafts, known_layers, option_span
from compiler.edit.yaml_edit import Splice
from compiler.model.diagnostic import Severity
from compiler.model.document import Source, Span
from compiler.pipeline import compile_edited
from tests.agents_project import write_agents_project

PATH = "environments/prod.yaml"
OLD = "labels: {team: platform}\n"


def text_at(span: Span) -> tuple[str, str]:
    return span.path, span.source.text[span.start : span.end]


def test_what_is_kept_points_at_the_file_as_it_stands() -> None:
    draft = Draft(Source(PATH, OLD), (Splice(0, 0, "store: azure\n"),), {(): option_span("NAME", "x")})
    at = draft.text.index("team")
    assert text_at(draft.place(Span(Source(PATH, draft.text), at, at + 4))) == (PATH, "team")
    assert draft.place(Span(Source(PATH, draft.text), at, at + 4)).line == 1


def test_a_span_whose_end_is_new_is_where_it_begins() -> None:
    draft = Draft(Source(PATH, "a: 1\n"), (Splice(4, 4, "23"),), {(): option_span("NAME", "x")})
    assert text_at(draft.place(Span(Source(PATH, draft.text), 3, 5))) == (PATH, "")


@pytest.mark.parametrize(
    ("word", "origin"), [("new", ("--name", "new")), ("pair", ("--pair", "pair")), ("stores", ("NAME", "x"))]
)
def test_what_is_new_points_at_what_was_option_span(word: str, origin: tuple[str, str]) -> None:
    origins = {
        (): option_span("NAME", "x"),
        ("stores", "azure"): option_span("--pair", "pair"),
        ("stores", "azure", "name"): option_span("--name", "new"),
    }
    draft = Draft(Source(PATH), (Splice(0, 0, "stores:\n  azure:\n    name: new\n    pair: 1\n"),), origins)
    at = draft.text.index(word)
    assert text_at(draft.place(Span(Source(PATH, draft.text), at, at + len(word)))) == origin


def test_only_what_is_new_is_found_and_what_it_hides_stays_hidden(tmp_path: Path) -> None:
    write_agents_project(tmp_path, vault="http://old.example.com")
    (tmp_path / PATH).write_text(OLD, "utf-8")
    text = 'stores: {azure: {vaultUrl: "https://a:hunter22@b.vault.azure.net"}}\n'
    origins = {
        (): option_span("NAME", "x"),
        ("stores", "azure", "vaultUrl"): option_span("--vault-url", "https://a:hunter22@b"),
    }
    result = compile_drafts(tmp_path, [Draft(Source(PATH, OLD), (Splice(len(OLD), len(OLD), text),), origins)])
    assert result.failed
    assert "invalid-address" in {each.rule for each in result.diagnostics}
    assert "insecure-address" not in {each.rule for each in result.diagnostics}
    for each in result.diagnostics:
        assert text_at(each.span) == ("--vault-url", "https://a:hunter22@b")
        assert {span.path for span in each.conceals} <= {"--vault-url"}
    assert (tmp_path / PATH).read_text("utf-8") == OLD


def test_places_beside_it_are_those_of_the_files(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    catalogue = tmp_path / "environments/catalogue.yaml"
    old = catalogue.read_text("utf-8")
    at = old.index("  jira:")
    entry = "  more:\n    target: agent-jira-secrets\n    remote: {vault: x}\n    syncWave: -49\n    keys: {K: {}}\n"
    draft = Draft(
        Source("environments/catalogue.yaml", old), (Splice(at, at, entry),), {(): option_span("NAME", "more")}
    )
    base = tmp_path / "environments/base.yaml"
    text = base.read_text("utf-8")
    end = text.index("jira: {}")
    listing = Draft(
        Source("environments/base.yaml", text), (Splice(end, end, "more: {}, "),), {(): option_span("--into", "base")}
    )
    (found,) = compile_drafts(tmp_path, [draft, listing]).diagnostics
    # In the new text this line is five further down.
    assert (found.rule, found.span.line) == ("duplicate-target", old[: old.index("target: agent-jira")].count("\n") + 1)
    assert [text_at(each.span) for each in found.related] == [("NAME", "more")]


def test_every_layer_is_known(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    assert known_layers(tmp_path) == ("base", "prod")
    (tmp_path / "environments/layers").mkdir()
    (tmp_path / "environments/layers/eu.yaml").touch()
    assert known_layers(tmp_path) == ("base", "eu", "prod")


def test_an_edit_is_compared_with_the_text_that_was_read(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    (tmp_path / PATH).write_text("store: nowhere\n", "utf-8")
    before, after, new = compile_edited(tmp_path, {PATH: "store: azur\n"}, as_read={PATH: OLD})
    assert (before.failed, after.failed) == (False, True)
    assert [each.rule for each in new if each.severity is Severity.ERROR] == ["unknown-store"]
    assert compile_edited(tmp_path, {PATH: OLD}, as_read={PATH: OLD})[2] == ()


def test_a_diagnostic_that_comes_once_more_is_new(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    once = "secrets: {github: {waive: {nothing: why}}}\n"
    twice = "secrets: {github: {waive: {nothing: why}}, jira: {waive: {nothing: why}}}\n"
    *_, new = compile_edited(tmp_path, {PATH: twice}, as_read={PATH: once})
    assert [each.rule for each in new] == ["unknown-rule"]
    assert compile_edited(tmp_path, {PATH: f"\n{once}"}, as_read={PATH: once})[2] == ()
