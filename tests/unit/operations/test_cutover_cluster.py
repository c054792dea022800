import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compiler.cluster.view import ClusterError, ClusterView
from compiler.model.environment import Environment
from compiler.operations.cutover_cluster import OPTIONAL, ClusterGate
from compiler.operations.cutover_gate import Check, CutoverRequest, Mode, Switch
from compiler.stages.resolve import Outside
from tests import providers
from tests.live_platform import compiled_objects, provider_of
from tests.platforms import environment_of
from tests.recorded_cluster import NAMESPACE, as_compiled, by_name, leading_to, watched
from tests.unit.cli.conftest import ROOT

SLACK = "agent-slack-secrets"
APPLIED = ' but by "argocd-controller", which wrote it at 2026-11-26T00:50:05Z'
TITLE = f'"{NAMESPACE}/{SLACK}"'
NAMED = Outside(addresses={providers.KEY_VAULT: "myvault"})
VERIFY = "platform-secrets verify dev slack --cluster"
# When the operator last read what was recorded of slack, and when that is looked at.
READ = datetime(2026, 11, 26, 0, 50, 5, tzinfo=UTC)
NOW = READ + timedelta(minutes=10)


class RecordedCluster:
    """The cluster as it was recorded, to be changed; what is in `refused` raises, and `asked` counts."""

    def __init__(self) -> None:
        self.stores: dict[str, dict[str, Any]] = copy.deepcopy(by_name("clustersecretstores-list"))
        self.external_secrets = copy.deepcopy(by_name("externalsecrets-list"))
        self.secrets = copy.deepcopy(by_name("secrets-metadata-list"))
        self.namespaces: dict[str, Any] = {NAMESPACE: {"metadata": {"labels": {"team": "ai"}}}}
        self.refused: dict[str, ClusterError] = {}
        self.asked: list[str] = []

    def operator_deployments(self) -> tuple[dict[str, Any], ...]:
        return ()

    def store_object(self, kind: str, name: str, namespace: str) -> Mapping[str, Any] | None:
        self._ask("store")
        assert (kind, namespace) == ("ClusterSecretStore", NAMESPACE)
        return self.stores.get(name)

    def collection(self, plural: str, namespace: str) -> Sequence[Mapping[str, Any]]:
        self._ask("external secrets" if plural == "externalsecrets" else plural)
        found = self.external_secrets if plural == "externalsecrets" else self.secrets
        return list(found.values()) if namespace == NAMESPACE else []

    def namespace_object(self, namespace: str) -> Mapping[str, Any] | None:
        self._ask("namespace")
        return self.namespaces.get(namespace)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what in self.refused:
            raise self.refused[what]


@pytest.fixture
def cluster(on_azure: Environment) -> RecordedCluster:
    made, compiled = RecordedCluster(), compiled_objects(on_azure)
    by_name_written = {store.name: store for store in on_azure.stores.values()}
    made.stores = {name: leading_to(each, by_name_written[name]) for name, each in made.stores.items()}
    made.external_secrets = {name: as_compiled(each, compiled[name]) for name, each in made.external_secrets.items()}
    return made


@pytest.fixture(scope="module")
def dev() -> Environment:
    return environment_of(ROOT, "dev", outside=NAMED)


@pytest.fixture(scope="module")
def on_azure() -> Environment:
    text = (ROOT / "environments/dev.yaml").read_text("utf-8") + "store: azure\n"
    return environment_of(ROOT, "dev", outside=NAMED, unwritten={"environments/dev.yaml": text})


def cluster_gate(cluster: RecordedCluster, now: datetime = NOW) -> ClusterGate:
    given: Any = cluster
    return ClusterGate(ClusterView(given, OPTIONAL), now)


def request(*, is_back: bool = False, context: str | None = None) -> CutoverRequest:
    words = ("--cluster", *(("--context", context) if context is not None else ()))
    return CutoverRequest("dev", Mode.BACK if is_back else Mode.TO, cluster=words)


