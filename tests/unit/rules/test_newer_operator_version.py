from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.model.diagnostic import Severity
from compiler.rules.newer_operator_version import RULE

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize("version", ["2.13", "2.14", "3.0"])
def test_finds_a_newer_version(judge: Judge, version: str) -> None:
    found = judge(RULE, f'externalSecretsOperator: "{version}"')
    assert found.messages == [f'External Secrets Operator "{version}" is not known yet and treated as 2.12']
    assert found.marked == [f'"{version}"']


@pytest.mark.parametrize("version", ["2.9", "2.10", "2.11", "2.12", "0.16", "latest"])
def test_leaves_others_alone(judge: Judge, version: str) -> None:
    assert not judge(RULE, f'externalSecretsOperator: "{version}"')
    assert not judge(RULE, "externalSecretsOperator: null")


def test_is_a_note_which_fails_no_strict_run() -> None:
    assert RULE.severity is Severity.NOTE
