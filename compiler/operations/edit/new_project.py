"""Makes the files of a new project: input, schemas, chart, and the settings of Git, make and editors."""

from __future__ import annotations

import json

from compiler.model.address import DEFAULT_MOUNT
from compiler.model.sync_wave import NEW_SECRET_WAVE
from compiler.operations.chart.packaged import chart_files
from compiler.operations.edit.scaffold import NAMESPACE, environment_text, schema_line
from compiler.stages.validate import read_schema


def project_files() -> dict[str, str]:
    """All of them by path. The chart and the schemas are those that this program compiles for."""
    files = {
        "environments/base.yaml": f"{schema_line('environment')}\n{_BASE}",
        "environments/dev.yaml": environment_text("dev", ()),
        "environments/catalogue.yaml": f"{schema_line('catalogue')}\n{_CATALOGUE}",
        **chart_files(),
        "README.md": _README,
        "Makefile": _MAKEFILE,
        ".gitignore": _IGNORED,
        ".vscode/settings.json": _json(_EDITOR),
    }
    for name in ("environment", "catalogue", "values"):
        files[f"schemas/{name}.schema.json"] = _json(read_schema(name))
    return files


def _json(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


_EDITOR = {
    "yaml.schemas": {
        "./schemas/environment.schema.json": [
            "environments/*.yaml",
            "environments/layers/*.yaml",
            "!environments/catalogue.yaml",
        ],
        "./schemas/catalogue.schema.json": "environments/catalogue.yaml",
        "./schemas/values.schema.json": "chart/values-*.yaml",
    },
    "yaml.validate": True,
}
_BASE = f"""# What every environment shares. An environment says only what differs.
namespace: {NAMESPACE}
store: vault
refreshInterval: 1h
fetch: perKey
externalSecretsOperator: "2.9"
stores:
  vault:
    provider: vault
    name: vault-secret-store
    server: http://vault.vault.svc.cluster.local:8200
    mount: {DEFAULT_MOUNT}
  azure:
    provider: azurekv
    name: azure-keyvault-store
secrets:
  example: {{}}
"""
_CATALOGUE = f"""# Every secret that exists. Names are a contract with what stores and clusters already hold.
secrets:
  example:
    description: An agent
    target: agent-example-secrets
    remote:
      vault: {NAMESPACE}/example-secret
      azurekv: {NAMESPACE}-example
    syncWave: {NEW_SECRET_WAVE}
    keys:
      EXAMPLE_TOKEN: {{description: API token, rotate: 90d}}
"""
_README = """# Secrets of an AI platform

People write `environments/`; `platform-secrets` validates it and writes `chart/values-<env>.yaml`, which is reviewed
and committed. Helm or Argo CD renders `chart/` with it into ExternalSecrets.

| command | does |
|---|---|
| `make values`, `make values ENV=dev` | compiles every environment, or one |
| `make check` | fails where a values file is stale or the input has an error, for CI |
| `platform-secrets render dev` | prints the manifests, through the Helm on PATH |
| `platform-secrets verify dev` | checks that the live stores hold what the cluster will read |

In Argo CD, `path: chart` with `valueFiles: [values-dev.yaml]`; the chart's README has a whole Application.
"""
_MAKEFILE = """.PHONY: values check

values: ## Compile every environment, or one: make values ENV=dev
\t@platform-secrets compile $(ENV)

check: ## Fail where a values file is stale or the input has an error
\t@platform-secrets compile --check
"""
_IGNORED = """# The journals of `platform-secrets migrate`: no values, but nobody else's business.
/.platform-secrets/
# What a run that was killed leaves beside the files that it writes; the next one removes it.
.*.platform-secrets-tmp
"""
