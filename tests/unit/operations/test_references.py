import math
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from compiler.cli.terminal.contents import text_of
from compiler.live.stores import AddressError, address_of
from compiler.model.document import Document, Node, Severity, Source, Span, extent
from compiler.model.environment import Environment, Store
from compiler.model.inventory import Cell
from compiler.model.store import Place
from compiler.model.values import values_of
from compiler.operations.references import (
    cells_of,
    cells_of_file,
    cells_of_values,
    cells_to_read,
    date_diagnostic,
    key_diagnostic,
    put_command,
    remote_finding,
    secrets_of_values,
    store_error_finding,
    store_finding,
    value_diagnostics,
    way_out_of,
    with_own_count,
)
from compiler.refusal import Refusal
from compiler.render.content import CommandRun, show
from compiler.render.formats import render_text
from compiler.rules import ALL_RULES
from compiler.rules.listed_rules import BY_ID
from compiler.stages.emit import values_text
from compiler.stages.load import load_text
from compiler.stores import errors
from compiler.stores.azure_key_vault.provider import CLOUDS
from compiler.stores.errors import Action, DisabledError, NotFoundError, SoftDeletedError, StoreError, StoreLocation
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value import JsonKind, SecretValue
from tests import providers
from tests.platforms import base_text, project_of, write_project
from tests.refusals import refusal

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = """\
secrets:
  github:
    target: agent-github-secrets
    remote: {vault: team/github, azurekv: team-github}
    syncWave: -49
    keys:
      TOKEN: {}
      PEM: {remote: {azurekv: {name: github-pem, whole: true}}}
  local:
    target: agent-local-secrets
    remote: {vault: team/local}
    syncWave: -49
    keys:
      KEY: {}
"""
PROD = base_text(
    "\n  github: {}\n  local: {}",
    namespace="team",
    vault='name: vault-secret-store, server: "https://vault.example.com"',
    azure='name: azure-keyvault-store, vaultUrl: "https://team.vault.azure.net", prefix: "x-"',
    more="fetch: %s\n",
)


def compiled(folder: Path, fetch: str = "perKey", prod: str = PROD) -> Environment:
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    write_project(folder, catalogue=CATALOGUE, prod=prod % fetch)
    return project_of(folder, may_fail=True).environments[0]


def test_every_key_asks_its_own_store_at_the_lines_of_the_input(tmp_path: Path) -> None:
    found, diagnostics = cells_to_read(compiled(tmp_path))
    assert not diagnostics
    assert [(each.secret, each.key, each.store.id, each.remote_key, each.property) for each in found] == [
        ("github", "TOKEN", "vault", "team/github", "TOKEN"),
        ("github", "PEM", "vault", "team/github", "PEM"),
        ("local", "KEY", "vault", "team/local", "KEY"),
    ]
    assert not any(each.by_name for each in found)
    assert [each.key_at.where for each in found] == [
        "environments/catalogue.yaml:7:7",
        "environments/catalogue.yaml:8:7",
        "environments/catalogue.yaml:14:7",
    ]
    assert [each.secret_at.where for each in found[1:]] == [
        "environments/prod.yaml:10:3",
        "environments/prod.yaml:11:3",
    ]


def test_another_store_is_asked_at_its_own_names_and_a_key_without_one_is_said(tmp_path: Path) -> None:
    environment = compiled(tmp_path)
    found, diagnostics = cells_to_read(environment, store=environment.stores["azure"])
    assert [(each.key, each.store.id, each.remote_key, each.property) for each in found] == [
        ("TOKEN", "azure", "x-team-github", "TOKEN"),
        ("PEM", "azure", "x-github-pem", None),
    ]
    (missing,) = diagnostics
    assert (missing.rule, missing.span.where) == ("missing-remote", "environments/catalogue.yaml:14:7")
    assert missing.message == '"KEY" of "local" has no place in the store "azure"'


def test_only_the_named_secrets_are_asked_for(tmp_path: Path) -> None:
    found, _ = cells_to_read(compiled(tmp_path), ["local"])
    assert [each.secret for each in found] == ["local"]


