import pytest

from compiler.rules.variants_not_chosen import check
from tests.unit.rules.conftest import Judge


def test_asks_to_choose(judge: Judge) -> None:
    found = judge(check, "secrets: {global: {}}")
    assert found.messages == ['environment "prod" chooses no variant of "global", so all its keys must exist']
    assert found.helps == ['add `use:`, such as `use: [openai]`; the variants are "openai", "aws-bedrock"']
    assert found.marked == ["global"]


@pytest.mark.parametrize(
    "text", ["secrets: {global: {use: [openai]}}", "secrets: {global: {use: []}}", "secrets: {github: {}, aws: {}}"]
)
def test_leaves_a_choice_and_a_default_alone(judge: Judge, text: str) -> None:
    assert not judge(check, text)
