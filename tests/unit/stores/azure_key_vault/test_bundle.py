import dataclasses
import inspect
import pickle

import pytest

from compiler.stores.azure_key_vault.client import SdkClient
from compiler.stores.azure_key_vault.replies import Bundle
from compiler.stores.interface import Attributes
from compiler.stores.secret_value import SecretValue

SENTINEL = "s3ntinel-4711"
BUNDLE = Bundle("github", "1f" * 16, SecretValue(SENTINEL), Attributes(tags={"team": "platform"}))


def test_a_bundle_shows_all_but_its_value() -> None:
    shown = f"{BUNDLE!r}"
    assert SENTINEL not in shown
    assert "'github'" in shown
    assert "1f" * 16 in shown
    assert "'team'" in shown


@pytest.mark.parametrize("leak", [pickle.dumps, dataclasses.asdict, hash])
def test_a_bundle_with_a_value_is_not_copied_out(leak: object) -> None:
    assert callable(leak)
    with pytest.raises(TypeError) as caught:
        leak(BUNDLE)
    assert SENTINEL not in str(caught.value)


def test_bundles_with_values_are_not_compared_in_the_clear() -> None:
    with pytest.raises(TypeError, match="Comparer"):
        _ = dataclasses.replace(BUNDLE, value=SecretValue(SENTINEL)) == BUNDLE


def test_a_bundle_stays_as_the_vault_showed_it() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        BUNDLE.version = "other"  # type: ignore[misc]


def test_the_sdks_client_asks_for_these_and_for_no_purge() -> None:
    asked = {name for name, _ in inspect.getmembers(SdkClient, inspect.isfunction) if not name.startswith("_")}
    reading = {"get", "get_deleted", "page_of_versions", "ask", "identity"}
    assert asked == reading | {"set", "set_tags", "delete", "recover", "close"}
