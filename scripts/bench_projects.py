"""Makes a project of a given size in a folder, for `scripts/bench.py` to measure."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.pipeline import compile_project

if TYPE_CHECKING:
    from compiler.model.environment import Environment

ROOT = Path(__file__).resolve().parent.parent
# What the pods of the manifests read, all of it in the shipped environments.
_READ = ("argocd", "github", "jira", "pagerduty", "slack", "backstage")
_DEPLOYMENT = """\
---
# Source: platform/charts/mcp-{number}/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: release-{number}-mcp-{component}
  labels:
    helm.sh/chart: mcp-{component}-0.6.0
    app.kubernetes.io/name: mcp-{component}
    app.kubernetes.io/instance: release-{number}
    app.kubernetes.io/version: "0.6.0"
    app.kubernetes.io/managed-by: Helm
spec:
  replicas: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: mcp-{component}
      app.kubernetes.io/instance: release-{number}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: mcp-{component}
        app.kubernetes.io/instance: release-{number}
    spec:
      serviceAccountName: release-{number}-mcp-{component}
      securityContext:
        runAsNonRoot: true
      containers:
        - name: mcp
          image: "registry.example.com/platform/mcp-{component}:0.6.0"
          imagePullPolicy: IfNotPresent
          env:
            - name: MCP_HOST
              value: 0.0.0.0
            - name: MCP_PORT
              value: "8000"
          envFrom:
            - secretRef:
                name: ai-platform-global-secrets
            - secretRef:
                name: agent-{component}-secrets
          ports:
            - name: http
              containerPort: 8000
              protocol: TCP
          livenessProbe:
            tcpSocket:
              port: http
            initialDelaySeconds: 5
            periodSeconds: 10
          resources:
            limits:
              cpu: 100m
              memory: 128Mi
"""


def generate(root: Path, count: int, *, on_one_vault: bool = False) -> Path:
    """A project of `count` small environments over the shipped files, with a Key Vault each or one for all."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "environments").mkdir(parents=True)
    (root / "chart").mkdir()
    for name in ("base", "catalogue"):
        shutil.copy(ROOT / f"environments/{name}.yaml", root / "environments")
    for number in range(count):
        vault = "ai-platform-00000" if on_one_vault else f"ai-platform-{number:05d}"
        (root / f"environments/e{number:05d}.yaml").write_text(
            "store: azure\n"
            f"stores: {{azure: {{vaultUrl: https://{vault}.vault.azure.net}}}}\n"
            "secrets:\n"
            "  global: {use: [azure-openai]}\n"
            "  github: {store: vault}\n"
            "  slack: {enabled: false}\n",
            encoding="utf-8",
        )
    return root


def generate_catalogue(root: Path, entries: int) -> Path:
    """A project of one environment that has every one of `entries` secrets of four keys."""
    generate(root, 0)
    lines = ["secrets:"]
    for number in range(entries):
        name = f"team-{number:04d}"
        lines += [
            f"  {name}:",
            f"    description: The secret of team {number}",
            f"    target: agent-{name}-secrets",
            f"    remote: {{vault: ai-platform-engineering/{name}, azurekv: ai-platform-engineering-{name}}}",
            "    syncWave: -49",
            "    keys:",
            *(f"      TEAM_{number:04d}_{key}: {{description: Key {key}}}" for key in ("TOKEN", "URL", "USER", "ID")),
        ]
    (root / "environments/catalogue.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    base = (root / "environments/base.yaml").read_text("utf-8").partition("\nsecrets:")[0]
    names = "".join(f"\n  team-{number:04d}: {{}}" for number in range(entries))
    (root / "environments/base.yaml").write_text(f"{base}\nsecrets:{names}\n", encoding="utf-8")
    (root / "environments/prod.yaml").write_text("refreshInterval: 30m\n", encoding="utf-8")
    return root


def compile_prod(root: Path) -> Environment:
    result = compile_project(root, ["prod"])
    if result.failed or result.project is None:
        raise SystemExit("\n".join(each.message for each in result.diagnostics))
    return result.project.environments[0]


def generate_manifests(path: Path, count: int) -> Path:
    """A file of `count` Deployments of 1.5 kB each, as Helm renders them, that read what the shipped project makes."""
    documents = (
        _DEPLOYMENT.format(number=f"{number:05d}", component=_READ[number % len(_READ)]) for number in range(count)
    )
    path.write_text("".join(documents), encoding="utf-8")
    return path
