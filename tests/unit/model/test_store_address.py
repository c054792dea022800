from compiler.model.store_address import Provider, StoreAddress


def test_the_absolute_address_of_a_vault_has_namespace_and_mount() -> None:
    assert StoreAddress(Provider.VAULT, "https://v:8200/").absolute == "https://v:8200/secret"
    address = StoreAddress(Provider.VAULT, "https://v:8200", mount="/kv/", vault_namespace="a/b/")
    assert address.absolute == "https://v:8200/a/b/kv"


def test_the_absolute_address_of_a_key_vault_is_its_url_whatever_the_case() -> None:
    one = StoreAddress(Provider.AZURE_KEY_VAULT, "https://Prod.vault.azure.net/", prefix="team-")
    assert one.absolute == "https://prod.vault.azure.net"


def test_a_prefix_does_not_make_another_store() -> None:
    one, other = (StoreAddress(Provider.VAULT, "https://v", prefix=prefix) for prefix in ("a/", "b/"))
    assert one.absolute == other.absolute