def gate(
    cluster: RecordedCluster,
    dev: Environment,
    *secrets: str,
    is_back: bool = False,
    now: datetime = NOW,
    written: datetime | None = None,
) -> list[Check]:
    stores = dev.stores
    switches = [Switch(dev, each, stores["vault"], stores["azure"]) for each in secrets or ("slack",)]
    dates = dict.fromkeys(switches, written) if written is not None else {}
    return list(cluster_gate(cluster, now).check_switches(switches, request(is_back=is_back), dates))


def told(checks: Sequence[Check]) -> list[tuple[str, str]]:
    return [(str(each.verdict), each.message) for each in checks]


def test_a_recorded_cluster_opens_the_gate_and_is_asked_once(cluster: RecordedCluster, dev: Environment) -> None:
    store = f'the ClusterSecretStore "azure-keyvault-store" is ready and allows the namespace "{NAMESPACE}"'
    assert told(gate(cluster, dev, "slack", "jira")) == [
        ("passed", store),
        ("passed", "2 ExternalSecrets in the cluster, managed by this chart and not failing"),
    ]
    assert sorted(cluster.asked) == ["external secrets", "store", "store"]


@pytest.mark.parametrize(
    ("change", "message", "mend"),
    [
        (lambda stores: stores.clear(), "is not in the cluster", "apply it (kubectl apply -f …)"),
        (
            lambda stores: stores["azure-keyvault-store"].pop("status"),
            "has not been checked by the operator yet",
            "kubectl describe clustersecretstore azure-keyvault-store",
        ),
        (
            lambda stores: stores["azure-keyvault-store"]["metadata"].update(deletionTimestamp="2026-11-28T07:00:00Z"),
            "is being deleted",
            "kubectl describe clustersecretstore azure-keyvault-store",
        ),
        (
            lambda stores: stores["azure-keyvault-store"]["spec"].update(controller="other"),
            'belongs to another controller, "other"',
            "kubectl get clustersecretstore azure-keyvault-store",
        ),
        (
            lambda stores: stores["azure-keyvault-store"]["spec"].update(conditions=[{"namespaces": ["x"]}]),
            f'does not allow the namespace "{NAMESPACE}"',
            "add it to the store's `conditions`",
        ),
    ],
)
def test_a_store_that_cannot_serve_is_refused(
    cluster: RecordedCluster, dev: Environment, change: Callable[[dict[str, Any]], object], message: str, mend: str
) -> None:
    change(cluster.stores)
    for is_back in (False, True):
        first = gate(cluster, dev, is_back=is_back)[0]
        assert (first.verdict, first.mend) == ("refused", mend)
        assert first.message == f'the ClusterSecretStore "azure-keyvault-store" {message}'


ELSEWHERE = {
    "another provider": {"vault": {"server": "https://vault", "path": "secret"}},
    "fake": {"fake": {"data": []}},
    "another vault": {"azurekv": {"vaultUrl": "https://other.vault.azure.net"}},
}


