import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.live.observation import Likeness
from compiler.live.stores import LiveStores
from compiler.model.document import Diagnostic, Node, Severity, Source, Span, extent
from compiler.model.environment import ALL_KEYS, Store
from compiler.model.inventory import Cell
from compiler.model.provider import InvalidReferenceError, Provider, UnprovenReferenceError
from compiler.model.store import Place, StoreAddress
from compiler.operations.references import cells_of
from compiler.operations.verify import (
    Verification,
    compare_keys,
    compare_unlisted,
    extract,
    resolve,
    verify,
    verify_access,
)
from compiler.stores import errors
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.interface import Attributes, Cluster, Identity, Problem, RemoteSecret, Role, SecretWriter, Use
from compiler.stores.registry import PROVIDERS
from compiler.stores.secret_value import Comparer, NotAnObjectError, SecretValue, read_object
from tests import providers
from tests.memory_store import MemoryStore
from tests.platforms import environment_of, write_agents_project
from tests.refusals import refusal

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SENTINEL = "hunter2-sentinel-4711"
SOURCE = Source("environments/prod.yaml", "\n".join(f"line {number}" for number in range(50)))


def at(line: int) -> Span:
    start, end = SOURCE.line_bounds(line)
    return Span(SOURCE, start, end)


def store(name: str = "azure", provider: str = "azurekv", address: str | None = "https://x.vault.azure.net") -> Store:
    start, end = SOURCE.line_bounds(40)
    node = Node({}, SOURCE, extent(end, end, start, end))
    return Store(
        name,
        PROVIDERS[provider],
        name,
        "ClusterSecretStore",
        "",
        address,
        "secret",
        None,
        rendered=False,
        node=node,
        environment="dev",
    )


AZURE = store()
VAULT = store("vault", "vault", "http://vault:8200")


class FakeStore:
    """Holds texts or errors by name; a missing name is not found."""

    def __init__(self, address: StoreAddress, held: Mapping[str, Any]) -> None:
        self.address = address
        self._held = held
        self.asked: list[str] = []

    def read(self, name: str) -> RemoteSecret:
        self.asked.append(name)
        place = StoreLocation(self.address.absolute, name)
        held = self._held.get(name)
        if held is None:
            raise errors.NotFoundError(place, Action.READ, "the secret does not exist", "create it")
        if isinstance(held, StoreError):
            raise held
        text, attributes = held if isinstance(held, tuple) else (held, Attributes())
        try:
            return RemoteSecret(name, "1", read_object(text), attributes, SecretValue(text))
        except NotAnObjectError:
            return RemoteSecret(name, "1", {}, attributes, SecretValue(text), is_object=False)

    def whoami(self) -> Identity:
        if "whoami" in self._held:
            raise self._held["whoami"]
        return Identity("ada", "token")

    def cluster(self) -> Cluster | None:
        return Cluster("c1", "vault-cluster-1") if self.address.provider is providers.VAULT else None

    def close(self) -> None:
        pass


def asked(
    key: str = "TOKEN", remote: str = "github", wanted: str | None = "TOKEN", of: Store = AZURE, by: str = "github"
) -> Cell:
    place = Place(remote, wanted)
    return Cell(by, key, of, place, at(10 + len(key)), at(2), (by, key), serving=of, environment="dev")


def run(held: Mapping[str, Any], *references: Cell) -> tuple[Verification, list[FakeStore]]:
    opened: list[FakeStore] = []

    def opener(address: StoreAddress, _environ: Mapping[str, str]) -> SecretWriter:
        opened.append(FakeStore(address, held))
        return cast("SecretWriter", opened[-1])

    with LiveStores({}, opener) as stores:
        return verify(references, stores, now=NOW), opened


def rules(held: Mapping[str, Any], *references: Cell) -> list[str]:
    found, _ = run(held, *references)
    assert not any(SENTINEL in repr(each) for each in found.diagnostics)
    return [each.rule for each in found.diagnostics]


