from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.consumers.objects import Setting
from compiler.operations.consumers.source_keys import SourceKeys
from tests.unit.operations.consumers.conftest import gathered

if TYPE_CHECKING:
    from tests.unit.operations.consumers.conftest import Bench

MADE = """\
apiVersion: v1
kind: Secret
metadata: {name: own}
data: {A: x}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: own}
data: {B: x}
"""


def test_keys_are_those_of_the_environment_and_of_the_manifests(bench: Bench) -> None:
    keys = SourceKeys(bench.own(), gathered(MADE))
    for setting, expected in (
        (Setting(secret="agent-jira-secrets"), {"JIRA_TOKEN", "JIRA_URL"}),
        (Setting(secret="own"), {"A"}),
        (Setting(config_map="own"), {"B"}),
    ):
        assert keys.known("agents", setting) == keys.of("agents", setting) == expected


def test_what_nothing_makes_has_keys_that_cannot_be_told(bench: Bench) -> None:
    keys = SourceKeys(bench.own(), gathered(MADE))
    for setting in (Setting(secret="other"), Setting(config_map="other")):
        assert keys.known("agents", setting) is None
        assert keys.of("agents", setting) == frozenset()
    assert keys.known("elsewhere", Setting(secret="own")) is None
