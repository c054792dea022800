"""A live object with any one field of another type is refused or judged, by whatever reads it, and never breaks it."""

import copy
import json
import marshal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.client import KubernetesCluster
from compiler.cluster.fields import keep_used_fields
from compiler.cluster.lists import TYPES, require_form
from compiler.cluster.verify import OPTIONAL as VERIFY
from compiler.cluster.verify import verify_cluster
from compiler.cluster.view import ClusterError, ClusterView
from compiler.consumers.readers import OPTIONAL as CONSUMERS
from compiler.consumers.readers import gather, readers_in
from compiler.live.readers import ReadIndex, in_cluster
from compiler.model.environment import Environment
from compiler.model.values import manifests_of
from compiler.operations.cutover_cluster import OPTIONAL as GATE
from compiler.operations.cutover_cluster import ClusterGate
from compiler.operations.cutover_gate import CutoverRequest, Mode, Switch
from compiler.operations.status import from_files, manifests_for
from compiler.operations.status_live import OPTIONAL as STATUS
from compiler.operations.status_live import Snapshot, StatusJudge, with_values
from compiler.operations.status_wait import Wait
from compiler.refusal import Refusal
from tests.live_platform import compiled_objects, provider_of
from tests.unit.operations.cutover_bench import Bench

SPACE, JIRA = "agents", "agent-jira-secrets"
MOMENT = "2026-11-28T07:00:00Z"
ODD: tuple[Any, ...] = (None, -1.5, "x", ["x"], [None], {"x": ["y"]}, [{"x": 1}])
Place = tuple[str | int, ...]


def copied(found: Any) -> Any:  # noqa: ANN401 - any JSON, as it is
    """Copies JSON in a tenth of the time that `copy.deepcopy` takes: each object for each of thousands of requests."""
    return marshal.loads(marshal.dumps(found))  # noqa: S302 - what it dumped itself


class Held(KubernetesCluster):
    """Gives the `objects` of each plural, in lists and one by one, and a watch of nothing."""

    def __init__(self, objects: dict[str, dict[str, Any]]) -> None:
        self.objects = objects
        self.asked: set[str] = set()
        self.renew()

    def _get(self, _permission: str, path: str, *_: object) -> Any:  # noqa: ANN401 - as the API has it
        above, last = path.split("/")[-2:]
        self.asked |= {above, last}
        if last not in TYPES and last != "namespaces":
            return copied(self.objects[above])
        version, kind = TYPES[last]
        if last in ("secrets", "configmaps"):
            version, kind = "meta.k8s.io/v1", "PartialObjectMetadata"
        items = [copied(self.objects[last])] if last in self.objects else []
        return {"apiVersion": version, "kind": f"{kind}List", "metadata": {}, "items": items}

    def _patched(self, *_: object) -> bool:
        return True


