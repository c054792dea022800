"""The world of an incident: a project over real local stores, its operator, Argo CD and pods, one step at a time.

What each of them does is a method; `is_well` compares what pods, Secrets and stores hold, without the program.
"""

import copy
import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler.demo.local_openbao import LocalOpenBao
from compiler.model.environment import Environment
from compiler.model.values import _render_external_secret
from compiler.pipeline import compile_project
from tests.api_double import Address, _send, _status
from tests.cluster_double import ClusterDouble
from tests.commands import Done, run_command
from tests.faulty_key_vault import Fault, FaultKind, FaultyKeyVault
from tests.platforms import base_text, write_project
from tests.proofs.incidents.operator import PlayedOperator, ready_status

SPACE, OPERATORS, APPLICATION = "agents", "external-secrets", "prod-secrets"
STORES = {"vault": "vault-store", "azure": "azure-store"}
PARTS = ("external-secrets", "external-secrets-webhook", "external-secrets-cert-controller")
WORKLOADS = {name: f"agent-{name}-secrets" for name in ("github", "jira", "slack")}
CLUSTER_ID = "3d0f4bd7-6a0c-4c55-9a39-0c5b7e2f4711"
OTHER_ID = "8e1b2c3d-0000-4c55-9a39-0c5b7e2f0815"
# What each secret of the scene holds, by its name.
VALUES = {
    "github": {"GITHUB_TOKEN": "s3ntinel-github"},
    "jira": {"JIRA_TOKEN": "s3ntinel-jira", "JIRA_URL": "https://jira.example.com"},
    "slack": {"SLACK_TOKEN": "s3ntinel-slack"},
}
TRACKED = "argocd.argoproj.io/tracking-id"
_CATALOGUE = "secrets:\n" + "".join(
    f"  {name}:\n    description: Agent {name}\n    target: agent-{name}-secrets\n"
    f"    remote: {{vault: agents/{name}, azurekv: agents-{name}}}\n    syncWave: -49\n"
    f"    keys: {{{', '.join(f'{key}: {{description: {key}}}' for key in keys)}}}\n"
    for name, keys in VALUES.items()
)
_PROD = (
    "moves: {to: azure, steps: [[github, jira], [slack]]}\nsecrets: {github: {store: azure}, jira: {store: azure}}\n"
)
_STAGING = "refreshInterval: 5m\n"
_DAY = 86_400


class PlayedCluster(ClusterDouble):
    """The double in which the operator works before anybody looks, and a webhook refuses what is written."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.before_look: Callable[[], None] = lambda: None
        # Why the call of the webhook fails; empty where it does not.
        self.webhook = ""
        self.looking = threading.RLock()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "GET":
            with self.looking:
                self.before_look()
        super()._answer(handler)

    def _one(self, handler: BaseHTTPRequestHandler, at: Address, verb: str, body: bytes) -> None:
        if verb == "patch" and at.plural == "externalsecrets" and self.webhook:
            _send(handler, 500, webhook_refusal(self.webhook))
        else:
            super()._one(handler, at, verb, body)


def webhook_refusal(why: str) -> bytes:
    """The answer of an API server whose call of the operator's webhook fails."""
    url = (
        "https://external-secrets-webhook.external-secrets.svc:443/"
        "validate-external-secrets-io-v1-externalsecret?timeout=5s"
    )
    message = (
        'Internal error occurred: failed calling webhook "validate.externalsecret.external-secrets.io": '
        f'failed to call webhook: Post "{url}": {why}'
    )
    found = json.loads(_status(500, "InternalError", message))
    return json.dumps({**found, "details": {"causes": [{"message": message.partition(": ")[2]}]}}).encode()


