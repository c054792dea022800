import pytest

from compiler.demo.key_vault_state import RefusedRequestError, SecretBody
from tests.faulty_key_vault import BusyState, Delays, Policy
from tests.virtual_clock import VirtualClock

BASE = "https://v"


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
    first = state.set(BASE, "a", body("1"))
    clock.sleep(5)
    second = state.set(BASE, "A", body("2"))
    assert first["id"] != second["id"]
    assert second["id"].startswith("https://v/secrets/a/")
    assert (first["attributes"]["created"], second["attributes"]["created"]) == (1000, 1005)
    assert state.get(BASE, "a", None)["value"] == "2"
    assert state.get(BASE, "a", first["id"].rpartition("/")[2])["value"] == "1"


def test_a_version_has_only_the_attributes_it_was_made_with(state: BusyState) -> None:
    state.set(BASE, "a", body("1", content_type="t", tags={"x": "y"}, expires=9, not_before=8))
    assert state.get(BASE, "a", None)["tags"] == {"x": "y"}
    bundle = state.set(BASE, "a", body("2"))
    assert not {"contentType", "tags"} & set(bundle)
    assert not {"exp", "nbf"} & set(bundle["attributes"])


def test_disabled_is_403_while_expired_and_not_yet_valid_are_served(state: BusyState) -> None:
    state.set(BASE, "off", body("1", enabled=False))
    state.set(BASE, "old", body("1", expires=1))
    state.set(BASE, "new", body("1", not_before=9_999_999))
    assert refusal(lambda: state.get(BASE, "off", None)) == (403, "SecretDisabled")
    assert state.get(BASE, "old", None)["value"] == state.get(BASE, "new", None)["value"] == "1"


def test_delete_takes_a_while_and_only_then_shows_among_the_deleted(state: BusyState, clock: VirtualClock) -> None:
    state.set(BASE, "a", body("1"))
    state.delete(BASE, "a")
    assert refusal(lambda: state.get(BASE, "a", None)) == (404, None)
    assert refusal(lambda: state.get_deleted(BASE, "a")) == (404, None)
    assert refusal(lambda: state.set(BASE, "a", body("2"))) == (409, "ObjectIsBeingDeleted")
    assert refusal(lambda: state.recover(BASE, "a")) == (409, "ObjectIsBeingDeleted")
    clock.sleep(4)
    assert state.get_deleted(BASE, "a")["recoveryId"] == "https://v/deletedsecrets/a"
    assert refusal(lambda: state.set(BASE, "a", body("2"))) == (409, "ObjectIsDeletedButRecoverable")


def test_recover_takes_a_while_and_reading_comes_back_before_writing(state: BusyState, clock: VirtualClock) -> None:
    state.set(BASE, "a", body("1"))
    state.delete(BASE, "a")
    clock.sleep(4)
    state.recover(BASE, "a")
    assert refusal(lambda: state.get(BASE, "a", None)) == (404, None)
    assert refusal(lambda: state.recover(BASE, "a")) == (409, "ObjectIsBeingRecovered")
    clock.sleep(10)
    assert state.get(BASE, "a", None)["value"] == "1"
    assert refusal(lambda: state.set(BASE, "a", body("2"))) == (409, "ObjectIsBeingRecovered")
    clock.sleep(3)
    assert state.set(BASE, "a", body("2"))["value"] == "2"


def test_purge_frees_the_name_after_a_while_unless_the_vault_is_protected(
    state: BusyState, clock: VirtualClock
) -> None:
    state.set(BASE, "a", body("1"))
    state.delete(BASE, "a")
    clock.sleep(4)
    state.purge("a")
    assert refusal(lambda: state.set(BASE, "a", body("2"))) == (409, "ObjectIsBeingDeleted")
    clock.sleep(6)
    state.set(BASE, "a", body("2"))
    assert len(state.stored("a").versions) == 1  # type: ignore[union-attr]
    guarded = BusyState(clock.now, purge_protection=True)
    guarded.set(BASE, "a", body("1"))
    guarded.delete(BASE, "a")
    assert refusal(lambda: guarded.purge("a")) == (403, "ForbiddenByPolicy")


