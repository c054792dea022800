import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.cluster import messages
from compiler.cluster.messages import (
    describe_failure,
    find_words,
    is_denied_read,
    is_log_in_failure,
    webhook_failure,
    without_age,
)
from compiler.cluster.view import wanted_names
from tests.recorded_cluster import recorded

NOW = datetime(2026, 11, 28, 7, 0, tzinfo=UTC)
LINE = "kubectl -n team describe externalsecret agent-github"
NOT_SHOWN = f"its message is not shown here: {LINE}"
PLANTED = "s3ntinel-4711"
APP_ROLE = (
    "unable to log in to auth method: unable to log in with app role auth: Error making API request.\n\n"
    "URL: PUT http://vault:8200/v1/auth/approle/login\nCode: {}. Errors:\n\n* {}"
)
ENTRA = (
    "ClientSecretCredential authentication failed. POST https://login.microsoftonline.com/t/oauth2/v2.0/token\n"
    'RESPONSE 401 Unauthorized {{"error_description":"AADSTS{}: Invalid client secret s3ntinel-4711 provided.'
)
READ = "cannot read secret data from Vault: Error making request.\n\nURL: GET http://v/v1/a\nCode: {}. Errors:\n\n* {}"
NOT_REACHED = 'Post "https://vault:8200/v1/auth/approle/login": dial tcp 10.0.0.7:8200: connect: connection refused'
UNTRUSTED = 'Put "https://v/v1/auth/approle/login": x509: certificate signed by unknown authority'


@pytest.mark.parametrize(
    ("said", "words", "is_log_in"),
    [
        (APP_ROLE.format(400, "invalid role or secret ID"), "invalid role or secret ID (HTTP 400)", True),
        (APP_ROLE.format(403, "permission denied"), "permission denied (HTTP 403)", True),
        (APP_ROLE.format(403, "Permission Denied"), "permission denied (HTTP 403)", True),
        (APP_ROLE.format(503, "Vault is sealed"), "Vault is sealed (HTTP 503)", False),
        (APP_ROLE.format(429, "too many"), "HTTP 429", False),
        (READ.format(403, "permission denied"), "permission denied (HTTP 403)", False),
        (ENTRA.format("7000215"), "AADSTS7000215 (invalid client secret) (HTTP 401)", True),
        (ENTRA.format("7000222"), "AADSTS7000222 (the client secret has expired) (HTTP 401)", True),
        (ENTRA.format("999"), "AADSTS999 (HTTP 401)", True),
        # Neither a number of another length nor one in the midst of a word is a code.
        ("xAADSTS7000215 AADSTS1234567890", "", True),
        (NOT_REACHED, "connection refused", False),
        ("secret deleted due to DeletionPolicy=Delete", "secret deleted due to DeletionPolicy=Delete", False),
        ("to keys: secret name collision during conversion: a_b", "secret name collision during conversion", False),
        (UNTRUSTED, "x509: certificate signed by unknown authority", False),
        (f"/auth/approle/login: tls: x509: {PLANTED}", "x509", False),
        ("dial tcp: lookup vault: no such host", "no such host", False),
        (
            'StatusCode=403 -- InnerError={"code":"ForbiddenByRbac"}',
            "ForbiddenByRbac (HTTP 403)",
            False,
        ),
        ("err: 403 Forbidden: ForbiddenByRbac", "ForbiddenByRbac (HTTP 403)", False),
        ("property A does not exist in key b", "property does not exist", False),
        ('ClusterSecretStore "vault" is not ready', "the store is not ready", False),
        # What the operator says from 2.14 on in place of the cause, and only where nothing else is said.
        ("could not get secret data from provider", "could not get secret data from provider", False),
        ("could not get secret data from provider: Secret does not exist", "Secret does not exist", False),
        # No status that HTTP has, and a figure that is none.
        ("Code: 471. status of 403 keys, error 4030", "", False),
        (f"cannot use {PLANTED}", "", False),
    ],
)
def test_the_listed_words_of_a_message_are_found(said: str, words: str, *, is_log_in: bool) -> None:
    assert find_words(said) == words
    assert is_log_in_failure(said) is is_log_in


