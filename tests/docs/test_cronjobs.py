"""The CronJobs of the examples are what Kubernetes takes, harden their pods, and run as a pod would run them."""

import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from pyrage import decrypt, x25519  # type: ignore[import-untyped]

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.demo.local_openbao import LocalOpenBao
from compiler.generate.access import access_text, rbac
from compiler.operations.backup import decode
from compiler.pipeline import compile_project
from compiler.stores.interface import Role
from tests.api_double import ApiDouble
from tests.faulty_gateway import QuietHandler
from tests.faulty_key_vault import FaultyKeyVault
from tests.live_platform import LivePlatform
from tests.own_process import LIVE, processes_with
from tests.platforms import write_agents_project

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/examples/cronjobs"
ACCOUNT, WATCHER, SPACE = "platform-secrets-reader", "platform-secrets-watcher", "platform-secrets"
KUBECTL = shutil.which("kubectl")
# What a container starts: no capability, whoever runs the test, and where `may_write` is not set no file that grows.
PROGRAM = f"""
import ctypes, resource, sys
header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert ctypes.CDLL(None).capset(header, none) == 0
if sys.argv.pop(1) == "reads":
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
sys.path.insert(0, {str(ROOT)!r})
from compiler.__main__ import run
run()
"""


def manifests() -> list[dict[str, Any]]:
    names = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))["resources"]
    assert {*names, "kustomization.yaml"} == {path.name for path in FOLDER.iterdir()}
    return [yaml.safe_load((FOLDER / name).read_text("utf-8")) for name in names]


def jobs() -> dict[str, dict[str, Any]]:
    """The pod of each CronJob, by its name."""
    return {
        each["metadata"]["name"]: each["spec"]["jobTemplate"]["spec"]["template"]
        for each in manifests()
        if each["kind"] == "CronJob"
    }


def containers() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Each container, with its pod's spec."""
    pods = [pod["spec"] for pod in jobs().values()]
    return {each["name"]: (each, pod) for pod in pods for each in (*pod.get("initContainers", ()), *pod["containers"])}


def require_valid(manifest: dict[str, Any]) -> None:
    """Raise ValueError for what is not of the API's type: Kubernetes' own client has each, and drops what it lacks."""
    kind: Any = getattr(client, f"V1{manifest['kind']}")
    api: Any = client.ApiClient()
    read = api.sanitize_for_serialization(kind.model_validate(manifest))
    if read != manifest:
        raise ValueError(f"unknown fields: {difference(manifest, read)}")


def difference(mine: Any, its: Any, where: str = "") -> list[str]:  # noqa: ANN401 - JSON
    pairs = {key: (each, its.get(key)) for key, each in mine.items()} if isinstance(mine, dict) and its else {}
    if isinstance(mine, list):
        pairs = dict(enumerate(zip(mine, its, strict=True)))
    found = [each for key, (a, b) in pairs.items() if a != b for each in difference(a, b, f"{where}.{key}")]
    return found or [where]


def test_manifests_are_of_the_types_of_the_api() -> None:
    for manifest in manifests():
        require_valid(manifest)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("spec", "jobTemplate", "spec", "template", "spec", "runAsUser"), 1, r"\.template\.spec\.runAsUser"),
        (("spec", "suspend"), "no", "suspend"),
        (("spec", "schedule"), None, "schedule"),
    ],
)
def test_a_manifest_with_a_mistake_is_noticed(path: tuple[str, ...], value: object, message: str) -> None:
    (job, *_) = [each for each in manifests() if each["kind"] == "CronJob"]
    inner = job
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ValueError, match=message):
        require_valid(job)


def test_pods_are_hardened_and_have_a_token_for_the_cluster_or_a_way_to_the_stores() -> None:
    assert len(jobs()) == len(manifests()) - 2
    for name, each in jobs().items():
        pod, asks_cluster = each["spec"], name == "platform-secrets-watch"
        account = WATCHER if asks_cluster else ACCOUNT
        assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == (account, asks_cluster)
        has_way = "azure.workload.identity/use" in each["metadata"]["labels"] or "vault-token" in json.dumps(pod)
        assert has_way is not asks_cluster
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "hostPath" not in json.dumps(pod["volumes"])
    for container, _ in containers().values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_a_container_mounts_what_its_pod_has_and_writes_only_what_it_is_for() -> None:
    writable = set()
    for name, (container, pod) in containers().items():
        mounts = container["volumeMounts"]
        assert {each["name"] for each in mounts} <= {each["name"] for each in pod["volumes"]}
        writable |= {(name, each["mountPath"]) for each in mounts if not each.get("readOnly")}
    assert writable == {("backup", "/backups"), ("metrics", "/metrics"), ("watch", "/metrics")}


