import pytest

from compiler.rules.operator_version import check
from tests.unit.rules.conftest import Judge

KNOWN = "known are 0.16 to 0.20, 1.0 to 1.3 and 2.0 to 2.12"


@pytest.mark.parametrize(
    ("version", "message", "way_out"),
    [
        ("v2.9.1", "this is not a minor version", 'write "2.9"'),
        ("2.9.0", "this is not a minor version", 'write "2.9"'),
        ("latest", "this is not a minor version", 'write it as "2.9"'),
        ("2", "this is not a minor version", 'write it as "2.9"'),
        ("2.09", "this is not a minor version", 'write "2.09"'),
        ("0.15", "this version does not serve external-secrets.io/v1", "use 0.16 or newer; " + KNOWN),
        ("0.21", "there is no such version", KNOWN),
        ("1.4", "there is no such version", KNOWN),
    ],
)
def test_finds_a_version_that_cannot_be_written_for(judge: Judge, version: str, message: str, way_out: str) -> None:
    found = judge(check, f'externalSecretsOperator: "{version}"')
    assert found.messages == [message]
    assert found.helps == [way_out]
    assert found.marked == [f'"{version}"']


@pytest.mark.parametrize("version", ["0.16", "0.20", "1.0", "1.3", "2.0", "2.9", "2.10", "2.12", "2.13", "3.0"])
def test_leaves_known_and_newer_versions_alone(judge: Judge, version: str) -> None:
    assert not judge(check, f'externalSecretsOperator: "{version}"')


def test_leaves_a_missing_version_to_another_rule(judge: Judge) -> None:
    assert not judge(check, "externalSecretsOperator: null")
