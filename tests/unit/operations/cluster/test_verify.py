from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from compiler.model.document import Node, extent
from compiler.model.environment import Store
from compiler.model.source import Source, Span
from compiler.operations.cluster.objects import ClusterError, LiveExternalSecret, LiveSecret, LiveStore, Ready
from compiler.operations.cluster.verify import Expected, verify_cluster
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.values.secret import SecretValue

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = Source("environments/prod.yaml", "stores\nsecrets\n")
OWN = {"app.kubernetes.io/part-of": "ai-platform-engineering"}
READY, FAILED = Ready(is_true=True, message=""), Ready(is_true=False, message="could not get secret data")


def store(kind: str = "ClusterSecretStore") -> Store:
    node = Node({}, SOURCE, extent(6, 6, 0, 6))
    return Store("v", "vault", "vault-store", kind, "", None, "secret", None, rendered=False, node=node)


EXPECTED = Expected("github", "team", "agent-github", store(), ("TOKEN", "ID"), Span(SOURCE, 7, 14))


@dataclass
class Fake:
    """Everything as it should be, until a test says otherwise."""

    ready: Ready | None = READY
    has_store: bool = True
    live: tuple[LiveExternalSecret, ...] = (LiveExternalSecret("agent-github", "agent-github", OWN, READY),)
    made: LiveSecret | None = field(
        default_factory=lambda: LiveSecret(
            "agent-github", frozenset({"TOKEN", "ID"}), ("ExternalSecret", "agent-github")
        )
    )
    error: ClusterError | None = None
    asked: list[str] = field(default_factory=list)

    def store(self, kind: str, name: str, namespace: str) -> LiveStore | None:
        self.asked.append(f"{kind} {namespace}")
        return LiveStore(kind, name, self.ready) if self.has_store else None

    def external_secrets(self, namespace: str) -> tuple[LiveExternalSecret, ...]:
        self.asked.append(f"external secrets {namespace}")
        if self.error is not None:
            raise self.error
        return self.live

    def secrets(self, namespace: str) -> tuple[LiveSecret, ...]:
        self.asked.append(f"secrets {namespace}")
        return (self.made,) if self.made is not None else ()

    def complaints(self, namespace: str) -> Mapping[str, str]:
        self.asked.append(f"events {namespace}")
        return {"agent-github": "property TOKEN does not exist in key team/github"}


def found(fake: Fake, *expected: Expected) -> list[tuple[str, str]]:
    return [(each.rule, each.message) for each in verify_cluster(expected or (EXPECTED,), fake)]


def live(name: str = "agent-github", target: str = "agent-github", ready: Ready | None = READY) -> LiveExternalSecret:
    return LiveExternalSecret(name, target, OWN, ready)


def test_what_is_as_it_should_be_is_not_mentioned_and_no_event_is_read() -> None:
    fake = Fake()
    assert found(fake) == []
    assert not [each for each in fake.asked if "events" in each]


def test_the_cause_of_a_failure_is_the_events() -> None:
    fake = Fake(live=(live(ready=FAILED),))
    title = 'the ExternalSecret "team/agent-github" is not ready: '
    assert (
        found(fake, EXPECTED, EXPECTED)
        == [("not-synchronised", title + "property TOKEN does not exist in key team/github")] * 2
    )
    assert fake.asked.count("events team") == 1


@pytest.mark.parametrize(("ready", "words"), [(FAILED, "could not get secret data"), (None, "it has no condition yet")])
def test_without_events_the_condition_is_said(ready: Ready | None, words: str) -> None:
    fake = Fake(live=(live("silent", "silent", ready),), made=None)
    expected = Expected("github", "team", "silent", EXPECTED.store, (), EXPECTED.at)
    assert found(fake, expected) == [("not-synchronised", f'the ExternalSecret "team/silent" is not ready: {words}')]


@pytest.mark.parametrize(
    ("reason", "words", "way_out"),
    [
        ("SecretOwnedByOther", "another owner has its Secret", "choose another target, or agree with its owner"),
        (
            "SecretImmutable",
            "its Secret is immutable, so no new value gets in",
            "delete the Secret, and the operator makes it again; pods that run keep what they have read",
        ),
    ],
)
def test_a_reason_of_newer_operators_is_said_in_words(reason: str, words: str, way_out: str) -> None:
    refused = live(ready=Ready(is_true=False, message="any text", reason=reason))
    (diagnostic,) = verify_cluster((EXPECTED,), Fake(live=(refused,)))
    assert diagnostic.rule == "not-synchronised"
    cause = f"{words}: property TOKEN does not exist in key team/github"
    assert diagnostic.message == f'the ExternalSecret "team/agent-github" is not ready: {cause}'
    assert diagnostic.help == way_out