def test_the_backup_job_has_no_way_to_open_or_to_delete_a_backup() -> None:
    text = (FOLDER / "backup.yaml").read_text("utf-8")
    assert not re.search(r"identity:|--identity|AGE-SECRET|PASSPHRASE|secretKeyRef|secretName", text)
    (upload, _) = containers()["upload"]
    assert upload["args"][:2] == ["copy", "--immutable"]


def test_images_are_named_in_one_place() -> None:
    named = {each["name"] for each in yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))["images"]}
    assert {container["image"] for container, _ in containers().values()} == named


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH: it holds the kustomize that renders these files")
def test_kustomize_fills_in_images_and_the_project(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    (tmp_path / "ops.pub").write_text("age1\n", "utf-8")
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    done = subprocess.run([str(KUBECTL), "kustomize", str(tmp_path)], capture_output=True, text=True, check=True)
    found = list(yaml.safe_load_all(done.stdout))
    for manifest in found:
        assert manifest["metadata"]["namespace"] == SPACE
        require_valid(manifest)
    assert "image: example/platform-secrets:1.0.0" in done.stdout
    (project,) = [each for each in found if each["metadata"]["name"].startswith("platform-secrets-project-")]
    assert set(project["data"]) == {"base.yaml", "catalogue.yaml", "prod.yaml"}


class Reviewer(ThreadingHTTPServer):
    """The one call of a cluster's API that a Vault makes at a log-in: whose token this is, and for whom."""

    def __init__(self, token: str) -> None:
        reviewer = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["spec"]
                reviewer.audiences = asked.get("audiences", [])
                user = {"username": f"system:serviceaccount:{SPACE}:{ACCOUNT}", "uid": "u-1"}
                status = {"authenticated": asked["token"] == token, "user": user, "audiences": reviewer.audiences}
                body = json.dumps({"status": status}).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(("127.0.0.1", 0), Handler)
        self.audiences: list[str] = []


def pod_token() -> str:
    """A token of the kubelet's form, whose signature only the reviewer could check."""
    owner = {"namespace": SPACE, "serviceaccount": {"name": ACCOUNT, "uid": "u-1"}}
    claims: dict[str, object] = {
        "aud": ["vault"],
        "sub": f"system:serviceaccount:{SPACE}:{ACCOUNT}",
        "kubernetes.io": owner,
    }
    claims |= {"iss": "https://kubernetes.default.svc", "exp": 4_000_000_000, "iat": 1, "nbf": 1}
    parts = (json.dumps({"alg": "RS256", "kid": "k"}), json.dumps(claims), "no signature")
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


@dataclass
class Node:
    """A folder that stands for a pod's root: each volume lies at its mount path below it.

    `python` runs a program text: a process that has imported the program, or an interpreter of its own.
    """

    root: Path
    openbao: LocalOpenBao
    reviewer: Reviewer
    identity: Any
    python: tuple[str | Path, ...]

    def mount(self, path: str, files: Mapping[str, str]) -> None:
        """Write files as the kubelet does: links through a folder of the time that they are of."""
        folder = self.root / path.lstrip("/")
        (folder / "..2026").mkdir(parents=True)
        (folder / "..data").symlink_to("..2026")
        for name, text in files.items():
            (folder / "..2026" / name).write_text(text, "utf-8")
            (folder / name).symlink_to(f"..data/{name}")
        for each in (folder, folder / "..2026"):
            each.chmod(0o555)

    def run(self, name: str, **webhook: str) -> subprocess.CompletedProcess[str]:
        container, _ = containers()[name]
        mounts = container["volumeMounts"]
        below = {each["mountPath"]: str(self.root / each["mountPath"].lstrip("/")) for each in mounts}
        paths = re.compile("|".join(map(re.escape, sorted([*below, "/project"], key=len, reverse=True))))

        def here(text: str) -> str:
            return paths.sub(lambda match: str(self.root / match[0].lstrip("/")), text)

        writes = [each for each in mounts if not each.get("readOnly")]
        return subprocess.run(
            [*self.python, PROGRAM, "writes" if writes else "reads", *map(here, container["args"])],
            env={each["name"]: here(each["value"]) for each in container["env"]} | webhook,
            cwd=self.root / "shut",
            umask=0o022,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def key_vault() -> Iterator[FaultyKeyVault]:
    with FaultyKeyVault() as vault:
        yield vault


@pytest.fixture(scope="module")
def ready() -> Iterator[Path]:
    with processes_with((*LIVE, "compiler.cli.commands.status")) as processes:
        yield processes.command


@pytest.fixture
def node(openbao: LocalOpenBao, key_vault: FaultyKeyVault, ready: Path) -> Iterator[Node]:
    with tempfile.TemporaryDirectory() as folder, Reviewer(pod_token()) as reviewer:
        thread = threading.Thread(target=reviewer.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        root = Path(folder)
        made = Node(root, openbao, reviewer, x25519.Identity.generate(), (ready,))
        write_agents_project(root / "git", openbao.url, key_vault.url)
        catalogue = root / "git/environments/catalogue.yaml"
        limited = catalogue.read_text("utf-8").replace(
            "{description: Token}", "{description: Token, rotate: 90d, owner: ops}"
        )
        catalogue.write_text(limited, "utf-8")
        made.mount("/project/environments", {p.name: p.read_text() for p in (root / "git/environments").iterdir()})
        made.mount("/recipients", {"ops.pub": f"{made.identity.to_public()}\n"})
        made.mount("/var/run/secrets/vault", {"token": pod_token()})
        for name in ("backups", "metrics", "shut"):
            (root / name).mkdir()
        (root / "shut").chmod(0o555)
        _grant(openbao, root / "git", reviewer.server_port)
        openbao.call("POST", "secret/data/agents/github", {"data": {"GITHUB_TOKEN": "token-1"}})
        openbao.call("POST", "secret/data/agents/jira", {"data": {"JIRA_TOKEN": "token-2", "JIRA_URL": "https://j"}})
        yield made
        for name in ("github", "jira"):
            openbao.call("DELETE", f"secret/metadata/agents/{name}")
        openbao.call("DELETE", "sys/auth/kubernetes")
        reviewer.shutdown()
        for each in root.rglob("*"):
            if each.is_dir() and not each.is_symlink():
                each.chmod(0o755)


def _grant(openbao: LocalOpenBao, root: Path, port: int) -> None:
    """What service-account.yaml says to run."""
    project = compile_project(root, ["prod"]).project
    assert project is not None
    policy = access_text(project.environments[0], Role.READER, "hcl", [], is_wide=False)
    openbao.call("PUT", "sys/policies/acl/platform-secrets-prod-reader", {"policy": policy})
    openbao.call("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
    # It asks for an authority, which plain http leaves alone.
    authority = Path(CertificateAuthority.create(root).ca_file).read_text("utf-8")
    host = {"kubernetes_host": f"http://127.0.0.1:{port}", "kubernetes_ca_cert": authority}
    openbao.call("POST", "auth/kubernetes/config", host | {"disable_local_ca_jwt": True})
    said = (FOLDER / "service-account.yaml").read_text("utf-8").replace("\\\n#", "")
    (line,) = re.findall(rf"bao write auth/kubernetes/role/{ACCOUNT} (.+)", said)
    role = dict(word.split("=") for word in line.split())
    openbao.call("POST", f"auth/kubernetes/role/{ACCOUNT}", role)


def test_the_verify_job_reads_everything_and_writes_nothing(node: Node, ready: Path) -> None:
    node.python = (sys.executable, "-c")
    done = node.run("verify")
    assert (done.returncode, "prod: 3 of 3 keys OK" in done.stdout) == (0, True), done
    assert node.reviewer.audiences == ["vault"]
    assert "token-" not in done.stdout + done.stderr
    node.openbao.call("DELETE", "secret/metadata/agents/jira")
    node.python = (ready,)
    assert node.run("verify").returncode == 1


def test_the_backup_job_writes_a_file_that_only_the_private_key_opens(node: Node) -> None:
    done = node.run("backup")
    assert done.returncode == 0, done.stderr
    (file,) = (node.root / "backups").iterdir()
    assert re.fullmatch(r"prod-[0-9]{8}-[0-9]{6}\.age", file.name)
    assert done.stdout == f"{file}: written, prod, 2 secrets, 3 keys\n"
    assert file.stat().st_mode & 0o777 == 0o600
    values = decode(decrypt(file.read_bytes(), [node.identity])).values
    assert values["jira", "JIRA_TOKEN"].reveal() == "token-2"
    assert list((node.root / "shut").iterdir()) == []


def test_the_jobs_read_a_key_vault_as_well(node: Node, key_vault: FaultyKeyVault) -> None:
    key_vault.seed("agents-github", json.dumps({"GITHUB_TOKEN": "token-1"}))
    key_vault.seed("agents-jira", json.dumps({"JIRA_TOKEN": "token-3", "JIRA_URL": "https://j"}))
    (node.root / "project/environments/..2026/prod.yaml").write_text("store: azure\n", "utf-8")
    # In the place of what the webhook of workload identity adds: Entra is nowhere near.
    webhook = key_vault.environ()
    assert node.run("verify", **webhook).returncode == 0
    assert node.run("backup", **webhook).returncode == 0
    (file,) = (node.root / "backups").iterdir()
    assert decode(decrypt(file.read_bytes(), [node.identity])).values["jira", "JIRA_TOKEN"].reveal() == "token-3"
    file.unlink()
    key_vault.seed("agents-jira", json.dumps({"JIRA_TOKEN": "token-3"}))
    assert node.run("backup", **webhook).returncode == 1
    assert list((node.root / "backups").iterdir()) == []


def test_the_status_job_lists_what_is_due_and_writes_metrics(node: Node) -> None:
    done = node.run("due")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.endswith("2 keys have no limit\n")
    done = node.run("metrics")
    assert (done.returncode, done.stderr) == (0, ""), done
    (file,) = (node.root / "metrics").iterdir()
    text = file.read_text("utf-8")
    assert file.name == "platform-secrets-prod.prom"
    # The collector runs as somebody else.
    assert file.stat().st_mode & 0o777 == 0o644
    labels = 'environment="prod",secret="jira",key="JIRA_TOKEN",owner="ops",store="vault"'
    assert f"platform_secret_due_timestamp_seconds{{{labels}}} " in text
    assert text.endswith("# EOF\n")
    assert "token-" not in text
    first = file.stat().st_ino
    node.openbao.call("DELETE", "sys/policies/acl/platform-secrets-prod-reader")
    assert node.run("due").returncode == 1
    assert node.run("metrics").returncode == 0
    assert file.stat().st_ino != first
    # The alert on ages that are not known.
    assert f"platform_secret_due_timestamp_seconds{{{labels}}} 0\n" in file.read_text("utf-8")


# What the roles that watcher.yaml binds allow, and no more.
WATCHES = ("platform-secrets-watch", "ClusterRole platform-secrets-status")


@pytest.fixture
def cluster(node: Node) -> Iterator[LivePlatform]:
    """The environment of the node deployed, for one who has the roles of the watcher."""
    project = compile_project(node.root / "git", ["prod"]).project
    assert project is not None
    environment = project.environments[0]
    roles = [*yaml.safe_load_all(rbac(environment))]
    bound = [
        rule
        for role in roles
        for rule in role["rules"]
        if role["metadata"]["name"] == WATCHES[0] or f"{role['kind']} {role['metadata']['name']}" == WATCHES[1]
    ]
    allowed = {f"{verb} {plural}" for rule in bound for plural in rule["resources"] for verb in rule["verbs"]}
    every = {f"{verb} {plural}" for verb in ("list", "get", "patch", "watch") for plural in (*EVERY, "secrets", "pods")}
    with ApiDouble(refused=dict.fromkeys(every - allowed, 403)) as double:
        platform = LivePlatform(double)
        platform.run(environment)
        (node.root / "kubeconfig.json").write_text(double.kubeconfig(node.root).read_text("utf-8"), "utf-8")
        yield platform


EVERY = ("externalsecrets", "events", "clustersecretstores", "secretstores", "namespaces", "deployments")


def test_the_watch_job_says_what_is_in_effect_without_a_secret_a_pod_or_a_store(
    node: Node, cluster: LivePlatform
) -> None:
    def watch() -> str:
        done = node.run("watch", KUBECONFIG=str(node.root / "kubeconfig.json"))
        assert (done.returncode, done.stderr) == (0, ""), done
        return (node.root / "metrics/platform-secrets-prod-cluster.prom").read_text("utf-8")

    text = watch()
    assert 'platform_secret_in_effect{environment="prod",secret="jira",store="vault"} 1\n' in text
    assert "platform_secrets_cluster_look_timestamp_seconds{" in text
    # What was not asked is absent.
    assert not re.search("(?:restart_needed|store_up|run_timestamp_seconds|due_timestamp_seconds)[{]", text)
    plurals = {each.path.split("/")[-1] for each in cluster.double.asked}
    assert not plurals & {"secrets"}
    assert node.openbao.url not in text
    cluster.store("vault-store", ready=False)
    text = watch()
    assert 'platform_secret_in_effect{environment="prod",secret="jira",store="vault"} 0\n' in text
    assert re.search(
        'platform_secret_cause{environment="prod",secret="jira",store="vault",cause="store[^"]*"} 1\n', text
    )