@pytest.mark.parametrize("provider", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_new_store_that_leads_elsewhere_is_refused_on_the_way_back_too(
    cluster: RecordedCluster, dev: Environment, provider: dict[str, Any]
) -> None:
    cluster.stores["azure-keyvault-store"]["spec"]["provider"] = provider
    for is_back in (False, True):
        first = gate(cluster, dev, is_back=is_back)[0]
        assert first.verdict == "refused"
        assert first.message.startswith(
            'the ClusterSecretStore "azure-keyvault-store" leads to another store than "azure"'
        )
        assert "passed" not in {
            each.verdict for each in gate(cluster, dev, is_back=is_back) if each.about == first.about
        }


def to_vault(
    cluster: RecordedCluster,
    on_azure: Environment,
    *,
    is_back: bool = False,
    written: datetime | None = None,
    context: str | None = None,
) -> list[Check]:
    switch = Switch(on_azure, "slack", on_azure.stores["azure"], on_azure.stores["vault"])
    dates = {switch: written} if written is not None else {}
    return list(cluster_gate(cluster).check_switches([switch], request(is_back=is_back, context=context), dates))


def test_a_new_store_whose_host_is_spelt_differently_is_refused_forward_and_noted_back(
    cluster: RecordedCluster, on_azure: Environment
) -> None:
    vault = cluster.stores["vault-secret-store"]["spec"]["provider"]["vault"]
    assert [each.verdict for each in to_vault(cluster, on_azure)] == ["passed", "passed"]
    vault["server"] = "http://10.0.0.7:8200"
    forward, *_ = to_vault(cluster, on_azure)
    assert (forward.verdict, 'is not proven: its `server` is "http://10.0.0.7:8200", not "' in forward.message) == (
        "refused",
        True,
    )
    assert forward.mend is not None
    assert "write `server: http://10.0.0.7:8200` in the environment" in forward.mend
    assert "passed" not in {each.verdict for each in to_vault(cluster, on_azure) if each.about == forward.about}
    noted, passed, *_ = to_vault(cluster, on_azure, is_back=True)
    assert (noted.verdict, noted.message) == ("noted", forward.message)
    assert passed.verdict == "passed"
    for field, value in (("path", "kv"), ("version", "v1"), ("namespace", "team")):
        cluster.stores["vault-secret-store"]["spec"]["provider"]["vault"] = {**vault, field: value}
        assert to_vault(cluster, on_azure, is_back=True)[0].verdict == "refused"


def test_a_present_store_whose_host_is_spelt_differently_is_refused_forward_and_noted_back(
    cluster: RecordedCluster, dev: Environment
) -> None:
    """What was compared may not be what pods have."""
    cluster.stores["vault-secret-store"]["spec"]["provider"]["vault"]["server"] = "http://10.0.0.7:8200"
    for is_back, verdict in ((False, "refused"), (True, "noted")):
        found = [each for each in gate(cluster, dev, is_back=is_back) if "vault-secret-store" in each.message]
        assert [each.verdict for each in found] == [verdict]
        assert 'is not proven: its `server` is "http://10.0.0.7:8200", not "' in found[0].message


def test_without_a_written_address_nothing_is_proven(cluster: RecordedCluster) -> None:
    first, *_ = gate(cluster, environment_of(ROOT, "dev"))
    assert (first.verdict, "the environment has no `vaultUrl`" in first.message) == ("refused", True)
    assert first.mend == "write `vaultUrl: https://myvault.vault.azure.net` in the environment, as the cluster has it"


def test_the_present_store_is_the_one_that_was_compared(cluster: RecordedCluster, dev: Environment) -> None:
    cluster.stores["vault-secret-store"]["spec"]["provider"]["vault"]["path"] = "kv"
    for is_back, verdict in ((False, "refused"), (True, "noted")):
        _, found, *_ = gate(cluster, dev, is_back=is_back)
        assert (found.verdict, 'leads to another store than "vault"' in found.message) == (verdict, True)


def test_what_is_being_deleted_is_refused(cluster: RecordedCluster, dev: Environment) -> None:
    cluster.external_secrets[SLACK]["metadata"]["deletionTimestamp"] = "2026-11-28T07:00:00Z"
    for is_back in (False, True):
        _, found = gate(cluster, dev, is_back=is_back)
        assert (found.verdict, "is being deleted" in found.message) == ("refused", True)


def test_the_controller_of_the_present_store_may_be_the_new_ones_too(
    cluster: RecordedCluster, dev: Environment
) -> None:
    for store in cluster.stores.values():
        store["spec"]["controller"] = "team-a"
    assert gate(cluster, dev)[0].verdict == "passed"


def test_whether_a_store_that_selects_by_labels_allows_the_namespace_is_not_checked(
    cluster: RecordedCluster, dev: Environment
) -> None:
    spec = cluster.stores["azure-keyvault-store"]["spec"]
    spec["conditions"] = [{"namespaceSelector": {"matchLabels": {"team": "ai"}}}]
    noted, passed, *_ = gate(cluster, dev)
    assert (noted.verdict, noted.message.startswith("not checked: whether ")) == ("noted", True)
    assert noted.mend is not None
    # The gate does not say that it is so.
    assert (passed.verdict, passed.message) == ("passed", 'the ClusterSecretStore "azure-keyvault-store" is ready')


@pytest.mark.parametrize(
    ("change", "message", "stops_back"),
    [
        (lambda found: found.pop(SLACK), f"there is no ExternalSecret {TITLE} in the cluster", True),
        (
            lambda found: found[SLACK]["metadata"].pop("labels"),
            f"the ExternalSecret {TITLE} is not managed by this chart{APPLIED}; deploying would overwrite it",
            True,
        ),
        (
            lambda found: found.update({SLACK: watched("watch-externalsecrets-switch")[1]}),
            f"the ExternalSecret {TITLE} is not ready: SecretSyncedError",
            False,
        ),
        (
            lambda found: found.update({SLACK: watched("watch-externalsecrets-switch")[0]}),
            f"the operator has not synchronised {TITLE} as it is now",
            False,
        ),
    ],
)
def test_what_is_switched_is_ours_and_works_unless_one_goes_back(
    cluster: RecordedCluster,
    dev: Environment,
    change: Callable[[dict[str, Any]], object],
    message: str,
    *,
    stops_back: bool,
) -> None:
    change(cluster.external_secrets)
    _, found = gate(cluster, dev)
    assert found.verdict == "refused"
    assert found.mend == ("choose another target, or agree with its owner" if "not managed" in message else VERIFY)
    assert found.message == message
    _, back = gate(cluster, dev, is_back=True)
    assert back.verdict == ("refused" if stops_back else "passed")


CHANGED = (
    '"secretStoreRef.name" is "azure-keyvault-store", not "vault-secret-store", and 5 other fields; '
    'changed by "argocd-controller" at 2026-11-26T00:50:05Z'
)


def effects(cluster: RecordedCluster, environment: Environment, *secrets: str) -> list[tuple[str, str]]:
    return told(list(cluster_gate(cluster).check_steps(environment, secrets, request())))


def test_steps_that_were_taken_are_in_effect_or_the_reasons_are_said(
    cluster: RecordedCluster, dev: Environment, on_azure: Environment
) -> None:
    assert effects(cluster, on_azure, "slack", "jira") == [
        ("passed", 'the steps before are in effect: "slack", "jira"')
    ]
    assert effects(cluster, on_azure) == []
    # The cluster has not been given what the environment says now.
    assert effects(cluster, dev, "slack") == [
        ("refused", f'"slack": the ExternalSecret "{NAMESPACE}/{SLACK}" is not what was compiled: {CHANGED}')
    ]
    cluster.stores["azure-keyvault-store"]["spec"]["provider"] = {"fake": {}}
    ((verdict, message),) = effects(cluster, on_azure, "slack")
    assert (verdict, "leads to another store" in message) == ("refused", True)
    cluster.stores["azure-keyvault-store"]["spec"]["provider"] = provider_of(on_azure.stores["azure"])
    del cluster.secrets[SLACK]
    assert effects(cluster, on_azure, "slack") == [("refused", f'"slack": there is no Secret "{NAMESPACE}/{SLACK}"')]


def test_without_the_right_to_list_secrets_their_keys_are_not_asked_for(
    cluster: RecordedCluster, on_azure: Environment
) -> None:
    cluster.refused["secrets"] = ClusterError("you are not allowed to list secrets", "get a role", "list secrets")
    noted, passed = effects(cluster, on_azure, "slack")
    assert noted == ("noted", '"slack": the keys of its Secret are not asked for: you may not list Secrets')
    assert passed[0] == "passed"
    cluster.refused["secrets"] = ClusterError("it gave no usable answer", "check the network")
    with pytest.raises(ClusterError):
        effects(cluster, on_azure, "slack")


SILENT = f"since {READ:%H:%M:%S} UTC, although its interval is 1h"
LATE = READ + timedelta(hours=10)


def read_at(cluster: RecordedCluster, when: datetime, *names: str) -> None:
    for name in names:
        found = cluster.external_secrets[name]
        found["status"]["refreshTime"] = f"{when:%Y-%m-%dT%H:%M:%SZ}"
        for entry in found["metadata"]["managedFields"]:
            entry["time"] = found["status"]["refreshTime"]


@pytest.mark.parametrize(("is_back", "verdict", "after"), [(False, "refused", []), (True, "noted", ["passed"])])
def test_a_silent_operator_stops_a_move_and_no_way_back(
    cluster: RecordedCluster, dev: Environment, verdict: str, after: list[str], *, is_back: bool
) -> None:
    read_at(cluster, READ, *cluster.external_secrets)
    _, found, *others = gate(cluster, dev, is_back=is_back, now=LATE)
    assert (found.verdict, found.message) == (
        verdict,
        f"the operator seems not to run: it has not handled {TITLE} {SILENT}",
    )
    assert found.mend == "kubectl get pods -A -l app.kubernetes.io/name=external-secrets"
    assert [str(each.verdict) for each in others] == after


@pytest.mark.parametrize(("is_back", "verdict"), [(False, "refused"), (True, "noted")])
def test_what_the_operator_leaves_alone_is_named_with_the_line_that_has_it_synchronised(
    cluster: RecordedCluster, dev: Environment, verdict: str, *, is_back: bool
) -> None:
    read_at(cluster, READ, SLACK, "agent-jira-secrets")
    read_at(cluster, LATE, "agent-github-secrets")
    _, *found = gate(cluster, dev, "slack", "jira", "github", is_back=is_back, now=LATE)
    assert told(found)[:2] == [
        (verdict, f'the operator has not handled "{NAMESPACE}/agent-{each}-secrets" {SILENT}')
        for each in ("slack", "jira")
    ]
    force = "platform-secrets status dev --only slack --only jira --wait --force-sync"
    assert [each.mend for each in found[:2]] == [force] * 2
    assert [str(each.verdict) for each in found[2:]] == (["passed"] if is_back else [])


@pytest.mark.parametrize(("is_back", "verdict"), [(False, "refused"), (True, "noted")])
def test_a_value_that_the_operator_has_not_read_stops_a_move_and_no_way_back(
    cluster: RecordedCluster, on_azure: Environment, verdict: str, *, is_back: bool
) -> None:
    read_at(cluster, READ, SLACK)
    _, found, *_ = to_vault(cluster, on_azure, is_back=is_back, written=READ + timedelta(minutes=4), context="test")
    times = "written 00:54:05 UTC, the operator last read it 00:50:05 UTC"
    assert (found.verdict, found.message) == (verdict, f"the Secret {TITLE} may hold an earlier value: {times}")
    assert found.mend == "platform-secrets status dev --only slack --wait --force-sync --context test"
    assert told(to_vault(cluster, on_azure, is_back=is_back, written=READ))[1][0] == "passed"


def test_a_step_before_that_the_operator_leaves_alone_is_not_in_effect(
    cluster: RecordedCluster, on_azure: Environment
) -> None:
    read_at(cluster, READ, SLACK)
    read_at(cluster, LATE, "agent-jira-secrets")
    made = cluster_gate(cluster, LATE)
    (found,) = made.check_steps(on_azure, ("slack", "jira"), request())
    assert (found.verdict, found.message) == ("refused", f'"slack": the operator has not handled {TITLE} {SILENT}')
    assert found.mend == "platform-secrets status dev --only slack --wait --force-sync"


@pytest.mark.parametrize(("after", "word"), [(timedelta(minutes=4), "may take"), (timedelta(minutes=6), "takes")])
def test_a_switch_may_bring_a_value_that_the_operator_has_not_read(
    cluster: RecordedCluster, dev: Environment, after: timedelta, word: str
) -> None:
    read_at(cluster, READ, SLACK)
    switch = Switch(dev, "slack", dev.stores["azure"], dev.stores["vault"])
    assert cluster_gate(cluster).unread_values({switch: READ + after}) == {switch: word}


def test_a_value_that_was_read_or_that_another_store_serves_comes_with_no_switch(
    cluster: RecordedCluster, dev: Environment
) -> None:
    read_at(cluster, READ, SLACK)
    switch, made = Switch(dev, "slack", dev.stores["azure"], dev.stores["vault"]), cluster_gate(cluster)
    assert made.unread_values({switch: READ - timedelta(days=1)}) == made.unread_values({}) == {}
    forward = Switch(dev, "slack", dev.stores["vault"], dev.stores["azure"])
    assert made.unread_values({forward: READ + timedelta(days=1)}) == {}
    cluster.refused["external secrets"] = ClusterError("it gave no usable answer", "check the network")
    assert cluster_gate(cluster).unread_values({switch: READ + timedelta(days=1)}) == {}
