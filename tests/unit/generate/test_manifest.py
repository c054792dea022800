from __future__ import annotations

from typing import Any

import pytest
import yaml

from compiler.generate.files import manifest_text


def test_a_manifest_is_written_in_its_order_and_in_block_style() -> None:
    manifest: dict[str, Any] = {
        "kind": "Application",
        "metadata": {"name": "a", "annotations": {"argocd.argoproj.io/sync-wave": "-10"}},
        "spec": {"retry": {"limit": 5, "refresh": True}, "options": ["A=true", "b c"], "none": [], "empty": {}},
        "sources": [{"ref": "values", "helm": {"valueFiles": ["$values/a.yaml"]}}, {"path": "chart"}, [], [["x"]]],
    }
    assert manifest_text(manifest) == (
        "kind: Application\n"
        "metadata:\n"
        "  name: a\n"
        "  annotations:\n"
        '    argocd.argoproj.io/sync-wave: "-10"\n'
        "spec:\n"
        "  retry:\n"
        "    limit: 5\n"
        "    refresh: true\n"
        "  options:\n"
        "    - A=true\n"
        '    - "b c"\n'
        "  none: []\n"
        "  empty: {}\n"
        "sources:\n"
        "  - ref: values\n"
        "    helm:\n"
        "      valueFiles:\n"
        '        - "$values/a.yaml"\n'
        "  - path: chart\n"
        "  - []\n"
        "  - - - x\n"
    )
    assert yaml.safe_load(manifest_text(manifest)) == manifest


TEXTS = ["y", "No", "on", "null", "~", "1e3", "0o17", "12", ".inf", "=", "'", "é", "<<", "https://example.com/a.git"]
TEXTS += ["", "a: b", "a #b", "{{ .env }}", "a\nb", "a\n\n b\n", "\n  b\n", " a\n", "a \nb\n", "a\n \nb\n", "a \n"]
TEXTS += ["a\n\n", "\ta\n", "yes\n", "---\n"]


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_reads_back(text: str) -> None:
    manifest: dict[str, Any] = {"of member": text, "list": [text], text: "as a key"}
    assert yaml.safe_load(manifest_text(manifest)) == manifest
    # What YAML 1.1 of other readers takes for true or false stands in quotes too.
    assert text.lower() != "y" or manifest_text(manifest).count('"y"') == 3


def test_a_text_of_lines_stands_as_a_block() -> None:
    assert manifest_text({"a.b": "one\n\n  two: {}\n"}) == "a.b: |\n  one\n\n    two: {}\n"
