from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.rules.newer_operator_version import RULE

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize("version", ["2.10", "3.0"])
def test_finds_a_newer_version(judge: Judge, version: str) -> None:
    found = judge(RULE, f'externalSecretsOperator: "{version}"')
    assert found.messages == [f'External Secrets Operator "{version}" is not known yet and treated as 2.9']
    assert found.marked == [f'"{version}"']


@pytest.mark.parametrize("version", ["2.9", "0.16", "latest"])
def test_leaves_others_alone(judge: Judge, version: str) -> None:
    assert not judge(RULE, f'externalSecretsOperator: "{version}"')
    assert not judge(RULE, "externalSecretsOperator: null")
