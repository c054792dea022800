import pytest

from compiler.model.store import StoreAddress
from tests import providers


def test_the_absolute_address_of_a_vault_has_namespace_and_mount() -> None:
    assert StoreAddress(providers.VAULT, "https://v:8200/").absolute == "https://v:8200/secret"
    address = StoreAddress(providers.VAULT, "https://v:8200", mount="/kv/", vault_namespace="a/b/")
    assert address.absolute == "https://v:8200/a/b/kv"


def test_the_absolute_address_of_a_key_vault_is_its_url_whatever_the_case() -> None:
    one = StoreAddress(providers.KEY_VAULT, "https://Prod.vault.azure.net/", prefix="team-")
    assert one.absolute == "https://prod.vault.azure.net"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user@v:8200", "https://…@v:8200"),
        ("https://user:pass@word@v/below", "https://…@v/below"),
        ("https://user:pa/ss?w#d@v", "https://…@v"),
        ("https://user@v?query#fragment", "https://…@v?…"),
        ("https://v/?token", "https://v?…"),
        ("https://v#token", "https://v#…"),
        ("user:password@v:8200", "…"),
        ("hvs.token", "…"),
        ("", "…"),
        ("HTTPS://u\nser@v", "HTTPS://…@v"),
        ("@v", "…"),
    ],
)
def test_no_user_of_a_url_is_shown(url: str, shown: str) -> None:
    assert StoreAddress(providers.VAULT, url, mount="a@b").absolute == f"{shown}/a@b"
    assert StoreAddress(providers.KEY_VAULT, url).absolute == shown.lower()


def test_a_prefix_does_not_make_another_store() -> None:
    one, other = (StoreAddress(providers.VAULT, "https://v", prefix=prefix) for prefix in ("a/", "b/"))
    assert one.absolute == other.absolute
