import pytest

from compiler.stores.azure_key_vault.replies import Bundle, require_name, require_version
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.interface import Attributes
from tests.refusals import is_refused

PLACE = StoreLocation("https://vault", "github")
VERSION = "1f" * 16


def bundle(name: str = "github", version: str | None = VERSION) -> Bundle:
    return Bundle(name, version, None, Attributes())


@pytest.mark.parametrize("found", [bundle(), bundle("GitHub"), bundle(version=None)])
def test_a_bundle_of_the_secret_that_was_asked_for_passes(found: Bundle) -> None:
    assert require_name(found, PLACE, Action.READ) is found


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (bundle("other"), 'the reply is for another secret, "other"'),
        (bundle("git"), 'the reply is for another secret, "git"'),
        (bundle(""), "the reply is for another secret"),
        (bundle("a\nb"), "the reply is for another secret"),
        (bundle(version="latest"), "the reply has an invalid version id"),
    ],
)
def test_one_of_another_is_refused_and_its_name_shown_where_it_is_one(found: Bundle, reason: str) -> None:
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)) as caught:
        require_name(found, PLACE, Action.READ)
    assert (caught.value.reason, caught.value.place, caught.value.action) == (reason, PLACE, Action.READ)
    assert "do not trust this address" in caught.value.remedy


@pytest.mark.parametrize("version", [None, VERSION])
def test_the_version_must_be_the_one_that_was_asked_for(version: str | None) -> None:
    found = bundle()
    assert require_version(found, version, PLACE, Action.READ) is found
    with pytest.raises(StoreError, match=r"has (no )?version", check=is_refused(Code.UNEXPECTED_REPLY)):
        require_version(bundle(version=None), version, PLACE, Action.READ)
    with pytest.raises(StoreError, match="another secret", check=is_refused(Code.UNEXPECTED_REPLY)):
        require_version(bundle("other"), version, PLACE, Action.READ)
    with pytest.raises(
        StoreError,
        match=f"version {VERSION}, version {'0' * 32} was requested",
        check=is_refused(Code.UNEXPECTED_REPLY),
    ):
        require_version(found, "0" * 32, PLACE, Action.READ)
