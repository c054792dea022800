"""What is written is read back as it was meant: by two Python parsers, by ruamel.yaml, and by every Helm."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any, cast

import yaml
from hypothesis import given, settings
from ruamel.yaml import YAML

from compiler.model.facts import ValuesData
from compiler.stages.emit import quote_yaml, read_values, values_text
from tests.conftest import Helm
from tests.property.conftest import AWKWARD, texts, values

HEADER = (
    r"# Compiled from environments/base\.yaml and environments/prod\.yaml\. Do not edit; run `make values ENV=prod`\.\n"
)
# Base64, as Helm reads its own output again and JSON may hold what YAML refuses.
TEMPLATE = '{"apiVersion": "v1", "kind": "ConfigMap", "data": {{ .Values.read | toJson | b64enc | quote }}}\n'


def text_of(data: dict[str, Any]) -> str:
    layers = ["environments/base.yaml", "environments/prod.yaml"]
    return values_text(cast("dict[str, ValuesData]", data), "prod", layers)


@given(values())
def test_pyyaml_reads_what_was_meant_and_the_same_data_gives_the_same_bytes(data: dict[str, Any]) -> None:
    text = text_of(data)
    # Only a text has a form to prove: a file without values is its header.
    meant = data or None
    assert read_values(text) == meant
    assert yaml.safe_load(text) == meant
    assert text_of(json.loads(json.dumps(data))) == text


@settings(max_examples=40)
@given(values())
def test_ruamel_reads_what_was_meant(data: dict[str, Any]) -> None:
    assert YAML(typ="safe", pure=True).load(io.StringIO(text_of(data))) == (data or None)


def everything(node: object) -> list[object]:
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [node, *(each for child in below for each in everything(child))]


@given(values())
def test_the_text_is_ascii_in_one_document_without_anchors_and_nulls(data: dict[str, Any]) -> None:
    text = text_of(data)
    assert re.match(HEADER, text)
    assert text.endswith("\n")
    assert re.fullmatch(r"[\n -~]*", text)
    events = list(yaml.parse(text, yaml.CSafeLoader))
    assert sum(isinstance(event, yaml.DocumentStartEvent) for event in events) == (1 if data else 0)
    assert not any(getattr(event, "anchor", None) or getattr(event, "tag", None) for event in events)
    assert not data or None not in everything(read_values(text))


@given(texts())
def test_a_quoted_text_is_a_json_string_but_for_what_json_writes_as_a_pair(text: str) -> None:
    quoted = quote_yaml(text)
    assert yaml.safe_load(quoted) == text
    assert quoted.startswith('"')
    assert quoted.endswith('"')


def test_every_helm_reads_what_was_meant(helms: tuple[Helm, ...], tmp_path: Path) -> None:
    generated: list[dict[str, Any]] = []

    @settings(max_examples=120)
    @given(values())
    def collect(data: dict[str, Any]) -> None:
        generated.append(data)

    collect()
    meant = {"awkward": AWKWARD, "as keys": {text: text for text in AWKWARD}, "trees": generated}
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: reader\nversion: 0.1.0\n", "utf-8")
    (chart / "templates/read.yaml").write_text(TEMPLATE, "utf-8")
    (tmp_path / "values.yaml").write_text(text_of({"read": meant}), "utf-8")
    for helm in helms:
        output = helm.template(tmp_path / "values.yaml", chart=chart)
        printed = json.loads(output[output.index("{") :])["data"]
        assert json.loads(base64.b64decode(printed)) == meant
