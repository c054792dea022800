from __future__ import annotations

import pytest

from compiler.stages.validate import read_schema, with_providers


@pytest.mark.parametrize("name", ["environment", "catalogue", "values", "manifests"])
def test_the_shipped_schemas_say_what_the_shipped_providers_say(name: str) -> None:
    schema = read_schema(name)
    assert with_providers(name, schema) == schema
