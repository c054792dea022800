import pytest

from compiler.stores.secret_value import JsonKind, SecretValue, stringified


@pytest.mark.parametrize("kind", [JsonKind.NUMBER, JsonKind.BOOLEAN, JsonKind.OBJECT, JsonKind.ARRAY])
def test_another_kind_becomes_its_text(kind: JsonKind) -> None:
    found = stringified(SecretValue("1.50", kind))
    assert found is not None
    assert (found.kind, found.reveal()) == (JsonKind.STRING, "1.50")


def test_a_string_stays_itself_and_null_has_no_text() -> None:
    value = SecretValue("text")
    assert stringified(value) is value
    assert stringified(SecretValue("null", JsonKind.NULL)) is None
