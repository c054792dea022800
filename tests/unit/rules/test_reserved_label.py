from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.rules.reserved_label import RULE

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize("name", ["name", "component", "part-of", "managed-by"])
def test_finds_a_label_of_the_chart(judge: Judge, name: str) -> None:
    found = judge(RULE, f"labels: {{app.kubernetes.io/{name}: x}}")
    assert found.messages == [f'the label "app.kubernetes.io/{name}" is set by the chart']
    assert found.marked == [f"app.kubernetes.io/{name}"]


def test_finds_the_sync_wave(judge: Judge) -> None:
    found = judge(RULE, 'secrets: {github: {annotations: {argocd.argoproj.io/sync-wave: "1"}}}')
    assert found.helps == ["set `syncWave` in the catalogue"]
    assert found.scopes == [("secrets", "github")]


def test_leaves_others_alone(judge: Judge) -> None:
    assert not judge(
        RULE, "labels: {app.kubernetes.io/version: x}\nannotations: {a: b}\nsecrets: {github: {labels: {a: b}}}"
    )
    assert not judge(RULE, "secrets: null")