def test_an_environments_own_remote_name_goes_to_the_other_store_too(tmp_path: Path) -> None:
    environment = compiled(tmp_path, prod=PROD.replace("github: {}", "github: {remote: {azurekv: own-github}}"))
    found, _ = cells_to_read(environment, ["github"], environment.stores["azure"])
    assert found[0].remote_key == "x-own-github"


def test_a_bundle_is_taken_apart_by_name(tmp_path: Path) -> None:
    assert all(each.by_name for each in cells_to_read(compiled(tmp_path, "bundle"))[0])


def test_a_secret_whose_store_is_unknown_asks_nobody(tmp_path: Path) -> None:
    environment = compiled(tmp_path, prod=PROD.replace("github: {}", "github: {store: azrue}"))
    assert [each.secret for each in cells_to_read(environment)[0]] == ["local"]


def test_a_copy_could_come_from_the_store_that_is_read_or_the_only_other_one(tmp_path: Path) -> None:
    # One that is described, and neither read nor where a move leads, holds nothing as far as is known.
    assert {each.source for each in cells_to_read(compiled(tmp_path / "one"), ["github"])[0]} == {None}
    environment = compiled(tmp_path, prod=PROD + "moves: {to: azure, steps: [[github]]}\n")
    vault, azure = environment.stores["vault"], environment.stores["azure"]
    assert {each.source for each in cells_to_read(environment, ["github"], vault)[0]} == {"azure"}
    assert {each.source for each in cells_to_read(environment, ["github"], azure)[0]} == {"vault"}
    third = '  third: {provider: azurekv, name: third, vaultUrl: "https://third.vault.azure.net"}\nsecrets:'
    several = compiled(tmp_path / "several", prod=PROD.replace("secrets:", third))
    assert {each.source for each in cells_to_read(several, ["github"])[0]} == {None}
    there = cells_to_read(several, ["github"], several.stores["third"])[0]
    assert {each.source for each in there} == {"vault"}


def test_an_environment_asks_its_own_stores_or_the_one_that_is_named(environment: Environment) -> None:
    references, diagnostics = cells_of(environment, ["github"])
    assert diagnostics == ()
    assert {(each.secret, each.store.id) for each in references} == {("github", "vault")}
    other, _ = cells_of(environment, ["github"], "azure")
    assert {each.store.id for each in other} == {"azure"}
    assert {each.secret for each in cells_of(environment)[0]} == set(environment.secrets)


@pytest.mark.parametrize(("secrets", "store", "said"), [(["gihub"], None, "no secret"), ([], "vlt", "no store")])
def test_what_the_environment_does_not_have_is_refused(
    environment: Environment, secrets: list[str], store: str | None, said: str
) -> None:
    with pytest.raises(Refusal, match=said) as caught:
        cells_of(environment, secrets, store)
    assert caught.value.kind == "usage"


def written(folder: Path, text: str) -> str:
    path = folder / "values.yaml"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.fixture
def values(environment: Environment, tmp_path: Path) -> str:
    return written(tmp_path, values_text(values_of(environment), "prod", ["prod.yaml"]))


def test_a_values_file_is_asked_by_itself(values: str, environment: Environment) -> None:
    references, diagnostics = cells_of_file(values, ["github"], {"VAULT_ADDR": "https://vault.example.com"})
    assert diagnostics == ()
    expected, _ = cells_of(environment, ["github"])
    assert [each.key for each in references or ()] == [each.key for each in expected] != []
    assert {
        each.secret for each in cells_of_file(values, [], {"VAULT_ADDR": "https://vault.example.com"})[0] or ()
    } == set(environment.secrets)


def test_an_environments_name_is_not_taken_for_a_secret_in_silence(values: str) -> None:
    with pytest.raises(Refusal) as caught:
        cells_of_file(values, ["github", "gihub"], {})
    assert (caught.value.kind, caught.value.message) == ("usage", f'"{values}" has no secret "gihub"')
    assert caught.value.help == 'with --values, name secrets only, no environment; did you mean "github"?'


