from compiler.rules.bundle_needs_plain_keys import check
from tests.unit.rules.conftest import CATALOGUE, Judge

DOTTED = CATALOGUE.replace("GITHUB_APP_ID:", "app.id:")


def test_finds_a_key_that_no_template_can_name(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {fetch: bundle, use: [app]}}", catalogue=DOTTED)
    assert found.messages == ['"github" cannot be fetched as a bundle: its key "app.id" is not an identifier']
    assert found.helps == ['set `fetch: perKey` for "github"']
    assert found.marked == ["bundle"]
    assert found.scopes == [("secrets", "github")]


def test_points_at_the_environments_fetch(judge: Judge) -> None:
    found = judge(check, "fetch: bundle\nsecrets: {github: {use: [app]}}", catalogue=DOTTED)
    assert found.marked == ["bundle"]


def test_leaves_identifiers_and_single_keys_alone(judge: Judge) -> None:
    assert not judge(check, "secrets: {github: {fetch: bundle, use: [app]}}")
    assert not judge(check, "secrets: {github: {fetch: bundle}}", catalogue=DOTTED)
    assert not judge(check, "secrets: {github: {use: [app]}}", catalogue=DOTTED)
