import json

import pytest

from compiler.stores.interface import Use
from compiler.stores.vault.access import ACCESS, on_same_path, path_accesses, policy_rule


def rights(*uses: Use) -> dict[str, tuple[list[str], list[str]]]:
    return {
        each.path: (sorted(each.capabilities), sorted(each.required)) for each in path_accesses("kv", "a/b", set(uses))
    }


def test_every_use_is_in_the_table_and_none_asks_for_what_no_command_does() -> None:
    assert ACCESS.keys() == set(Use)
    needs = {(need.route, need.capability) for found in ACCESS.values() for need in found}
    assert needs == {
        *(("data", each) for each in ("create", "read", "update")),
        *(("metadata", each) for each in ("read", "update")),
        *(("config", "read"), ("delete", "update"), ("undelete", "update")),
    }


def test_uses_of_one_path_are_one_rule() -> None:
    assert rights(Use.READ) == {"kv/data/a/b": (["read"], ["read"])}
    assert rights(Use.CREATE) == {
        "kv/data/a/b": (["create", "read"],) * 2,
        "kv/metadata/a/b": (["read"], []),
        "kv/config": (["read"], []),
    }
    assert rights(Use.UPDATE, Use.TAG, Use.RECOVER) == {
        "kv/data/a/b": (["read", "update"],) * 2,
        "kv/metadata/a/b": (["read", "update"], ["update"]),
        # Of the mount, whatever the secret.
        "kv/config": (["read"], []),
        "kv/undelete/a/b": (["update"],) * 2,
    }
    assert rights(Use.DELETE_VERSIONS) == {
        "kv/data/a/b": (["read"],) * 2,
        "kv/metadata/a/b": (["read"],) * 2,
        "kv/delete/a/b": (["update"],) * 2,
    }
    assert rights() == {}


@pytest.mark.parametrize(
    ("route", "capability", "needed"),
    [
        ("data", "read", {"read"}),
        ("data", "create", {"create", "read"}),
        ("data", "update", {"read", "update"}),
        ("metadata", "read", {"read"}),
        ("metadata", "update", {"read", "update"}),
        ("delete", "update", {"update"}),
        ("auth", "read", {"read"}),
    ],
)
def test_a_write_also_reads_its_path(route: str, capability: str, needed: set[str]) -> None:
    assert on_same_path(route, capability) == needed


def test_a_rule_is_quoted_and_in_order() -> None:
    assert policy_rule("kv/data/a", {"update", "read"}) == 'path "kv/data/a" { capabilities = ["read", "update"] }'
    path = policy_rule('kv/data/a" { }', {"read"}).split(" {")[0].removeprefix("path ")
    assert path.startswith('"kv/data/a\\"')
    assert json.loads('"kv/data/a\\" { }"') == 'kv/data/a" { }'
