import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compiler.cli.terminal.contents import text_of
from compiler.live.stores import AddressError, address_of
from compiler.model.diagnostic import Severity
from compiler.model.document import Node, Source, Span, extent
from compiler.model.environment import Store
from compiler.model.inventory import Cell
from compiler.model.store import Place
from compiler.operations.references import (
    date_diagnostic,
    key_diagnostic,
    of_remote,
    of_store,
    of_store_error,
    value_diagnostics,
    with_own_count,
)
from compiler.render.content import CommandRun, show
from compiler.render.formats import render_text
from compiler.rules import ALL_RULES
from compiler.rules.live_rules import BY_ID
from compiler.stores import errors
from compiler.stores.errors import Action, StoreError, StoreLocation
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value import JsonKind, SecretValue
from tests import providers
from tests.refusals import refusal

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
SECOND = timedelta(seconds=1)
SENTINEL = "hunter2-sentinel-4711"
SOURCE = Source("environments/prod.yaml", "\n".join(f"line {number}" for number in range(50)))


def at(line: int) -> Span:
    return Span(SOURCE, *SOURCE.line_bounds(line))


def store(address: str | None = "https://x.vault.azure.net") -> Store:
    start, end = SOURCE.line_bounds(40)
    node = Node({}, SOURCE, extent(end, end, start, end))
    return Store(
        "azure",
        providers.KEY_VAULT,
        "azure",
        "ClusterSecretStore",
        "",
        address,
        "",
        None,
        rendered=False,
        node=node,
        environment="dev",
    )


AZURE = store()


TOKEN = '"TOKEN" of "github"'


def asked(key: str = "TOKEN", wanted: str | None = "TOKEN", line: int = 10, secret_line: int = 2) -> Cell:
    place, value = Place("gh", wanted), ("github", key)
    return Cell("github", key, AZURE, place, at(line), at(secret_line), value, serving=AZURE, environment="dev")


# What the kinds that know more than others are made with.
MORE: dict[type[StoreError] | errors.Code, dict[str, Any]] = {
    errors.VersionGoneError: {"version": "3"},
    errors.UnverifiedError: {"version": "3"},
    errors.ForbiddenError: {"permission": "secrets/get"},
    errors.ConflictError: {"found": "2"},
}


def refused(kind: type[StoreError] | errors.Code, name: str | None = "gh") -> StoreError:
    place = StoreLocation("https://x.vault.azure.net", name)
    return refusal(kind, place, Action.READ, "the reason", "the remedy", **MORE.get(kind, {}))


CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, StoreError)]
OF_CLASS = {each.code: each for each in CLASSES if each is not StoreError}
KINDS = [OF_CLASS.get(code, code) for code in errors.Code]


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (SecretValue("x1"), "TOKEN", []),
        (SecretValue(""), "TOKEN", ["blank-value"]),
        (SecretValue(" \n"), "TOKEN", ["blank-value"]),
        (SecretValue(f"{SENTINEL}\0x"), "TOKEN", ["invalid-character"]),
        (SecretValue(f"{SENTINEL}\ud83d"), None, ["invalid-character"]),
        (SecretValue("\0\ud83d"), "TOKEN", ["invalid-character", "invalid-character"]),
        (SecretValue("changeme"), "TOKEN", ["placeholder-value"]),
        (SecretValue(" TODO\n"), "TOKEN", ["placeholder-value", "surrounding-white-space"]),
        (SecretValue(f"{SENTINEL}\n"), "TOKEN", ["surrounding-white-space"]),
        (SecretValue("8080", JsonKind.NUMBER), "TOKEN", ["not-a-string"]),
        (SecretValue("null", JsonKind.NULL), "TOKEN", ["not-a-string"]),
        (SecretValue('{"a": 1}', JsonKind.OBJECT), None, []),
        (SecretValue("TODO"), None, ["placeholder-value"]),
        (SecretValue("null"), "TOKEN", ["placeholder-value"]),
        (SecretValue(f"kind: List\napiVersion: v1\nitems: [{SENTINEL}]"), "TOKEN", ["manifest-value"]),
        # Which is found of the remote secret.
        (None, "TOKEN", ["missing-property"]),
    ],
)
def test_a_value_is_found_fault_with_and_never_shown(
    value: SecretValue | None, wanted: str | None, expected: list[str]
) -> None:
    found = list(value_diagnostics([asked(wanted=wanted)], value))
    assert [each.rule for each in found] == expected
    assert SENTINEL not in repr(found)


