from __future__ import annotations

import pytest

from compiler.stages.catalogue import catalogue_of
from compiler.stages.load import load_text

TEXT = "secrets: {a: {keys: {KX: {}, KY: {variants: [one]}, KZ: {variants: [two, one]}, KW: {variants: [two]}}}}\n"


@pytest.mark.parametrize(
    ("variants", "keys"),
    [
        ((), ["KX"]),
        (("one",), ["KX", "KY", "KZ"]),
        (("two",), ["KX", "KZ", "KW"]),
        (("two", "one"), ["KX", "KY", "KZ", "KW"]),
        (("three",), ["KX"]),
    ],
)
def test_the_keys_of_variants_are_in_the_catalogues_order(variants: tuple[str, ...], keys: list[str]) -> None:
    document, _ = load_text("environments/catalogue.yaml", TEXT)
    assert document is not None
    entry = catalogue_of(document).entries["a"]
    assert entry.variants == ("one", "two")
    assert [key.name for key in entry.keys_of(variants)] == keys