class FastClock:
    """The clock of a Key Vault, which may be `ahead` by so many seconds."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class _Terminal(io.StringIO):
    """A person at a terminal who agrees to everything."""

    def isatty(self) -> bool:
        return True

    def readline(self, *_: object) -> str:  # type: ignore[override]  # it has no end
        return "y\n"


@dataclass
class Scene:
    """A platform that is well, and what happens to it; `prod` reads github and jira from Azure, slack from Vault."""

    root: Path
    bao: LocalOpenBao
    mount: str
    azure: FaultyKeyVault
    clock: FastClock
    cluster: PlayedCluster
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    # What people type where they are asked for the value of a key; nothing for another.
    typed: dict[str, str] = field(default_factory=dict)
    # What pods have read, by their names, and what they should have.
    read: dict[str, dict[str, str]] = field(default_factory=dict)
    wanted: dict[str, dict[str, str]] = field(default_factory=lambda: copy.deepcopy(VALUES))
    options: tuple[str, ...] = ()
    # The values file of each Application, and the one that sets its own again behind every other.
    applications: dict[str, str] = field(default_factory=lambda: {APPLICATION: "values-prod.yaml"})
    rival: str = ""
    is_sealed: bool = False
    # Another cluster, to which the current context leads.
    other: PlayedCluster | None = None
    _is_waiting: bool = False

    def prepare(self) -> None:
        """Everything deployed, read and running, with values that are ten days old where a store can have them."""
        write_project(
            self.root,
            base=base_text(
                "{github: {}, jira: {}, slack: {}}",
                namespace=SPACE,
                vault=f'name: vault-store, server: "{self.bao.url}", mount: {self.mount}',
                azure=f'name: azure-store, vaultUrl: "{self.azure.url}"',
                more="fetch: perKey\n",
            ),
            catalogue=_CATALOGUE,
            prod=_PROD,
            staging=_STAGING,
        )
        self.clock.ahead = -10 * _DAY
        for name, values in VALUES.items():
            self.write_vault(name, values)
            self.write_azure(name, values)
        self.clock.ahead = 0.0
        self._create_role()
        self.credentials = {
            (OPERATORS, "vault-approle", "secretid"): self._new_secret_id(),
            (OPERATORS, "azure-sp", "clientsecret"): "right",
        }
        self.operator = PlayedOperator(self.cluster, self.credentials, self.azure.issue_token, str(self.azure.ca_file))
        self.cluster.before_look = lambda: self.operator.work(retries=self._is_waiting)
        self.cluster.put("namespaces", {"metadata": {"name": "kube-system", "uid": CLUSTER_ID}})
        self.run_operator()
        for store in STORES:
            self.apply_store(store)
        assert self.run("compile").code == 0
        self.sync_application(APPLICATION)
        self.operator.work(refreshes=True)
        for name in WORKLOADS:
            self._put_workload(name)
            self.restart(name)
        # They have run for a while, if that can be: a value in a Vault is as old as this test.
        for name in ("github", "jira"):
            self.age_secret(name, timedelta(hours=8))
            self.restart(name, datetime.now(UTC) - timedelta(hours=7))

    # The stores.

    def write_vault(self, name: str, values: Mapping[str, str]) -> None:
        self.bao.call("POST", f"{self.mount}/data/agents/{name}", {"data": dict(values)})

    def write_azure(self, name: str, values: Mapping[str, str], **more: Any) -> None:  # noqa: ANN401 - attributes
        self.azure.seed(f"agents-{name}", json.dumps(values), **more)

    def held(self, name: str) -> dict[str, str]:
        """What the store in use holds of a secret; empty where it gives nothing."""
        try:
            if self.store_of(name) == "vault":
                return dict(self.bao.call("GET", f"{self.mount}/data/agents/{name}")["data"]["data"])
            newest = self.azure.versions(f"agents-{name}")[-1]
            with self.azure.lock:
                self.azure.state.active(f"agents-{name}")
            return dict(json.loads(newest.value)) if newest.enabled else {}
        except Exception:  # noqa: BLE001 - a store that is away holds nothing for anybody
            return {}

    def store_of(self, name: str) -> str:
        """The store that the files have a secret read."""
        store = self.environment().secrets[name].store
        assert store is not None
        return store.id

    def environment(self, name: str = "prod") -> Environment:
        result = compile_project(self.root, [name])
        assert result.project is not None, [each.message for each in result.diagnostics]
        return result.project.environments[0]

    def _create_role(self) -> None:
        policy = f'path "{self.mount}/data/*" {{ capabilities = ["read"] }}'
        self.bao.call("PUT", f"sys/policies/acl/{self.mount}", {"policy": policy})
        settings = {"token_policies": self.mount, "token_ttl": "1h"}
        self.bao.call("POST", f"auth/approle/role/{self.mount}", settings)
        self.role_id = self.bao.call("GET", f"auth/approle/role/{self.mount}/role-id")["data"]["role_id"]

    def _new_secret_id(self) -> str:
        found = self.bao.call("POST", f"auth/approle/role/{self.mount}/secret-id", {})
        return str(found["data"]["secret_id"])

    def stop_azure(self) -> None:
        """Its service answers nobody but with 503."""
        self.azure.add_fault(Fault(FaultKind.STATUS, times=None, status=503))

    def start_azure(self) -> None:
        self.azure.clear_faults()

    def seal(self) -> None:
        self.bao.call("PUT", "sys/seal")
        self.is_sealed = True

    def unseal(self) -> None:
        if not self.is_sealed:
            return
        log = (self.bao.folder / "openbao.log").read_text("utf-8", errors="replace")
        key = re.search(r"Unseal Key: (\S+)", log)
        assert key is not None
        self.bao.call("PUT", "sys/unseal", {"key": key[1]})
        self.bao.await_status(200)
        self.is_sealed = False

    def close(self) -> None:
        """Leave the server as others need it."""
        self.unseal()
        if self.other is not None:
            self.other.__exit__(None, None, None)

    # The operator and its stores' objects.

    def apply_store(self, store: str, **changes: Any) -> None:  # noqa: ANN401 - fields of a provider
        """The store object as people wrote it for this platform."""
        if store == "vault":
            reference = {"name": "vault-approle", "key": "secretid", "namespace": OPERATORS}
            auth = {"appRole": {"path": "approle", "roleId": self.role_id, "secretRef": reference}}
            vault = {"server": self.bao.url, "path": self.mount, "version": "v2", "auth": auth, **changes}
            provider: dict[str, Any] = {"vault": vault}
        else:
            login = {
                key: {"name": "azure-sp", "key": key.lower(), "namespace": OPERATORS}
                for key in ("clientId", "clientSecret")
            }
            provider = {
                "azurekv": {
                    "vaultUrl": self.azure.url,
                    "authType": "ServicePrincipal",
                    "authSecretRef": login,
                    **changes,
                }
            }
        spec = {"provider": provider}
        metadata = {"name": STORES[store], "managedFields": [_manager("kubectl", spec)]}
        self.cluster.put("clustersecretstores", {"kind": "ClusterSecretStore", "metadata": metadata, "spec": spec})

    def run_operator(self, part: str = PARTS[0], *, replicas: int = 1, crashes: bool = False) -> None:
        """Its Deployments with so many pods of this part; one that crashes has them not ready."""
        for each in PARTS:
            if each == part or not self._has("deployments", OPERATORS, each):
                self._put_part(each, replicas if each == part else 1, crashes=crashes and each == part)
        if part == PARTS[0] and hasattr(self, "operator"):
            self.operator.is_running = replicas > 0 and not crashes

    def _put_part(self, name: str, replicas: int, *, crashes: bool) -> None:
        labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "external-secrets"}
        ready = 0 if crashes else replicas
        status = {"replicas": replicas, "readyReplicas": ready, "availableReplicas": ready} if replicas else {}
        state: dict[str, Any] = {"running": {"startedAt": _text(datetime.now(UTC) - timedelta(days=1))}}
        if crashes:
            state = {"waiting": {"reason": "CrashLoopBackOff"}}
            status = {"replicas": replicas, "unavailableReplicas": replicas}
        self.cluster.put(
            "deployments",
            {
                "metadata": {"name": name, "namespace": OPERATORS, "labels": labels},
                "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {"spec": {}}},
                "status": status,
            },
        )
        pod = f"{name}-7c9d-x"
        if not replicas:
            if self._has("pods", OPERATORS, pod):
                self.cluster.delete("pods", OPERATORS, pod)
            return
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-7c9d", "controller": True}
        containers = [{"name": "main", "restartCount": 9 if crashes else 0, "state": state, "ready": not crashes}]
        self.cluster.put(
            "pods",
            {
                "metadata": {"name": pod, "namespace": OPERATORS, "labels": labels, "ownerReferences": [owner]},
                "spec": {"containers": [{"name": "main"}]},
                "status": {
                    "phase": "Running",
                    "conditions": [{"type": "Ready", "status": str(not crashes)}],
                    "containerStatuses": containers,
                },
            },
        )

    @property
    def is_operator_whole(self) -> bool:
        """Whether each part of the operator runs."""
        deployed = (self.cluster.get("deployments", OPERATORS, each) for each in PARTS)
        return all(each["status"].get("readyReplicas") for each in deployed)

    def stop_webhook(self) -> None:
        """Its Deployment has no pods, and a value was changed that the operator is to read."""
        self.run_operator("external-secrets-webhook", replicas=0)
        self.cluster.webhook = 'no endpoints available for service "external-secrets-webhook"'
        self._change_jira()

    def spoil_webhook(self) -> None:
        """Its certificate is by another authority than the API server trusts."""
        self.cluster.webhook = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
        self._change_jira()

    def _change_jira(self) -> None:
        self.wanted["jira"]["JIRA_TOKEN"] = "s3ntinel-new"
        self.write_azure("jira", self.wanted["jira"])

    # Argo CD.

    def sync_application(self, name: str) -> None:
        """What Argo CD does with an Application's values file: it applies, and prunes what the file has not."""
        rendered = render_values(self.root / "chart" / self.applications[name])
        for each in rendered:
            metadata = each["metadata"]
            at = metadata["namespace"], metadata["name"]
            tracking = f"{name}:external-secrets.io/ExternalSecret:{at[0]}/{at[1]}"
            old = self.cluster.everything("externalsecrets").get(at, {})
            managers = [_manager("argocd-controller", each["spec"])]
            same = old.get("spec") == each["spec"] and old.get("metadata", {}).get("annotations", {}).get(TRACKED)
            if same == tracking:
                continue
            made = {
                **each,
                "metadata": {
                    **metadata,
                    "annotations": {**metadata["annotations"], TRACKED: tracking},
                    "managedFields": managers,
                    "creationTimestamp": old.get("metadata", {}).get("creationTimestamp", _text(datetime.now(UTC))),
                },
                **({"status": old["status"]} if "status" in old else {}),
            }
            self.cluster.put("externalsecrets", made)
        wanted = {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in rendered}
        for at, found in self.cluster.everything("externalsecrets").items():
            mark = (found["metadata"].get("annotations") or {}).get(TRACKED, "")
            if at not in wanted and mark.startswith(f"{name}:"):
                self.cluster.delete("externalsecrets", *at)
        if self.rival and name != self.rival:
            self.sync_application(self.rival)

    # The pods.

    def _put_workload(self, name: str) -> None:
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": _pod_spec(name)}
        self.cluster.put(
            "deployments",
            {
                "metadata": {"name": f"mcp-{name}", "namespace": SPACE, "labels": labels},
                "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
                "status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1},
            },
        )

    def restart(self, name: str, when: datetime | None = None) -> None:
        """The pod of an agent is another one, which has read the Secret as it is now."""
        # Times are whole seconds: one that has passed since the Secret changed.
        started = _text(when or datetime.now(UTC) + timedelta(seconds=1))
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"mcp-{name}-5d8f", "controller": True}
        self.read[name] = dict(self.cluster.data.get((SPACE, WORKLOADS[name]), {}))
        containers = [{"name": "main", "restartCount": 0, "ready": True, "state": {"running": {"startedAt": started}}}]
        pod = {
            "metadata": {
                "name": f"mcp-{name}-5d8f-x",
                "namespace": SPACE,
                "uid": f"{name}-{time.monotonic_ns()}",
                "creationTimestamp": started,
                "labels": {"app": name},
                "ownerReferences": [owner],
            },
            "spec": _pod_spec(name),
            "status": {
                "phase": "Running",
                "startTime": started,
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": containers,
            },
        }
        self.cluster.put("pods", pod)

    def age_secret(self, name: str, age: timedelta) -> None:
        """The operator wrote the Secret, and began its last success, so long ago."""
        moment = _text(datetime.now(UTC) - age)
        secret = self.cluster.get("secrets", SPACE, WORKLOADS[name])
        secret["metadata"]["managedFields"][0]["time"] = moment
        self.cluster.put("secrets", secret)
        self.age_refresh(name, timedelta(minutes=20))

    def age_refresh(self, name: str, age: timedelta) -> None:
        found = self.cluster.get("externalsecrets", SPACE, WORKLOADS[name])
        moment = _text(datetime.now(UTC) - age)
        # The agents are no older than that: what they read is the operator's.
        found["metadata"]["creationTimestamp"] = _text(datetime.now(UTC) - timedelta(days=10))
        found["status"]["refreshTime"] = moment
        found["status"]["conditions"][0]["lastTransitionTime"] = moment
        self.cluster.put("externalsecrets", found)

    # People.

    def run(self, *words: str) -> Done:
        """A command of the program, by a person at a terminal who agrees."""
        variables = {
            "VAULT_TOKEN": self.bao.token,
            "KUBECONFIG": str(self._write_kubeconfig()),
            **self.azure.environ(),
        }
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setattr("sys.stdin", _Terminal())
        self.monkeypatch.setattr("getpass.getpass", lambda question: self.typed.get(question.partition(":")[0], ""))
        self.monkeypatch.chdir(self.root)
        # As long as ten minutes would be: the operator tries again each time that the command looks.
        is_waiting = "--wait" in words or (words[0] == "rotate" and not words[2].startswith("-"))
        words += ("--timeout", "4s") if is_waiting and "--without-cluster" not in words else ()
        with self._waiting(is_waiting):
            return run_command(self.capsys, *words)

    def choose_other_cluster(self, *, is_bare: bool = False) -> None:
        """The current context leads to a cluster that has the operator, or nothing, and no object of ours."""
        self.other = PlayedCluster()
        self.other.__enter__()
        self.other.put("namespaces", {"metadata": {"name": "kube-system", "uid": OTHER_ID}})
        if is_bare:
            self.other.unserved.update({"external-secrets.io", "generators.external-secrets.io"})
            return
        for found in self.cluster.everything("deployments").values():
            if found["metadata"]["namespace"] == OPERATORS:
                self.other.put("deployments", found)

    def refuse(self, *rights: str) -> None:
        """Whoever asks has no such rights, as verbs and plurals, in any cluster."""
        for each in filter(None, (self.cluster, self.other)):
            each.refused.update(dict.fromkeys(rights, 403))

    def choose_right_cluster(self) -> None:
        self.options = ("--context", "prod")

    def _write_kubeconfig(self) -> Path:
        path = self.cluster.kubeconfig(self.root)
        found = json.loads(path.read_text("utf-8"))
        found["clusters"][0]["name"] = found["contexts"][0]["name"] = "prod"
        found["contexts"][0]["context"]["cluster"] = found["current-context"] = "prod"
        if self.other is not None:
            cluster = {"server": self.other.url, "certificate-authority": str(self.other.ca_file)}
            found["clusters"].append({"name": "other", "cluster": cluster})
            found["contexts"].append({"name": "other", "context": {"cluster": "other", "user": "me"}})
            found["current-context"] = "other"
        path.write_text(json.dumps(found), "utf-8")
        return path

    @contextmanager
    def _waiting(self, is_waiting: bool) -> Iterator[None]:  # noqa: FBT001 - what it is about
        self._is_waiting = is_waiting
        try:
            yield
        finally:
            self._is_waiting = False

    @staticmethod
    def pass_second() -> None:
        """The next thing happens in a later second than the last: times of objects are whole ones."""
        time.sleep(1.05 - time.time() % 1)

    # What is true, without the program.

    def defects(self) -> list[str]:
        """Why the platform is not well, by what its parts hold; empty where it is."""
        if not self.operator.is_running:
            return ["the operator does not run"]
        found = []
        try:
            compiled = {each.name: each for each in _manifests(self.environment())}
        except AssertionError:
            return ["the files do not compile"]
        live = self.cluster.everything("externalsecrets")
        for name, target in WORKLOADS.items():
            held, secret = self.held(name), self.cluster.data.get((SPACE, target))
            external_secret = live.get((SPACE, target))
            if held != self.wanted[name]:
                found.append(f"the store does not hold the right value of {name}")
            if external_secret is None or external_secret["spec"] != compiled[target].object["spec"]:
                found.append(f"{name} is not deployed as it compiles")
            elif ready_status(external_secret) != "True":
                found.append(f"the operator fails with {name}")
            if not self._has("secrets", SPACE, target) or secret != held:
                found.append(f"the Secret of {name} is not what the store holds")
            if self.read[name] != self.wanted[name]:
                found.append(f"the pod of {name} has another value")
        return found

    def _has(self, plural: str, namespace: str, name: str) -> bool:
        return (namespace, name) in self.cluster.everything(plural)


def render_values(path: Path) -> list[dict[str, Any]]:
    """The ExternalSecrets that the chart makes of a values file."""
    values = yaml.safe_load(path.read_text("utf-8"))
    part_of = values.get("partOf", "ai-platform-engineering")
    return [
        copy.deepcopy(_render_external_secret(each, part_of, values["remoteRefDefaults"]))
        for each in values["externalSecrets"].values()
    ]


def _manifests(environment: Environment) -> list[Any]:
    from compiler.model.values import manifests_of  # noqa: PLC0415

    return list(manifests_of(environment).values())


def _pod_spec(name: str) -> dict[str, Any]:
    return {"containers": [{"name": "main", "envFrom": [{"secretRef": {"name": WORKLOADS[name]}}]}]}


def _manager(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "manager": name,
        "operation": "Apply",
        "time": _text(datetime.now(UTC)),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {f"f:{key}": {} for key in spec}},
    }


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
