import pytest

from compiler.rules.invalid_environment_variable_name import check
from tests.unit.rules.conftest import CATALOGUE, Judge


@pytest.mark.parametrize("name", ["aws.region", "aws-region", "1AWS"])
def test_finds_a_key_that_no_shell_can_read(judge: Judge, name: str) -> None:
    found = judge(check, CATALOGUE.replace("AWS_REGION", f'"{name}"'))
    assert found.messages == [f'"{name}" is not a valid environment variable name: no shell can read it']
    assert found.marked == [f'"{name}"']


def test_leaves_a_secret_that_no_component_mounts_alone(judge: Judge) -> None:
    text = CATALOGUE.replace("AWS_REGION", "aws.region").replace("mountedBy: [mcp-aws]", "mountedBy: []")
    assert not judge(check, text)


def test_leaves_identifiers_alone(judge: Judge) -> None:
    assert not judge(check, CATALOGUE.replace("AWS_REGION", "_aws_1"))
