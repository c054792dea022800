from dataclasses import replace

import pytest

from compiler.demo.key_vault_state import SecretVersion, StoredSecret, bundle, deleted_bundle, item

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


@pytest.mark.parametrize(("versioned", "end"), [(True, f"/Github/{'f' * 32}"), (False, "/Github")])
def test_a_deleted_secret_says_where_and_how_long_it_can_be_recovered(
    secret: StoredSecret, end: str, *, versioned: bool
) -> None:
    shown = deleted_bundle(BASE, secret, versioned=versioned)
    assert shown["id"] == f"https://v.vault.azure.net/secrets{end}"
    assert shown["recoveryId"] == "https://v.vault.azure.net/deletedsecrets/Github"
    assert shown["deletedDate"] == 1_000
    assert shown["scheduledPurgeDate"] - shown["deletedDate"] == 90 * 24 * 3_600
    assert shown["tags"] == {"a": "b"}
    assert "value" not in shown


def test_no_record_shows_a_value(secret: StoredSecret) -> None:
    assert VALUE not in repr(secret) + repr(OLD)
