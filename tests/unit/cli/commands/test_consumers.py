import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.bench_projects import generate_manifests
from tests.commands import EditFile, RunCommand
from tests.fake_cluster import ESO, FakeCluster
from tests.pace import allowed

ROOT = Path(__file__).resolve().parents[4]
SENTINEL = "sentinel-4711-value"
NAMESPACE = "ai-platform-engineering"
MANIFESTS = f"""\
apiVersion: v1
kind: Secret
metadata: {{name: chart-secret}}
data: {{A: c2VudGluZWwtNDcxMS12YWx1ZQ==}}
stringData:
  B: {SENTINEL}
  B: {SENTINEL}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: agent, annotations: {{note: {SENTINEL}}}}}
spec:
  template:
    spec:
      containers:
        - name: main
          args: [{SENTINEL}]
          envFrom: [{{secretRef: {{name: chart-secret}}}}, {{secretRef: {{name: agent-github-secrets}}}}]
          env:
            - {{name: GITHUB_PERSONAL_ACCESS_TOKEN, value: {SENTINEL}}}
            - {{name: OTHER, value: {SENTINEL}, valueFrom: {{secretKeyRef: {{name: unmade, key: K}}}}}}
"""
_LINES = MANIFESTS.split("\n")
UNMADE = next(f"{number + 1}:{line.index('unmade') + 1}" for number, line in enumerate(_LINES) if "unmade" in line)


@pytest.fixture
def manifests(project: Path) -> Path:
    path = project / "rendered.yaml"
    path.write_text(MANIFESTS, "utf-8")
    return path


@pytest.mark.parametrize("form", ["text", "json"])
def test_every_format_names_both_places_and_no_value(run: RunCommand, manifests: Path, form: str) -> None:
    done = run("consumers", "dev", "--manifests", manifests.name, "--format", form)
    assert done.code == 1
    shown = done.err if form == "text" else done.out
    for rule in ("unmade-secret", "unread-secret", "shadowed-variable", "repeated-key"):
        assert rule in shown
    assert "rendered.yaml" in shown
    assert "environments/base.yaml" in shown
    for secret in (SENTINEL, "c2VudGluZWwtNDcxMS12YWx1ZQ"):
        assert secret not in done.out + done.err


def test_people_are_told_who_reads_what(run: RunCommand, manifests: Path) -> None:
    done = run("consumers", "dev", "--manifests", manifests.name)
    *first, last = done.out.splitlines()
    assert first == ['github: "agent-github-secrets" is read by Deployment "agent"']
    assert last == "dev: 1 of 7 Secrets is read, 1 workload looked at"
    assert f'rendered.yaml:{UNMADE}: error[unmade-secret]: Deployment "agent" needs the Secret "unmade"' in done.err
    assert run("consumers", "dev", "--manifests", manifests.name, "--quiet").out == ""


def test_only_errors_fail_but_strictly_warnings_too(run: RunCommand, manifests: Path, edit: EditFile) -> None:
    edit("environments/dev.yaml", "secrets:", "madeElsewhere: {unmade: the administrators}\nsecrets:")
    assert run("consumers", "dev", "--manifests", manifests.name).code == 0
    assert run("consumers", "dev", "--manifests", manifests.name, "--strict").code == 1