def refused(kind: type[StoreError] | errors.Code, **more: Any) -> StoreError:  # noqa: ANN401 - each kind has its own fields
    place = StoreLocation("https://x.vault.azure.net", more.pop("name", "github"))
    return refusal(kind, place, Action.READ, "the reason", "the remedy", **more)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ('""', "blank-value"),
        ('" \\n"', "blank-value"),
        ('"changeme"', "placeholder-value"),
        ('"<token>"', "placeholder-value"),
        ('"TODO"', "placeholder-value"),
        ('"********"', "placeholder-value"),
        (f'"apiVersion: v1\\nkind: Secret\\ndata: {SENTINEL}"', "manifest-value"),
        (f'"{SENTINEL}\\n"', "surrounding-white-space"),
        (f'"\\"{SENTINEL}\\""', "surrounding-quotes"),
        (f'"{SENTINEL}\\u0000"', "invalid-character"),
        (f'"{SENTINEL}\\ud83d"', "invalid-character"),
        ("4711", "not-a-string"),
        ("null", "not-a-string"),
        ('{"a": 1}', "not-a-string"),
    ],
)
def test_a_value_that_is_of_no_use_is_found_at_its_key(value: str, rule: str) -> None:
    found, _ = run({"github": f'{{"TOKEN": {value}}}'}, asked())
    (diagnostic,) = found.diagnostics
    assert diagnostic.rule == rule
    assert diagnostic.span == at(15)
    assert [related.span for related in diagnostic.related] == [at(2)]
    assert diagnostic.message.startswith('"TOKEN" of "github" ')
    assert found.keys[0].is_sound == (rule == "manifest-value" or rule.startswith("surrounding-"))
    assert SENTINEL not in repr(found.diagnostics)


def test_a_whole_value_is_judged_too_but_may_be_any_text() -> None:
    pem = asked("PEM", "pem", None)
    assert rules({"pem": "[1]"}, pem) == []
    assert rules({"pem": "changeme"}, pem) == ["placeholder-value"]
    assert rules({"pem": f"{SENTINEL}\n"}, pem) == ["surrounding-white-space"]


@pytest.mark.parametrize(
    ("document", "is_nested"),
    [
        (f'{{"tls.crt": "{SENTINEL}"}}', False),
        (f'{{"tls.crt": "{SENTINEL}", "tls": {{"key": "x"}}}}', False),
        (f'{{"tls.crt": "other", "tls": {{"crt": "{SENTINEL}"}}}}', True),
        (f'{{"tls": {{"crt": "{SENTINEL}"}}}}', True),
    ],
)
def test_a_property_with_a_dot_is_proven_to_be_one_of_that_name(document: str, *, is_nested: bool) -> None:
    dotted = replace(asked("tls.crt", wanted="tls.crt"), environment="dev")
    found, _ = run({"github": document}, dotted)
    said = '"tls.crt" of "github" is read from within "tls", and not from a property "tls.crt"'
    assert [each.message for each in found.diagnostics] == ([said] if is_nested else [])


def test_a_missing_property_names_itself_where_it_has_another_name() -> None:
    found, _ = run({"github": "{}"}, asked(), asked("KEY", wanted="OTHER"))
    assert [each.message for each in found.diagnostics] == [
        '"KEY" of "github" needs the property "OTHER", which is not in "github" of the store "azure"',
        '"TOKEN" of "github" is not in "github" of the store "azure"',
    ]
    assert {each.rule for each in found.diagnostics} == {"missing-property"}


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (refused(errors.NotFoundError), "missing-secret"),
        (refused(errors.DisabledError), "disabled-secret"),
        (refused(errors.SoftDeletedError), "soft-deleted-secret"),
        (refused(errors.VersionGoneError, version="3"), "soft-deleted-secret"),
        (refused(errors.Code.INVALID_NAME), "invalid-reference"),
        (refused(errors.ForbiddenError, permission="secrets/get"), "forbidden"),
    ],
)
def test_a_secret_that_is_not_given_is_said_once_with_all_its_keys(error: StoreError, rule: str) -> None:
    found, opened = run({"github": error}, asked(), asked("ID", wanted="ID"), asked("X", "github", "X"))
    (diagnostic,) = found.diagnostics
    assert diagnostic.rule == rule
    assert diagnostic.span == at(2)
    assert diagnostic.help is not None
    assert ("platform-secrets put dev github" in diagnostic.help) == (rule == "missing-secret")
    assert [related.key for related in diagnostic.related] == ["TOKEN", "ID", "X"]
    assert [related.span for related in diagnostic.related] == [at(15), at(12), at(11)]
    assert [status.rules for status in found.keys] == [(rule,)] * 3
    assert opened[0].asked == ["github"]


def test_two_secrets_of_one_remote_are_each_told_from_one_read() -> None:
    found, opened = run({}, asked(), asked(by="other"))
    assert [each.rule for each in found.diagnostics] == ["missing-secret"] * 2
    assert opened[0].asked == ["github"]


