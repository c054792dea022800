"""A project of two agents, written into a folder: its environment `prod` reads Vault, with a Key Vault beside it."""

from pathlib import Path

_BASE = """\
namespace: agents
store: vault
refreshInterval: 1h
fetch: perKey
externalSecretsOperator: "2.9"
stores:
  vault: {{provider: vault, name: vault-store, server: "{vault}", mount: {mount}}}
  azure: {{provider: azurekv, name: azure-store, vaultUrl: "{azure}"}}
secrets: {{github: {{}}, jira: {{}}}}
"""
_CATALOGUE = """\
secrets:
  github:
    description: GitHub agent
    target: agent-github-secrets
    remote: {vault: agents/github, azurekv: agents-github}
    syncWave: -49
    use: [pat]
    keys:
      GITHUB_TOKEN: {description: Token, variants: [pat]}
      GITHUB_APP_ID: {description: App id, variants: [app]}
      GITHUB_APP_KEY: {description: PEM text, variants: [app], remote: {azurekv: {name: github-app-key, whole: true}}}
  jira:
    description: Jira agent
    target: agent-jira-secrets
    remote: {vault: agents/jira, azurekv: agents-jira}
    syncWave: -49
    keys:
      JIRA_TOKEN: {description: Token}
      JIRA_URL: {description: URL}
"""


def write_agents_project(
    root: Path,
    vault: str = "https://vault.example.com:8200",
    azure: str = "https://agents.vault.azure.net",
    *,
    mount: str = "secret",
    entries: str = "",
) -> None:
    """Writes it below `root`; `entries` are more of the catalogue."""
    folder = root / "environments"
    folder.mkdir(parents=True)
    (folder / "base.yaml").write_text(_BASE.format(vault=vault, azure=azure, mount=mount), "utf-8")
    (folder / "catalogue.yaml").write_text(_CATALOGUE + entries, "utf-8")
    (folder / "prod.yaml").write_text("labels: {team: platform}\n", "utf-8")
