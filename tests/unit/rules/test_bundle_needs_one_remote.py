from compiler.rules.bundle_needs_one_remote import check
from tests.unit.rules.conftest import CATALOGUE, TAKING, Judge


def test_finds_a_key_that_lies_elsewhere(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {fetch: bundle, store: azure, use: [app]}}")
    assert found.messages == [
        '"github" cannot be fetched as a bundle: its remote secret has no "GITHUB_APP_KEY" under that name'
    ]
    assert found.helps == ['set `fetch: perKey` for "github"']
    assert found.marked == ["bundle"]
    assert found.scopes == [("secrets", "github")]


def test_finds_another_property_under_the_environments_fetch(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("{variants: [pat]}", "{variants: [pat], remote: {vault: {property: TOKEN}}}")
    found = judge(check, "fetch: bundle", catalogue=catalogue)
    assert found.marked == ["bundle"]
    assert found.paths == ["environments/prod.yaml"]


def test_leaves_what_lies_together_alone(judge: Judge) -> None:
    assert not judge(check, "fetch: bundle\nsecrets: {github: {use: [app]}}")
    assert not judge(check, "secrets: {github: {store: azure, use: [app]}}")
    assert not judge(check, "fetch: bundle\nstore: azure")
    assert not judge(check, "fetch: bundle\nstore: gcp")


def test_finds_a_value_that_another_entry_has(judge: Judge) -> None:
    found = judge(check, "secrets: {ci: {fetch: bundle}}", catalogue=TAKING)
    assert found.messages == ['"ci" cannot be fetched as a bundle: its remote secret has no "CI_TOKEN" under that name']
    assert found.related == ["github/GITHUB_TOKEN"]