@pytest.mark.parametrize(
    ("error", "rule", "answered"),
    [
        (refused(errors.Code.UNAVAILABLE), "no-answer", False),
        (refused(errors.Code.SEALED), "no-answer", False),
        (refused(errors.Code.THROTTLED), "no-answer", False),
        (refused(errors.Code.TLS_FAILURE), "no-answer", False),
        (refused(errors.Code.REDIRECT_REFUSED), "no-answer", False),
        (refused(errors.Code.UNEXPECTED_REPLY), "no-answer", False),
        (refused(errors.Code.UNAUTHENTICATED), "unauthenticated", False),
        (refused(errors.Code.EXPIRED_TOKEN), "unauthenticated", False),
        (refused(errors.Code.WRONG_MOUNT), "wrong-mount", True),
        (refused(errors.Code.UNSUPPORTED_ENGINE), "wrong-mount", True),
        (refused(errors.ForbiddenError, is_of_store=True, permission="secrets/get"), "forbidden", True),
    ],
)
def test_a_store_that_tells_nothing_is_said_once_at_its_line(error: StoreError, rule: str, *, answered: bool) -> None:
    found, _ = run({"a": error, "b": error}, asked(remote="a"), asked("B", "b"), asked("C", "b", by="jira"))
    (diagnostic,) = found.diagnostics
    assert (diagnostic.rule, diagnostic.span, diagnostic.help) == (rule, at(40), "the remedy")
    assert diagnostic.message.endswith("the reason; 3 keys not checked")
    assert [status.rules for status in found.keys] == [(rule,)] * 3
    assert found.answered == answered


def test_a_store_that_falls_silent_is_told_whatever_it_said_of_other_secrets_at_the_same_time() -> None:
    both = Barrier(2)

    class Failing(FakeStore):
        """Reads two secrets at a time."""

        def read(self, name: str) -> RemoteSecret:
            if name != "github":
                both.wait(60)
            return super().read(name)

    held = {"github": '{"TOKEN": "x1"}', "silent": refused(errors.Code.THROTTLED)}
    references = (asked(), asked("A", "silent"), asked("B", "absent"))
    with LiveStores({}, lambda address, _environ: cast("SecretWriter", Failing(address, held))) as stores:
        found = verify(references, stores, now=NOW)
    assert [status.rules for status in found.keys] == [(), ("no-answer",), ("missing-secret",)]


def test_of_several_failures_of_a_store_at_once_that_of_the_first_secret_is_told() -> None:
    both = Barrier(2)

    class Failing(FakeStore):
        """Reads two secrets at a time."""

        def read(self, name: str) -> RemoteSecret:
            if name != "a":
                both.wait(60)
            return super().read(name)

    held = {"a": '{"TOKEN": "x1"}', "b": refused(errors.Code.EXPIRED_TOKEN), "c": refused(errors.Code.SEALED)}
    references = [asked(remote="a"), asked("B", "b"), asked("C", "c")]
    with LiveStores({}, lambda address, _environ: cast("SecretWriter", Failing(address, held))) as stores:
        found = verify(references, stores, now=NOW)
    assert [(each.rule, each.message.rpartition("; ")[2]) for each in found.diagnostics] == [
        ("unauthenticated", "2 keys not checked")
    ]


def test_a_store_without_an_address_says_what_to_set() -> None:
    found, _ = run({}, asked(of=store(address=None)))
    (diagnostic,) = found.diagnostics
    assert diagnostic.rule == "no-answer"
    assert diagnostic.message.endswith("has no address; 1 key not checked")
    assert diagnostic.help == "add its vaultUrl, or set AZURE_KEYVAULT_NAME"
    assert not found.answered


def test_a_store_whose_client_cannot_be_made_is_a_finding() -> None:
    error = refused(errors.Code.MISSING_DEPENDENCY, name=None)

    def opener(_address: StoreAddress, _environ: Mapping[str, str]) -> SecretWriter:
        raise error

    with LiveStores({}, opener) as stores:
        found = verify([asked()], stores)
    assert [each.rule for each in found.diagnostics] == ["no-answer"]
    assert not found.answered


