import copy
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.verify import OPTIONAL, cluster_checker, verify_cluster
from compiler.cluster.view import ClusterError, ClusterView, open_view
from compiler.model.document import Diagnostic, Node, Source, Span, extent
from compiler.model.environment import Store
from compiler.model.values import Manifest
from compiler.refusal import Refusal
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import install_line
from tests import providers
from tests.fake_cluster import FakeCluster
from tests.live_platform import provider_of

SOURCE = Source("environments/prod.yaml", "stores\nsecrets\n")
SPACE, NAME, TITLE = "team", "agent-github", '"team/agent-github"'
PART_OF = "app.kubernetes.io/part-of"
OWN = {PART_OF: "ai-platform-engineering"}
NOW = datetime(2026, 11, 28, 7, 0, tzinfo=UTC)
CAUSE = "property TOKEN does not exist in key team/github"
WORDS = "property TOKEN does not exist in key team/github"
DESCRIBE = "kubectl -n team describe externalsecret agent-github"


def store(kind: str = "ClusterSecretStore", name: str = "vault-store", identifier: str = "v") -> Store:
    node = Node({}, SOURCE, extent(6, 6, 0, 6))
    address = "https://vault.example.com"
    return Store(identifier, providers.VAULT, name, kind, "", address, "secret", None, rendered=False, node=node)


def manifest(namespace: str = SPACE, kind: str = "ClusterSecretStore", part_of: str = OWN[PART_OF]) -> dict[str, Any]:
    keys = [{"secretKey": key, "remoteRef": {"key": "team/github", "property": key}} for key in ("TOKEN", "ID")]
    return {
        "metadata": {"name": NAME, "namespace": namespace, "labels": {PART_OF: part_of}},
        "spec": {"secretStoreRef": {"kind": kind, "name": "vault-store"}, "target": {"name": NAME}, "data": keys},
    }


VAULT = store()
EXPECTED = Manifest("github", VAULT, manifest(), Span(SOURCE, 7, 14))


