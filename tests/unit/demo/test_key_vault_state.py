from dataclasses import replace

import pytest

from compiler.demo.key_vault_state import (
    RefusedRequestError,
    SecretBody,
    SecretVersion,
    StoredSecret,
    bundle,
    deleted_bundle,
    item,
)
from tests.faulty_key_vault import BusyState, Delays
from tests.virtual_clock import VirtualClock

BASE = "https://v.vault.azure.net"
VALUE = "s3ntinel-value"
OLD = SecretVersion("0" * 32, VALUE, None, {}, enabled=True, expires=None, not_before=None, created=100, updated=100)
NEW = SecretVersion(
    "f" * 32, VALUE, "text/plain", {"a": "b"}, enabled=False, expires=900, not_before=300, created=200, updated=250
)


@pytest.fixture
def secret() -> StoredSecret:
    return StoredSecret("Github", [OLD, NEW], deleted_at=1_000)


def test_a_bundle_of_a_plain_version_has_no_member_that_was_not_set(secret: StoredSecret) -> None:
    assert bundle(BASE, secret, OLD, with_value=True) == {
        "value": VALUE,
        "id": f"https://v.vault.azure.net/secrets/Github/{'0' * 32}",
        "attributes": {
            "enabled": True,
            "created": 100,
            "updated": 100,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": 90,
        },
    }


def test_a_bundle_shows_all_that_was_set_and_the_value_only_when_asked(secret: StoredSecret) -> None:
    shown = bundle(BASE, secret, NEW, with_value=False)
    assert "value" not in shown
    assert (shown["contentType"], shown["tags"]) == ("text/plain", {"a": "b"})
    attributes = shown["attributes"]
    assert (attributes["enabled"], attributes["nbf"], attributes["exp"]) == (False, 300, 900)
    assert (attributes["created"], attributes["updated"]) == (200, 250)


def test_the_first_second_and_an_empty_content_type_are_set_all_the_same(secret: StoredSecret) -> None:
    shown = bundle(BASE, secret, replace(OLD, expires=0, not_before=0, content_type=""), with_value=True)
    assert (shown["attributes"]["exp"], shown["attributes"]["nbf"], shown["contentType"]) == (0, 0, "")


def test_a_list_shows_the_newest_version_under_the_name_alone(secret: StoredSecret) -> None:
    shown = item(BASE, secret)
    assert shown["id"] == "https://v.vault.azure.net/secrets/Github"
    assert (shown["contentType"], shown["attributes"]["enabled"]) == ("text/plain", False)
    assert "value" not in shown


def test_a_deleted_secret_says_where_and_how_long_it_can_be_recovered(secret: StoredSecret) -> None:
    shown = deleted_bundle(BASE, secret)
    assert shown["id"] == f"https://v.vault.azure.net/secrets/Github/{'f' * 32}"
    assert shown["recoveryId"] == "https://v.vault.azure.net/deletedsecrets/Github"
    assert shown["deletedDate"] == 1_000
    assert shown["scheduledPurgeDate"] - shown["deletedDate"] == 90 * 24 * 3_600
    assert shown["tags"] == {"a": "b"}
    assert "value" not in shown


def test_no_record_shows_a_value(secret: StoredSecret) -> None:
    assert VALUE not in repr(secret) + repr(OLD)


SHORT_URL = "https://v"


def body(value: str | None, **parts: object) -> SecretBody:
    members = {"content_type": None, "tags": None, "enabled": None, "expires": None, "not_before": None} | parts
    return SecretBody(value, **members)  # type: ignore[arg-type]


def refusal(call: object) -> tuple[int, str | None]:
    with pytest.raises(RefusedRequestError) as caught:
        call()  # type: ignore[operator]
    return caught.value.status, caught.value.inner


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(start=1_000.7)


@pytest.fixture
def state(clock: VirtualClock) -> BusyState:
    return BusyState(clock.now, delays=Delays(delete=4, recover=10, settle=3, purge=6))


def test_each_set_makes_a_version_and_times_are_whole_seconds(state: BusyState, clock: VirtualClock) -> None:
    first = state.set(SHORT_URL, "a", body("1"))
    clock.sleep(5)
    second = state.set(SHORT_URL, "A", body("2"))
    assert first["id"] != second["id"]
    assert second["id"].startswith("https://v/secrets/a/")
    assert (first["attributes"]["created"], second["attributes"]["created"]) == (1000, 1005)
    assert state.get(SHORT_URL, "a", None)["value"] == "2"
    assert state.get(SHORT_URL, "a", first["id"].rpartition("/")[2])["value"] == "1"


def test_a_version_has_only_the_attributes_it_was_made_with(state: BusyState) -> None:
    state.set(SHORT_URL, "a", body("1", content_type="t", tags={"x": "y"}, expires=9, not_before=8))
    assert state.get(SHORT_URL, "a", None)["tags"] == {"x": "y"}
    bundle = state.set(SHORT_URL, "a", body("2"))
    assert not {"contentType", "tags"} & set(bundle)
    assert not {"exp", "nbf"} & set(bundle["attributes"])


def test_disabled_is_403_while_expired_and_not_yet_valid_are_served(state: BusyState) -> None:
    state.set(SHORT_URL, "off", body("1", enabled=False))
    state.set(SHORT_URL, "old", body("1", expires=1))
    state.set(SHORT_URL, "new", body("1", not_before=9_999_999))
    assert refusal(lambda: state.get(SHORT_URL, "off", None)) == (403, "SecretDisabled")
    assert state.get(SHORT_URL, "old", None)["value"] == state.get(SHORT_URL, "new", None)["value"] == "1"


def test_a_certificate_is_listed_as_managed_and_refuses_every_change(state: BusyState) -> None:
    state.add_certificate("cert", "pem")
    items, _marker = state.list_secrets(SHORT_URL, "")
    assert items[0]["managed"] is True
    assert "kid" not in items[0]
    assert state.get(SHORT_URL, "cert", None)["kid"].startswith("https://v/keys/cert/")
    versions, _marker = state.list_versions(SHORT_URL, "cert", "")
    assert versions[0]["kid"] == state.get(SHORT_URL, "cert", None)["kid"]
    assert not {"managed", "kid"} & state.set(SHORT_URL, "plain", body("x")).keys()
    for call in (
        lambda: state.set(SHORT_URL, "cert", body("x")),
        lambda: state.update(SHORT_URL, "cert", None, body(None)),
        lambda: state.delete(SHORT_URL, "cert"),
    ):
        assert refusal(call) == (403, "ManagedSecret")


def test_update_changes_a_version_in_place_and_leaves_what_it_does_not_name(state: BusyState) -> None:
    state.set(SHORT_URL, "a", body("1", content_type="t", tags={"x": "y"}))
    state.update(SHORT_URL, "a", None, body(None, enabled=False))
    (version,) = state.find_secret("a").versions  # type: ignore[union-attr]
    assert (version.value, version.content_type, version.tags, version.enabled) == ("1", "t", {"x": "y"}, False)


def test_no_value_shows_in_a_repr(state: BusyState) -> None:
    state.set(SHORT_URL, "a", body("s3ntinel"))
    assert "s3ntinel" not in repr(state.find_secret("a")) + repr(body("s3ntinel"))