def test_empty_standard_input_is_no_manifest(run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    done = run("consumers", "dev", "--manifests", "-")
    assert (done.code, done.err.splitlines()[0]) == (3, "error: there is no manifest in <stdin>")


def test_an_upgrade_is_shown_as_commands_to_paste(run: RunCommand, manifests: Path, project: Path) -> None:
    old = MANIFESTS.replace("agent-github-secrets", "agent-jira-secrets").replace("name: unmade, key: K", "name: x")
    (project / "old.yaml").write_text(old, "utf-8")
    done = run("consumers", "dev", "--manifests", manifests.name, "--since", "old.yaml")
    assert done.out.splitlines()[1:] == [
        "before the upgrade:",
        f'# Deployment "agent" needs the Secret "agent-github-secrets" in "{NAMESPACE}"',
        "platform-secrets put dev github",
        f'# Deployment "agent" needs "K" of the Secret "unmade" in "{NAMESPACE}"',
        "platform-secrets new secret unmade --target unmade --key K --into dev",
        "platform-secrets put dev unmade",
        "# what the store has already needs no `put`:",
        "platform-secrets verify dev github",
        "after the upgrade, nobody reads: jira",
        "dev: 1 of 7 Secrets is read, 1 workload looked at",
    ]


def test_the_project_that_was_named_is_named_in_what_is_to_paste(
    run: RunCommand, manifests: Path, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("--root", "project", "consumers", "dev", "--manifests", manifests, "--since", manifests)
    assert done.code == 1
    assert "`platform-secrets --root project new secret NAME --target unmade --key KEY --into dev`" in done.err
    assert "the upgrade needs no other Secrets" in done.out


def test_an_environment_with_errors_is_not_judged(run: RunCommand, manifests: Path, project: Path) -> None:
    (project / "environments/dev.yaml").write_text("secrets: {gihub: {}}\n", "utf-8")
    done = run("consumers", "dev", "--manifests", manifests.name, "--format", "json")
    assert (done.code, [each["rule"] for each in done.report["diagnostics"]]) == (
        1,
        ["variants-not-chosen", "unknown-secret"],
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing to look at"),
        (("--cluster", "--manifests", "a"), "--cluster cannot be combined with --manifests"),
        (("--cluster", "--since", "a"), "--cluster cannot be combined with --since"),
        (("--manifests", "a", "--context", "b"), "--context needs --cluster"),
        (("--manifests", "-", "--since", "-"), "standard input can be read once"),
        (("--manifests", "none.yaml"), "none.yaml cannot be read: no such file or directory"),
        (("--manifests", ""), "--manifests is empty"),
    ],
)
def test_what_does_not_go_together_is_refused(
    run: RunCommand, project: Path, words: tuple[str, ...], said: str
) -> None:
    done = run("consumers", "dev", *words)
    assert (done.code, done.out) == (2, "")
    assert f"error: {said}" in done.err


def test_the_live_cluster_is_looked_at(
    run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pods: dict[str, Any] = {
        "containers": [{"name": "a", "envFrom": [{"secretRef": {"name": "agent-github-secrets"}}], "args": [SENTINEL]}]
    }
    with FakeCluster() as cluster:
        cluster.objects[f"{ESO}/namespaces/{NAMESPACE}/externalsecrets"] = {"items": []}
        cluster.objects[f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"] = {
            "items": [{"metadata": {"name": "agent"}, "spec": {"template": {"spec": pods}}}]
        }
        cluster.secret(NAMESPACE, "agent-github-secrets", {"A": SENTINEL}, owner=("ExternalSecret", "x"))
        cluster.refused["/rollouts"] = 403
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig(tmp_path)))
        done = run("consumers", "dev", "--cluster")
        assert done.out.splitlines()[0] == 'github: "agent-github-secrets" is read by Deployment "agent"'
        assert "note: rollouts are not looked at: you are not allowed to list rollouts" in done.err
        assert SENTINEL not in done.out + done.err
        assert "cluster-token-4711" not in done.out + done.err
        assert {each.method for each in cluster.asked} == {"GET"}
        assert run("consumers", "dev", "--cluster", "--quiet").out == ""
        cluster.refused["/deployments"] = 403
        refused = run("consumers", "dev", "--cluster")
        assert (refused.code, "you are not allowed to list deployments" in refused.err) == (3, True)
        assert "help: get roles that allow it, which `platform-secrets status dev --rbac` prints" in refused.err


@pytest.mark.heavy
def test_thousands_of_documents_take_seconds_and_not_much_memory(project: Path) -> None:
    path = generate_manifests(project / "many.yaml", 1_500)
    assert path.stat().st_size > 1_500 * 1500
    # From a small process: the largest memory of one that is forked begins with its parent's.
    measure = (
        "import sys; from scripts import bench;"
        "used = bench.run((*bench.PROGRAM, *sys.argv[1:])); print(used.cpu, used.memory)"
    )
    words = ["--root", project, "consumers", "prod", "--manifests", path]
    done = subprocess.run(
        [sys.executable, "-c", measure, *map(str, words)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    cpu, memory = map(float, done.stdout.split())
    assert cpu < allowed(1.7)
    assert memory < 60
