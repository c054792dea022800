"""Makes the files of a new project: input, schemas, chart, and the settings of Git, make and editors."""

from __future__ import annotations

import json
from dataclasses import dataclass

from compiler.model.address import DEFAULT_MOUNT
from compiler.model.catalogue import AZURE_KEY_VAULT, VAULT
from compiler.model.confirmed_deletion import ASKS_FIRST, SYNC_OPTIONS
from compiler.model.naming import PATTERNS
from compiler.operations.chart.packaged import chart_files
from compiler.operations.edit.scaffold import address_scalar, environment_text, schema_line
from compiler.operations.edit.scalar import scalar
from compiler.stages.emit import quote
from compiler.stages.validate import read_schema

# The id that a new project gives to the store of each provider.
STORES = {VAULT: "vault", AZURE_KEY_VAULT: "azure"}
# Of the AppProject: the platform's own Applications have its bare name.
_SUFFIX = "-secrets"
_LONGEST = 63 - len(_SUFFIX)
# Where Vault's own chart puts it, in a namespace of its name.
_USUAL_SERVER = "http://vault.vault.svc.cluster.local:8200"


@dataclass(frozen=True, slots=True)
class Platform:
    """What a new project is told: its name, the namespace, the provider that serves secrets, and where stores are."""

    name: str
    namespace: str
    provider: str = VAULT
    server: str | None = None
    vault_url: str | None = None


def project_files(platform: Platform) -> dict[str, str]:
    """All of them by path. The chart and the schemas are those that this program compiles for."""
    base = _BASE.format(
        name=scalar(platform.name),
        namespace=scalar(platform.namespace),
        argocd_project=scalar(f"{platform.name[:_LONGEST].rstrip('-')}{_SUFFIX}"),
        sync_options=SYNC_OPTIONS,
        asks_first=ASKS_FIRST,
        store=STORES[platform.provider],
        server=address_scalar(platform.server or _USUAL_SERVER),
        mount=DEFAULT_MOUNT,
        vault_url=f"    vaultUrl: {address_scalar(platform.vault_url)}\n" if platform.vault_url else "",
    )
    patterns = "\n".join(f"  {member}: {quote(pattern)}" for member, pattern in PATTERNS.items())
    files = {
        "environments/base.yaml": f"{schema_line('environment')}\n{base}",
        "environments/dev.yaml": environment_text("dev", ()),
        "environments/catalogue.yaml": (
            f"{schema_line('catalogue')}\n{_CATALOGUE.format(name=scalar(platform.name), patterns=patterns)}"
        ),
        **chart_files(),
        "README.md": _README.format(name=platform.name),
        "Makefile": _MAKEFILE,
        IGNORE_FILE: _IGNORED,
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
_BASE = """# What every environment shares. An environment says only what differs.
namespace: {namespace}
partOf: {name}
argocdProject: {argocd_project}
store: {store}
refreshInterval: 1h
fetch: perKey
externalSecretsOperator: "2.9"
# Argo CD deletes no ExternalSecret, and with it no Secret that pods mount, before a person confirms.
annotations:
  {sync_options}: {asks_first}
stores:
  vault:
    provider: vault
    name: vault-secret-store
    server: {server}
    mount: {mount}
  azure:
    provider: azurekv
    name: azure-keyvault-store
{vault_url}secrets: {{}}
"""
_CATALOGUE = """# Every secret that exists. Names are a contract with what stores and clusters already hold.
# How `platform-secrets new secret` names what it is not told; a change here renames nothing.
naming:
  name: {name}
{patterns}
"""
_README = """# Secrets of {name}

People write `environments/`; `platform-secrets` validates it and writes `chart/values-<env>.yaml`, which is reviewed
and committed. Helm or Argo CD renders `chart/` with it into ExternalSecrets.

| command | does |
|---|---|
| `platform-secrets new secret NAME --key KEY --into base` | adds a secret to the catalogue, and to every environment |
| `platform-secrets new environment NAME` | adds an environment |
| `platform-secrets new store vault --auth kubernetes` | has the chart make the ClusterSecretStore |
| `make help` | lists the tasks |
| `make values`, `make values ENV=dev` | compiles every environment, or one |
| `make check` | fails where a values file is stale or the input has an error, for CI |
| `platform-secrets render dev` | prints the manifests, through the Helm on PATH |
| `platform-secrets put dev NAME` | sets the keys of a secret in the store that serves it, by hidden prompts |
| `platform-secrets verify dev` | checks that the live stores hold what the cluster will read |

For Argo CD, `platform-secrets generate argocd dev --form application --repo URL` writes a project and an Application.
"""
_MAKEFILE = """.DEFAULT_GOAL := help
.PHONY: help values check

help: ## List the tasks
\t@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\\n", $$1, $$2}'

values: ## Compile every environment, or one: make values ENV=dev
\t@platform-secrets compile $(ENV)

check: ## Fail where a values file is stale or the input has an error
\t@platform-secrets compile --check
"""
IGNORE_FILE = ".gitignore"
# What a repository's own .gitignore needs too.
IGNORED = ("/.platform-secrets/", "*audit*.jsonl", "*.age", ".*.platform-secrets-tmp")
_IGNORED = f"""# Journals of the commands that write to stores: no values, but nobody else's business.
{IGNORED[0]}
# What `--audit` writes, by the names that the guides use.
{IGNORED[1]}
# Backups: encrypted, and for no repository all the same.
{IGNORED[2]}
# What a run that was killed leaves beside the files that it writes; the next one removes it.
{IGNORED[3]}
"""
