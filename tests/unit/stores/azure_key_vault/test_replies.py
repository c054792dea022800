import pytest

from compiler.stores.azure_key_vault.replies import (
    BY_ACCESS_POLICY,
    ON_BEHALF_OF,
    Answer,
    Bundle,
    denial_of,
    error_of,
    soft_deleted,
)
from compiler.stores.errors import Action, Code, ForbiddenError, StoreLocation
from compiler.stores.interface import Attributes

POLICY = "set requireExpiry, maxValidity and minValidity as the policy has them and run again"
PLACE = StoreLocation("https://v.vault.azure.net", "github")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(302), "redirect-refused"),
        (Answer(408), "unavailable"),
        (Answer(500), "unavailable"),
        (Answer(504), "unavailable"),
        (Answer(429), "throttled"),
        (Answer(401), "unauthenticated"),
        (Answer(401, worked_before=True), "expired-token"),
        (Answer(403), "unexpected-reply"),
        (Answer(404), "unexpected-reply"),
        (Answer(404, "SecretNotFound", is_key_vaults=True), "not-found"),
        (Answer(403, "Forbidden", "SecretDisabled", is_key_vaults=True), "disabled"),
        (Answer(403, "Forbidden", None, is_key_vaults=True), "forbidden"),
        (Answer(409, "Conflict", "ObjectIsDeletedButRecoverable", is_key_vaults=True), "soft-deleted"),
        (Answer(409, "Conflict", "ObjectIsBeingDeleted", is_key_vaults=True), "busy"),
        (Answer(409, "Conflict", "ObjectIsBeingRecovered", is_key_vaults=True), "busy"),
        (Answer(409, "Conflict", None, is_key_vaults=True), "busy"),
        (Answer(400, "BadParameter", is_key_vaults=True), "invalid-value"),
    ],
)
def test_each_answer_has_its_error(answer: Answer, code: str) -> None:
    error = error_of(answer, PLACE, Action.WRITE)
    assert error.code == code
    assert str(PLACE) in str(error)


@pytest.mark.parametrize("worked_before", [True, False])
def test_a_rejected_token_of_the_variable_is_to_be_renewed_there(*, worked_before: bool) -> None:
    error = error_of(Answer(401, worked_before=worked_before, credential="AZURE_KEYVAULT_TOKEN"), PLACE, Action.READ)
    assert error.reason.startswith("the token of AZURE_KEYVAULT_TOKEN ")
    # Nobody tried another one, and a log-in changes nothing while the variable is set.
    assert "a new one" not in error.reason
    assert error.remedy.startswith("renew AZURE_KEYVAULT_TOKEN")
    assert "az login" not in error.remedy.partition("unset it")[0]


def test_only_a_write_may_lack_an_expiry_date() -> None:
    error = error_of(Answer(403, "Forbidden", None, is_key_vaults=True), PLACE, Action.DELETE)
    assert error.remedy == "ask the vault's owner for secrets/delete"


USER = "The user, group or application 'appid=sentinel-4711;oid=1' does not have secrets set permission on key"


@pytest.mark.parametrize(
    ("message", "denial"),
    [
        (USER, BY_ACCESS_POLICY),
        ("The policy requires the caller 'appid=sentinel-4711' to use on-behalf-of (OBO) flow.", ON_BEHALF_OF),
        (f"x{USER}", None),
        (USER.replace("does not have secrets", "does not have keys"), None),
        (USER + "x" * 4096, None),
        ("", None),
        (None, None),
    ],
)
def test_the_kind_of_a_policy_is_what_its_message_begins_with(message: str | None, denial: str | None) -> None:
    assert denial_of(message) == denial


@pytest.mark.parametrize(
    ("denial", "reason", "remedy"),
    [
        (
            BY_ACCESS_POLICY,
            "the vault's access policy does not grant the caller secrets/set",
            "add it (`az keyvault set-policy --secret-permissions set`)",
        ),
        (
            ON_BEHALF_OF,
            "the vault's access policy grants it only to an application that acts on behalf of the caller",
            "add an access policy with secrets/set for the caller alone, without an application",
        ),
    ],
)
def test_a_denial_by_policy_has_the_way_out_of_its_kind(denial: str, reason: str, remedy: str) -> None:
    error = error_of(
        Answer(403, "Forbidden", "ForbiddenByPolicy", denial=denial, is_key_vaults=True), PLACE, Action.WRITE
    )
    assert isinstance(error, ForbiddenError)
    assert (error.permission, error.reason, error.remedy) == ("secrets/set", reason, remedy)
    # The message alone, of another code, decides nothing.
    other = error_of(
        Answer(403, "Forbidden", "ForbiddenByRbac", denial=denial, is_key_vaults=True), PLACE, Action.WRITE
    )
    assert "no role assignment" in other.reason


