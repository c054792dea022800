from scripts.pages.output_page import output_page

SCHEMA = {
    "title": "try --format json",
    "properties": {"format": {"const": 1}, "keys": {"type": "array", "items": {"$ref": "#/definitions/key"}}},
    "definitions": {"key": {"type": "object", "properties": {"name": {"type": "string", "description": "Its name."}}}},
}


def test_each_schema_is_a_section_with_a_table_for_each_map() -> None:
    page = output_page({"try": SCHEMA, "again": {**SCHEMA, "title": "again --format json"}})
    assert page.startswith("# JSON outputs\n")
    first, second = page.split("## try --format json\n")[1].split("## again --format json\n")
    assert "`schemas/output/try.schema.json`" in first
    assert "### The object\n" in first
    assert "| `keys` | list of maps |  |" in first
    assert "### `keys[]`\n" in first
    assert "| `name` | string | Its name. |" in first
    assert "`schemas/output/again.schema.json`" in second