def test_what_was_recorded_of_a_real_operator_has_listed_words() -> None:
    warnings = [each["message"] for each in recorded("events-externalsecrets")["items"] if each["type"] == "Warning"]
    assert warnings
    assert all(find_words(each) for each in warnings), warnings


def test_of_what_a_message_names_only_the_names_of_the_manifest_are_shown() -> None:
    said = f"error processing spec.data[0] (key: team/jira), err: property {PLANTED} does not exist in key team/jira"
    assert find_words(said, {"team/jira", "OTHER"}) == 'property does not exist: "team/jira"'
    assert (
        find_words(f'cannot find secret data for key: "{PLANTED}"', {"team/jira"}) == "cannot find secret data for key"
    )
    failed = "could not execute template: unable to execute template at key URL: template: URL:1:11: executing"
    template = {"spec": {"target": {"template": {"data": {"URL": "{{ .A }}"}}}}}
    assert find_words(failed, wanted_names(template)) == 'could not execute template: "URL"'
    # A name without a word says nothing.
    assert find_words("key team/jira", {"team/jira"}) == ""


def _own_words() -> list[str]:
    general = [*messages._WORDS, *messages._GENERAL, "property does not exist", "the store is not ready"]
    return sorted(general, key=len, reverse=True)


@given(
    st.text(string.printable),
    st.sampled_from([*messages._WORDS, *messages._GENERAL, *(f"AADSTS{each}" for each in messages._ENTRA_CODES)]),
    st.text(),
)
def test_no_text_around_a_listed_word_is_ever_shown(before: str, word: str, after: str) -> None:
    shown = find_words(f"{before} {word} {after}")
    assert shown
    left = shown
    for code, meaning in messages._ENTRA_CODES.items():
        left = left.replace(f"AADSTS{code} ({meaning})", "")
    for each in _own_words():
        left = left.replace(each, "")
    # Codes and statuses are digits behind a word of ours.
    assert set(left) <= set(string.digits + "AADSTSHTTP(), "), left


@pytest.mark.parametrize("text", ["auth/" * 200_000, "property " * 100_000, "key: " * 200_000, "Store " * 100_000])
def test_a_text_of_any_length_costs_little(text: str) -> None:
    begin = datetime.now(UTC)
    assert (find_words(text), is_log_in_failure(text), webhook_failure(text)) == ("", False, "")
    assert datetime.now(UTC) - begin < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("said", "is_of_store"),
    [
        ("invalid vault credentials: Code: 403. Errors: * permission denied", True),
        ("cannot find secret data for key: secretid", True),
        ('cannot get Kubernetes secret "vault-approle" from namespace "eso"', True),
        ("Code: 401", True),
        (NOT_REACHED, False),
        ("Code: 404", False),
    ],
)
def test_the_check_of_a_store_is_a_log_in(said: str, *, is_of_store: bool) -> None:
    assert is_log_in_failure(said, is_of_store=True) is is_of_store


def failing(message: str = "no", changed: str | None = None) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "False", "message": message}
    writers = [{"manager": "m", "time": changed, "fieldsV1": {"f:spec": {"f:data": {}}}}] if changed else []
    metadata = {"namespace": "team", "name": "agent-github", "managedFields": writers}
    return {"metadata": metadata, "status": {"conditions": [condition]}}


def warned(ago: timedelta, message: str = "no such host s3ntinel") -> dict[str, Any]:
    return {"message": message, "moment": (NOW - ago).isoformat(), "count": 1}


@pytest.mark.parametrize(
    ("ago", "age"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1m ago"),
        (timedelta(minutes=59), "59m ago"),
        (timedelta(hours=23), "23h ago"),
        (timedelta(days=3), "3d ago"),
        # Clocks differ.
        (timedelta(minutes=-5), "just now"),
    ],
)
def test_a_warning_is_described_with_its_age(ago: timedelta, age: str) -> None:
    assert describe_failure(failing(), warned(ago), NOW) == f"{age}: no such host"


