"""Rendered samples, and External Secrets Operator's own definitions where they are at hand."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.conftest import Helm
from tests.custom_resources import METADATA, Definition

ROOT = Path(__file__).resolve().parents[2]
VALUES = Path(__file__).parent / "values"
DEFINITIONS = ROOT.parent / "shared" / "crds"

Manifest = dict[str, Any]


@cache
def _definition(name: str) -> Definition:
    path = DEFINITIONS / f"{name}.yaml"
    if not path.is_file():
        pytest.skip("External Secrets Operator's definitions are not beside this repository (../shared/crds)")
    versions = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)["spec"]["versions"]
    (schema,) = [version["schema"]["openAPIV3Schema"] for version in versions if version["name"] == "v1"]
    schema["properties"]["metadata"] = METADATA
    return Definition(schema)


@pytest.fixture(scope="session")
def definition() -> Callable[[str], Definition]:
    """The definition of a kind at a minor, such as `externalsecret-2.9`; skips where there is none."""
    return _definition


@pytest.fixture(scope="session")
def rendered(helms: tuple[Helm, ...]) -> Callable[..., list[Manifest]]:
    """The parsed manifests of a sample, through the newest Helm; each rendered once a session."""

    @cache
    def render(sample: str, *options: str) -> str:
        return helms[-1].template(VALUES / f"{sample}.yaml", options=options)

    return lambda sample, *options: list(yaml.load_all(render(sample, *options), yaml.CSafeLoader))


@pytest.fixture(scope="session")
def manifests_schema() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads((ROOT / "schemas/manifests.schema.json").read_text("utf-8")))
