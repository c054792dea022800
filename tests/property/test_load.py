"""What other tools write as YAML is loaded as it was meant, and every node stands where its text is."""

import io
import json
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from compiler.model.document import Document, Node
from compiler.stages.load import load_text
from tests.property.conftest import trees


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, _: object) -> bool:
        return True


def loaded(text: str) -> Document:
    document, refused = load_text("environments/prod.yaml", text)
    assert document is not None, (text, refused)
    return document


def prove_places(root: Node) -> None:
    for node in root.walk():
        text = node.source.text
        for child_key, child in node.children.items():
            assert yaml.safe_load(text[child.key_start : child.key_end]) == child_key
        if isinstance(node.value, str) and "\n" not in text[node.start : node.end] and node.plain:
            assert text[node.start : node.end] == node.value
        if not isinstance(node.value, str) and node.value is not None and node is not root:
            assert node.start < node.end


@given(trees(), st.sampled_from([False, True, None]))
def test_what_pyyaml_writes(data: dict[str, Any], flow: bool | None) -> None:  # noqa: FBT001 - a style
    text = yaml.dump(data, Dumper=_Dumper, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    document = loaded(text)
    assert document.root.plain_data() == data
    prove_places(document.root)


@settings(max_examples=30)
@given(trees())
def test_what_ruamel_writes(data: dict[str, Any]) -> None:
    writer, stream = YAML(typ="rt"), io.StringIO()
    writer.representer.ignore_aliases = lambda _: True
    writer.dump(data, stream)
    assert loaded(stream.getvalue()).root.plain_data() == data


@given(trees())
def test_json_is_yaml_too(data: dict[str, Any]) -> None:
    document = loaded(json.dumps(data, ensure_ascii=False, indent=1))
    assert document.root.plain_data() == data
    prove_places(document.root)
    for node in document.root.walk():
        assert json.loads(node.source.text[node.start : node.end]) == node.plain_data()


@given(st.text(max_size=60) | st.text("ab:-{}[],&*!|>'\"%@`#?\n\t ", max_size=40))
def test_any_text_is_loaded_or_refused_with_one_place(text: str) -> None:
    document, diagnostics = load_text("environments/prod.yaml", text)
    assert (document is None) == bool(diagnostics)
    for diagnostic in diagnostics:
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
        assert diagnostic.conceals