def objects(environment: Environment) -> dict[str, dict[str, Any]]:
    """One of every kind, as a server has it, for the secret jira."""
    manifest: Any = copy.deepcopy(compiled_objects(environment)[JIRA])
    condition = {"type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": "no"}
    writer = {"manager": "m", "time": MOMENT, "fieldsV1": {"f:spec": {"f:secretStoreRef": {"f:name": {}}}}}
    manifest["metadata"] |= {
        "uid": "u",
        "generation": 2,
        "resourceVersion": "7",
        "creationTimestamp": MOMENT,
        "annotations": {"force-sync": "1"},
        "managedFields": [writer],
    }
    manifest["spec"] |= {"refreshInterval": "1h", "refreshPolicy": "Periodic"}
    manifest["status"] = {
        "conditions": [{**condition, "lastTransitionTime": MOMENT}],
        "refreshTime": MOMENT,
        "syncedResourceVersion": "1-x",
    }
    metadata = {"name": JIRA, "namespace": SPACE, "uid": "s", "resourceVersion": "8"}
    owner = {"apiVersion": "v1", "kind": "ExternalSecret", "name": JIRA, "controller": True}
    fields: dict[str, Any] = {"f:data": {"f:JIRA_TOKEN": {}, "f:JIRA_URL": {}}}
    secret = {**metadata, "ownerReferences": [owner], "managedFields": [{"manager": "o", "fieldsV1": fields}]}
    selector = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
    conditions = [{"namespaces": ["x"], "namespaceRegexes": ["^y$"], "namespaceSelector": selector}]
    ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "Valid"}]}
    vault = provider_of(environment.stores["vault"])
    reference = {"name": "vault-store", "kind": "ClusterSecretStore"}
    container = {
        "name": "main",
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": JIRA, "key": "A"}}}],
        "envFrom": [{"prefix": "P", "secretRef": {"name": JIRA}}],
        "volumeMounts": [{"name": "v", "subPath": "x"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "v", "secret": {"secretName": JIRA, "items": [{"key": "A"}]}}],
        "imagePullSecrets": [{"name": JIRA}],
    }
    state = {"name": "main", "restartCount": 1, "state": {"waiting": {"reason": "CreateContainerConfigError"}}}
    pod_status = {
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [state],
    }
    push = {
        "secretStoreRefs": [reference],
        "data": [{"match": {"remoteRef": {"remoteKey": "agents/jira"}}}],
        "dataTo": [{"storeRef": reference}],
    }
    find = [{"find": {"path": "agents"}}, {"extract": {"key": "agents/jira"}, "sourceRef": {"storeRef": reference}}]
    generator = {"provider": vault["vault"], "path": "secret/data/agents/jira"}
    event = {
        "message": "no",
        "count": 3,
        "lastTimestamp": MOMENT,
        "involvedObject": {"kind": "ExternalSecret", "uid": "u"},
    }
    return {
        "externalsecrets": manifest,
        "secrets": {"metadata": secret},
        "configmaps": {"metadata": {**metadata, "managedFields": [{"manager": "o", "fieldsV1": fields}]}},
        "clustersecretstores": {
            "kind": "ClusterSecretStore",
            "metadata": {"name": "vault-store"},
            "spec": {"provider": vault, "controller": "c", "conditions": conditions},
            "status": ready,
        },
        "namespaces": {"metadata": {"name": SPACE, "labels": {"a": "b"}}},
        "pods": {"metadata": {**metadata, "ownerReferences": [owner]}, "spec": spec, "status": pod_status},
        "deployments": {
            "metadata": {**metadata, "annotations": {"helm.sh/hook": "test"}},
            "spec": {"template": {"spec": spec}},
        },
        "cronjobs": {"metadata": metadata, "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}},
        "events": {"metadata": metadata, **event, "series": {"count": 2, "lastObservedTime": MOMENT}},
        "clusterexternalsecrets": {
            "metadata": {"name": "c"},
            "spec": {"externalSecretSpec": {"secretStoreRef": reference, "dataFrom": find}},
        },
        "pushsecrets": {"metadata": metadata, "spec": push},
        "clusterpushsecrets": {"metadata": {"name": "c"}, "spec": {"pushSecretSpec": push}},
        "vaultdynamicsecrets": {"metadata": metadata, "spec": generator},
        "clustergenerators": {"metadata": {"name": "c"}, "spec": {"generator": {"vaultDynamicSecretSpec": generator}}},
        "secretproviderclasses": {
            "metadata": metadata,
            "spec": {
                "provider": "vault",
                "parameters": {"vaultAddress": "http://vault:8200", "objects": "- secretPath: secret/data/a"},
            },
        },
    }


def paths(found: object, above: Place = ()) -> Iterator[Place]:
    """The path of every field of an object, and of the object itself."""
    yield above
    children = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in children:
        yield from paths(value, (*above, key))


def with_field(found: dict[str, Any], path: Place, value: object) -> Any:  # noqa: ANN401 - whatever is put there
    changed: Any = {"": copied(found)}
    here = changed
    for key in ("", *path)[:-1]:
        here = here[key]
    here[("", *path)[-1]] = value
    return changed[""]


class Commands:
    """All that reads live objects, over one project."""

    def __init__(self, bench: Bench) -> None:
        self.environment = bench.environment()
        self.status, _ = with_values(from_files(self.environment), bench.live())
        self.expected = tuple(manifests_of(self.environment).values())
        stores = self.environment.stores
        self.switches = [
            Switch(self.environment, "jira", stores[one], stores[other])
            for one, other in (("vault", "azure"), ("azure", "vault"))
        ]

    def all(self) -> tuple[Callable[[Held], object], ...]:
        return self.judge, self.verify, self.gate, self.effects, self.consumers, self.retire

    def judge(self, cluster: Held) -> None:
        snapshot = Snapshot(ClusterView(cluster, STATUS), manifests_for(self.status))
        wait = Wait(StatusJudge(self.status), snapshot)
        wait._judge_round(snapshot)
        wait._read_round()

    def verify(self, cluster: Held) -> None:
        verify_cluster(self.expected, ClusterView(cluster, VERIFY))

    def gate(self, cluster: Held) -> None:
        for switch in self.switches:
            for mode in (Mode.TO, Mode.BACK):
                made = ClusterGate(ClusterView(cluster, GATE))
                list(made.check_switches([switch], CutoverRequest("prod", mode), {switch: datetime.now(UTC)}))

    def effects(self, cluster: Held) -> None:
        made = ClusterGate(ClusterView(cluster, GATE))
        list(made.check_steps(self.environment, ["jira"], CutoverRequest("prod", Mode.NEXT)))
        made.unread_values(dict.fromkeys(self.switches, datetime.now(UTC)))

    def consumers(self, cluster: Held) -> None:
        gather(ClusterView(cluster, CONSUMERS), [SPACE])[0].readers()
        readers_in(ClusterView(cluster, CONSUMERS), SPACE)

    def retire(self, cluster: Held) -> None:
        store = self.environment.stores["vault"]
        in_cluster(ClusterView(cluster), store, ReadIndex((store.identity,)))


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    folder: Path = tmp_path_factory.mktemp("live")
    bench = Bench(folder / "project")
    bench.equal()
    return Commands(bench)


def test_objects_as_a_server_has_them_are_read_by_all(readers: Commands) -> None:
    held = Held(objects(readers.environment))
    for read in readers.all():
        read(held)


# The others are read as these are.
LIKE_ANOTHER = {"secretstores", "statefulsets", "daemonsets", "jobs", "rollouts"}


@pytest.mark.parametrize("plural", sorted({*TYPES} - LIKE_ANOTHER))
def test_a_field_of_another_type_breaks_nothing(readers: Commands, plural: str) -> None:
    usual = objects(readers.environment)
    asking = [read for read in readers.all() if plural in asked_by(read, usual)]
    assert asking
    for path in paths(usual[plural]):
        for changed in with_odd_values(plural, usual[plural], path):
            held = Held({**usual, plural: changed})
            for read in asking:
                with suppress(ClusterError, Refusal):
                    read(held)


def with_odd_values(plural: str, found: dict[str, Any], path: Place) -> Iterable[Any]:
    """The object with each odd value in this place; of those that are the same to the client one, refused or not."""
    changed = [with_field(found, path, odd) for odd in ODD]
    return {taken(plural, each): each for each in changed}.values()


def taken(plural: str, found: object) -> str:
    """What the client keeps of an object, for all that read it; empty for one that it refuses."""
    try:
        return json.dumps(require_form(lambda: keep_used_fields(plural, found)))
    except ClusterError:
        return ""


def asked_by(read: Callable[[Held], object], usual: dict[str, dict[str, Any]]) -> set[str]:
    """The plurals that it asks for. To whoever does not ask for one, it is all the same what its objects are."""
    held = Held(usual)
    read(held)
    return held.asked