@pytest.mark.parametrize("text", ["", "a: b\n"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refusal, match='has no "externalSecrets"') as caught:
        cells_of_file(written(tmp_path, text), [], {})
    assert caught.value.kind == "usage"


@pytest.mark.parametrize(
    ("text", "rule"),
    [(None, "unreadable-file"), ("a: [", "invalid-yaml"), ("externalSecrets: {github: hello}\n", "wrong-type")],
)
def test_what_is_wrong_with_a_file_is_told_under_the_name_it_was_given_by(
    tmp_path: Path, text: str | None, rule: str
) -> None:
    shown = str(tmp_path / "none.yaml") if text is None else written(tmp_path, text)
    references, diagnostics = cells_of_file(shown, [], {})
    assert references is None
    assert {(each.rule, each.span.path) for each in diagnostics} == {(rule, shown)}
    if text is not None:
        ways_out = {each.help for each in diagnostics}
        assert ways_out == {"nobody edits a values file: `platform-secrets compile` writes it"}


def test_nested_values_ask_the_same_at_their_own_lines(values: str, environment: Environment, tmp_path: Path) -> None:
    environ = {"VAULT_ADDR": "https://vault.example.com"}
    plain = cells_of_file(values, [], environ)[0] or ()
    text = values_text(values_of(environment), "prod", ["prod.yaml"], "secrets")
    nested, diagnostics = cells_of_file(written(tmp_path, text), [], environ)
    assert diagnostics == ()
    assert [(each.secret, each.key, each.remote_key, each.property) for each in nested or ()] == [
        (each.secret, each.key, each.remote_key, each.property) for each in plain
    ]
    assert [(each.key_at.line, each.key_at.column) for each in nested or ()] == [
        (each.key_at.line + 1, each.key_at.column + 2) for each in plain
    ]


def test_nested_values_are_held_against_the_schema(environment: Environment, tmp_path: Path) -> None:
    text = values_text({**values_of(environment), "password": "hunter2"}, "prod", ["prod.yaml"], "secrets")
    references, diagnostics = cells_of_file(written(tmp_path, text), [], {})
    assert references is None
    assert [each.rule for each in diagnostics] == ["unknown-key"]


def test_a_parents_own_values_are_not_taken_for_a_compiled_file(environment: Environment, tmp_path: Path) -> None:
    text = values_text(values_of(environment), "prod", ["prod.yaml"], "secrets") + "shop: {password: hunter2}\n"
    with pytest.raises(Refusal, match='has no "externalSecrets"') as caught:
        cells_of_file(written(tmp_path, text), [], {})
    assert caught.value.help == "name a compiled values file, chart/values-<env>.yaml"


VALUES = """\
externalSecrets:
  github:
    storeRef: {kind: "ClusterSecretStore", name: "%s"}
    fetch: "%s"
    remoteKey: "team/github"
    keys: ["TOKEN", "USER"]
    data: {PEM: {key: "github-pem"}, APP: {key: "team/app", property: "ID"}}
  jira:
    storeRef: {kind: "SecretStore", name: "own"}
    remoteKey: "team/jira"
    keys: ["TOKEN"]
clusterSecretStores:
  v:
    name: "rendered"
    provider: {vault: {server: "https://vault.example.com", path: "kv", namespace: "team"}}
secretStores:
  a:
    name: "own"
    provider: {azurekv: {vaultUrl: "https://own.vault.azure.net"}}
"""


def load(name: str = "vault-secret-store", fetch: str = "perKey") -> Document:
    document, diagnostics = load_text("values-x.yaml", VALUES % (name, fetch))
    assert document is not None
    assert not diagnostics
    return document


def test_each_key_is_asked_for_at_its_own_place_and_line() -> None:
    found = cells_of_values(load(), {}, ["github"])
    assert [(each.key, each.remote_key, each.property, each.by_name) for each in found] == [
        ("TOKEN", "team/github", "TOKEN", False),
        ("USER", "team/github", "USER", False),
        ("PEM", "github-pem", None, False),
        ("APP", "team/app", "ID", False),
    ]
    assert [each.key_at.where for each in found] == [
        "values-x.yaml:6:12",
        "values-x.yaml:6:21",
        "values-x.yaml:7:12",
        "values-x.yaml:7:38",
    ]
    assert {each.secret_at.where for each in found} == {"values-x.yaml:2:3"}


def test_a_bundle_is_found_by_name() -> None:
    found = cells_of_values(load(fetch="bundle"), {}, ["github"])
    assert [each.by_name for each in found] == [True, True, False, False]
    assert not any(each.takes_all for each in found)


def test_what_is_extracted_is_found_by_name_and_has_more_keys() -> None:
    found = cells_of_values(load(fetch="extract"), {}, ["github"])
    assert [each.by_name for each in found] == [True, True, False, False]
    assert all(each.takes_all for each in found)


def test_a_rendered_store_says_where_it_is() -> None:
    (jira,) = cells_of_values(load("rendered"), {}, ["jira"])
    assert (jira.store.provider.id, jira.store.address) == ("azurekv", "https://own.vault.azure.net")
    github = cells_of_values(load("rendered"), {}, ["github"])[0].store
    assert (github.provider.id, github.mount, github.vault_namespace) == ("vault", "kv", "team")
    assert github.address == "https://vault.example.com"


def test_a_known_name_tells_the_provider() -> None:
    store = cells_of_values(load("azure-keyvault-store"), {"AZURE_KEYVAULT_NAME": "kv"}, ["github"])[0].store
    assert (store.provider.id, store.address) == ("azurekv", "https://kv.vault.azure.net")
    store = cells_of_values(load(), {"AZURE_KEYVAULT_NAME": "kv"}, ["github"])[0].store
    assert (store.provider.id, store.address, store.mount) == ("vault", None, "secret")


@pytest.mark.parametrize(("cloud", "domain"), CLOUDS.items())
def test_a_vault_that_the_variable_names_is_in_the_stores_cloud(cloud: str, domain: str) -> None:
    text = load("own").source.text.replace('vaultUrl: "https://own.vault.azure.net"', f"environmentType: {cloud}")
    document, _ = load_text("values-x.yaml", text)
    assert document is not None
    (jira,) = cells_of_values(document, {"AZURE_KEYVAULT_NAME": "kv"}, ["jira"])
    assert jira.store.address == f"https://kv.{domain}"


@pytest.mark.parametrize(("variable", "provider"), [("VAULT_ADDR", "vault"), ("AZURE_KEYVAULT_NAME", "azurekv")])
def test_the_only_address_there_is_tells_the_provider(variable: str, provider: str) -> None:
    assert cells_of_values(load("mine"), {variable: "x"}, ["github"])[0].store.provider.id == provider


@pytest.mark.parametrize("environ", [{}, {"VAULT_ADDR": "http://x", "AZURE_KEYVAULT_NAME": "x"}])
def test_no_provider_is_guessed(environ: dict[str, str]) -> None:
    with pytest.raises(Refusal, match='the provider of the store "mine" is unknown') as caught:
        cells_of_values(load("mine"), environ, ["github"])
    assert (caught.value.kind, caught.value.help) == ("usage", "set either VAULT_ADDR or AZURE_KEYVAULT_NAME")


def test_the_secrets_of_a_file_are_listed_and_a_file_may_have_none() -> None:
    assert secrets_of_values(load()) == ("github", "jira")
    empty, _ = load_text("values-x.yaml", "remoteRefDefaults: {}\n")
    assert empty is not None
    assert secrets_of_values(empty) == ()
    assert cells_of_values(empty, {}) == ()


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
    diagnostic = remote_finding("missing-secret", group, "it is gone", "make it")
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
        store_error_finding(
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
    diagnostic = remote_finding("missing-secret", group, "it is gone")
    assert diagnostic.related == ()
    assert all(f'"KEY_{number}"' in diagnostic.message for number in range(count))


def test_a_stores_refusal_is_said_in_its_own_words_with_its_remedy() -> None:
    diagnostic = store_error_finding([asked()], refused(errors.DisabledError))
    assert diagnostic.message == 'cannot read "gh" in https://x.vault.azure.net: the reason'
    assert diagnostic.help == "the remedy"


def test_a_missing_remote_is_created_by_the_command_that_is_named() -> None:
    reference = replace(asked(), environment="dev")
    diagnostic = store_error_finding([reference], refused(errors.NotFoundError))
    assert diagnostic.message == '"gh" is not in "azure"'
    assert diagnostic.help == "`platform-secrets put dev github TOKEN` creates it; or correct its name"


@pytest.mark.parametrize("kind", [errors.NotFoundError, errors.SoftDeletedError])
def test_a_key_that_the_operator_would_leave_out_is_said_to_be(kind: type[StoreError]) -> None:
    skipped, kept = replace(asked(), skips_missing=True), asked("OTHER")
    said = '; the operator would leave "TOKEN" out of the Secret, and say Ready'
    assert store_error_finding([skipped, kept], refused(kind)).message.endswith(said)
    assert "the operator would leave" not in store_error_finding([kept], refused(kind)).message
    # Of a text the operator says Ready only if it is made by `index`.
    of_text = replace(skipped, in_texts=True)
    said = '; the operator would go on without "TOKEN": a text fails or is empty, and if nothing is left, Delete takes'
    assert said in store_error_finding([of_text], refused(kind)).message
    # A refusal is an error to the operator, too.
    assert "the operator would leave" not in store_error_finding([skipped], refused(errors.DisabledError)).message


def test_a_name_that_is_itself_wrong_forges_no_line() -> None:
    diagnostic = store_error_finding([asked()], refused(errors.Code.INVALID_NAME, "a\nerror: forged"))
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
    assert store_error_finding([asked()], error).rule == expected
    # A store's own address that cannot be used is no reference.
    of_all = "no-answer" if expected == "invalid-reference" else expected
    assert store_finding(AZURE, [asked()], error).rule == of_all


@pytest.mark.parametrize(("count", "words"), [(1, "1 key not checked"), (3, "3 keys not checked")])
def test_a_store_as_a_whole_is_said_once_at_its_own_line(count: int, words: str) -> None:
    diagnostic = store_finding(AZURE, [asked()] * count, refused(errors.Code.SEALED, None))
    assert diagnostic.message == (f'the store "azure" (https://x.vault.azure.net) cannot be read: the reason; {words}')
    assert (diagnostic.span, diagnostic.help) == (at(40), "the remedy")


def test_a_store_without_an_address_is_no_answer_and_says_what_to_set() -> None:
    lost = store(None)
    with pytest.raises(AddressError) as caught:
        address_of(lost, {})
    diagnostic = store_finding(lost, [asked(), asked()], caught.value)
    assert (diagnostic.rule, diagnostic.span) == ("no-answer", at(40))
    assert diagnostic.message == 'the store "azure" has no address; 2 keys not checked'
    assert diagnostic.help == "add its vaultUrl, or set AZURE_KEYVAULT_NAME"


def test_a_finding_about_a_store_says_of_one_secret_its_own_keys() -> None:
    assert with_own_count("the store is silent; check it; 7 keys not checked", 1) == (
        "the store is silent; check it; 1 key not checked"
    )
    for other in ("you are not allowed to; get a role", "not checked", "it is gone"):
        assert with_own_count(other, 1) == other


VAULT_SOURCE = Source("environments/prod.yaml", "vault: {}\n")
NODE = Node({}, VAULT_SOURCE, extent(7, 9, 0, 5))
VAULT = Store(
    "vault", providers.VAULT, "vault", "ClusterSecretStore", "", "https://v", "kv", None, rendered=False, node=NODE
)
HERE = Span(VAULT_SOURCE, 0, 5)
PLACE = StoreLocation("https://v/kv", "platform/a b")


def asked_of_vault(key: str = "TOKEN", store: Store = VAULT) -> Cell:
    place = Place("platform/a b", key)
    return Cell("github", key, store, place, HERE, HERE, ("github", key), serving=store, environment="dev")


def test_a_put_names_all_that_is_known() -> None:
    assert put_command([asked_of_vault()]) == "`platform-secrets put dev github TOKEN`"
    assert put_command([asked_of_vault(), asked_of_vault("ID")]) == "`platform-secrets put dev github`"
    assert (
        put_command([replace(asked_of_vault(), serving=None)])
        == "`platform-secrets put dev github TOKEN --store vault`"
    )
    assert put_command([replace(asked_of_vault(), environment=None)]) == "`platform-secrets put ENV github TOKEN`"


@pytest.mark.parametrize(("namespace", "option"), [(None, ""), ("team/a", "-namespace=team/a ")])
def test_a_deleted_secret_of_vault_is_recovered_by_a_command_that_can_be_pasted(
    namespace: str | None, option: str
) -> None:
    error = SoftDeletedError(PLACE, Action.READ, "its version 3 is deleted", "recover it", version="3")
    reference = asked_of_vault(store=replace(VAULT, vault_namespace=namespace))
    assert way_out_of([reference], error) == (
        f"`bao kv undelete {option}-mount=kv -versions=3 'platform/a b'` recovers it"
    )


def test_a_deleted_secret_may_be_copied_again_from_another_store() -> None:
    error = SoftDeletedError(PLACE, Action.READ, "its version 3 is deleted", "recover it", version="3")
    copy = "platform-secrets migrate dev --to vault --from azure --only github --recover"
    own = "`bao kv undelete -mount=kv -versions=3 'platform/a b'` recovers it"
    assert way_out_of([replace(asked_of_vault(), source="azure")], error) == f"{own}; or `{copy}` copies it there again"
    # A values file has no environment to migrate.
    assert way_out_of([replace(asked_of_vault(), source="azure", environment=None)], error) == own


def test_a_deleted_secret_of_key_vault_is_recovered_by_its_id() -> None:
    azure = asked_of_vault(store=replace(VAULT, provider=providers.KEY_VAULT))
    error = SoftDeletedError(
        StoreLocation("https://v.vault.azure.net", "gh"), Action.READ, "it is deleted", "recover it"
    )
    assert way_out_of([azure], error) == (
        "`az keyvault secret recover --id https://v.vault.azure.net/deletedsecrets/gh` recovers it"
    )


def test_of_other_refusals_the_stores_own_remedy_is_kept() -> None:
    for error in (
        DisabledError(PLACE, Action.READ, "it is disabled", "enable it"),
        SoftDeletedError(PLACE, Action.READ, "it is deleted", "enable it"),
        SoftDeletedError(StoreLocation("https://v/kv"), Action.READ, "it is deleted", "enable it", version="3"),
    ):
        assert way_out_of([asked_of_vault()], error) == "enable it"
    missing = NotFoundError(PLACE, Action.READ, "it is not there", "create it")
    put = "`platform-secrets put dev github TOKEN` creates it; or correct its name"
    assert way_out_of([asked_of_vault()], missing) == put
    copy = "platform-secrets migrate dev --to vault --from azure --only github"
    assert way_out_of([replace(asked_of_vault(), source="azure")], missing) == (
        f'if only "azure" holds it, `{copy}` copies it; else {put}'
    )


def test_a_key_that_only_another_store_may_hold_is_copied_and_not_typed_again() -> None:
    (diagnostic,) = value_diagnostics([replace(asked_of_vault(), source="azure")], None)
    copy = "platform-secrets migrate dev --to vault --from azure --only github"
    put = "`platform-secrets put dev github TOKEN` adds it; or leave it out with `use:`"
    assert diagnostic.help == f'if only "azure" holds it, `{copy}` copies it; else {put}'
    (diagnostic,) = value_diagnostics([asked_of_vault()], None)
    assert diagnostic.help == put
