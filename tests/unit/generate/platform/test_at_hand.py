from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.generate.platform import caipe_forms, chart_at_hand

if TYPE_CHECKING:
    from pathlib import Path

FORMS = caipe_forms()
ROUTING = "llmRouting.litellm.enabled"


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "chart/templates").mkdir(parents=True)
    (tmp_path / "chart/charts/gateway/templates").mkdir(parents=True)
    return tmp_path / "chart"


@pytest.mark.parametrize(
    ("place", "text", "reads"),
    [
        ("templates/a.yaml", "{{ .Values.global.agentgateway.cas.existingSecret.name }}", True),
        ("charts/gateway/templates/a.yaml", "{{- $cas := $gateway.cas | default dict }}", True),
        ("templates/_helpers.tpl", "{{ $agw.cas }}", True),
        ("templates/a.yaml", "{{ .Values.cascade }} {{ .Values.broadcas }}", False),
        ("values.yaml", "a: {{ .cas }}", False),
        ("templates/NOTES.txt", "{{ .Values.cas }}", False),
    ],
)
def test_what_the_templates_read_is_found(chart: Path, place: str, text: str, *, reads: bool) -> None:
    (chart / place).write_text(text, "utf-8")
    assert chart_at_hand(FORMS, chart, (), None).reads == (frozenset({"cas"}) if reads else frozenset())


@pytest.mark.parametrize(
    ("own", "values", "under", "is_true"),
    [
        ("", [], None, False),
        ("llmRouting: {litellm: {enabled: true}}", [], None, True),
        ("global: {llmRouting: {litellm: {enabled: true}}}", [], None, True),
        ("llmRouting: {litellm: {enabled: true}}", ["llmRouting: {litellm: {enabled: false}}"], None, False),
        (
            "llmRouting: {litellm: {enabled: false}}",
            ["a: 1", "global: {llmRouting: {litellm: {enabled: true}}}"],
            None,
            True,
        ),
        ("", ["caipe: {llmRouting: {litellm: {enabled: true}}}"], "caipe", True),
        ("", ["caipe: {llmRouting: {litellm: {enabled: true}}}"], None, False),
        ("llmRouting: [", ["- 1", "llmRouting: yes please"], None, False),
        # As Helm reads it, the last of two maps of one name.
        ("a: 1\nllmRouting: {litellm: {enabled: true}}\na: 2\n", [], None, True),
    ],
)
def test_the_last_value_counts(chart: Path, own: str, values: list[str], under: str | None, *, is_true: bool) -> None:
    (chart / "values.yaml").write_text(own, "utf-8")
    files = [chart / f"own-{number}.yaml" for number in range(len(values))]
    for file, text in zip(files, values, strict=True):
        file.write_text(text, "utf-8")
    assert chart_at_hand(FORMS, chart, files, under).true == (frozenset({ROUTING}) if is_true else frozenset())


def test_what_is_not_there_decides_nothing(chart: Path) -> None:
    found = chart_at_hand(FORMS, chart / "gone", [chart / "none.yaml"], None)
    assert (found.reads, found.true) == (frozenset(), frozenset())
