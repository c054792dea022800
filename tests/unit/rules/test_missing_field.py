from pathlib import Path

import pytest

from compiler.pipeline import compile_project
from compiler.rules.missing_field import check
from tests.platforms import write_agents_project, write_project
from tests.unit.rules.conftest import BASE, Judge


@pytest.mark.parametrize("field", ["namespace", "store", "refreshInterval", "externalSecretsOperator", "secrets"])
def test_finds_what_no_layer_says(judge: Judge, field: str) -> None:
    found = judge(check, "labels: {a: b}", base="".join(_sections(BASE, without=field)))
    assert found.messages == [f'environment "prod" has no "{field}"']
    assert found.paths == ["environments/prod.yaml"]
    assert found.scopes == [()]


def test_says_once_that_there_is_no_base(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    waived = "secrets: {github: {store: azure, waive: {shared-place: so}}}\n"
    write_project(tmp_path, prod=waived, dev="labels: {a: b}\n")
    (tmp_path / "environments/base.yaml").unlink()
    # And nothing else: neither the other fields, nor a store that is not known, nor a waiver that seems to be unused.
    (found,) = compile_project(tmp_path).diagnostics
    assert (found.rule, found.span.where) == ("unreadable-file", "environments/base.yaml:1:1")
    assert found.message == "there is no such file, and an environment without `extends:` builds on it"
    assert found.help == "restore it; or write `extends: []` into an environment that is whole by itself"
    (tmp_path / "environments/prod.yaml").write_text("extends: []\n", "utf-8")
    found_there = [each for each in compile_project(tmp_path, ["prod"]).diagnostics if each.rule == check.id]
    assert len(found_there) == 5
    assert not any("base.yaml" in str(each.help) for each in found_there)


def test_one_field_that_an_environment_by_itself_lacks_is_no_missing_base(judge: Judge) -> None:
    found = judge(check, "".join(_sections(BASE, without="store")), base=None)
    assert found.messages == ['environment "prod" has no "store"']


def _sections(text: str, without: str) -> list[str]:
    lines, keep = [], True
    for line in text.splitlines(keepends=True):
        if not line.startswith(" "):
            keep = not line.startswith(f"{without}:")
        lines += [line] if keep else []
    return lines


def test_names_the_null_that_removed_it(judge: Judge) -> None:
    found = judge(check, "namespace: null")
    assert found.messages == ['environment "prod" has no "namespace"']
    assert found.related == ["null"]


def test_leaves_an_empty_value_to_its_own_rule(judge: Judge) -> None:
    assert not judge(check, "namespace:\n")
    assert not judge(check, "stores:\n  vault:\n    name:\n")


def test_finds_what_a_store_lacks(judge: Judge) -> None:
    found = judge(check, "stores: {other: {server: https://v.example.com}}")
    assert found.messages == ['the store "other" has no "provider"', 'the store "other" has no "name"']
    assert found.marked == ["other", "other"]
    assert found.scopes[0] == ("stores", "other")


def test_concludes_nothing_from_a_damaged_environment(judge: Judge) -> None:
    assert not judge(check, "namespace: null\nstroe: x")


def test_finds_what_an_entry_lacks(judge: Judge) -> None:
    found = judge(check, catalogue="secrets: {github: {description: x}}")
    names = ["target", "remote", "keys"]
    assert found.messages == [f'the entry "github" has no "{name}"' for name in names]
    assert found.marked == ["github"] * 3


def test_shows_what_an_entry_lacks_by_its_own_name(judge: Judge) -> None:
    found = judge(check, catalogue="secrets: {argocd-name: {description: x}}")
    assert found.helps == [
        f"add it, such as `{line}`"
        for line in (
            "target: my-platform-argocd-name",
            "remote: {vault: my-platform/argocd-name, azurekv: my-platform-argocd-name}",
            "keys: {ARGOCD_NAME_PASSWORD: {description: Password}}",
        )
    ]


def test_needs_no_remote_where_each_key_has_its_own(judge: Judge) -> None:
    keys = "keys: {A: {remote: {vault: a}}, B: {remote: {vault: b}}}"
    assert not judge(check, catalogue=f"secrets: {{github: {{target: a, {keys}}}}}")


def test_a_complete_environment_has_all(judge: Judge) -> None:
    assert not judge(check)


def test_concludes_nothing_from_a_damaged_catalogue(judge: Judge) -> None:
    assert not judge(check, catalogue="secrets: {github: {tarjet: x}}")
