import pytest

from compiler.rules.unused_override import check
from tests.unit.rules.conftest import BASE, TAKING, Judge


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("refreshInterval: 1h", "refreshInterval"),
        ("store: vault", "store"),
        ("stores: {vault: {name: vault-secret-store}}", "name"),
        ("secrets: {github: {}}", "github"),
    ],
)
def test_finds_what_a_lower_layer_says_already(judge: Judge, text: str, marked: str) -> None:
    found = judge(check, text)
    assert found.messages == [f'"{marked}" repeats what a lower layer says']
    assert found.marked == [marked]
    assert found[0].related[0].span.path == "environments/base.yaml"


def test_finds_a_list_that_is_repeated(judge: Judge) -> None:
    base = BASE.replace("github: {}", "github: {use: [app]}")
    assert judge(check, "secrets: {github: {use: [app]}}", base=base).marked == ["use"]


def test_finds_a_removal_of_what_is_not_there(judge: Judge) -> None:
    found = judge(check, "secrets: {aws: null}")
    assert found.messages == ['"aws" is removed here, but no lower layer has it']
    assert found.scopes == [("secrets", "aws")]


def test_finds_settings_of_a_secret_that_is_switched_off(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {enabled: false, fetch: bundle, store: azure, waive: {shared-place: x}}}")
    assert found.messages == ['"fetch" has no effect, as "github" is disabled']
    assert found.related == ["false"]


def test_finds_the_catalogues_default_and_name(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {use: [pat], remote: {vault: platform/github}}}")
    assert found.messages == [
        '`use` repeats the default of "github"',
        '"vault" repeats the catalogue\'s name of "github"',
    ]


def test_a_default_that_overrides_another_choice_is_used(judge: Judge) -> None:
    base = BASE.replace("github: {}", "github: {use: [app], remote: {vault: x}}")
    assert not judge(check, "secrets: {github: {use: [pat], remote: {vault: platform/github}}}", base=base)


def test_never_reports_the_store_of_a_secret(judge: Judge) -> None:
    assert not judge(check, "secrets: {github: {store: vault}}")
    base = BASE.replace("github: {}", "github: {store: azure}")
    assert not judge(check, "secrets: {github: {store: azure}}", base=base)


def test_never_reports_a_store_with_the_mark_of_the_store_of_before(judge: Judge) -> None:
    assert not judge(check, "store: vault  # before: azure\n")
    assert judge(check, "store: vault  # as before\n").marked == ["store"]
    assert judge(check, "refreshInterval: 1h  # before: 2h\n").marked == ["refreshInterval"]


def test_judges_the_environments_own_file_alone(judge: Judge) -> None:
    base = BASE.replace("github: {}", "github: {use: [pat]}")
    assert not judge(check, "labels: {a: b}", base=base)


@pytest.mark.parametrize(
    "text",
    [
        "extends: [base]",
        "refreshInterval: 2h",
        "namespace: null",
        "secrets: {github: null, aws: {}}",
        "secrets: {github: {use: [app]}}",
        "secrets: {github: {enabled: false}}",
        "secrets: {aws: {use: []}}",
        "secrets: null",
    ],
)
def test_leaves_differences_alone(judge: Judge, text: str) -> None:
    assert not judge(check, text)


def test_leaves_an_environment_without_layers_alone(judge: Judge) -> None:
    assert not judge(check, BASE, base=None)


def test_what_another_secret_follows_has_its_effect_though_disabled(judge: Judge) -> None:
    text = "secrets: {github: {enabled: false, use: [app], remote: {vault: x}, fetch: bundle}"
    assert judge(check, text + ", ci: {}}", catalogue=TAKING).marked == ["fetch"]
    assert judge(check, text + ", aws: {}}", catalogue=TAKING).marked == ["use", "remote", "fetch"]