@pytest.mark.parametrize("kind", [kind for kind in JsonKind if kind is not JsonKind.STRING])
def test_what_is_no_text_is_called_by_its_kind(kind: JsonKind) -> None:
    (found,) = value_diagnostics([asked()], SecretValue(SENTINEL, kind))
    assert found.message == f"{TOKEN} is a JSON {kind.value}, not a string"
    assert found.help == "`platform-secrets put dev github TOKEN` stores it as a JSON string"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("TOKEN", 'is not in "gh" of the store "azure"'),
        ("token", 'needs the property "token", which is not in "gh" of the store "azure"'),
    ],
)
def test_a_missing_property_is_named_where_it_is_not_the_keys_own(wanted: str, message: str) -> None:
    (found,) = value_diagnostics([asked(wanted=wanted)], None)
    assert found.message == f"{TOKEN} {message}"
    assert found.help is not None
    assert "`use:`" in found.help


def test_a_finding_of_a_key_stands_at_its_line_and_tells_the_secrets() -> None:
    diagnostic = key_diagnostic("blank-value", [asked()], "is empty", "set it")
    assert (diagnostic.rule, diagnostic.severity) == ("blank-value", Severity.ERROR)
    assert (diagnostic.message, diagnostic.help) == ('"TOKEN" of "github" is empty', "set it")
    assert diagnostic.span == at(10)
    assert [(each.message, each.span) for each in diagnostic.related] == [("the secret is used here", at(2))]
    assert key_diagnostic("blank-value", [asked(secret_line=10)], "is empty").related == ()


def test_white_space_warns_and_the_rest_fails() -> None:
    warned = {rule for rule, page in BY_ID.items() if page.severity is Severity.WARNING}
    (found,) = value_diagnostics([asked()], SecretValue("x\n"))
    assert found.rule in warned
    assert not warned & {"blank-value", "placeholder-value", "not-a-string", "missing-property", "not-json"}


@pytest.mark.parametrize(
    ("expires", "not_before", "expected"),
    [
        (None, None, None),
        (NOW, None, ("expired-secret", '"gh" expired on 2026-01-01')),
        (NOW + SECOND, None, ("expires-soon", '"gh" expires on 2026-01-01')),
        (NOW + MONTH, None, ("expires-soon", '"gh" expires on 2026-01-31')),
        (NOW + MONTH + SECOND, None, None),
        (None, NOW, None),
        (None, NOW + SECOND, ("not-yet-valid", '"gh" is not valid before 2026-01-01')),
        (NOW - SECOND, NOW + SECOND, ("expired-secret", '"gh" expired on 2026-01-01')),
        (NOW + 2 * SECOND, NOW + SECOND, ("not-yet-valid", '"gh" is not valid before 2026-01-01')),
    ],
)
def test_of_its_dates_the_gravest_is_said(
    expires: datetime | None, not_before: datetime | None, expected: tuple[str, str] | None
) -> None:
    remote = RemoteSecret("gh", "1", {}, Attributes(expires=expires, not_before=not_before))
    found = date_diagnostic([asked()], remote, "https://v", NOW, MONTH)
    assert (found and (found.rule, found.message)) == expected


@pytest.mark.parametrize(
    ("attributes", "rule"),
    [
        (Attributes(), "no-expiry"),
        (Attributes(expires=NOW + MONTH + SECOND), None),
        (Attributes(expires=NOW), "expired-secret"),
    ],
)
def test_a_store_that_requires_expiry_warns_of_a_secret_without(attributes: Attributes, rule: str | None) -> None:
    requiring = replace(asked(), store=replace(asked().store, requires_expiry=True))
    found = date_diagnostic([requiring], RemoteSecret("gh", "1", {}, attributes), "https://v", NOW, MONTH)
    assert (found and found.rule) == rule
    if rule == "no-expiry" and found is not None:
        # Azure Policy flags it and serves it.
        assert found.severity is Severity.WARNING
        assert "`az keyvault secret set-attributes --id https://v/secrets/gh --expires DATE`" in (found.help or "")