@pytest.mark.parametrize(
    ("action", "permission", "role"),
    [
        (Action.READ, "secrets/get", "Key Vault Secrets User"),
        (Action.LIST, "secrets/list", "Key Vault Secrets User"),
        (Action.WRITE, "secrets/set", "a custom role that cannot purge"),
        (Action.DELETE, "secrets/delete", "a custom role that cannot purge"),
        (Action.RECOVER, "secrets/recover", "a custom role that cannot purge"),
    ],
)
def test_a_missing_role_names_the_permission_and_the_role(action: Action, permission: str, role: str) -> None:
    error = error_of(Answer(403, "Forbidden", "ForbiddenByRbac", is_key_vaults=True), PLACE, action)
    assert isinstance(error, ForbiddenError)
    assert error.permission == permission
    assert permission in error.reason
    assert role in error.remedy


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, None), ("7", 7.0), ("0", 0.0), ("soon", None), ("-1", None), ("86400", 86_400.0)]
)
def test_retry_after_is_taken_only_where_it_makes_sense(header: str | None, seconds: float | None) -> None:
    error = error_of(Answer(429, retry_after=header), PLACE, Action.READ)
    assert error.code is Code.THROTTLED
    assert error.retry_after == seconds


@pytest.mark.parametrize("code", ["s3ntinel with a space", "x\ny", "x" * 65, "é"])
def test_a_code_that_is_no_word_is_not_shown(code: str) -> None:
    for status in (400, 403, 409):
        error = error_of(Answer(status, code, code, is_key_vaults=True), PLACE, Action.READ)
        assert code not in str(error)
        assert '"unknown"' in str(error)


def test_a_deleted_secret_is_recovered_by_commands_that_there_are() -> None:
    # What verify, put and restore report too, which have no such option of their own.
    error = soft_deleted(PLACE, Action.READ, "v1")
    command = f"az keyvault secret recover --id {PLACE.store}/deletedsecrets/{PLACE.name}"
    remedy = f"recover it (`{command}`, or `--recover` of put, restore or migrate)"
    assert (error.version, error.remedy) == ("v1", remedy)


@pytest.mark.parametrize(
    ("inner", "reason", "remedy"),
    [
        (
            "AccessDenied",
            "the vault's access policy does not grant the caller secrets/set",
            "add it (`az keyvault set-policy --secret-permissions set`)",
        ),
        (
            "ForbiddenByFirewall",
            "the vault's firewall blocks this network",
            "add this address to the vault's network rules, or run from an allowed network",
        ),
        (
            "Other",
            'the vault denies it with code "Other"',
            "ask the vault's owner for secrets/set; a policy of the vault may want an expiry date",
        ),
        (
            "ForbiddenByPolicy",
            "refused by policy: its expiry date or its content type is missing or not allowed",
            f"{POLICY}, or ask for secrets/set",
        ),
    ],
)
def test_each_cause_of_a_refusal_has_its_way_out(inner: str, reason: str, remedy: str) -> None:
    error = error_of(Answer(403, "Forbidden", inner, is_key_vaults=True), PLACE, Action.WRITE)
    assert (error.reason, error.remedy) == (reason, remedy)


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (Action.WRITE, "refused-by-policy"),
        (Action.READ, "forbidden"),
        (Action.DELETE, "forbidden"),
    ],
)
def test_azure_policy_refuses_what_a_write_would_make_and_nothing_else(action: Action, code: str) -> None:
    error = error_of(Answer(403, "Forbidden", "ForbiddenByPolicy", is_key_vaults=True), PLACE, action)
    assert (error.code, error.retryable, error.maybe_done) == (code, False, False)


VAULT_PLACE = StoreLocation("https://vault", "github")
VERSION = "1f" * 16


def bundle(name: str = "github", version: str | None = VERSION) -> Bundle:
    return Bundle(name, version, None, Attributes())


@pytest.mark.parametrize(
    ("message", "reason", "option"),
    [
        ("Operation get is not allowed on a disabled secret.", "is disabled", "--enabled true"),
        ("Operation get is not allowed on an expired secret.", "is expired, and the vault does not", "--expires DATE"),
        ("Operation get is not allowed on a not yet valid secret.", "is not yet valid, and", "--not-before DATE"),
    ],
)
@pytest.mark.parametrize("inner", [None, "ForbiddenByPolicy"])
def test_a_version_that_nobody_may_read_is_told_from_a_missing_right(
    message: str, reason: str, option: str, inner: str | None
) -> None:
    answer = Answer(403, "Forbidden", inner, is_key_vaults=True, denial=denial_of(message))
    error = error_of(answer, PLACE, Action.READ)
    assert (error.code, "secrets/get" in error.remedy) == (Code.DISABLED, False)
    assert error.reason.startswith(f"its newest version {reason}")
    assert option in error.remedy
    # Where the vault's code says that a right is missing, that counts.
    answer = Answer(403, "Forbidden", "ForbiddenByRbac", is_key_vaults=True, denial=denial_of(message))
    assert error_of(answer, PLACE, Action.READ).code == Code.FORBIDDEN


@pytest.mark.parametrize(
    "message",
    [
        "x Operation get is not allowed on a disabled secret.",
        "Operation get is not allowed on a disabled key.",
        "Operation get is not allowed",
        "OPERATION GET is not allowed on a disabled secret.",
    ],
)
def test_any_other_sentence_says_nothing_of_the_version(message: str) -> None:
    answer = Answer(403, "Forbidden", None, is_key_vaults=True, denial=denial_of(message))
    assert error_of(answer, PLACE, Action.READ).code == Code.FORBIDDEN
