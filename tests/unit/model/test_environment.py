from __future__ import annotations

from compiler.stages.catalogue import catalogue_of
from compiler.stages.load import load_text
from compiler.stages.merge import merge
from compiler.stages.resolve import Resolver

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