def condition(status: str = "True", reason: str = "SecretSynced", message: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": message}]}


def live(name: str = NAME, **status: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a status
    metadata = {"name": name, "namespace": SPACE, "uid": f"uid-{name}", "generation": 2, "labels": OWN}
    spec = copy.deepcopy(EXPECTED.object["spec"])
    return {
        "metadata": metadata,
        "spec": spec,
        "status": {**condition(), "syncedResourceVersion": "2-0", **status},
    }


def secret(*keys: str, owner: tuple[str, str] | None = ("ExternalSecret", NAME)) -> dict[str, Any]:
    owners = [{"kind": owner[0], "name": owner[1], "controller": True}] if owner is not None else []
    fields: dict[str, Any] = {"f:data": {f"f:{key}": {} for key in keys}}
    writer = {"manager": f"externalsecrets.external-secrets.io/{NAME}", "fieldsV1": fields}
    return {"metadata": {"name": NAME, "ownerReferences": owners, "managedFields": [writer]}}


def stored(of: Store = VAULT, status: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "kind": of.kind,
        "spec": {"provider": provider_of(of), **spec},
        "status": condition(reason="Valid") if status is None else status,
    }


def event(message: str = CAUSE, moment: str = "2026-11-28T06:57:00Z") -> dict[str, Any]:
    return {"uid": f"uid-{NAME}", "message": message, "moment": moment, "count": 1}


@dataclass
class Fake:
    """Everything as it should be, until a test says otherwise."""

    stores: dict[str, Any] = field(default_factory=lambda: {"vault-store": stored()})
    found: tuple[dict[str, Any], ...] = field(default_factory=lambda: (live(),))
    made: dict[str, Any] | None = field(default_factory=lambda: secret("TOKEN", "ID"))
    pods: tuple[dict[str, Any], ...] = ()
    events: dict[str, Any] = field(default_factory=lambda: {f"uid-{NAME}": event()})
    errors: dict[str, ClusterError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def operator_deployments(self) -> tuple[dict[str, Any], ...]:
        return ()

    def store_object(self, kind: str, name: str, namespace: str) -> Any:  # noqa: ANN401 - as the API has it
        self._ask(f"{kind} {name} {namespace}")
        return self.stores.get(name)

    def collection(self, plural: str, namespace: str) -> tuple[dict[str, Any], ...]:
        self._ask(f"{plural} {namespace}")
        if plural == "externalsecrets":
            return self.found
        if plural == "pods":
            return self.pods
        return (self.made,) if self.made is not None else ()

    def namespace_object(self, namespace: str) -> dict[str, Any]:
        self._ask(f"namespace {namespace}")
        return {"metadata": {"name": namespace, "labels": {}}}

    def warnings(self, namespace: str, kind: str = "ExternalSecret") -> dict[str, Any]:
        self._ask(f"events {namespace}")
        return self.events if kind == "ExternalSecret" else {}

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if (error := self.errors.get(what.partition(" ")[0])) is not None:
            raise error


def diagnostics(
    fake: Fake,
    *expected: Manifest,
    **more: Any,  # noqa: ANN401
) -> tuple[Diagnostic, ...]:
    cluster: Any = fake
    view = ClusterView(cluster, OPTIONAL)
    return verify_cluster(expected or (EXPECTED,), view, now=NOW, **more)


def found(fake: Fake, *expected: Manifest, **more: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    return [(each.rule, each.message) for each in diagnostics(fake, *expected, **more)]


def failing(
    reason: str = "SecretSyncedError", message: str = "could not get secret data from provider"
) -> dict[str, Any]:
    return live(**condition("False", reason, message))


def test_what_is_as_it_should_be_is_not_mentioned_and_no_event_is_read() -> None:
    fake = Fake()
    assert found(fake) == []
    assert not [each for each in fake.asked if "events" in each]


def test_the_cause_of_a_failure_is_the_events_with_its_age() -> None:
    fake = Fake(found=(failing(),))
    said = f"the ExternalSecret {TITLE} is not ready: SecretSyncedError: 3m ago: {WORDS}"
    assert found(fake, EXPECTED, EXPECTED) == [("not-synchronised", said)] * 2
    assert fake.asked.count("events team") == 1


def test_an_event_of_an_earlier_object_of_that_name_is_none() -> None:
    fake = Fake(found=(failing(),), events={"uid-earlier": event("rotate your good credential")})
    ((_, message),) = found(fake)
    assert message.endswith("is not ready: SecretSyncedError: could not get secret data from provider")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (condition("False", "SecretSyncedError", "no such host"), "SecretSyncedError: no such host"),
        (condition("False", "SecretSyncedError"), "SecretSyncedError"),
        ({"conditions": []}, "NoCondition"),
    ],
)
def test_without_events_the_condition_is_said(status: dict[str, Any], words: str) -> None:
    fake = Fake(found=(live(**status),), events={})
    assert found(fake) == [("not-synchronised", f"the ExternalSecret {TITLE} is not ready: {words}")]


@pytest.mark.parametrize(
    ("reason", "words", "way_out"),
    [
        (
            "SecretOwnedByOther",
            f"the ExternalSecret {TITLE} is not ready: SecretOwnedByOther: another owner has its Secret",
            "choose another target, or agree with its owner",
        ),
        (
            "SecretImmutable",
            f"the Secret {TITLE} is immutable: the operator cannot update it: SecretImmutable",
            "delete the Secret, and the operator makes it again; pods that run keep what they have read",
        ),
    ],
)
def test_a_reason_of_newer_operators_is_said_in_words(reason: str, words: str, way_out: str) -> None:
    (diagnostic,) = diagnostics(Fake(found=(failing(reason, "any text"),)))
    assert diagnostic.rule == "not-synchronised"
    assert diagnostic.message == f"{words}: 3m ago: {WORDS}"
    assert diagnostic.help == way_out


@pytest.mark.parametrize("reason", ["Unknown", "SecretSyncedError", "SomethingNew"])
def test_the_text_of_a_condition_never_decides(reason: str) -> None:
    text = "SecretOwnedByOther: secret is immutable"
    (diagnostic,) = diagnostics(Fake(found=(failing(reason, text),), events={}))
    assert diagnostic.message == f"the ExternalSecret {TITLE} is not ready: {reason}: {text}"
    assert diagnostic.help is None


SAID = "Code: 403. Errors: * permission denied for s3ntinel-4711"


def saying(where: str, said: str) -> Fake:
    if where == "store":
        return Fake(stores={"vault-store": stored(status=condition("False", "InvalidProviderConfig", said))})
    events = {f"uid-{NAME}": event(said)} if where == "event" else {}
    return Fake(found=(failing(message=said),), events=events)


@pytest.mark.parametrize("where", ["event", "condition", "store"])
def test_what_the_operator_says_is_shown_without_the_values_that_were_read(where: str) -> None:
    values = {("github", "v"): (SecretValue("s3ntinel-4711"),)}
    (diagnostic,) = diagnostics(saying(where, SAID), values=values)
    assert diagnostic.message.endswith("Code: 403. Errors: * permission denied for …")
    (diagnostic,) = diagnostics(saying(where, 'parsing "s3ntinel-4711"'))
    assert diagnostic.message.endswith('parsing "…"')


def test_a_warning_of_the_spec_before_is_not_the_cause() -> None:
    changed = failing()
    fields: dict[str, Any] = {"f:spec": {"f:secretStoreRef": {}}}
    for time, is_shown in (("2026-11-28T06:56:59Z", True), ("2026-11-28T06:57:01Z", False)):
        changed["metadata"]["managedFields"] = [{"manager": "argocd", "time": time, "fieldsV1": fields}]
        ((_, message),) = found(Fake(found=(changed,)))
        assert (WORDS in message) is is_shown


def test_a_store_that_is_missing_or_not_ready_is_said_at_its_line() -> None:
    for status, words in (
        (None, "is not in the cluster"),
        ({}, "has not been checked by the operator yet"),
        (condition("False", "InvalidProviderConfig", "x509"), "is not ready: InvalidProviderConfig: x509"),
        (condition("False", "InvalidProviderConfig", " "), "is not ready: InvalidProviderConfig"),
    ):
        stores = {"vault-store": stored(status=status)} if status is not None else {}
        (diagnostic,) = diagnostics(Fake(stores=stores))
        assert diagnostic.rule == "store-not-ready"
        assert diagnostic.message == f'the ClusterSecretStore "vault-store" {words}'
        assert diagnostic.span.line == 1


def test_a_store_that_leads_elsewhere_or_is_closed_is_an_error() -> None:
    elsewhere = stored()
    elsewhere["spec"]["provider"] = {"fake": {}}
    (diagnostic,) = diagnostics(Fake(stores={"vault-store": elsewhere}))
    assert (diagnostic.rule, diagnostic.severity.value) == ("store-not-ready", "error")
    assert 'leads to another store than "v": its provider is "fake", not "vault"' in diagnostic.message
    closed = Fake(stores={"vault-store": stored(conditions=[{"namespaces": ["other"]}])})
    assert found(closed) == [
        ("store-not-ready", 'the ClusterSecretStore "vault-store" does not allow the namespace "team"')
    ]


def test_a_store_that_selects_by_labels_is_not_checked() -> None:
    selecting = stored(conditions=[{"namespaceSelector": {"matchLabels": {"team": "ai"}}}])
    (diagnostic,) = diagnostics(Fake(stores={"vault-store": selecting}))
    assert (diagnostic.rule, diagnostic.severity.value) == ("unproven-store", "note")
    assert diagnostic.message.startswith("not checked: ")


def test_a_store_that_may_lead_elsewhere_is_a_warning() -> None:
    spelt = stored()
    spelt["spec"]["provider"]["vault"]["server"] = "https://10.0.0.7"
    (diagnostic,) = diagnostics(Fake(stores={"vault-store": spelt}))
    assert (diagnostic.rule, diagnostic.severity.value) == ("unproven-store", "warning")
    assert diagnostic.help is not None
    assert "write `server: https://10.0.0.7`" in diagnostic.help
    assert diagnostic.help.endswith("; to accept it: --accept-store v")


def test_the_store_of_an_option_is_checked_beside_the_one_in_use() -> None:
    other = store(name="azure-store", identifier="a")
    fake = Fake()
    assert found(fake, other=other) == [
        ("store-not-ready", 'the ClusterSecretStore "azure-store" is not in the cluster')
    ]
    fake.stores["azure-store"] = stored(other, condition("False", "InvalidProviderConfig", "x509"))
    words = 'the ClusterSecretStore "azure-store" is not ready: InvalidProviderConfig: '
    assert found(fake, other=other) == [("store-not-ready", f"{words}x509")]


def test_a_cluster_store_is_said_once_and_a_store_of_a_namespace_in_each() -> None:
    elsewhere = replace(EXPECTED, secret="jira", object=manifest("other"))
    fake = Fake(stores={})
    assert [rule for rule, _ in found(fake, EXPECTED, elsewhere)].count("store-not-ready") == 1
    assert [each for each in fake.asked if "Store" in each] == ["ClusterSecretStore vault-store team"]
    fake, own = Fake(), store("SecretStore")
    each_space = [replace(EXPECTED, object=manifest(space, "SecretStore"), store=own) for space in (SPACE, "other")]
    found(fake, *each_space)
    assert [each for each in fake.asked if "Store" in each] == [
        "SecretStore vault-store team",
        "SecretStore vault-store other",
    ]


def test_what_is_not_deployed_is_a_warning() -> None:
    ((rule, message),) = found(Fake(found=(), made=None))
    assert (rule, message) == ("not-in-cluster", f"there is no ExternalSecret {TITLE} in the cluster")


def test_what_the_operator_has_not_synchronised_is_an_error_and_the_spec_before_a_note() -> None:
    said = f"the operator has not synchronised {TITLE} as it is now"
    assert found(Fake(found=(live(syncedResourceVersion="1-0"),))) == [("not-synchronised", said)]
    never = live()
    del never["status"]
    ((rule, message),) = found(Fake(found=(never,), made=None, events={}))
    assert (rule, message) == ("not-synchronised", f"the ExternalSecret {TITLE} is not ready: NoCondition")
    old = live()
    old["spec"]["refreshInterval"] = "5m"
    (diagnostic,) = diagnostics(Fake(found=(old,)))
    assert (diagnostic.rule, diagnostic.severity.value) == ("older-spec", "note")


@pytest.mark.parametrize("what", ["found", "made"])
def test_what_is_being_deleted_is_an_error(what: str) -> None:
    fake = Fake()
    gone = fake.found[0] if what == "found" else fake.made
    assert gone is not None
    gone["metadata"]["deletionTimestamp"] = "2026-11-28T06:59:00Z"
    ((rule, message),) = found(fake)
    assert (rule, "is being deleted" in message) == ("not-synchronised", True)


def test_a_secret_that_was_kept_is_an_error_with_its_cause() -> None:
    kept = live(**condition(message="secret retained due to DeletionPolicy=Retain"))
    ((rule, message),) = found(Fake(found=(kept,)))
    assert (rule, message) == (
        "not-synchronised",
        f"the Secret {TITLE} is an earlier one that was kept: 3m ago: {WORDS}",
    )


@pytest.mark.parametrize(
    ("controller", "words"),
    [
        (None, "is not managed by an ExternalSecret; deploying would overwrite it"),
        (("Deployment", "x"), 'belongs to the Deployment "x"'),
    ],
)
def test_a_secret_of_another_owner_is_warned_of(controller: tuple[str, str] | None, words: str) -> None:
    rules = found(Fake(found=(), made=secret(owner=controller)))
    assert [rule for rule, _ in rules] == ["foreign-secret", "not-in-cluster"]
    assert words in rules[0][1]


def test_an_external_secret_of_another_owner_is_warned_of() -> None:
    strange = live()
    strange["metadata"]["labels"] = {}
    assert [rule for rule, _ in found(Fake(found=(strange,)))] == ["foreign-external-secret"]
    rules = found(Fake(found=(live(), live("theirs"))))
    assert [rule for rule, _ in rules] == ["foreign-external-secret"]
    assert f'"theirs" already makes the Secret {TITLE}' in rules[0][1]


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
    there = live()
    there["metadata"]["labels"] = {PART_OF: label}
    rules = [rule for rule, _ in found(Fake(found=(there,)), replace(EXPECTED, object=manifest(part_of=wanted)))]
    assert rules == ([] if is_own else ["foreign-external-secret"])


def test_a_secret_that_lacks_keys_or_is_missing_is_an_error() -> None:
    assert found(Fake(made=secret("ID"))) == [("missing-target-key", f'the Secret {TITLE} lacks "TOKEN"')]
    (diagnostic,) = diagnostics(Fake(made=None))
    assert (diagnostic.rule, diagnostic.message) == ("missing-target-key", f"there is no Secret {TITLE}")
    assert diagnostic.help == "deploy the newest values, then wait for a refresh"


@pytest.mark.parametrize(
    ("permission", "rule"), [(None, "cluster-no-answer"), ("list externalsecrets in team", "cluster-forbidden")]
)
def test_a_cluster_that_cannot_be_asked_is_a_finding(permission: str | None, rule: str) -> None:
    error = ClusterError("the reason", "the remedy", permission)
    rules = diagnostics(Fake(errors={"externalsecrets": error}, stores={}))
    assert [each.rule for each in rules] == ["store-not-ready", rule]
    assert rules[-1].help == "the remedy"
    assert "the reason" in rules[-1].message


def test_without_the_right_to_list_secrets_the_rest_is_judged_and_the_right_is_said() -> None:
    error = ClusterError("you are not allowed to list secrets", "get a role", "list secrets in team")
    rules = [rule for rule, _ in found(Fake(errors={"secrets": error}, found=(failing(),)))]
    assert rules == ["not-synchronised", "cluster-forbidden"]


@pytest.fixture
def fake() -> Iterator[FakeCluster]:
    with FakeCluster() as cluster:
        yield cluster


@pytest.fixture
def environ(fake: FakeCluster, tmp_path: Path) -> dict[str, str]:
    return {"KUBECONFIG": str(fake.kubeconfig(tmp_path))}


def test_the_cluster_is_asked_only_when_it_is_checked(fake: FakeCluster, environ: dict[str, str]) -> None:
    check, name = cluster_checker([EXPECTED], partial(open_view, environ, None, None, OPTIONAL))
    assert name is not None
    assert str(name) == f'context "here", server {fake.url}'
    assert fake.asked == []
    assert {each.rule for each in check({}, {})} == {"not-in-cluster"}
    assert fake.asked


def test_a_kubeconfig_that_cannot_be_used_is_a_finding(environ: dict[str, str]) -> None:
    check, name = cluster_checker([EXPECTED], partial(open_view, environ, "nowhere", None))
    (diagnostic,) = check({}, {})
    assert name is None
    assert (diagnostic.rule, diagnostic.span.line) == ("cluster-no-answer", 2)
    assert "no usable kubeconfig" in diagnostic.message


def test_where_nothing_is_expected_no_cluster_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compiler.cluster.client", None)
    check, _ = cluster_checker((), partial(open_view, {}, None, None))
    assert check({}, {}) == ()


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "compiler.cluster.client", raising=False)
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(Refusal) as caught:
        cluster_checker([EXPECTED], partial(open_view, {}, None, None))
    assert (caught.value.kind, caught.value.help) == ("cannot run", f"run: {install_line('cluster')}")


def test_an_operator_that_leaves_its_external_secrets_alone_is_an_error() -> None:
    """Everything is as it should be, and nothing was refreshed for hours."""
    old = live(refreshTime="2026-11-28T04:00:00Z")
    old["spec"]["refreshInterval"] = "1h0m0s"
    expected = replace(EXPECTED, object={**EXPECTED.object, "spec": old["spec"]})
    fake = Fake(found=(old,))
    (silent,) = diagnostics(fake, expected)
    assert silent.rule == "not-synchronised"
    assert silent.message.startswith("the operator seems not to run: it has not handled")
    assert silent.help == "kubectl get pods -A -l app.kubernetes.io/name=external-secrets"
    other = live("another", refreshTime="2026-11-28T06:59:00Z")
    other["spec"]["target"] = {"name": "another"}
    (alone,) = diagnostics(Fake(found=(old, other)), expected)
    assert alone.message.startswith("the operator has not handled")


def test_keys_that_somebody_else_has_written_since_are_an_error() -> None:
    fake = Fake()
    assert fake.made is not None
    fake.made["metadata"]["managedFields"].append({"manager": "kubectl-edit", "fieldsV1": {"f:data": {"f:TOKEN": {}}}})
    ((rule, message),) = found(fake)
    assert rule == "not-synchronised"
    assert message.startswith('"kubectl-edit" has written "TOKEN" of the Secret')


def test_every_namespace_whose_secrets_may_not_be_listed_is_told() -> None:
    error = ClusterError("you are not allowed to list secrets", "get a role", "list secrets")
    fake = Fake(errors={"secrets": error})
    other = replace(EXPECTED, object=manifest("web"))
    assert [rule for rule, _ in found(fake, EXPECTED, other)].count("cluster-forbidden") == 2


def pod_from(started: datetime) -> dict[str, Any]:
    env = [{"name": "T", "valueFrom": {"secretKeyRef": {"name": NAME, "key": "TOKEN"}}}]
    state = {"running": {"startedAt": f"{started:%Y-%m-%dT%H:%M:%SZ}"}}
    owner = {"kind": "ReplicaSet", "name": "mcp-github-5d8f", "controller": True}
    return {
        "metadata": {"name": "p", "uid": "1", "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "main", "env": env}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "main", "state": state}],
        },
    }


def restarted(
    fake: Fake, wrote: datetime, written: datetime | None = None, expected: Manifest = EXPECTED
) -> list[tuple[str, str, str | None]]:
    """What is found of pods where the Secret was written then, and the value in the store."""
    metadata = (fake.made or {})["metadata"]
    metadata["namespace"] = SPACE
    metadata["managedFields"][0]["time"] = f"{wrote:%Y-%m-%dT%H:%M:%SZ}"
    fake.found[0]["status"]["refreshTime"] = "2026-11-28T06:59:00Z"
    values = {("github", "v"): {"TOKEN": written}} if written is not None else {}
    every = diagnostics(fake, expected, written=values)
    return [(each.severity.name.lower(), each.message, each.help) for each in every if each.rule == "restart-needed"]


def test_pods_that_keep_an_earlier_value_are_found() -> None:
    start, later = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    fake = Fake(pods=(pod_from(start),))
    message = 'restart needed: Deployment "mcp-github" started 05:00:00, the Secret changed 06:00:00 UTC'
    line = "kubectl -n team rollout restart deployment/mcp-github"
    assert restarted(fake, later, later) == [("error", message, line)]
    # What the operator has not read yet is not in the Secret either.
    assert restarted(fake, later, NOW) == []
    ((severity, doubt, _),) = restarted(fake, later)
    assert (severity, doubt.startswith("pods may hold an earlier value")) == ("note", True)
    # Of what is not in effect, something else has to be mended first.
    fake.found[0]["status"].update(condition("False", "SecretSyncedError"))
    assert restarted(fake, later) == []
    fake = Fake(pods=(pod_from(later),))
    assert restarted(fake, start, start) == []


def test_pods_are_found_by_the_secret_and_not_by_the_name_of_its_external_secret() -> None:
    start, later = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    fake = Fake(found=(live("old-github"),), made=secret("TOKEN", "ID", owner=("ExternalSecret", "old-github")))
    fake.pods = (pod_from(start),)
    renamed = manifest()
    renamed["metadata"]["name"] = "old-github"
    assert [each[0] for each in restarted(fake, later, later, replace(EXPECTED, object=renamed))] == ["error"]


def test_who_may_not_list_pods_is_told_that_they_were_not_asked() -> None:
    fake = Fake(errors={"pods": ClusterError("you are not allowed to list pods", "get a role", "list pods in team")})
    assert restarted(fake, NOW) == [
        (
            "note",
            'whether pods in "team" keep an earlier value was not asked: you are not allowed to list pods',
            "get a role",
        )
    ]
