"""The incidents, as data: what happened, what people ask, the cause that they are to be told, and who else mends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tests.operator_double import _now as now
from tests.proofs.incidents.scene import APPLICATION, SPACE, WORKLOADS, Scene

Act = Callable[[Scene], object]
STATUS = ("status", "prod", "--cluster")
NEW = "s3ntinel-new"


@dataclass(frozen=True)
class Incident:
    """One of the 25, or another form of it."""

    number: int
    title: str
    happens: Act
    # The code of the first cause; None where nothing is broken, and the text alone says what happened.
    code: str | None
    # What the first screen says, as regular expressions.
    says: tuple[str, ...] = ()
    # What it must not say of this one, beside what is true of none.
    never: tuple[str, ...] = ()
    command: tuple[str, ...] = STATUS
    exit_code: int = 1
    # Codes of causes that are true as well, and less exact: of the first screen without the optional rights.
    coarser: frozenset[str] = frozenset({"not-ready"})
    # Codes of the causes of other secrets, which are true as well.
    beside: frozenset[str] = frozenset()
    # What people do who have read a line or words of this form.
    others: Mapping[str, Act] = field(default_factory=dict)
    # What stands before a line that is pasted.
    before: str = "next"

    @property
    def id(self) -> str:
        return f"{self.number:02}-{self.title.replace(' ', '-')}"


def _stop_key_vault(scene: Scene) -> None:
    scene.stop_azure()
    scene.operator.work(refreshes=True)


def _rotate_in_one_store(scene: Scene) -> None:
    _give_azure(scene, NEW)
    scene.wanted["jira"]["JIRA_TOKEN"] = NEW
    scene.operator.work(refreshes=True)


def _give_azure(scene: Scene, token: str, **more: object) -> None:
    scene.write_azure("jira", {**scene.wanted["jira"], "JIRA_TOKEN": token}, **more)


def _delete_in_key_vault(scene: Scene) -> None:
    with scene.azure.lock:
        scene.azure.state.delete(scene.azure.url, "agents-jira")
    scene.operator.work(refreshes=True)


def _mistype(scene: Scene, *stores: str) -> None:
    scene.typed = {"JIRA_TOKEN": "s3ntinel-typo"}
    for store in stores:
        done = scene.run("put", "prod", "jira", "JIRA_TOKEN", "--store", store)
        assert done.code == 0, done
    scene.typed = {}
    scene.operator.work(refreshes=True)
    scene.restart("jira")
    scene.pass_second()


def _edit_spec(scene: Scene) -> None:
    found = scene.cluster.get("externalsecrets", SPACE, WORKLOADS["jira"])
    found["spec"]["refreshInterval"] = "24h0m0s"
    found["spec"]["data"][0]["remoteRef"]["property"] = "JIRA_TOKEN_OLD"
    fields: dict[str, dict[str, object]] = {"f:spec": {"f:data": {}, "f:refreshInterval": {}}}
    edited = {"manager": "kubectl-edit", "operation": "Update", "time": now(), "fieldsV1": fields}
    found["metadata"].pop("generation")
    for each in fields["f:spec"]:
        found["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].pop(each)
    found["metadata"]["managedFields"].append(edited)
    scene.cluster.put("externalsecrets", found)
    scene.operator.work()


def _break_client_secret(scene: Scene) -> None:
    scene.credentials["external-secrets", "azure-sp", "clientsecret"] = "wrong"
    scene.operator.work(refreshes=True)


def _renew_client_secret(scene: Scene) -> None:
    scene.credentials["external-secrets", "azure-sp", "clientsecret"] = "right"


def _delete_external_secret(scene: Scene) -> None:
    scene.cluster.delete("externalsecrets", SPACE, WORKLOADS["jira"])
    scene.operator.work()
    scene.cluster.data.pop((SPACE, WORKLOADS["jira"]))


def _destroy_secret_id(scene: Scene) -> None:
    held = scene.credentials["external-secrets", "vault-approle", "secretid"]
    scene.bao.call("POST", f"auth/approle/role/{scene.mount}/secret-id/destroy", {"secret_id": held})
    scene.operator.work(refreshes=True)


def _renew_secret_id(scene: Scene) -> None:
    scene.credentials["external-secrets", "vault-approle", "secretid"] = scene._new_secret_id()


def _lock_role(scene: Scene) -> None:
    at = "external-secrets", "vault-approle", "secretid"
    right, scene.credentials[at] = scene.credentials[at], "00000000-0000-0000-0000-000000000000"
    for _ in range(6):
        scene.operator.work(refreshes=True)
    scene.credentials[at] = right
    scene.operator.work(refreshes=True)


def _unlock_role(scene: Scene) -> None:
    locked = scene.bao.call("GET", "sys/locked-users")["data"]["by_namespace"]
    for path in (each["mount_accessor"] for space in locked for each in space["mount_accessors"]):
        scene.bao.call("PUT", f"sys/locked-users/{path}/unlock/{scene.role_id}", {})


def _delete_store(scene: Scene) -> None:
    scene.cluster.delete("clustersecretstores", "", "azure-store")
    scene.operator.work(refreshes=True)


def _delete_store_beside_sealed(scene: Scene) -> None:
    scene.seal()
    _delete_store(scene)


def _seal(scene: Scene) -> None:
    scene.seal()
    scene.operator.work(refreshes=True)


def _take_policy_away(scene: Scene) -> None:
    scene.bao.call("PUT", f"sys/policies/acl/{scene.mount}", {"policy": 'path "none/*" { capabilities = ["read"] }'})
    scene.operator.work(refreshes=True)


def _end_with_newline(scene: Scene) -> None:
    _give_azure(scene, "s3ntinel-jira\n")
    scene.typed = {"JIRA_TOKEN": "s3ntinel-jira"}
    scene.operator.work(refreshes=True)
    scene.restart("jira")
    scene.pass_second()


def _add_application(scene: Scene) -> None:
    text = (scene.root / "chart/values-prod.yaml").read_text("utf-8")
    head, secrets, rest = text.partition("externalSecrets:\n")
    _, jira, rest = rest.partition("  jira:")
    legacy = head + secrets + jira + rest.replace("1h0m0s", "15m0s")
    (scene.root / "chart/values-legacy.yaml").write_text(legacy, "utf-8")
    scene.applications["legacy"] = "values-legacy.yaml"
    scene.rival = "legacy"
    scene.sync_application("legacy")
    scene.operator.work()


def _remove_application(scene: Scene) -> None:
    scene.rival = ""
    # The other one heals itself.
    scene.sync_application(APPLICATION)


def _refresh_daily(scene: Scene) -> None:
    text = (scene.root / "environments/prod.yaml").read_text("utf-8")
    (scene.root / "environments/prod.yaml").write_text(f"refreshInterval: 24h\n{text}", "utf-8")
    assert scene.run("compile").code == 0
    scene.sync_application(APPLICATION)
    scene.operator.work(refreshes=True)
    for name in ("github", "jira"):
        scene.age_refresh(name, timedelta(hours=5))
    _give_azure(scene, NEW)
    scene.wanted["jira"]["JIRA_TOKEN"] = NEW


def _revert_values_file(scene: Scene) -> None:
    path = scene.root / "environments/prod.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("jira: {store: azure}", "jira: {store: vault}"), "utf-8")
    assert scene.run("compile").code == 0
    path.write_text(text, "utf-8")
    scene.sync_application(APPLICATION)
    scene.operator.work()


def _deploy_staging(scene: Scene) -> None:
    scene.applications[APPLICATION] = "values-staging.yaml"
    scene.sync_application(APPLICATION)
    scene.operator.work()


def _deploy_prod(scene: Scene) -> None:
    scene.applications[APPLICATION] = "values-prod.yaml"
    scene.sync_application(APPLICATION)
    scene.operator.work()


def _throttle(scene: Scene) -> None:
    scene.operator.is_throttled = True
    scene.operator.work(refreshes=True)


def _end_throttle(scene: Scene) -> None:
    scene.operator.is_throttled = False


def _put_with_fast_clock(scene: Scene) -> None:
    scene.clock.ahead = 3_600.0
    _give_azure(scene, NEW)
    scene.wanted["jira"]["JIRA_TOKEN"] = NEW
    scene.operator.work(refreshes=True)
    scene.restart("jira")


def _disable_newest(scene: Scene) -> None:
    _give_azure(scene, "s3ntinel-jira", enabled=False)
    scene.typed = {"JIRA_TOKEN": "s3ntinel-jira"}
    scene.operator.work(refreshes=True)


def _enable_newest(scene: Scene) -> None:
    scene.azure.versions("agents-jira")[-1].enabled = True


def _let_expire(scene: Scene) -> None:
    scene.azure.versions("agents-jira")[-1].expires = 1_700_000_000
    scene.wanted["jira"]["JIRA_TOKEN"] = NEW
    scene.typed = {"JIRA_TOKEN": NEW}


def _say_first_version(scene: Scene) -> None:
    scene.apply_store("vault", version="v1")
    scene.operator.work(refreshes=True)


def _deploy_elsewhere(scene: Scene) -> None:
    path = scene.root / "environments/prod.yaml"
    text = path.read_text("utf-8")
    path.write_text(f"namespace: agents-test\n{text}", "utf-8")
    assert scene.run("compile").code == 0
    scene.sync_application(APPLICATION)
    path.write_text(text, "utf-8")
    assert scene.run("compile").code == 0
    scene.operator.work()


INCIDENTS = (
    Incident(
        1,
        "Key Vault down",
        _stop_key_vault,
        "no-answer",
        ("503",),
        exit_code=3,
        # It comes back while people wait.
        others={"later|--wait": Scene.start_azure},
    ),
    Incident(2, "rotated in one store and pods old", _rotate_in_one_store, "restart-needed", ("mcp-jira",)),
    Incident(3, "soft-deleted", _delete_in_key_vault, "soft-deleted-secret", ("Secret does not exist",)),
    Incident(
        4,
        "typo in one store",
        lambda scene: _mistype(scene, "azure"),
        None,
        ("wrote here in the last 24 h: platform-secrets runs prod",),
        exit_code=0,
        before="in the last 24 h|to undo it",
    ),
    Incident(
        4,
        "typo in both stores",
        lambda scene: _mistype(scene, "vault", "azure"),
        None,
        ("wrote here in the last 24 h: platform-secrets runs prod",),
        exit_code=0,
        before="in the last 24 h|to undo it",
    ),
    Incident(
        5,
        "operator scaled to 0",
        lambda scene: scene.run_operator(replicas=0),
        "operator-down",
        ("external-secrets", "0 (?:of|pods)"),
    ),
    Incident(
        5,
        "operator crashes",
        lambda scene: scene.run_operator(crashes=True),
        "operator-down",
        ("CrashLoopBackOff|crash",),
        others={r"kubectl .*logs ": Scene.run_operator},
    ),
    Incident(6, "spec edited by hand", _edit_spec, "other-spec", ("kubectl-edit",)),
    Incident(
        7,
        "client secret of the operator wrong",
        _break_client_secret,
        "store-log-in-failed",
        ("AADSTS7000215", "external-secrets/azure-sp"),
        others={"azure-sp": _renew_client_secret},
    ),
    Incident(8, "ExternalSecret deleted", _delete_external_secret, "absent", ("agent-jira-secrets",)),
    Incident(
        9,
        "secret id destroyed",
        _destroy_secret_id,
        "store-log-in-failed",
        ("invalid role or secret ID", "external-secrets/vault-approle"),
        others={"vault-approle": _renew_secret_id},
    ),
    Incident(
        9,
        "role locked",
        _lock_role,
        "store-log-in-failed",
        ("permission denied",),
        others={"valid credential": _unlock_role},
    ),
    Incident(
        10,
        "store object deleted",
        _delete_store,
        "store-missing",
        ("azure-store",),
        others={"kubectl apply": lambda scene: scene.apply_store("azure")},
    ),
    Incident(
        11,
        "store object deleted and the other store sealed",
        _delete_store_beside_sealed,
        "store-missing",
        ("azure-store",),
        exit_code=3,
        never=("cutover",),
        beside=frozenset({"no-answer"}),
        others={"kubectl apply": lambda scene: scene.apply_store("azure"), "unseal": Scene.unseal},
    ),
    Incident(12, "Vault sealed", _seal, "no-answer", ("sealed",), exit_code=3, others={"unseal": Scene.unseal}),
    Incident(
        13,
        "operator may not read",
        _take_policy_away,
        "operator-forbidden",
        ("permission denied", "generate access prod --for operator"),
        others={"administrator": Scene._create_role},
    ),
    # As for `verify`, it is no error: a value may end so.
    Incident(
        14,
        "newline at the end of a value",
        _end_with_newline,
        None,
        ("white space",),
        exit_code=0,
        before="help(?=: `)",
    ),
    Incident(
        16, "two Applications", _add_application, "other-owner", ("legacy",), others={"legacy": _remove_application}
    ),
    Incident(17, "interval of a day", _refresh_daily, "older-value", ("jira",)),
    Incident(18, "values file reverted", _revert_values_file, "values-not-compiled", ("values-prod.yaml",)),
    Incident(
        19,
        "wrong context with an operator",
        lambda scene: scene.choose_other_cluster(),
        "wrong-cluster",
        ("right cluster",),
        never=("deploy chart", "argocd"),
        others={"--context": Scene.choose_right_cluster},
    ),
    Incident(
        19,
        "wrong context without an operator",
        lambda scene: scene.choose_other_cluster(is_bare=True),
        "wrong-cluster",
        ("right cluster",),
        never=("deploy chart", "argocd"),
        others={"--context": Scene.choose_right_cluster},
    ),
    Incident(
        20,
        "webhook down",
        Scene.stop_webhook,
        "webhook-down",
        ("external-secrets-webhook",),
        coarser=frozenset({"older-value"}),
    ),
    Incident(
        20,
        "webhook with a bad certificate",
        Scene.spoil_webhook,
        "webhook-refused",
        ("webhook", "x509|certificate"),
        command=("status", "prod", "--only", "jira", "--force-sync"),
    ),
    Incident(
        21,
        "values of staging",
        _deploy_staging,
        "other-spec",
        ("not what was compiled",),
        others={"argocd app sync": _deploy_prod},
    ),
    Incident(22, "throttled", _throttle, "not-ready", ("429",), others={"--force-sync": _end_throttle}),
    Incident(
        23,
        "clock of a store an hour ahead",
        _put_with_fast_clock,
        None,
        ("in effect",),
        exit_code=0,
        # Without the hash of the Secret's data only the dates are left.
        coarser=frozenset({"older-value"}),
    ),
    Incident(
        24,
        "newest version disabled",
        _disable_newest,
        "disabled-secret",
        ("disabled",),
        others={"az keyvault secret set-attributes": _enable_newest},
    ),
    Incident(24, "newest version expired", _let_expire, "expired-secret", ("expired",)),
    Incident(
        25,
        "KV version 1 said of a 2",
        _say_first_version,
        "store-version",
        ("version",),
        others={"kubectl .*(?:apply|edit|patch)": lambda scene: scene.apply_store("vault")},
    ),
    Incident(25, "in another namespace", _deploy_elsewhere, "other-namespace", ("agents-test",)),
)
