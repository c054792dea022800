import pytest

from compiler.stores.azure_key_vault.rules.key_vault_object_type import check
from tests.unit.rules.conftest import CATALOGUE, Judge


@pytest.mark.parametrize(
    ("name", "problem", "way_out"),
    [
        (
            "dev/gh",
            'has a "/", and the part before it is read as the type of an object',
            'use hyphens instead of "/": "dev-gh"',
        ),
        (
            "secret/gh",
            'begins with "secret/", which is read as the type of an object, not as part of the name',
            'write only the name of the secret: "gh"',
        ),
        (
            "cert/gh",
            'begins with "cert/", which is read as the type of an object, not as part of the name',
            'write only the name of the secret: "gh"',
        ),
        (
            "secret/team/gh",
            'has a second "/", and the part after it is silently dropped',
            "write only the name of the secret",
        ),
    ],
)
def test_finds_a_slash(judge: Judge, name: str, problem: str, way_out: str) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform-aws", name))
    assert found.messages == [f'the name "{name}" {problem}']
    assert found.helps == [way_out]
    assert found.marked == [name]


def test_finds_a_slash_in_an_own_name_and_in_a_prefix(judge: Judge) -> None:
    assert judge(check, "secrets: {github: {remote: {azurekv: a/b}}}").marked == ["a/b"]
    assert judge(check, "stores: {azure: {prefix: prod/}}").marked == ["prod/"]


def test_leaves_names_without_a_slash_alone(judge: Judge) -> None:
    assert not judge(check, "store: azure\nstores: {azure: {prefix: secret-}}")
