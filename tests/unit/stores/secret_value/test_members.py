import pytest

from compiler.stores.secret_value import JsonKind, SecretValue, array_items, object_members


def shown(secret: SecretValue) -> tuple[str, JsonKind]:
    return secret.reveal(), secret.kind


def test_an_objects_members_keep_their_order_and_kinds() -> None:
    members = object_members(SecretValue('{"b": "x", "a": 1.0, "n": null}', JsonKind.OBJECT))
    assert [(name, *shown(value)) for name, value in members.items()] == [
        ("b", "x", JsonKind.STRING),
        ("a", "1.0", JsonKind.NUMBER),
        ("n", "null", JsonKind.NULL),
    ]


def test_an_arrays_items_keep_their_numbers_and_nesting() -> None:
    items = array_items(SecretValue(' [ 9007199254740993 , "{}", [1, {"a": "]"}] ,true]', JsonKind.ARRAY))
    assert [shown(item) for item in items] == [
        ("9007199254740993", JsonKind.NUMBER),
        ("{}", JsonKind.STRING),
        ('[1, {"a": "]"}]', JsonKind.ARRAY),
        ("true", JsonKind.BOOLEAN),
    ]
    assert array_items(SecretValue("[ ]", JsonKind.ARRAY)) == ()


@pytest.mark.parametrize("kind", [JsonKind.STRING, JsonKind.NUMBER])
def test_what_has_no_members_has_none(kind: JsonKind) -> None:
    assert not object_members(SecretValue('{"a": "x"}', kind))
    assert not array_items(SecretValue("[1]", kind))


def test_an_object_with_a_name_twice_has_no_members() -> None:
    assert not object_members(SecretValue('{"a": "x", "a": "y"}', JsonKind.OBJECT))
