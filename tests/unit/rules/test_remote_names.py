import pytest

from compiler.model.catalogue import Catalogue
from compiler.model.diagnostic import Severity
from compiler.model.environment import Environment
from compiler.rules.api import Findings, Rule, Scope, wrong_names
from compiler.stores.registry import PROVIDERS
from tests.unit.rules.conftest import Judge


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