@pytest.mark.parametrize(
    ("attributes", "command"),
    [
        (Attributes(expires=NOW), "platform-secrets put dev github TOKEN --expires DATE"),
        (Attributes(expires=NOW + SECOND), "platform-secrets put dev github TOKEN --expires DATE"),
        (
            Attributes(not_before=NOW + SECOND),
            "az keyvault secret set-attributes --id 'https://v/secrets/gh x' --not-before DATE",
        ),
    ],
)
def test_a_date_in_the_way_has_the_whole_command(attributes: Attributes, command: str) -> None:
    found = date_diagnostic([asked()], RemoteSecret("gh x", "1", {}, attributes), "https://v", NOW, MONTH)
    assert found is not None
    assert (found.help or "").count("`") == 2
    assert f"`{command}`" in (found.help or "")


@pytest.mark.parametrize("expires", [NOW, NOW + SECOND])
def test_where_each_write_gets_a_date_none_is_set_by_hand(expires: datetime) -> None:
    requiring = replace(asked(), store=replace(asked().store, requires_expiry=True))
    found = date_diagnostic(
        [requiring], RemoteSecret("gh", "1", {}, Attributes(expires=expires)), "https://v", NOW, MONTH
    )
    assert found is not None
    assert "`platform-secrets put " in (found.help or "")
    assert "--expires" not in (found.help or "")


def test_what_a_vault_deletes_soon_is_said_with_how_to_keep_it() -> None:
    remote = RemoteSecret("gh", "3", {}, Attributes(expires=NOW + SECOND))
    vault = replace(asked(), store=replace(asked().store, provider=providers.VAULT, mount="kv"))
    found = date_diagnostic([vault], remote, "https://v", NOW, MONTH)
    assert found is not None
    assert (found.rule, found.message) == ("expires-soon", 'version 3 of "gh" deletes itself on 2026-01-01')
    setting = "bao kv metadata put -mount=kv -delete-version-after=0s gh"
    assert f"{setting} && bao kv undelete -mount=kv -versions=3 gh` keeps it" in (found.help or "")


@pytest.mark.parametrize("count", [1, 7])
def test_a_remote_that_keys_need_is_said_at_the_secret_with_each_of_them(count: int) -> None:
    group = [asked(f"KEY_{number}", line=10 + number) for number in range(count)]
    diagnostic = of_remote("missing-secret", group, "it is gone", "make it")
    assert (diagnostic.span, diagnostic.help) == (at(2), "make it")
    assert diagnostic.message == "it is gone"
    assert diagnostic.brief
    assert [(each.message, each.span) for each in diagnostic.related] == [
        (f'"KEY_{number}" of "github"', at(10 + number)) for number in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "keys", "at_lines"), [(1, '"KEY_0"', "10:1"), (2, "2 keys", "10-11"), (5, "5 keys", "10-14")]
)
def test_of_seven_missing_secrets_all_is_said_on_one_screen(count: int, keys: str, at_lines: str) -> None:
    diagnostics = [
        of_store_error(
            [
                replace(asked(f"KEY_{number}", line=10 + number, secret_line=2 + secret), environment="dev")
                for number in range(count)
            ],
            refused(errors.NotFoundError, f"ai-platform-engineering/agent-{secret}"),
        )
        for secret in range(7)
    ]
    text = text_of(render_text(show(diagnostics), ALL_RULES, CommandRun("verify")))
    # At 80 columns, where a terminal breaks a line anywhere; of 30 rows, `verify` needs three for what it read.
    assert sum(max(1, math.ceil(len(line) / 80)) for line in text.splitlines()) <= 27
    only = " KEY_0" if count == 1 else ""
    assert text.startswith(
        'environments/prod.yaml:2:1: error[missing-secret]: "ai-platform-engineering/agent-0" is not in "azure"; '
        f'{keys} of "github" at environments/prod.yaml:{at_lines}\n'
        f"  help: `platform-secrets put dev github{only}` creates it; or correct its name\n"
        "environments/prod.yaml:3:1: "
    )
    assert text.endswith("name\n\n7 errors\n")