def test_a_certificate_is_listed_as_managed_and_refuses_every_change(state: BusyState) -> None:
    state.add_certificate("cert", "pem")
    items, _marker = state.list_secrets(BASE, "", 25)
    assert items[0]["managed"] is True
    assert "kid" not in items[0]
    assert state.get(BASE, "cert", None)["kid"].startswith("https://v/keys/cert/")
    versions, _marker = state.list_versions(BASE, "cert", "", 25)
    assert versions[0]["kid"] == state.get(BASE, "cert", None)["kid"]
    assert not {"managed", "kid"} & state.set(BASE, "plain", body("x")).keys()
    for call in (
        lambda: state.set(BASE, "cert", body("x")),
        lambda: state.update(BASE, "cert", None, body(None)),
        lambda: state.delete(BASE, "cert"),
    ):
        assert refusal(call) == (403, "ManagedSecret")


def test_lists_hold_no_values_and_go_on_after_their_marker(state: BusyState) -> None:
    for number in range(60):
        state.set(BASE, f"n{number:02}", body("secret"))
    names: list[str] = []
    marker: str | None = ""
    sizes = []
    while marker is not None:
        items, marker = state.list_secrets(BASE, marker, 25)
        sizes.append(len(items))
        names += [item["id"] for item in items]
        assert not any("value" in item for item in items)
    assert sizes == [25, 25, 10]
    assert names == [f"https://v/secrets/n{number:02}" for number in range(60)]


def test_update_changes_a_version_in_place_and_leaves_what_it_does_not_name(state: BusyState) -> None:
    state.set(BASE, "a", body("1", content_type="t", tags={"x": "y"}))
    state.update(BASE, "a", None, body(None, enabled=False))
    (version,) = state.stored("a").versions  # type: ignore[union-attr]
    assert (version.value, version.content_type, version.tags, version.enabled) == ("1", "t", {"x": "y"}, False)


def test_no_value_shows_in_a_repr(state: BusyState) -> None:
    state.set(BASE, "a", body("s3ntinel"))
    assert "s3ntinel" not in repr(state.stored("a")) + repr(body("s3ntinel"))


DAY = 86_400


@pytest.mark.parametrize(
    ("policy", "parts", "denied"),
    [
        (Policy(), {}, False),
        (Policy(requires_expiry=True), {}, True),
        (Policy(requires_expiry=True), {"expires": 1}, False),
        (Policy(longest_days=90), {}, False),
        (Policy(longest_days=90), {"expires": 1_000 + 90 * DAY}, False),
        (Policy(longest_days=90), {"expires": 1_001 + 90 * DAY}, True),
        (Policy(shortest_days=30), {"expires": 1_001 + 30 * DAY}, False),
        (Policy(shortest_days=30), {"expires": 1_000 + 30 * DAY}, True),
        (Policy(requires_content_type=True), {"content_type": ""}, True),
        (Policy(requires_content_type=True), {"content_type": "t"}, False),
    ],
)
def test_a_policy_denies_what_a_request_would_make(
    state: BusyState, policy: Policy, parts: dict[str, object], *, denied: bool
) -> None:
    state.policy = policy
    asked = body("1", **parts)
    if denied:
        assert refusal(lambda: state.require_allowed("a", None, asked)) == (403, "ForbiddenByPolicy")
    else:
        state.require_allowed("a", None, asked)


def test_a_policy_judges_an_update_by_what_the_version_then_has(state: BusyState, clock: VirtualClock) -> None:
    state.set(BASE, "a", body("1"))
    clock.sleep(DAY)
    state.policy = Policy(requires_expiry=True, longest_days=1)
    assert refusal(lambda: state.require_allowed("a", None, body(None, tags={"x": "y"}))) == (403, "ForbiddenByPolicy")
    late = body(None, expires=1_001 + DAY)
    assert refusal(lambda: state.require_allowed("a", None, late)) == (403, "ForbiddenByPolicy")
    state.require_allowed("a", None, body(None, expires=1_000 + DAY))
