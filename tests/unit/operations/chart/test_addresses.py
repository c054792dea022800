from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.operations.diff import Side, compare_sides, side_of_environment
from compiler.pipeline import compile_project
from tests.github_project import BASE, CATALOGUE

NAMES = ("ClusterSecretStore/vault-store", "ClusterSecretStore/azure-store")


def addresses(folder: Path, prod: str) -> Mapping[str, str] | None:
    (folder / "environments").mkdir(exist_ok=True)
    for name, text in {"base": BASE, "catalogue": CATALOGUE, "prod": prod}.items():
        (folder / f"environments/{name}.yaml").write_text(text, "utf-8")
    project = compile_project(folder, ["prod"]).project
    assert project is not None
    return side_of_environment(project.environments[0]).addresses


@pytest.mark.parametrize(
    ("prod", "expected"),
    [
        ("secrets: {}\n", {NAMES[0]: "https://vault.example.com, mount secret"}),
        (
            'stores: {vault: {vaultNamespace: "team/a", mount: kv, prefix: p/}}\n',
            {NAMES[0]: "https://vault.example.com, mount kv, namespace team/a, prefix p/"},
        ),
        (
            'store: azure\nstores: {azure: {vaultUrl: "https://Own.vault.azure.net/", prefix: p-}}\n',
            {NAMES[1]: "https://own.vault.azure.net, prefix p-"},
        ),
    ],
)
def test_each_store_that_a_secret_reads_has_its_address_and_no_other(
    tmp_path: Path, prod: str, expected: dict[str, str]
) -> None:
    assert addresses(tmp_path, prod) == expected


def test_a_store_that_both_sides_read_is_compared_unless_it_is_otherwise() -> None:
    before = Side({}, {}, {}, addresses={"a": "1", "b": "1", "S/c": "1", "d": "1"})
    after = Side({}, {}, {}, addresses={"b": "1", "S/c": "2", "d": "2", "e": "2"})
    assert compare_sides(before, after).addresses == (("S/c", "1", "2"), ("d", "1", "2"))
    before, after = (replace(each, stores={"S c": {}}) for each in (before, after))
    assert compare_sides(before, after).addresses == (("d", "1", "2"),)
