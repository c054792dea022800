from dataclasses import replace

import pytest

from compiler.model.environment import ALL_KEYS, Project, fill_pattern, placeholders
from compiler.stages.load import load_text
from compiler.stages.resolve import Resolver, catalogue_of, merge

VARIANTS = "secrets: {a: {keys: {KX: {}, KY: {variants: [one]}, KZ: {variants: [two, one]}, KW: {variants: [two]}}}}\n"
CATALOGUE = "secrets: {a: {keys: {X: {}}}, b: {keys: {KY: {}}}, c: {keys: {Z: {}}}}\n"
BASE = "store: one\nstores: {one: {provider: vault}, two: {provider: vault}, three: {provider: vault}}\n"
PROD = "secrets: {a: {store: three}, b: {}, c: {store: unknown}}\n"


def test_it_knows_its_own_file_and_the_stores_that_some_secret_reads() -> None:
    documents = [load_text(f"{index}.yaml", text)[0] for index, text in enumerate((CATALOGUE, BASE, PROD))]
    catalogue, base, prod = (document for document in documents if document is not None)
    root, _ = merge([base, prod])
    environment = Resolver(catalogue_of(catalogue)).environment("prod", root, [base, prod])
    assert environment.document is prod
    assert [store.id for store in environment.stores_in_use()] == ["one", "three"]
    assert environment.default_store is environment.stores["one"]


@pytest.mark.parametrize(
    ("listed", "taken"),
    [
        ("a: {}, b: {}, d: {}", ["a/X", "b/KY", "d/D"]),
        ("d: {}, b: {}", ["d/D", "b/KY"]),
        ("a: {}, c: {}", []),
    ],
)
def test_keys_that_have_a_value_in_common_are_told_with_their_secrets(listed: str, taken: list[str]) -> None:
    text = (
        "secrets: {a: {keys: {X: {}, P: {}}}, b: {keys: {KY: {from: a/X}, O: {}}}, c: {}, d: {keys: {D: {from: b/KY}}}}"
    )
    documents = [load_text("c.yaml", text)[0], load_text("b.yaml", f"{BASE}secrets: {{{listed}}}\n")[0]]
    catalogue, base = (document for document in documents if document is not None)
    environment = Resolver(catalogue_of(catalogue)).environment("prod", base.root, [base])
    assert [f"{name}/{key.name}" for name, key in environment.shared_keys()] == taken


def test_a_property_may_have_the_name_that_every_key_is_printed_as() -> None:
    assert (str(ALL_KEYS), ALL_KEYS == "*", ALL_KEYS != "*") == ("*", False, True)
    assert {"*": "a property", ALL_KEYS: "every key"} == {ALL_KEYS: "every key", "*": "a property"}


def test_placeholders_are_replaced_once() -> None:
    assert placeholders("{name}/{secret}/{name}") == ("name", "secret", "name")
    # What is put in is not looked at again.
    assert fill_pattern("{name}-{secret}", {"name": "{secret}", "secret": "db"}) == "{secret}-db"


def test_it_is_whole_when_every_environment_is_in_the_run() -> None:
    document, _ = load_text("a.yaml", "{}\n")
    assert document is not None
    catalogue = catalogue_of(document)
    environment = Resolver(catalogue).environment("a", document.root, [document])
    project = Project(catalogue, (environment,), ("a",), {})
    assert project.is_whole
    assert not replace(project, names=("a", "b")).is_whole
    assert not replace(project, environments=()).is_whole


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
    document, _ = load_text("environments/catalogue.yaml", VARIANTS)
    assert document is not None
    entry = catalogue_of(document).entries["a"]
    assert entry.variants == ("one", "two")
    assert [key.name for key in entry.keys_of(variants)] == keys