def test_nothing_asked_for_is_nothing_wrong() -> None:
    found, _ = run({})
    assert found.answered
    assert not found.diagnostics


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (Attributes(expires=NOW), ["expired-secret"]),
        (Attributes(expires=NOW + DAY), ["expires-soon"]),
        (Attributes(expires=NOW + 31 * DAY), []),
        (Attributes(not_before=NOW + DAY), ["not-yet-valid"]),
        (Attributes(not_before=NOW - DAY), []),
        (Attributes(expires=NOW - DAY, not_before=NOW + DAY), ["expired-secret"]),
    ],
)
def test_dates_are_judged(attributes: Attributes, expected: list[str]) -> None:
    found, _ = run({"github": ('{"TOKEN": "x1"}', attributes)}, asked())
    assert [each.rule for each in found.diagnostics] == expected
    assert all(each.help for each in found.diagnostics)


def test_a_secret_that_is_no_json_is_said_once() -> None:
    found, _ = run({"github": SENTINEL}, asked(), asked("ID", wanted="ID"), asked("PEM", wanted=None))
    (diagnostic,) = found.diagnostics
    assert diagnostic.rule == "not-json"
    assert diagnostic.message == '"github" is not a JSON object with unique names'
    assert [related.key for related in diagnostic.related] == ["TOKEN", "ID"]
    assert diagnostic.help == "store one, or mark the key `whole: true`"
    assert [status.is_sound for status in found.keys] == [False, False, True]


def test_references_that_the_operator_refuses_or_nobody_proves_are_not_sent() -> None:
    found, opened = run({}, asked(remote="dev/github"), asked("TLS", "cert/tls"), asked("B", "dev/github", "B"))
    assert [each.rule for each in found.diagnostics] == ["invalid-reference", "unproven-reference"]
    assert [related.key for related in found.diagnostics[0].related] == ["TOKEN", "B"]
    assert opened[0].asked == []
    # An error of the input is no silence of the store.
    assert found.answered


def test_a_property_that_is_not_evaluated_is_said_at_its_key() -> None:
    found, _ = run({"github": '{"a": [1]}'}, asked(wanted="a.#"))
    assert [(each.rule, each.span) for each in found.diagnostics] == [("unproven-reference", at(15))]
    assert found.diagnostics[0].message.startswith('"TOKEN" of "github" cannot be resolved: its property uses gjson')


def test_a_bundle_fails_for_properties_that_no_key_asks_for() -> None:
    held = {"github": '{"TOKEN": "x1", "A B": "y", "A_B": "z"}'}
    (diagnostic,) = run(held, replace(asked(), fetch="bundle"), asked("ID", wanted="A_B"))[0].diagnostics
    assert (diagnostic.rule, diagnostic.span) == ("unusable-bundle", at(2))
    assert diagnostic.message.startswith(
        '"github" cannot be fetched as a bundle: its properties "A B" and "A_B" become'
    )
    assert [related.key for related in diagnostic.related] == ["TOKEN"]
    # The operator finds a property by the name that it gives it.
    assert rules({"github": '{"MY TOKEN": "x1"}'}, replace(asked(wanted="MY_TOKEN"), fetch="bundle")) == []


def test_who_asked_may_stay_unknown() -> None:
    found, _ = run({"github": '{"TOKEN": "x1"}', "whoami": refused(errors.Code.UNAVAILABLE)}, asked())
    assert [seen.identity for seen in found.seen] == [None]


def test_what_each_reference_resolves_to_is_kept_and_shows_itself_to_nobody() -> None:
    token, missing = asked(), asked("ID", wanted="ID")
    found, _ = run({"github": f'{{"TOKEN": "{SENTINEL}"}}'}, token, missing)
    values = {status.cell: status.value for status in found.keys if status.value is not None}
    assert list(values) == [token]
    assert values[token].reveal() == SENTINEL
    assert SENTINEL not in repr(found)


def taken(by: str, key: str, wanted: str = "TOKEN") -> Cell:
    return replace(asked(key, wanted=wanted, by=by), holder="github", secret_at=at(4))


def test_what_is_wrong_with_a_value_that_several_have_is_found_once_at_who_has_it() -> None:
    references = (taken("ci", "CI_TOKEN"), asked(), taken("bot", "BOT_TOKEN"))
    found, opened = run({"github": '{"TOKEN": ""}'}, *references)
    (diagnostic,) = found.diagnostics
    assert diagnostic.message == '"TOKEN" of "github" is empty'
    assert [each.message for each in diagnostic.related][-2:] == [
        '"CI_TOKEN" of "ci" has this value too',
        '"BOT_TOKEN" of "bot" has this value too',
    ]
    assert [each.word for each in found.keys] == ["error"] * 3
    assert all(each.value is not None for each in found.keys)
    assert (len(found.read), len(opened)) == (1, 1)


