import pytest

from compiler.stages.validate import read_schema
from scripts.pages.schema_page import schema_page

SCHEMA = {
    "properties": {
        "kind": {"enum": ["a", None, "b"], "description": "One | the other."},
        "names": {"type": "array", "items": {"type": "string"}},
        "of": {"type": ["object", "null"], "additionalProperties": {"$ref": "#/definitions/part"}},
        "first": {"$ref": "#/definitions/part", "description": "The first part."},
        "fixed": {"const": "v2"},
        "free": {},
    },
    "definitions": {
        "part": {
            "type": "object",
            "description": "A part.",
            "properties": {
                "size": {"type": "integer"},
                "notes": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        }
    },
}


def test_every_key_has_a_row_with_its_type_and_meaning() -> None:
    page = schema_page(SCHEMA, "Title", "What it is.")
    assert page.startswith("# Title\n")
    assert "| `kind` | `a` or `b` | One \\| the other. |" in page
    assert "| `names` | list of strings |  |" in page
    assert "| `of` | map of maps |  |" in page
    assert "| `first` | map | The first part. |" in page
    assert "| `fixed` | `v2` |  |" in page
    assert "| `free` | any |  |" in page
    assert "| `notes` | map of strings |  |" in page


def test_a_definition_used_twice_has_one_section() -> None:
    page = schema_page(SCHEMA, "Title", "What it is.")
    assert page.count("| `size` | whole number |  |") == 1
    assert "## `of.NAME`" in page or "## `first`" in page


@pytest.mark.parametrize("name", ["environment", "catalogue", "values"])
def test_every_key_of_the_shipped_schemas_is_documented(name: str) -> None:
    schema = read_schema(name)
    page = schema_page(schema, name, "")
    for definition in (schema, *schema["definitions"].values()):
        for key in definition.get("properties", {}):
            assert f"| `{key}` |" in page
