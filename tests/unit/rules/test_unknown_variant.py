import pytest

from compiler.rules.unknown_variant import check
from tests.unit.rules.conftest import CATALOGUE, Judge


def test_names_the_nearest_variant(judge: Judge) -> None:
    found = judge(check, "secrets: {global: {use: [opanai]}}")
    assert found.messages == ['"global" has no variant "opanai"']
    assert found.helps == ['did you mean "openai"?']
    assert found.marked == ["opanai"]
    assert found.scopes == [("secrets", "global")]


def test_says_what_to_do_where_there_are_no_variants(judge: Judge) -> None:
    found = judge(check, "secrets: {aws: {use: [pat]}}")
    assert found.helps == ["remove `use:`: the secret has no variants"]


def test_judges_the_default_in_the_catalogue(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("use: [pat]", "use: [path]"))
    assert found.messages == ['"github" has no variant "path"']
    assert found.paths == ["environments/catalogue.yaml"]


@pytest.mark.parametrize("use", ["[]", "[openai]", "[openai, aws-bedrock]", "null"])
def test_leaves_known_variants_alone(judge: Judge, use: str) -> None:
    assert not judge(check, f"secrets: {{global: {{use: {use}}}}}")


def test_leaves_unknown_secrets_and_damaged_catalogues_alone(judge: Judge) -> None:
    assert not judge(check, "secrets: {gihub: {use: [x]}}")
    assert not judge(check, "secrets: {github: {use: [x]}}", catalogue=CATALOGUE + "colour: red\n")
