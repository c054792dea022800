import pytest

from compiler.stages.load import load_text
from compiler.stages.resolve import catalogue_of
from compiler.stores.registry import suggest_store

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


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("keyvault", 'did you mean "azure"?'),
        ("Key-Vault", 'did you mean "azure"?'),
        ("openbao", 'did you mean "own"?'),
        ("azur", 'did you mean "azure"?'),
        ("s3", 'the stores are "own", "azure"'),
    ],
)
def test_a_word_for_a_provider_leads_to_its_store_alone(word: str, said: str) -> None:
    assert suggest_store(word, {"own": "vault", "azure": "azurekv"}) == said


def test_a_store_of_the_other_provider_is_not_what_a_word_for_one_means() -> None:
    assert suggest_store("keyvault", {"vault": "vault"}) == 'the only one is "vault"'
    assert suggest_store("vault", {"vault-a": "vault", "vault-b": "vault"}) == 'the stores are "vault-a", "vault-b"'
