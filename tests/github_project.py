"""The texts of the smallest project that has nothing to be said against: one secret with one key, and two stores."""

BASE = """\
namespace: ai-platform
store: vault
refreshInterval: 1h
externalSecretsOperator: "2.9"
stores:
  vault: {provider: vault, name: vault-store, server: "https://vault.example.com"}
  azure: {provider: azurekv, name: azure-store, vaultUrl: "https://platform.vault.azure.net"}
secrets:
  github: {}
"""
CATALOGUE = """\
secrets:
  github:
    target: agent-github-secrets
    remote: {vault: platform/github, azurekv: platform-github}
    syncWave: -49
    keys: {GITHUB_TOKEN: {}}
"""
