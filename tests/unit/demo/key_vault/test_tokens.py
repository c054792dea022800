import base64
import json

import jwt
import pytest

from compiler.demo.local_key_vault import TokenIssuer
from tests.faulty_key_vault import LocalCredential, RevocableIssuer
from tests.virtual_clock import VirtualClock

AUDIENCE = "https://vault.azure.net"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(start=1_000.5)


@pytest.fixture
def issuer(clock: VirtualClock) -> TokenIssuer:
    return TokenIssuer(AUDIENCE, clock.now)


def claims_of(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


def part(claims: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def test_a_token_is_a_jwt_that_names_its_caller_and_its_end(issuer: TokenIssuer) -> None:
    issued = issuer.issue(lifetime=60)
    assert jwt.get_unverified_header(issued) == {"alg": "HS256", "typ": "JWT"}
    claims = claims_of(issued)
    assert (claims["aud"], claims["exp"]) == (AUDIENCE, 1_060)
    assert claims["upn"] == "ada@example.com"
    assert {"oid", "tid"} <= set(claims)


def test_another_caller_takes_the_place_of_the_usual_one(issuer: TokenIssuer) -> None:
    issued = issuer.issue(caller={"appid": "ci"})
    claims = claims_of(issued)
    assert claims["appid"] == "ci"
    assert "upn" not in claims
    assert issuer.fault_of(f"Bearer {issued}") is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_token_passes_in_any_case_of_its_scheme(issuer: TokenIssuer, scheme: str) -> None:
    assert issuer.fault_of(f"{scheme} {issuer.issue()}") is None


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "token"])
def test_what_is_no_bearer_token_is_missing(issuer: TokenIssuer, header: str | None) -> None:
    assert issuer.fault_of(header) == "AKV10000: Request is missing a Bearer or PoP token."


def test_a_token_ends_at_its_second(issuer: TokenIssuer, clock: VirtualClock) -> None:
    header = f"Bearer {issuer.issue(lifetime=60)}"
    clock.sleep(59.4)
    assert issuer.fault_of(header) is None
    clock.sleep(0.1)
    assert issuer.fault_of(header) == "AKV10001: The token is expired."


def test_revoking_ends_what_was_issued_and_not_what_comes_after(clock: VirtualClock) -> None:
    issuer = RevocableIssuer(AUDIENCE, clock.now)
    before = issuer.issue()
    issuer.revoke_all()
    assert issuer.fault_of(f"Bearer {before}") == "AKV10002: The token was revoked."
    assert issuer.fault_of(f"Bearer {issuer.issue()}") is None


def test_changed_claims_a_removed_signature_and_another_issuer_are_forgeries(
    issuer: TokenIssuer, clock: VirtualClock
) -> None:
    head, body, signature = issuer.issue(lifetime=-1).split(".")
    longer = part(claims_of(f"{head}.{body}.{signature}") | {"exp": 9_999_999_999})
    unsigned = part({"alg": "none", "typ": "JWT"})
    forged = (
        f"{head}.{longer}.{signature}",
        f"{head}.{longer}.",
        f"{unsigned}.{longer}.",
        TokenIssuer(AUDIENCE, clock.now).issue(),
        "x",
        "\xe9.\xe9.\xe9",
    )
    for token in forged:
        assert issuer.fault_of(f"Bearer {token}") == "AKV10022: Invalid signature of the token."


def test_a_token_for_another_cloud_is_refused_with_the_audience_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, clock: VirtualClock
) -> None:
    # One key for both, as one tenant signs for every resource.
    monkeypatch.setattr("compiler.demo.local_key_vault.secrets.token_bytes", lambda size: b"k" * size)
    public, china = TokenIssuer(AUDIENCE, clock.now), TokenIssuer("https://vault.azure.cn", clock.now)
    refusal = public.fault_of(f"Bearer {china.issue()}")
    assert refusal == "AKV10022: Invalid audience. Expected https://vault.azure.net."


def test_a_credential_issues_a_fresh_token_each_time_and_counts(issuer: TokenIssuer, clock: VirtualClock) -> None:
    credential = LocalCredential(issuer, lifetime=30, caller={"appid": "ci"})
    first = credential.get_token("https://vault.azure.net/.default", tenant_id="x", enable_cae=True)
    clock.sleep(10)
    second = credential.get_token("https://vault.azure.net/.default")
    assert (first.expires_on, second.expires_on, credential.requests) == (1_030, 1_040, 2)
    assert claims_of(second.token)["appid"] == "ci"
    assert issuer.fault_of(f"Bearer {second.token}") is None