def test_a_remote_secret_that_is_not_there_is_missed_once_by_all_its_readers() -> None:
    found, _ = run({}, taken("ci", "CI_TOKEN"), asked())
    (diagnostic,) = found.diagnostics
    assert diagnostic.rule == "missing-secret"
    assert diagnostic.help == "`platform-secrets put dev github TOKEN` creates it; or correct its name"
    assert {each.message for each in diagnostic.related} == {'"TOKEN" of "github"', '"CI_TOKEN" of "ci"'}
    # Where the one that has it is not asked for, the first that takes it stands for all.
    found, _ = run({}, taken("ci", "CI_TOKEN"), taken("bot", "BOT_TOKEN"))
    assert [each.help for each in found.diagnostics] == [
        "`platform-secrets put dev ci CI_TOKEN` creates it; or correct its name"
    ]


@pytest.mark.parametrize(
    ("held", "rule"),
    [
        ({}, "missing-secret"),
        ({"github": "{}"}, "missing-property"),
        ({"github": "[]"}, "not-json"),
        ({"github": '{"TOKEN": ""}'}, "blank-value"),
        ({"github": refused(errors.Code.INVALID_NAME)}, "invalid-reference"),
    ],
)
def test_no_edit_of_a_generated_values_file_is_advised(held: Mapping[str, Any], rule: str) -> None:
    in_values = replace(asked(), environment=None)
    (of_environment,) = run(held, asked())[0].diagnostics
    (of_values,) = run(held, in_values)[0].diagnostics
    assert of_values.rule == of_environment.rule == rule
    ending = "; this file is generated: edit the environment's own, and compile"
    assert not (of_environment.help or "").endswith(ending)
    assert (of_values.help or "").endswith(ending)


def test_a_store_without_an_address_is_not_written_into_a_values_file() -> None:
    lost = replace(store(address=None), environment="")
    (diagnostic,) = run({}, replace(asked(of=lost), environment=None))[0].diagnostics
    assert diagnostic.help == "set AZURE_KEYVAULT_NAME"


# What the caller lacks and has beyond a role, as each store says it.


def found(
    root: Path, store: MemoryStore, role: Role = Role.READER, secrets: tuple[str, ...] = (), named: str | None = None
) -> tuple[Diagnostic, ...]:
    if not (root / "environments").exists():
        write_agents_project(root)
    environment = environment_of(root, may_fail=True)
    references = cells_of(environment, secrets, named)[0]

    def opener(_address: StoreAddress, _environ: Mapping[str, str]) -> MemoryStore:
        return store

    with LiveStores({}, opener) as stores:
        return verify_access(environment, references, role, stores)


def test_a_caller_with_what_a_role_takes_and_no_more_is_fine(tmp_path: Path) -> None:
    store = MemoryStore()
    store.excess = ""
    assert found(tmp_path, store, Role.RETIRER) == ()
    uses = frozenset({Use.DELETE_VERSIONS, Use.RECOVER_VERSIONS})
    assert store.access_asked == [{"agents/github": uses, "agents/jira": uses}] * 2


def test_what_lacks_stands_at_its_secret_with_the_rule(tmp_path: Path) -> None:
    store = MemoryStore()
    store.excess, store.denied = "", (Problem("forbidden", "agents/jira", "no policy grants it", "add to a policy: x"),)
    (diagnostic,) = found(tmp_path, store)
    assert (diagnostic.rule, diagnostic.severity) == ("missing-access", Severity.ERROR)
    assert diagnostic.message == '"agents/jira" in "vault" is not open to a reader: no policy grants it'
    assert diagnostic.help == "add to a policy: x"
    text = diagnostic.span.source.text[diagnostic.span.start : diagnostic.span.end]
    assert (diagnostic.span.path, text) == ("environments/base.yaml", "jira")


@pytest.mark.parametrize(("named", "words"), [(None, ""), ("vault", "")])
def test_what_is_beyond_is_a_warning_of_the_store(tmp_path: Path, named: str | None, words: str) -> None:
    store = MemoryStore()
    store.excess = "the token is a root token"
    (diagnostic,) = found(tmp_path, store, named=named)
    assert (diagnostic.rule, diagnostic.severity) == ("excess-access", Severity.WARNING)
    assert diagnostic.message.endswith('more in "vault" than a reader: the token is a root token')
    line = f"platform-secrets generate access prod --for reader --form hcl{words}"
    assert diagnostic.help == f"`{line}` writes what is enough"


