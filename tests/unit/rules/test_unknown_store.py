from compiler.rules.unknown_store import check
from tests.unit.rules.conftest import Judge


def test_names_the_nearest_store(judge: Judge) -> None:
    found = judge(check, "store: azur")
    assert found.messages == ['no store has the id "azur"']
    assert found.helps == ['did you mean "azure"?']
    assert found.marked == ["azur"]
    assert found.scopes == [()]


def test_finds_the_store_of_one_secret(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {store: gcp}}")
    assert found.helps == ['the stores are "vault", "azure"']
    assert found.scopes == [("secrets", "github")]


def test_says_the_id_where_a_kubernetes_name_is_written(judge: Judge) -> None:
    found = judge(check, "store: azure-keyvault-store")
    assert found.messages == ['"azure-keyvault-store" is the name of a store in the cluster, not the id of one here']
    assert found.helps == ['write its id, "azure"']


def test_names_the_null_that_removed_the_store(judge: Judge) -> None:
    assert judge(check, "stores: {vault: null}").related == ["null"]


def test_finds_a_store_where_there_are_none(judge: Judge) -> None:
    assert judge(check, "stores: null").helps == [
        "describe it: `stores: {vault: {provider: vault, name: vault-secret-store, server: https://HOST}}`"
    ]


def test_never_shows_what_looks_like_a_credential(judge: Judge) -> None:
    token = "ghp_" + "0123456789abcdefghij" + "ABCDEFGHIJKLMNOP"
    assert token not in repr([(d.message, d.help) for d in judge(check, f"store: {token}")])


def test_leaves_known_stores_and_damaged_environments_alone(judge: Judge) -> None:
    assert not judge(check, "store: azure\nsecrets: {github: {store: vault}}")
    assert not judge(check, "store: x\nstroe: x")


def test_needs_neither_a_store_nor_secrets(judge: Judge) -> None:
    assert not judge(check, "store: null\nsecrets: null")


def test_finds_the_store_that_moves_go_to(judge: Judge) -> None:
    found = judge(check, "moves: {to: azur, steps: [[all]]}")
    assert (found.marked, found.helps) == (["azur"], ['did you mean "azure"?'])
    assert not judge(check, "moves: {to: azure, steps: [[all]]}")
