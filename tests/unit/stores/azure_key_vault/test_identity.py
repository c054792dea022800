import base64
import json
import threading
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from compiler.stores.azure_key_vault.log_in import (
    FixedToken,
    NoTokenError,
    SharedCredential,
    claims_of,
)
from compiler.stores.errors import Code
from compiler.stores.pacing import Clock, Deadlines

SCOPE = "https://vault.azure.net/.default"


def jwt(claims: object) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}.signature"


class Issuer:
    def __init__(self, claims: object, lifetime: float = 3_600.0) -> None:
        self.claims = claims
        self.lifetime = lifetime
        self.asked: list[dict[str, object]] = []

    def get_token(self, *_scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
        self.asked.append(options)
        return AccessToken(f"{jwt(self.claims)}{len(self.asked)}", int(1_000 + self.lifetime))


def now() -> float:
    return 1_000.0


def test_a_credential_is_waited_for_until_the_operation_ends_and_by_others_too() -> None:
    free = threading.Event()

    class Slow(Issuer):
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
            free.wait(30)
            return super().get_token(*scopes, **options)

    credential = SharedCredential(Slow({}), "test", now)
    deadlines = Deadlines(Clock(), patience=0.2, first_contact=60)
    told: list[NoTokenError] = []

    def ask() -> None:
        with deadlines.operation(), deadlines.request():
            try:
                credential.get_token(SCOPE)
            except NoTokenError as error:
                told.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [(error.code, error.__context__) for error in told] == [(Code.UNAVAILABLE, None)] * 3
    free.set()
    assert credential.get_token(SCOPE).token.startswith("e30.")


def test_a_token_is_kept_until_five_minutes_before_its_end() -> None:
    kept, short = Issuer({}), Issuer({}, lifetime=300)
    for issuer in (kept, short):
        credential = SharedCredential(issuer, "test", now)
        for _ in range(3):
            credential.get_token("scope", enable_cae=True)
    assert (len(kept.asked), len(short.asked)) == (1, 3)


def test_another_scope_and_a_claims_challenge_ask_anew() -> None:
    issuer = Issuer({})
    credential = SharedCredential(issuer, "test", now)
    credential.get_token("one")
    credential.get_token("two")
    credential.get_token("two", claims="{}")
    assert issuer.asked == [{}, {}, {"claims": "{}"}]


def test_only_the_refused_token_is_forgotten() -> None:
    issuer = Issuer({})
    credential = SharedCredential(issuer, "test", now)
    first = credential.get_token("scope").token
    credential.forget("another")
    assert credential.get_token("scope").token == first
    credential.forget(first)
    assert credential.get_token("scope").token != first


@pytest.mark.parametrize(
    ("claims", "subject"),
    [
        ({"upn": "ada@example.com", "appid": "cli", "oid": "1"}, "ada@example.com (oid 1)"),
        ({"appid": "app", "oid": "1"}, "app (oid 1)"),
        ({"oid": "1"}, "oid 1"),
        ({"upn": "a\nb"}, "a\\nb"),
        ({"upn": 5}, "unknown"),
        ([], "unknown"),
    ],
)
def test_the_subject_is_the_first_name_that_the_claims_give(claims: object, subject: str) -> None:
    credential = SharedCredential(Issuer(claims), "method", now)
    assert credential.identity() is None
    credential.get_token("scope")
    identity = credential.identity()
    assert identity is not None
    assert (identity.subject, identity.method) == (subject, "method")


def test_which_credential_of_a_chain_gave_the_token_is_told() -> None:
    class AzureCliCredential(Issuer):
        pass

    class Chain(Issuer):
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
            self._successful_credential = AzureCliCredential({})
            return super().get_token(*scopes, **options)

    credential = SharedCredential(Chain({}), "DefaultAzureCredential", now)
    assert credential.shown == "DefaultAzureCredential"
    credential.get_token("scope")
    identity = credential.identity()
    assert identity is not None
    assert (identity.method, identity.source) == ("DefaultAzureCredential", "AzureCliCredential")
    assert credential.shown == "DefaultAzureCredential (AzureCliCredential)"


@pytest.mark.parametrize("token", ["", "opaque", "a.b", "a.%%.c", "a.W10.c", "a.e30.c.d", "a." + "W" * 9 + ".c"])
def test_what_is_no_token_of_claims_has_none(token: str) -> None:
    assert claims_of(token) == {}


@pytest.mark.parametrize("end", [10**30, -(10**30), 10**14])
def test_an_end_beyond_any_calendar_is_none(end: int) -> None:
    credential = SharedCredential(FixedToken(jwt({"exp": end})), "method", now)
    credential.get_token(SCOPE)
    identity = credential.identity()
    assert identity is not None
    assert identity.expires is None


def test_a_fixed_token_ends_when_it_says_and_is_not_shown() -> None:
    assert FixedToken(jwt({"exp": 4_000_000_000})).get_token(SCOPE).expires_on == 4_000_000_000
    assert FixedToken("opaque").get_token(SCOPE).expires_on > 1_700_000_000
    assert "opaque" not in repr(FixedToken("opaque"))


def test_a_credential_that_fails_leaves_entras_codes_and_no_context() -> None:
    class Failing:
        def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
            raise RuntimeError("AADSTS70011: client_secret=s3ntinel AADSTS70011 AADSTS1")

    with pytest.raises(NoTokenError) as caught:
        SharedCredential(Failing(), "test", now).get_token("scope")
    assert caught.value.reason == "test returned no token (AADSTS70011)"
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("token", "scope", "given"),
    [
        (jwt({"aud": "https://vault.azure.net"}), SCOPE, True),
        (jwt({"aud": "https://Vault.Azure.net/"}), SCOPE, True),
        (jwt({"aud": "https://vault.azure.cn"}), SCOPE, False),
        (jwt({"aud": "https://vault.example"}), "https://vault.example/.default", True),
        (jwt({"aud": "https://vault.azure.net"}), "https://vault.azure.net.example/.default", False),
        (jwt({"aud": "https://vault.azure.net"}), "https://vault.azure.net@example/.default", False),
        (jwt({"aud": "https://vault.azure.net"}), "https://[/.default", False),
        (jwt({"aud": "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"}), SCOPE, True),
        (jwt({"aud": "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"}), "https://vault.example/.default", False),
        ("opaque", "https://vault.usgovcloudapi.net/.default", True),
        ("opaque", "https://vault.example/.default", False),
    ],
)
def test_a_token_is_given_for_its_own_resource_alone(token: str, scope: str, *, given: bool) -> None:
    credential = SharedCredential(FixedToken(token), "test")
    if given:
        assert credential.get_token(scope).token == token
    else:
        with pytest.raises(NoTokenError, match="for another resource than that of"):
            credential.get_token(scope)
    assert FixedToken(token, is_for_any=True).get_token(scope).token == token
