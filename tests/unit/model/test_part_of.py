import json
from pathlib import Path

import yaml

from compiler.model.facts import LABEL, PART_OF

ROOT = Path(__file__).resolve().parents[3]


def test_an_environment_that_names_none_has_the_charts_default() -> None:
    assert yaml.safe_load((ROOT / "chart/values.yaml").read_text("utf-8"))["partOf"] == PART_OF
    described = json.loads((ROOT / "schemas/environment.schema.json").read_text("utf-8"))["properties"]["partOf"]
    assert f"`{PART_OF}` when absent" in described["description"]
    assert f"`{LABEL}`" in described["description"]