@pytest.mark.parametrize("count", [1, 2])
def test_a_line_is_not_told_twice(count: int) -> None:
    # A values file has one place for a secret and all its keys.
    group = [asked(f"KEY_{number}", line=2) for number in range(count)]
    diagnostic = of_remote("missing-secret", group, "it is gone")
    assert diagnostic.related == ()
    assert all(f'"KEY_{number}"' in diagnostic.message for number in range(count))


def test_a_stores_refusal_is_said_in_its_own_words_with_its_remedy() -> None:
    diagnostic = of_store_error([asked()], refused(errors.DisabledError))
    assert diagnostic.message == 'cannot read "gh" in https://x.vault.azure.net: the reason'
    assert diagnostic.help == "the remedy"


def test_a_missing_remote_is_created_by_the_command_that_is_named() -> None:
    reference = replace(asked(), environment="dev")
    diagnostic = of_store_error([reference], refused(errors.NotFoundError))
    assert diagnostic.message == '"gh" is not in "azure"'
    assert diagnostic.help == "`platform-secrets put dev github TOKEN` creates it; or correct its name"


def test_a_name_that_is_itself_wrong_forges_no_line() -> None:
    diagnostic = of_store_error([asked()], refused(errors.Code.INVALID_NAME, "a\nerror: forged"))
    assert "\n" not in diagnostic.message
    assert diagnostic.message.startswith('cannot read "a\N{REPLACEMENT CHARACTER}error: forged" in ')


RULES: dict[str, set[type[StoreError] | errors.Code]] = {
    "missing-secret": {errors.NotFoundError},
    "soft-deleted-secret": {errors.SoftDeletedError, errors.VersionGoneError},
    "disabled-secret": {errors.DisabledError},
    "forbidden": {errors.ForbiddenError},
    "unauthenticated": {errors.Code.UNAUTHENTICATED, errors.Code.EXPIRED_TOKEN},
    "wrong-mount": {errors.Code.WRONG_MOUNT, errors.Code.UNSUPPORTED_ENGINE},
    "invalid-reference": {errors.Code.INVALID_NAME},
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_of_a_store_has_its_rule_and_the_rest_is_no_answer(kind: type[StoreError] | errors.Code) -> None:
    expected = next((rule for rule, of in RULES.items() if kind in of), "no-answer")
    error = refused(kind)
    assert of_store_error([asked()], error).rule == expected
    # A store's own address that cannot be used is no reference.
    of_all = "no-answer" if expected == "invalid-reference" else expected
    assert of_store(AZURE, [asked()], error).rule == of_all


@pytest.mark.parametrize(("count", "words"), [(1, "1 key not checked"), (3, "3 keys not checked")])
def test_a_store_as_a_whole_is_said_once_at_its_own_line(count: int, words: str) -> None:
    diagnostic = of_store(AZURE, [asked()] * count, refused(errors.Code.SEALED, None))
    assert diagnostic.message == (f'the store "azure" (https://x.vault.azure.net) cannot be read: the reason; {words}')
    assert (diagnostic.span, diagnostic.help) == (at(40), "the remedy")


def test_a_store_without_an_address_is_no_answer_and_says_what_to_set() -> None:
    lost = store(None)
    with pytest.raises(AddressError) as caught:
        address_of(lost, {})
    diagnostic = of_store(lost, [asked(), asked()], caught.value)
    assert (diagnostic.rule, diagnostic.span) == ("no-answer", at(40))
    assert diagnostic.message == 'the store "azure" has no address; 2 keys not checked'
    assert diagnostic.help == "add its vaultUrl, or set AZURE_KEYVAULT_NAME"


def test_a_finding_about_a_store_says_of_one_secret_its_own_keys() -> None:
    assert with_own_count("the store is silent; check it; 7 keys not checked", 1) == (
        "the store is silent; check it; 1 key not checked"
    )
    for other in ("you are not allowed to; get a role", "not checked", "it is gone"):
        assert with_own_count(other, 1) == other