@pytest.mark.parametrize("reason", ["", "SecretSyncedError", "SomethingNew"])
def test_the_text_of_a_condition_never_decides(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "SecretOwnedByOther: the Secret is immutable"
    fake = Fake(live=(live(ready=Ready(is_true=False, message=text, reason=reason)),))
    monkeypatch.setattr(fake, "complaints", lambda _: {})
    (diagnostic,) = verify_cluster((EXPECTED,), fake)
    assert diagnostic.message == f'the ExternalSecret "team/agent-github" is not ready: {text}'
    assert diagnostic.help is None


SAID = "cannot use s3ntinel-4711, c2VudGluZWw= and s3ntinel%2F4711"


@pytest.mark.parametrize("where", ["event", "condition", "store"])
def test_values_that_were_read_are_hidden_in_what_the_operator_says(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {
        "A": SecretValue("s3ntinel-4711"),
        "B": SecretValue("sentinel"),
        "C": SecretValue("s3ntinel/4711"),
        "D": SecretValue("use"),
    }
    read = RemoteSecret("agents/github", "1", values, Attributes())
    failed = Ready(is_true=False, message=SAID)
    fake = Fake(ready=failed) if where == "store" else Fake(live=(live(ready=failed),))
    monkeypatch.setattr(fake, "complaints", lambda _: {"agent-github": SAID} if where == "event" else {})
    (diagnostic,) = verify_cluster((EXPECTED,), fake, [read])
    # "use" is too short to be told from a word.
    assert diagnostic.message.endswith("is not ready: cannot use …, … and …")


def test_a_condition_without_a_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(live=(live(ready=Ready(is_true=False, message="")),))
    monkeypatch.setattr(fake, "complaints", lambda _: {})
    ((_, message),) = found(fake)
    assert message.endswith("is not ready: the operator gives no reason")


def test_a_store_that_is_missing_or_not_ready_is_said_at_its_line() -> None:
    for fake, words in (
        (Fake(has_store=False), "is not in the cluster"),
        (Fake(ready=None), "has not been checked by the operator yet"),
        (Fake(ready=Ready(is_true=False, message="x509")), "is not ready: x509"),
        (Fake(ready=Ready(is_true=False, message=" ")), "is not ready: the operator gives no reason"),
    ):
        (diagnostic,) = verify_cluster((EXPECTED,), fake)
        assert diagnostic.rule == "store-not-ready"
        assert diagnostic.message == f'the ClusterSecretStore "vault-store" {words}'
        assert diagnostic.span.line == 1


def test_a_cluster_store_is_asked_once_and_a_store_of_a_namespace_in_each() -> None:
    elsewhere = Expected("jira", "other", "agent-github", EXPECTED.store, (), EXPECTED.at)
    fake = Fake()
    found(fake, EXPECTED, elsewhere)
    assert len([each for each in fake.asked if each.startswith("ClusterSecretStore")]) == 1
    fake, own = Fake(), store("SecretStore")
    found(fake, *(Expected("a", name, "agent-github", own, (), EXPECTED.at) for name in ("team", "other")))
    assert [each for each in fake.asked if "Store" in each] == ["SecretStore team", "SecretStore other"]


def test_what_is_not_deployed_is_a_warning() -> None:
    ((rule, message),) = found(Fake(live=(), made=None))
    assert (rule, message) == ("not-in-cluster", 'there is no ExternalSecret "team/agent-github" in the cluster')


@pytest.mark.parametrize(
    ("controller", "words"),
    [
        (None, "is not managed by an ExternalSecret; deploying would overwrite it"),
        (("Deployment", "x"), 'belongs to the Deployment "x"'),
    ],
)
def test_a_secret_of_another_owner_is_warned_of(controller: tuple[str, str] | None, words: str) -> None:
    fake = Fake(live=(), made=LiveSecret("agent-github", frozenset(), controller))
    rules = found(fake)
    assert [rule for rule, _ in rules] == ["foreign-secret", "not-in-cluster"]
    assert words in rules[0][1]


def test_an_external_secret_of_another_owner_is_warned_of() -> None:
    strange = LiveExternalSecret("agent-github", "agent-github", {}, READY)
    assert [rule for rule, _ in found(Fake(live=(strange,)))] == ["foreign-external-secret"]
    rules = found(Fake(live=(live(), live("theirs"))))
    assert [rule for rule, _ in rules] == ["foreign-external-secret"]
    assert '"theirs" already makes the Secret "team/agent-github"' in rules[0][1]


@pytest.mark.parametrize(
    ("label", "wanted", "is_own"),
    [
        ("shop", "shop", True),
        # Deployed before the environment had a `partOf`.
        ("ai-platform-engineering", "shop", True),
        ("ai-platform-engineering", "ai-platform-engineering", True),
        ("shop", "ai-platform-engineering", False),
        ("other", "shop", False),
    ],
)
def test_the_environments_part_of_or_the_default_is_known_as_own(label: str, wanted: str, *, is_own: bool) -> None:
    there = LiveExternalSecret("agent-github", "agent-github", {"app.kubernetes.io/part-of": label}, READY)
    rules = [rule for rule, _ in found(Fake(live=(there,)), replace(EXPECTED, part_of=wanted))]
    assert rules == ([] if is_own else ["foreign-external-secret"])


def test_a_secret_that_lacks_keys_or_is_missing_is_an_error() -> None:
    made = LiveSecret("agent-github", frozenset({"ID"}), ("ExternalSecret", "agent-github"))
    assert found(Fake(made=made)) == [("missing-target-key", 'the Secret "team/agent-github" lacks "TOKEN"')]
    assert found(Fake(made=None)) == [("missing-target-key", 'there is no Secret "team/agent-github"')]


@pytest.mark.parametrize(
    ("permission", "rule"), [(None, "cluster-no-answer"), ("list events in team", "cluster-forbidden")]
)
def test_a_cluster_that_cannot_be_asked_is_a_finding(permission: str | None, rule: str) -> None:
    fake = Fake(error=ClusterError("the reason", "the remedy", permission), ready=FAILED)
    diagnostics = verify_cluster((EXPECTED,), fake)
    assert [each.rule for each in diagnostics] == ["store-not-ready", rule]
    assert diagnostics[-1].help == "the remedy"
    assert "the reason" in diagnostics[-1].message
