import pytest

from compiler.model.document import Diagnostic, Node, Related, Severity, Source, Span, extent
from compiler.model.environment import Catalogue, Environment
from compiler.rules.api import Finding, Findings, Rule, Scope, paths_below, top_of, waiver, waiver_scope, wrong_names
from compiler.stages.load import load_text
from compiler.stores.registry import PROVIDERS
from tests.unit.rules.conftest import Judge

RULE = Rule("a-rule", Severity.WARNING, Scope.INPUT, "A summary.\n\nMore of it.\n")
SOURCE = Source("a.yaml", "key: value")


def test_the_summary_is_the_first_line_of_the_page() -> None:
    assert RULE.summary == "A summary."


def test_where_python_has_dropped_the_docstrings_the_way_out_stands_in_the_place_of_a_page() -> None:
    dropped = RULE._replace(docstring="")
    assert dropped.summary == dropped.page
    assert "-OO" in dropped.page


def test_a_finding_becomes_a_diagnostic_of_its_rule() -> None:
    span = Span(SOURCE, 0, 3)
    related = (Related("there", span),)
    finding = Finding("a message", span, help="a way out", related=related, conceals=(span,), scope=("secrets", "a"))
    assert RULE.diagnostic(finding) == Diagnostic(
        "a-rule", Severity.WARNING, "a message", span, "a way out", related, (span,), ("secrets", "a")
    )


def test_a_finding_at_a_node_is_at_its_value() -> None:
    node = Node("value", SOURCE, extent(5, 10, 0, 3))
    assert RULE.diagnostic(Finding("a message", node)).span == Span(SOURCE, 5, 10)


def _rule(provider: str, wrong: str) -> Rule:
    """A rule that finds every name with `wrong` in it, and advises by the name."""

    def judge_name(name: str) -> str | None:
        return "is wrong" if wrong in name else None

    def advise(name: str, problem: str) -> str:
        return f"{name} {problem}"

    def check(environment: Environment) -> Findings:
        return wrong_names(environment, PROVIDERS[provider], judge_name, advise)

    def check_catalogue(catalogue: Catalogue) -> Findings:
        return wrong_names(catalogue, PROVIDERS[provider], judge_name, advise)

    return Rule("any", Severity.ERROR, Scope.ENVIRONMENT, "", check=check, catalogue_check=check_catalogue)


def test_judges_every_name_of_the_catalogue_once(judge: Judge) -> None:
    found = judge(_rule("azurekv", ""), "store: azure\nsecrets: {github: {use: [app]}}")
    names = ["platform-global", "platform-github", "github-app-key", "platform-aws"]
    assert found.messages == [f'the name "{name}" is wrong' for name in names]
    assert found.helps == [f"{name} is wrong" for name in names]


def test_judges_what_an_environment_adds(judge: Judge) -> None:
    rule = _rule("azurekv", "prod")
    found = judge(rule, "store: azure\nstores: {azure: {prefix: eu-}}\nsecrets: {github: {remote: {azurekv: prod}}}")
    assert found.messages == ['the name "eu-prod" is wrong']
    assert found.scopes == [("secrets", "github")]


def test_judges_a_key_only_with_its_prefix(judge: Judge) -> None:
    rule = _rule("azurekv", "eu-github-app")
    found = judge(rule, "store: azure\nstores: {azure: {prefix: eu-}}\nsecrets: {github: {use: [app]}}")
    assert found.messages == ['the name "eu-github-app-key" is wrong']


@pytest.mark.parametrize("text", ["store: azure\nstores: {azure: {prefix: bad-}}", "stores: {azure: {prefix: bad-}}"])
def test_says_a_wrong_prefix_once_and_whether_used_or_not(judge: Judge, text: str) -> None:
    found = judge(_rule("azurekv", "bad"), text + "\nsecrets: {github: {use: [app]}, aws: {}}")
    assert found.messages == ["the prefix is wrong"]
    assert found.helps == [" is wrong"]
    assert found.scopes == [("stores", "azure")]


def test_says_a_wrong_name_of_the_catalogue_once(judge: Judge) -> None:
    rule = _rule("azurekv", "github")
    found = judge(rule, "store: azure\nstores: {azure: {prefix: eu-}}\nsecrets: {github: {use: [app]}}")
    assert found.messages == ['the name "platform-github" is wrong', 'the name "github-app-key" is wrong']


def test_judges_the_mount_of_a_store_that_has_one(judge: Judge) -> None:
    text = "stores: {vault: {mount: bad}, azure: {prefix: good-}}"
    found = judge(_rule("vault", "bad"), text)
    assert (found.messages, found.helps) == (['the mount "bad" is wrong'], [" is wrong"])
    assert (found.marked, found.scopes) == (["bad"], [("stores", "vault")])


def test_says_nothing_of_the_other_provider(judge: Judge) -> None:
    assert not judge(_rule("vault", "platform-"), "store: azure\nstores: {azure: {prefix: platform-}}")


def test_the_top_of_a_file_is_where_it_begins_to_say_something() -> None:
    document, _ = load_text("a.yaml", "# a comment\nstore: vault\n")
    assert document is not None
    assert top_of(document) == Span(document.source, 12, 12)
    assert top_of(document).where == "a.yaml:2:1"


def test_knows_the_path_to_each_node_by_identity() -> None:
    document, _ = load_text("a.yaml", "a: {b: [x, x]}\nc: x\n")
    other, _ = load_text("a.yaml", "a: {b: [x, x]}\nc: x\n")
    assert document is not None
    assert other is not None
    paths = paths_below(document.root)
    assert paths[id(document.root.nearest("a", "b").items[1])] == ("a", "b")
    assert paths[id(document.root.nearest("c"))] == ("c",)
    assert paths[id(document.root)] == ()
    assert id(other.root.nearest("c")) not in paths


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        (("secrets", "github", "store"), ("secrets", "github")),
        (("stores", "vault"), ("stores", "vault")),
        (("secrets",), ()),
        (("labels", "a"), ()),
        ((), ()),
        (None, ()),
    ],
)
def test_a_waiver_stands_on_a_secret_a_store_or_the_file(path: tuple[str, ...] | None, scope: tuple[str, ...]) -> None:
    assert waiver_scope(path) == scope


def test_a_waiver_is_the_line_to_add() -> None:
    assert waiver("shared-place", "github") == 'to accept it, add to "github": `waive: {shared-place: the reason}`'
