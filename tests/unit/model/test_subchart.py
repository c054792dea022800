import json
from pathlib import Path
from typing import Any

import pytest

from compiler.model.facts import ValuesData
from compiler.model.values import SecretChange, located, nested, nesting_change, subchart_of

ROOT = Path(__file__).resolve().parents[3]
VALUES: dict[str, ValuesData] = {"externalSecrets": {"github": {"name": "g"}}, "partOf": "shop"}


@pytest.mark.parametrize("name", [None, "secrets", "platform-secrets", "y", "Shop_1"])
def test_what_is_nested_is_found_again(name: str | None) -> None:
    assert located(nested(VALUES, name)) == (name, VALUES)
    assert located(nested(VALUES, name), "other") == (name, VALUES)
    assert located(nested({"secretStores": {}}, name)) == (name, {"secretStores": {}})


@pytest.mark.parametrize(
    "data",
    [
        None,
        "text",
        [],
        {},
        {"secrets": None},
        {"secrets": {"other": 1}},
        {"secrets": ["externalSecrets"]},
        {7: VALUES},
        # Two members: another chart's values stand beside.
        {"secrets": VALUES, "shop": {"replicas": 3}},
        # Helm's own, and other charts have such a key below it.
        {"global": {"externalSecrets": {"enabled": False}}},
    ],
)
def test_where_there_are_no_values_of_this_chart_alone_none_are_found(data: Any) -> None:  # noqa: ANN401
    assert located(data) is None


def test_a_secret_with_an_id_like_a_member_is_no_nesting() -> None:
    values: dict[str, ValuesData] = {"externalSecrets": {"secretStores": {}}}
    assert located(values) == (None, values)
    assert subchart_of({"externalSecrets": ["secretStores"]}) is None


def test_under_a_name_that_is_known_they_are_found_beside_others() -> None:
    parent = {"shop": {"password": "x"}, "secrets": VALUES, "more": VALUES}
    assert located(parent, "secrets") == ("secrets", VALUES)
    assert located(parent, "shop") is None
    assert located(parent, "missing") is None
    assert located({"global": VALUES, "shop": {}}, "global") is None
    # The chart's own values come first: what they are nested under is no member of theirs.
    assert located({**VALUES, "secrets": VALUES}, "secrets") == (None, {**VALUES, "secrets": VALUES})


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [(None, "a", ("subchart", "", "a")), ("a", None, ("subchart", "a", "")), ("a", "b", ("subchart", "a", "b"))],
)
def test_another_nesting_is_a_change(before: str | None, after: str | None, field: tuple[str, str, str]) -> None:
    assert nesting_change(before, after) == (SecretChange("the values file", "changed", fields=(field,)),)
    assert nesting_change(after, after) == ()


def test_no_member_of_the_values_and_none_of_helms_own_names_is_taken_for_a_chart() -> None:
    values = json.loads((ROOT / "schemas/values.schema.json").read_text("utf-8"))["properties"]
    schema = json.loads((ROOT / "schemas/environment.schema.json").read_text("utf-8"))
    refused = set(schema["definitions"]["chartName"]["not"]["enum"])
    assert refused == {"global", "tags", *values}
    assert [name for name in refused if subchart_of({name: ["externalSecrets"]}) is not None] == []