def test_what_a_store_does_not_say_is_a_note(tmp_path: Path) -> None:
    store = MemoryStore()
    (diagnostic,) = found(tmp_path, store, named="azure")
    assert (diagnostic.rule, diagnostic.severity) == ("unknown-access", Severity.NOTE)
    store.denied = None
    assert [each.rule for each in found(tmp_path / "again", store)] == ["unknown-access"]


def test_a_store_that_does_not_answer_is_left_to_what_reads_it(tmp_path: Path) -> None:
    store = MemoryStore()
    error = StoreError(StoreLocation("https://memory"), Action.CONNECT, "it is down", "start it", Code.UNAVAILABLE)

    def fails(_uses: object) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "check_access", fails)
        assert found(tmp_path, store) == ()


def test_a_place_that_is_no_secret_is_left_to_what_reads_it(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    catalogue = tmp_path / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8").replace("azurekv: agents-github}", "azurekv: cert/github}"))
    store = MemoryStore()
    store.excess = ""
    assert found(tmp_path, store, named="azure") == ()
    assert list(store.access_asked[0]) == ["agents-jira"]


BOTH = pytest.mark.parametrize("provider", [providers.VAULT, providers.KEY_VAULT])
# Dots as names and as nesting, special characters in names.
TEXT = """{
  "PLAIN": "plain", "b.c": "literal", "b": {"c": "nested", "d.e": "half"}, "only.dots": "dots", "deep": {"er": "in"},
  "a|b": "pipe", "back\\\\slash": "back", "n": 1, "list": [{"k": "x"}], "a*b": "star", "#x": "hash x",
  "@this": "named this", "none": null, "ünï": "code", "sp ace": "space", "{x}": "braces", "a:b": "colon"
}"""
UNPROVEN = "not evaluated"


def stored(provider: Provider, text: str = TEXT) -> RemoteSecret:
    whole = SecretValue(text) if provider == providers.KEY_VAULT else None
    return RemoteSecret("x", "1", read_object(text), Attributes(), whole)


def text_of(found: SecretValue | None) -> str:
    assert isinstance(found, SecretValue)
    return found.reveal()


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("team/github", "team/github"),
        ("secret/team/github", "team/github"),
        ("secret/data/team/github", "team/github"),
        # Only right after the mount is `data` an addition; elsewhere it is part of the name.
        ("data/team", "data/team"),
        ("team/data/github", "team/data/github"),
        ("secrets/team", "secrets/team"),
        ("secret", "secret"),
    ],
)
def test_vault_cuts_the_mount_and_data_from_the_front(key: str, name: str) -> None:
    assert providers.VAULT.operator_name("secret", key) == name


def test_a_mount_of_several_parts_is_cut_as_one() -> None:
    assert providers.VAULT.operator_name("kv/team", "kv/team/github") == "github"
    assert providers.VAULT.operator_name("kv/team", "kv/github") == "kv/github"


@pytest.mark.parametrize(
    ("key", "name"), [("github", "github"), ("secret/github", "github"), ("secret/github/TOKEN/x", "github")]
)
def test_key_vault_takes_the_second_part_and_drops_the_rest(key: str, name: str) -> None:
    assert providers.KEY_VAULT.operator_name("", key) == name


def test_key_vault_has_other_objects_and_refuses_other_words() -> None:
    for key in ("cert/tls", "key/tls"):
        with pytest.raises(UnprovenReferenceError, match="of Key Vault"):
            providers.KEY_VAULT.operator_name("", key)
    with pytest.raises(InvalidReferenceError, match="first part"):
        providers.KEY_VAULT.operator_name("", "dev/github")


