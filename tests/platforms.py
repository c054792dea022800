"""Example platforms: the texts of a base environment, projects written into a folder, and compiled ones."""

from pathlib import Path
from typing import Any

from compiler.model.environment import Environment, Project
from compiler.pipeline import compile_project

VAULT = 'name: vault-store, server: "https://vault.example.com"'
AZURE = 'name: azure-store, vaultUrl: "https://platform.vault.azure.net"'


def base_text(
    secrets: str = "{github: {}}",
    *,
    namespace: str = "ai-platform",
    vault: str = VAULT,
    azure: str | None = AZURE,
    more: str = "",
) -> str:
    """A base environment that reads Vault; `vault` and `azure` are settings of its stores, `more` lines besides."""
    key_vault = f"  azure: {{provider: azurekv, {azure}}}\n" if azure is not None else ""
    return (
        f'namespace: {namespace}\nstore: vault\nrefreshInterval: 1h\n{more}externalSecretsOperator: "2.9"\n'
        f"stores:\n  vault: {{provider: vault, {vault}}}\n{key_vault}secrets: {secrets}\n"
    )


def write_project(root: Path, **environments: str) -> Path:
    """Write each text as a file of its name below `root`, which is returned."""
    for name, text in environments.items():
        path = root / f"environments/{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


def project_of(root: Path, *names: str, may_fail: bool = False, **more: Any) -> Project:  # noqa: ANN401
    """The compiled project in `root`, or its environments `names`; an error fails the test, unless one is expected."""
    result = compile_project(root, names, **more)
    assert may_fail or not result.failed, [each.message for each in result.diagnostics]
    assert result.project is not None, [each.message for each in result.diagnostics]
    return result.project


def environment_of(root: Path, name: str = "prod", **more: Any) -> Environment:  # noqa: ANN401
    """One environment of the project in `root`."""
    return project_of(root, name, **more).environments[0]


# The smallest project that has nothing to be said against: one secret with one key, and two stores.
BASE = base_text("\n  github: {}")
CATALOGUE = """\
secrets:
  github:
    target: agent-github-secrets
    remote: {vault: platform/github, azurekv: platform-github}
    syncWave: -49
    keys: {GITHUB_TOKEN: {}}
"""

_AGENTS = """\
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


def agents_base(vault: str, azure: str, mount: str = "secret", secrets: str = "{github: {}, jira: {}}") -> str:
    """A base environment in the namespace `agents` over stores at these addresses."""
    return base_text(
        secrets,
        namespace="agents",
        vault=f'name: vault-store, server: "{vault}", mount: {mount}',
        azure=f'name: azure-store, vaultUrl: "{azure}"',
        more="fetch: perKey\n",
    )


def write_agents_project(
    root: Path,
    vault: str = "https://vault.example.com:8200",
    azure: str = "https://agents.vault.azure.net",
    *,
    mount: str = "secret",
    entries: str = "",
) -> None:
    """A project of two agents, whose `prod` reads Vault with a Key Vault beside it; `entries` are more secrets."""
    base = agents_base(vault, azure, mount)
    write_project(root, base=base, catalogue=_AGENTS + entries, prod="labels: {team: platform}\n")
