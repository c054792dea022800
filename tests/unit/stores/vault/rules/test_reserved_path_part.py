from pathlib import Path

import pytest

from compiler.model.document import Severity
from compiler.pipeline import compile_project
from compiler.stores.vault.rules.reserved_path_part import check
from tests.platforms import write_agents_project
from tests.unit.rules.conftest import CATALOGUE, Judge


def test_finds_data_in_the_catalogue(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform/aws", "data/platform/aws"))
    assert found.messages == ['the path "data/platform/aws" has the part "data", which the API adds']
    assert found.marked == ["data/platform/aws"]


def test_finds_data_at_the_head_of_an_own_path(judge: Judge) -> None:
    (found,) = judge(check, "secrets: {github: {remote: {vault: data/gh}}}")
    assert (found.severity, found.help) == (Severity.ERROR, 'remove "data"')


def test_warns_of_data_inside_a_path(judge: Judge) -> None:
    (found,) = judge(check, "secrets: {github: {remote: {vault: team/data/gh}}}")
    assert (found.severity, found.scope) == (Severity.WARNING, ("secrets", "github"))
    assert (
        found.message == 'the path "team/data/gh" has the part "data" inside, as a path of the API has behind its mount'
    )
    assert found.help == (
        'if "team" is a mount, write "gh"; to accept it, add to "github": `waive: {reserved-path-part: the reason}`'
    )
    assert [each.severity for each in judge(check, "secrets: {github: {remote: {vault: team/data}}}")] == [
        Severity.WARNING
    ]


def test_finds_data_in_a_prefix_and_in_a_mount(judge: Judge) -> None:
    found = judge(check, "stores: {vault: {prefix: data/, mount: secret/data}}")
    assert found.messages == [
        'the mount "secret/data" has the part "data" inside, as a path of the API has behind its mount',
        'the prefix has the part "data", which the API adds',
    ]
    assert {(each.severity, each.help) for each in found} == {(Severity.ERROR, 'remove "data"')}
    assert [each.severity for each in judge(check, "stores: {vault: {prefix: team/data/}}")] == [Severity.WARNING]


def test_only_the_warning_can_be_waived(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    waiver = "waive: {reserved-path-part: the team has named it so}"
    own = tmp_path / "environments/prod.yaml"
    for path, is_waived in (("team/data/gh", True), ("data/gh", False)):
        secret = f"secrets: {{github: {{store: vault, remote: {{vault: {path}}}, {waiver}}}}}\n"
        own.write_text(secret, "utf-8")
        found = [each for each in compile_project(tmp_path).diagnostics if each.rule == check.id]
        assert (not found) is is_waived


@pytest.mark.parametrize("path", ["database/gh", "my-data/gh", "metadata/gh", "gh"])
def test_leaves_other_parts_alone(judge: Judge, path: str) -> None:
    assert not judge(check, f"secrets: {{github: {{remote: {{vault: {path}}}}}}}")