@pytest.mark.parametrize(
    ("wanted", "vault", "key_vault"),
    [
        ("PLAIN", "plain", "plain"),
        ("b.c", "literal", "nested"),
        ("only.dots", "dots", "dots"),
        ("deep.er", "in", "in"),
        ("b\\.c", "literal", "literal"),
        ("b.d\\.e", "half", "half"),
        ("b.d.e", None, None),
        ("deep.er.x", None, None),
        ("n.x", None, None),
        ("none.x", None, None),
        ("a|b", "pipe", UNPROVEN),
        ("a\\|b", "pipe", "pipe"),
        ("back\\slash", "back", None),
        ("back\\\\slash", "back", "back"),
        ("a\\*b", "star", "star"),
        ("\\#x", "hash x", "hash x"),
        ("\\@this", "named this", "named this"),
        ("\\{x}", "braces", "braces"),
        ("ünï", "code", "code"),
        ("sp ace", "space", "space"),
        ("a:b", "colon", "colon"),
        ("a\\:b", "colon", "colon"),
        ("mis\\sing", None, None),
        ("MISSING", None, None),
        ("no.such", None, None),
        ("no\\.such", None, None),
        ("n", "1", "1"),
        ("none", "null", "null"),
        *(
            (path, UNPROVEN, UNPROVEN)
            for path in ("*_TOKEN", "deep.?r", "b|c", "list.0", "list.0.k", "list.#", "b.", ".b")
        ),
        *((path, UNPROVEN, UNPROVEN) for path in ("..0", "b..c", "@pretty", "deep.@reverse", "b.{c}", "[n]", '!"x"')),
        *((path, UNPROVEN, UNPROVEN) for path in ("n\\", "deep.er\\", "no.such|x", 'list.#(k=="x")')),
    ],
)
def test_a_property_is_what_each_provider_makes_of_it(wanted: str, vault: str | None, key_vault: str | None) -> None:
    for provider, expected in ((providers.VAULT, vault), (providers.KEY_VAULT, key_vault)):
        if expected is UNPROVEN:
            with pytest.raises(UnprovenReferenceError, match="does not evaluate"):
                resolve(provider, stored(provider), wanted)
            continue
        found = resolve(provider, stored(provider), wanted)
        if expected is None:
            assert found is None
        else:
            assert text_of(found) == expected


@given(st.dictionaries(st.text(max_size=6), st.text(max_size=6), min_size=1), st.data())
def test_every_name_is_found_by_its_escaped_path(document: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(document)))
    remote = stored(providers.KEY_VAULT, json.dumps(document))
    if name:
        found = resolve(providers.KEY_VAULT, remote, "".join("\\" + character for character in name))
        assert text_of(found) == document[name]


@BOTH
@given(path=st.text(max_size=20))
def test_no_path_breaks_it(provider: Provider, path: str) -> None:
    try:
        found = resolve(provider, stored(provider), path)
    except UnprovenReferenceError:
        return
    assert found is None or isinstance(found, SecretValue)


@BOTH
def test_a_template_knows_names_and_no_paths(provider: Provider) -> None:
    assert text_of(resolve(provider, stored(provider), "b.c", by_name=True)) == "literal"
    assert resolve(provider, stored(provider), "deep.er", by_name=True) is None


def test_the_whole_is_the_text_of_key_vault_and_the_document_of_vault() -> None:
    assert text_of(resolve(providers.KEY_VAULT, stored(providers.KEY_VAULT), None)) == TEXT
    assert (
        text_of(resolve(providers.VAULT, stored(providers.VAULT, '{"b": "1", "a": 2}'), None)) == '{"a": 2, "b": "1"}'
    )


def test_what_is_no_object_has_no_properties_but_a_whole() -> None:
    remote = RemoteSecret("x", "1", {}, Attributes(), SecretValue("bare"), is_object=False)
    with pytest.raises(NotAnObjectError):
        resolve(providers.KEY_VAULT, remote, "PLAIN")
    assert text_of(resolve(providers.KEY_VAULT, remote, None)) == "bare"


# What `ConvertKeys` and `ValidateKeys` of the operator make of names.
@BOTH
@pytest.mark.parametrize(
    ("name", "key"), [("MY KEY", "MY_KEY"), ("a/b", "a_b"), ("ü.1-²", "ü.1-²"), ("e\u0301", "e_"), ("", "")]
)
def test_a_bundle_has_the_names_that_keys_can_have(provider: Provider, name: str, key: str) -> None:
    remote = extract(stored(provider, f'{{"{name}": "found", "OTHER": "x"}}'))
    assert text_of(resolve(provider, remote, key, by_name=True)) == "found"


@BOTH
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"A B": "1", "A_B": "2", "C": "3"}', 'its properties "A B" and "A_B" become one key'),
        (f'{{"C": "3", "{"ü" * 127}": "4"}}', "the name of a property is longer than 253 bytes"),
    ],
)
def test_a_bundle_is_refused_for_a_property_that_nobody_asks_for(provider: Provider, text: str, why: str) -> None:
    with pytest.raises(InvalidReferenceError, match=f"^{why}$"):
        extract(stored(provider, text))