def test_a_message_without_a_listed_word_is_not_shown() -> None:
    assert describe_failure(failing(), warned(timedelta(minutes=2), PLANTED), NOW) == f"2m ago: {NOT_SHOWN}"
    assert describe_failure(failing(PLANTED), None, NOW) == NOT_SHOWN
    # Where nothing is said nothing is left out.
    assert describe_failure(failing(" "), None, NOW) == ""
    assert describe_failure(failing("connection refused"), warned(timedelta(0), " "), NOW) == "connection refused"


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-11-28T06:59:00"])
def test_a_warning_without_a_usable_date_has_no_age(moment: str) -> None:
    event = {"message": "no such host", "moment": moment, "count": 1}
    assert describe_failure(failing(), event, NOW) == "no such host"


def test_a_warning_of_the_spec_before_is_none() -> None:
    changed = failing("connection refused", "2026-11-28T06:58:00Z")
    assert describe_failure(changed, warned(timedelta(minutes=2)), NOW) == "2m ago: no such host"
    assert describe_failure(changed, warned(timedelta(minutes=3)), NOW) == "connection refused"


def test_the_age_of_a_description_can_be_left_out() -> None:
    assert [without_age(f"{age}: it says so") for age in ("just now", "3m ago", "12d ago")] == ["it says so"] * 3
    assert without_age("no age: 3m ago: x") == "no age: 3m ago: x"


OWN_HOOK = "validate.externalsecret.external-secrets.io"
POST = 'failed to call webhook: Post "https://external-secrets-webhook.external-secrets.svc:443/validate?timeout=5s"'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            f'failed calling webhook "{OWN_HOOK}": {POST}: dial tcp 10.0.0.7:443: connect: connection refused',
            f'the operator\'s webhook "{OWN_HOOK}" cannot be called: connection refused',
        ),
        (
            f'failed calling webhook \\"{OWN_HOOK}\\": {POST}: no endpoints available for service \\"{PLANTED}\\"',
            f'the operator\'s webhook "{OWN_HOOK}" cannot be called: no endpoints available',
        ),
        (
            f'failed calling webhook "{OWN_HOOK}": {POST}: x509: certificate signed by unknown authority {PLANTED}',
            f'the operator\'s webhook "{OWN_HOOK}" cannot be called: x509: certificate signed by unknown authority',
        ),
        (f'failed calling webhook "{PLANTED}.x": {PLANTED}', "a webhook that is not the operator's cannot be called"),
        (
            f'admission webhook "{OWN_HOOK}" denied the request: {PLANTED}',
            f'the operator\'s webhook "{OWN_HOOK}" refused it',
        ),
        (
            f'admission webhook "kyverno-{PLANTED}" denied the request: x',
            "a webhook that is not the operator's refused it",
        ),
        (
            "conversion webhook for external-secrets.io/v1beta1, Kind=ExternalSecret failed: Post: connection refused",
            "the operator's conversion webhook cannot be called: connection refused",
        ),
        (PLANTED, ""),
    ],
)
def test_a_refused_write_names_the_webhook_and_the_reason(body: str, said: str) -> None:
    assert webhook_failure(body) == said


@pytest.mark.parametrize(
    ("said", "is_denied"),
    [
        ("cannot read secret data from Vault: URL: GET secret/data/x Code: 403. Errors: * permission denied", True),
        ('StatusCode=403 Code="Forbidden" InnerError={"code":"ForbiddenByRbac"}', True),
        # A log-in is no read, a firewall refuses everything, and a disabled secret is refused to everybody.
        ("unable to log in with app role auth: URL: PUT auth/approle/login Code: 403. permission denied", False),
        ('StatusCode=403 InnerError={"code":"ForbiddenByFirewall"}', False),
        ('StatusCode=403 InnerError={"code":"SecretDisabled"}', False),
        ("Secret does not exist", False),
        ("", False),
    ],
)
def test_a_store_that_refuses_what_the_operator_reads_is_told(said: str, *, is_denied: bool) -> None:
    assert is_denied_read(said) is is_denied
