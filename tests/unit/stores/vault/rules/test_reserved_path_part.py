import pytest

from compiler.stores.vault.rules.reserved_path_part import check
from tests.unit.rules.conftest import CATALOGUE, Judge


def test_finds_data_in_the_catalogue(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform/aws", "data/platform/aws"))
    assert found.messages == ['the path "data/platform/aws" has the part "data", which the API adds']
    assert found.marked == ["data/platform/aws"]


def test_finds_data_in_an_own_path(judge: Judge) -> None:
    assert judge(check, "secrets: {github: {remote: {vault: team/data/gh}}}").marked == ["team/data/gh"]


def test_finds_data_in_a_prefix_and_in_a_mount(judge: Judge) -> None:
    found = judge(check, "stores: {vault: {prefix: data/, mount: secret/data}}")
    assert found.messages == [
        'the mount "secret/data" has the part "data", which the API adds',
        'the prefix has the part "data", which the API adds',
    ]


@pytest.mark.parametrize("path", ["database/gh", "my-data/gh", "metadata/gh", "gh"])
def test_leaves_other_parts_alone(judge: Judge, path: str) -> None:
    assert not judge(check, f"secrets: {{github: {{remote: {{vault: {path}}}}}}}")