def extracted(key: str = "TOKEN", *, takes_all: bool = True) -> Cell:
    return replace(asked(key, wanted=key), fetch="extract", takes_all=takes_all)


def test_what_is_extracted_needs_its_listed_keys_and_names_that_a_secret_can_have() -> None:
    assert rules({"github": '{"TOKEN": "x1", "tls.crt": "y", "A B": "z"}'}, extracted(), extracted("tls.crt")) == []
    for held in ("{}", '{"OTHER": "x1"}'):
        (missing,) = run({"github": held}, extracted())[0].diagnostics
        assert (missing.rule, missing.message[:11]) == ("missing-property", '"TOKEN" of ')
    for name, why in (
        ("schl\u00fcssel", 'its property "schl\u00fcssel" cannot be a key of a Secret'),
        ("..", 'its property ".." cannot be a key of a Secret'),
        ("", 'its property "" cannot be a key of a Secret'),
    ):
        held = f'{{"TOKEN": "x1", "{name}": "z"}}'
        (diagnostic,) = run({"github": held}, extracted())[0].diagnostics
        assert (diagnostic.rule, diagnostic.message[:45]) == (
            "unusable-bundle",
            f'"github" cannot be extracted: {why}'[:45],
        )
        assert why in diagnostic.message
        assert diagnostic.help is not None
        assert "leave out `extract`" in diagnostic.help
        # The entry's own template names what the Secret gets.
        assert rules({"github": held}, extracted(takes_all=False)) == []
    (twice,) = run({"github": '{"TOKEN": "x1", "A B": "y", "A_B": "z"}'}, extracted())[0].diagnostics
    assert twice.message.startswith('"github" cannot be extracted: its properties "A B" and "A_B" become one key')


def test_what_is_extracted_is_a_json_object() -> None:
    (diagnostic,) = run({"github": "no object"}, extracted())[0].diagnostics
    assert (diagnostic.rule, diagnostic.help) == (
        "not-json",
        "store one, or leave out `extract` and mark the key `whole: true`",
    )


EVERY = replace(asked(ALL_KEYS, wanted=None), fetch="extract", takes_all=True, uses_all=True)


def test_what_lists_no_key_needs_a_property_and_names_that_a_secret_can_have() -> None:
    assert rules({"github": '{"A": "", "tls.crt": 5}'}, EVERY) == []
    found, _ = run({"github": '{"A": "x", "B": "y"}'}, EVERY)
    assert [each.key_count for each in found.keys] == [2]
    for held, rule, words in (
        ("{}", "missing-property", '"github" has no property, so the Secret of "github" would have no key'),
        ("no object", "not-json", '"github" is not a JSON object'),
        ('{"A B": "y", "A_B": "z"}', "unusable-bundle", '"A B" and "A_B" become one key'),
        ({}, "missing-secret", '"github" is not in "azure"'),
    ):
        found, _ = run({"github": held} if held else {}, EVERY)
        (diagnostic,) = found.diagnostics
        assert (diagnostic.rule, words in diagnostic.message) == (rule, True), diagnostic.message
        assert [each.message for each in diagnostic.related] == ['every key of "github"']
        # It has no key that a command could set.
        assert "put dev" not in (diagnostic.help or "")
        assert [(each.key_count, each.is_sound) for each in found.keys] == [(2 if "unusable" in rule else 1, False)]
    (json,) = run({"github": "no object"}, EVERY)[0].diagnostics
    assert json.help == "store one, or leave out `extract` and mark a key `whole: true`"
    left_out = replace(EVERY, skips_missing=True)
    assert "the operator would leave every key out of the Secret" in run({}, left_out)[0].diagnostics[0].message


def test_what_lists_no_key_is_compared_by_each_name() -> None:
    here, there = (
        {"*": run({"github": held}, EVERY)[0].keys[0]} for held in ('{"A": "x", "*": "s"}', '{"A": "x", "*": "o"}')
    )
    assert compare_keys(there["*"], here["*"], Comparer()) is Likeness.EQUAL
    # A property may have any name.
    assert compare_unlisted(there, here, Comparer()) == {Likeness.EQUAL: ("A",), Likeness.DIFFERENT: ("*",)}
    nothing = run({}, EVERY)[0].keys[0]
    assert compare_keys(nothing, here["*"], Comparer()) is Likeness.MISSING
    assert compare_keys(there["*"], nothing, Comparer()) is Likeness.ONLY_THERE
