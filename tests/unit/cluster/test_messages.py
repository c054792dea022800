import json
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.cluster.messages import (
    describe_failure,
    is_denied_read,
    is_log_in_failure,
    show_message,
    webhook_failure,
    without_age,
)
from compiler.stores.secret_value import SecretValue

NOW = datetime(2026, 11, 28, 7, 0, tzinfo=UTC)
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
    ("said", "is_log_in"),
    [
        (APP_ROLE.format(400, "invalid role or secret ID"), True),
        (APP_ROLE.format(403, "Permission Denied"), True),
        (APP_ROLE.format(503, "Vault is sealed"), False),
        (APP_ROLE.format(429, "too many"), False),
        (READ.format(403, "permission denied"), False),
        (ENTRA.format("7000222"), True),
        (NOT_REACHED, False),
        (UNTRUSTED, False),
        (f"/auth/approle/login: tls: x509: {PLANTED}", False),
        ("err: 403 Forbidden: ForbiddenByRbac", False),
        # No status that HTTP has, and a figure that is none.
        ("Code: 471. status of 403 keys, error 4030", False),
    ],
)
def test_a_refused_log_in_is_known_by_its_message(said: str, *, is_log_in: bool) -> None:
    assert is_log_in_failure(said) is is_log_in


PEM = f"-----BEGIN KEY-----\n{PLANTED}-of-the-first-line\n-----END KEY-----\n"
READ_VALUES = (SecretValue(PLANTED), SecretValue(PEM), SecretValue("7"), SecretValue('quo"ted\\value'))


@pytest.mark.parametrize(
    ("said", "without", "with_values"),
    [
        ("connection refused", "connection refused", "connection refused"),
        ("a\n\n  b\tc", "a b c", "a b c"),
        ("x" * 400, f"{'x' * 299}…", f"{'x' * 299}…"),
        ('no property "B" in key "a"', 'no property "…" in key "…"', 'no property "B" in key "a"'),
        (f'strconv.Atoi: parsing "{PLANTED}": invalid syntax', 'strconv.Atoi: parsing "…": invalid syntax', None),
        (f"cannot unmarshal !!str `{PLANTED}` into int", 'cannot unmarshal !!str "…" into int', None),
        (f"it can't read '{PLANTED}' of this", 'it can\'t read "…" of this', None),
        # A quote that is escaped does not end it, and one that was cut off has no end.
        (f'parsing "a\\"{PLANTED}', 'parsing "…"', None),
        # Of what was read nothing is shown, in whatever form it is.
        (f"cannot use {PLANTED} here", None, "cannot use … here"),
        ("cannot use czNudGluZWwtNDcxMQ==", None, "cannot use …"),
        ('cannot use quo\\"ted\\\\value', None, "cannot use …"),
        ("cannot use quo%22ted%5Cvalue", None, "cannot use …"),
        (f"line 2: {PLANTED}-of-the-first-line", None, "line 2: …"),
        ("cut off in the midst of s3ntin", None, "cut off in the midst of …"),
        # A short one is not taken out of a word.
        ("HTTP 407 of key 7", None, "HTTP 407 of key …"),
        # What a template is given may be a value that nobody has read since.
        ('could not execute template: parsing "another"', None, 'could not execute template: parsing "…"'),
    ],
)
def test_a_message_is_shown_without_values(said: str, without: str | None, with_values: str | None) -> None:
    if without is not None:
        assert show_message(said) == without
    shown = show_message(said, READ_VALUES)
    assert PLANTED not in shown
    assert with_values is None or shown == with_values


@given(st.text(), st.text(string.ascii_letters + string.punctuation + " ", min_size=4), st.text())
def test_no_value_that_was_read_is_ever_shown(before: str, value: str, after: str) -> None:
    shown = show_message(f"{before} <{value}> {after}", [SecretValue(value)])
    assert f"<{value.strip()}>" not in shown or not value.strip()


@pytest.mark.parametrize("text", ["auth/" * 200_000, "property " * 100_000, "key: " * 200_000, "Store " * 100_000])
def test_a_text_of_any_length_costs_little(text: str) -> None:
    begin = datetime.now(UTC)
    assert (len(show_message(text)), is_log_in_failure(text), webhook_failure(text)) == (300, False, "")
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
    assert describe_failure(failing(), warned(ago), NOW) == f"{age}: no such host s3ntinel"


def test_what_is_said_first_and_last_is_described() -> None:
    assert describe_failure(failing(" "), None, NOW) == ""
    assert describe_failure(failing("connection refused"), warned(timedelta(0), " "), NOW) == "connection refused"
    said = f"cannot use {PLANTED}"
    assert describe_failure(failing(), warned(timedelta(0), said), NOW, None, READ_VALUES) == "just now: cannot use …"


def test_a_denied_write_of_the_operator_names_who_denied_it() -> None:
    said = 'could not update secret: admission webhook "validate.kyverno.svc" denied the request: no label'
    words = 'the admission webhook "validate.kyverno.svc" denied the operator\'s write, so --force-sync cannot help: '
    assert describe_failure(failing(said), None, NOW).startswith(f"{words}could not update secret: ")


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-11-28T06:59:00"])
def test_a_warning_without_a_usable_date_has_no_age(moment: str) -> None:
    event = {"message": "no such host", "moment": moment, "count": 1}
    assert describe_failure(failing(), event, NOW) == "no such host"


def test_a_warning_of_the_spec_before_is_none() -> None:
    changed = failing("connection refused", "2026-11-28T06:58:00Z")
    assert describe_failure(changed, warned(timedelta(minutes=2)), NOW) == "2m ago: no such host s3ntinel"
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
            (
                f'the operator\'s webhook "{OWN_HOOK}" cannot be called: '
                'failed to call webhook: Post "…": dial tcp 10.0.0.7:443: connect: connection refused'
            ),
        ),
        (
            json.dumps({"message": f'failed calling webhook "{OWN_HOOK}": no endpoints for service "{PLANTED}"'}),
            f'the operator\'s webhook "{OWN_HOOK}" cannot be called: no endpoints for service "…"',
        ),
        ('failed calling webhook "other.x": EOF', 'the admission webhook "other.x" cannot be called: EOF'),
        (
            'admission webhook "kyverno.svc" denied the request: no label',
            'the admission webhook "kyverno.svc" denied it, so --force-sync cannot help: no label',
        ),
        (
            "conversion webhook for external-secrets.io/v1beta1, Kind=ExternalSecret failed: Post: connection refused",
            (
                "the operator's conversion webhook cannot be called: "
                "external-secrets.io/v1beta1, Kind=ExternalSecret failed: Post: connection refused"
            ),
        ),
        (PLANTED, ""),
        ("[" * 100_000, ""),
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
        ("key a: Permission Denied", True),
        ("Secret does not exist", False),
        ("", False),
    ],
)
def test_a_store_that_refuses_what_the_operator_reads_is_told(said: str, *, is_denied: bool) -> None:
    assert is_denied_read(said) is is_denied
